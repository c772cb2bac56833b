"""``fsp simulate``: ensembles of exact trajectories from the command line."""

from __future__ import annotations

import warnings
from typing import Any

import click
import numpy as np

import fsp
from fsp import cli_output, storage
from fsp.cli_arguments import check_picture, parse_times
from fsp.errors import ArgumentError

__all__ = ["simulate"]


@click.command(
    epilog="Example: fsp simulate model.xml -t 0:50:1 -n 10000 --seed 1 -o runs.nc",
    help="Simulate trajectories exactly.\n\n"
    "MODEL is an SBML file (.xml, .sbml), an Antimony file (.ant), or gallery:NAME.",
)
@click.argument("model")
@click.option("-t", "--times", required=True, metavar="TIMES", help="start:stop:step, or a list 1,10,100.")
@click.option("-n", "--trajectories", default=10_000, show_default=True, metavar="N", help="How many.")
@click.option("--seed", default=1, show_default=True, help="The same seed gives the same numbers.")
@click.option(
    "--method", default="auto", show_default=True, help="direct, next-reaction, composition-rejection."
)
@click.option("--threads", type=click.IntRange(min=1), help="Default: those that there are.")
@click.option(
    "--max-events",
    default=100_000_000,
    show_default=True,
    metavar="N",
    help="Most reactions of a trajectory.",
)
@click.option("-o", "--output", metavar="FILE.nc", help="Save as NetCDF-4.")
@click.option("--csv", "table", metavar="FILE.csv", help="Write a table.")
@click.option("--plot", "picture", metavar="FILE.png", help="Draw means and standard deviations.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--progress/--no-progress", default=None, help="Show progress (default: on a terminal).")
def simulate(
    model: str,
    times: str,
    trajectories: int,
    seed: int,
    method: str,
    threads: int | None,
    max_events: int,
    output: str | None,
    table: str | None,
    picture: str | None,
    as_json: bool,
    progress: bool | None,
) -> None:
    """Simulate, print, and write files."""
    wanted = parse_times(times)
    if picture is not None:
        check_picture(picture)
    if output is None and table is not None and table.endswith(".nc"):
        message = f"--csv writes a table, and {table!r} looks like NetCDF: use -o for that"
        raise ArgumentError(message)
    for path in (output, table, picture):
        if path is not None:
            storage.check_writable(path)
    network = fsp.load_model(model)
    with warnings.catch_warnings():
        warnings.showwarning = lambda message, *_: click.echo(f"fsp: warning: {message}", err=True)
        ensemble = fsp.simulate(
            network,
            wanted,
            trajectories,
            seed,
            method=method,
            threads=threads,
            max_events=max_events,
            progress=progress,
        )
    if output is not None:
        ensemble.save(output)
    if table is not None:
        ensemble.to_csv(table)
    if picture is not None:
        _draw(ensemble, picture)
    if as_json:
        click.echo(cli_output.to_json(_json(ensemble, model)))
    else:
        click.echo(repr(ensemble))
        seconds = max(ensemble.statistics["seconds"], 1e-9)
        click.echo(
            f"{ensemble.statistics['reactions']:,} reactions in {seconds:.3g} s; why {ensemble.method}: {ensemble.why}"
        )


def _draw(ensemble: Any, picture: str) -> None:
    axes = ensemble.plot()
    with storage.replacing(picture) as temporary:
        axes.figure.savefig(temporary, bbox_inches="tight")


def _json(ensemble: Any, model: str) -> dict[str, Any]:
    several = ensemble.n_trajectories > 1
    rows = {}
    for name in ensemble.species_names:
        ends = np.transpose(ensemble.mean_interval(name)).tolist() if several else None
        rows[name] = {
            "mean": ensemble.mean(name).tolist(),
            "std": ensemble.std(name).tolist() if several else None,
            "mean_interval_95": ends,
        }
    return {
        "model": model, "times": ensemble.times.tolist(), "n_trajectories": ensemble.n_trajectories, "seed": ensemble.seed,
        "method": ensemble.method, "why": ensemble.why, "exact": True, "complete": ensemble.complete,
        "reactions": ensemble.statistics["reactions"], "seconds": ensemble.statistics["seconds"], "species": rows,
        "version": ensemble.version,
    }  # fmt: skip
