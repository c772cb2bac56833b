"""The command ``fsp modes``: the slowest modes of relaxation of a model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import numpy as np

import fsp
from fsp import cli_output, storage
from fsp.cli_arguments import check_picture, parse_bounds
from fsp.errors import ArgumentError

__all__ = ["modes"]


@click.command(
    epilog="Example: fsp modes gallery:toggle_switch --bounds U=150,V=150 --plot modes.png",
    help="Compute the slowest modes in which a model relaxes to its stationary law.\n\n"
    "MODEL is an SBML file (.xml, .sbml), an Antimony file (.ant), or gallery:NAME.",
)
@click.argument("model")
@click.option(
    "-k", "number", type=click.IntRange(min=1), default=4, show_default=True, help="How many modes."
)
@click.option(
    "--tolerance", default=1e-8, show_default=True, help="Stationary probability that may be left out."
)
@click.option(
    "--bounds", multiple=True, metavar="BOUNDS", help="Keep to U=300,V=20 or a condition 'U*V <= 5000'."
)
@click.option("--method", default="auto", show_default=True, help="Solver for linear systems.")
@click.option(
    "--sets", type=click.IntRange(min=2), metavar="N", help="Metastable sets (default: as many as show)."
)
@click.option("--max-states", type=click.IntRange(min=1), metavar="N", help="Refuse to hold more states.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--plot", "picture", metavar="FILE.png", help="Draw the spectrum and the modes.")
def modes(
    model: str,
    number: int,
    tolerance: float,
    bounds: tuple[str, ...],
    method: str,
    sets: int | None,
    max_states: int | None,
    as_json: bool,
    picture: str | None,
) -> None:
    """Solve, print, and draw."""
    if picture is not None:
        check_picture(picture)
        storage.check_writable(picture)
    options: dict[str, Any] = {"tolerance": tolerance, "bounds": parse_bounds(bounds), "method": method}
    if max_states is not None:
        options["max_states"] = max_states
    network = fsp.load_model(model)
    found = fsp.slow_modes(network, number, **options)
    metastable = None
    try:
        metastable = found.metastable_sets(sets)
    except ArgumentError:
        if sets is not None:
            raise
    if picture is not None:
        figure = found.plot()
        with storage.replacing(picture) as temporary:
            figure.savefig(temporary, dpi=200, format=Path(picture).suffix.lower().lstrip("."))
    if as_json:
        click.echo(cli_output.to_json(_as_data(found, metastable, model)))
    else:
        click.echo("\n".join(_described(found, metastable)))


def _as_data(found: Any, metastable: Any, model: str) -> dict[str, Any]:
    """Return the result as plain data."""
    data = {
        "model": model,
        "rates": np.real(found.rates).tolist(),
        "frequencies": np.imag(found.rates).tolist(),
        "relaxation_times": found.relaxation_times.tolist(),
        "error_bounds": found.error_bounds.tolist(),
        "residuals": found.residuals.tolist(),
        "upper_bounds": [found.upper_bound(j) for j in range(found.rates.size)],
        "certified": found.certified,
        "certified_on_set": found.certified_on_set,
        "detailed_balance": found.detailed_balance,
        "complete": found.complete,
        "n_states": found.n_states,
        "method": found.method,
        "notes": list(found.notes),
        "metastable_sets": None,
        "version": fsp.__version__,
    }
    if metastable is not None:
        data["metastable_sets"] = {
            "species": list(found.network.species_names),
            "peaks": metastable.peaks.tolist(),
            "probabilities": metastable.probabilities.tolist(),
            "rates": metastable.rates.tolist(),
        }
    return data


def _described(found: Any, metastable: Any) -> list[str]:
    """Return the result as lines of text."""
    lines = [repr(found), "", f"method   {found.method}"]
    lines += [f"note     {note}" for note in found.notes]
    if metastable is not None:
        lines += ["", "metastable sets, by their most probable states"]
        names = found.network.species_names
        for s, (peak, mass) in enumerate(
            zip(metastable.peaks.tolist(), metastable.probabilities, strict=True)
        ):
            state = ", ".join(f"{name} = {count}" for name, count in zip(names, peak, strict=True))
            leaving = ", ".join(
                f"to {t + 1} at {metastable.rates[s, t]:.6g}" for t in range(len(metastable.peaks)) if t != s
            )
            lines.append(f"  {s + 1}  probability {mass:.6g} around {state}; {leaving}")
    return lines
