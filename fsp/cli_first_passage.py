"""The command ``fsp first-passage``: when a set of states is reached, with bounds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

import fsp
from fsp import cli_output, storage
from fsp.cli_arguments import check_picture, parse_bounds, parse_memory, parse_times
from fsp.errors import ArgumentError, SolverError

__all__ = ["first_passage"]


@click.command(
    "first-passage",
    epilog="Example: fsp first-passage gallery:toggle_switch --target 'U >= 50' -t 0:50:1 --plot passage.png",
    help="Compute when a set of states is hit for the first time.\n\n"
    "MODEL is an SBML file (.xml, .sbml), an Antimony file (.ant), or gallery:NAME.",
)
@click.argument("model")
@click.option("--target", required=True, metavar="CONDITION", help="The states to hit, such as 'U >= 50'.")
@click.option("-t", "--times", required=True, metavar="TIMES", help="start:stop:step, or a list 1,10,100.")
@click.option("--avoid", metavar="CONDITION", help="Paths that enter these states before do not count.")
@click.option("--tolerance", default=1e-6, show_default=True, help="Largest width of the intervals.")
@click.option("--relative", is_flag=True, help="Tolerance relative to the probability, for rare events.")
@click.option(
    "--long-run/--no-long-run", default=True, help="Also the probability and mean time without an end."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("-o", "--output", metavar="FILE.nc", help="Save as NetCDF-4.")
@click.option("--plot", "picture", metavar="FILE.png", help="Draw a picture.")
@click.option("--plot-log", is_flag=True, help="Logarithmic probabilities in the picture.")
@click.option(
    "--bounds", multiple=True, metavar="BOUNDS", help="Keep to U=300,V=20 or a condition 'U*V <= 5000'."
)
@click.option("--max-states", type=click.IntRange(min=1), metavar="N", help="Refuse to hold more states.")
@click.option("--memory-limit", metavar="SIZE", help="Refuse to use more memory, for example 4GiB.")
@click.option("--method", default="auto", show_default=True, help="How to advance in time.")
@click.option("--progress/--no-progress", default=None, help="Show progress (default: on a terminal).")
def first_passage(
    model: str,
    target: str,
    times: str,
    avoid: str | None,
    tolerance: float,
    relative: bool,
    long_run: bool,
    as_json: bool,
    output: str | None,
    picture: str | None,
    plot_log: bool,
    bounds: tuple[str, ...],
    max_states: int | None,
    memory_limit: str | None,
    method: str,
    progress: bool | None,
) -> None:
    """Solve, print, and write files."""
    wanted = parse_times(times)
    options: dict[str, Any] = {"tolerance": tolerance, "relative": relative, "avoid": avoid, "method": method}
    options |= {"bounds": parse_bounds(bounds), "max_states": max_states, "progress": progress}
    options["memory_limit"] = None if memory_limit is None else parse_memory(memory_limit)
    if picture is not None:
        check_picture(picture)
        if len(wanted) < 2:
            message = "--plot needs at least two times"
            raise ArgumentError(message)
    for path in (output, picture):
        if path is not None:
            storage.check_writable(path)
    try:
        result = fsp.first_passage(fsp.load_model(model), target, wanted, **options)
    except SolverError as error:
        if as_json:
            failure = {"type": type(error).__name__, "message": str(error)}
            click.echo(cli_output.to_json({"model": model, "error": failure, "partial": None}))
        raise
    if output is not None:
        result.save(output)
    if picture is not None:
        from fsp.analysis.passage_plot import passage_figure

        figure = passage_figure(result, log=plot_log)
        with storage.replacing(picture) as temporary:
            figure.savefig(temporary, dpi=200, format=Path(picture).suffix.lower().lstrip("."))
    show = cli_output.to_json(_json(result, model, long_run)) if as_json else _text(result, model, long_run)
    click.echo(show)


def _ends(interval: Any) -> dict[str, Any]:
    """Return an interval for JSON, which has no infinite numbers: a null end is infinite."""
    return {"lower": interval.lower, "upper": interval.upper}


def _json(result: Any, model: str, long_run: bool) -> dict[str, Any]:
    found: dict[str, Any] = {
        "model": model,
        "target": result.target,
        "avoid": result.avoid or None,
        "times": result.times.tolist(),
    }
    for name in ("cdf", "density", "avoided"):
        lower, upper = getattr(result, f"bounds_of_{name}")
        found[f"{name}_lower"], found[f"{name}_upper"] = lower.tolist(), upper.tolist()
    if long_run:
        for name in ("hit_probability", "mean", "variance", "conditional_mean"):
            found[name] = _ends(getattr(result, name))
        found["long_run_notes"] = list(result.long_run.notes)
    return found | {
        "certified": result.certified,
        "tolerance": result.tolerance,
        "relative": result.relative,
        "method": result.method,
        "explanation": result.explanation,
        "notes": list(result.notes),
        "ledger": {**dict(result.ledger), "total": result.ledger.total},
        "statistics": dict(result.statistics),
        "version": fsp.__version__,
    }


def _text(result: Any, model: str, long_run: bool) -> str:
    """Return the table of probabilities with their bounds, and what is known without an end of time."""
    lines = [f"{'time':>12}  {'hit, at least':>22}  {'hit, at most':>22}  {'density, at least':>18}"]
    lower, upper = result.bounds_of_cdf
    for row in zip(result.times, lower, upper, result.bounds_of_density[0], strict=True):
        lines.append("{:>12.15g}  {:>22.14g}  {:>22.14g}  {:>18.8g}".format(*row))
    kind = "proven" if result.certified else "estimated, not proven"
    of = " of the probability" if result.relative else ""
    facts: list[tuple[str, Any]] = [
        ("model", model),
        ("target", result.target + (f", without {result.avoid}" if result.avoid else "")),
        ("method", result.explanation),
        ("bounds", f"{kind}; asked for {result.tolerance:g}{of}"),
    ]
    if long_run:
        facts.append(("ever hit", _shown(result.hit_probability)))
        facts.append(("mean time", _shown(result.mean)))
        facts.append(("sd", _shown(result.std)))
        if result.hit_probability.lower < 1.0:
            facts.append(("if hit", f"mean time {_shown(result.conditional_mean)}"))
    notes: Sequence[str] = [*result.notes, *(result.long_run.notes if long_run else ())]
    facts += [("note", note) for note in dict.fromkeys(notes)]
    return "\n".join([*lines, "", *(f"{key:<11}{value}" for key, value in facts)])


def _shown(interval: Any) -> str:
    return f"{interval.lower:g}" if interval.lower == interval.upper else f"between {interval}"
