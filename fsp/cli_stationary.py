"""The command ``fsp stationary``: the law that a network settles to, with a bound on its error."""

from __future__ import annotations

import textwrap
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import fsp
from fsp import cli_output, storage
from fsp.cli_arguments import check_picture, parse_bounds, parse_memory
from fsp.errors import ArgumentError, SolverError, StorageError

if TYPE_CHECKING:
    from fsp.stationary_classes import StationaryClass
    from fsp.stationary_result import StationaryResult

__all__ = ["stationary"]

#: How many closed classes the table shows.
_MOST_CLASSES = 12


@click.command(
    epilog="Example: fsp stationary gallery:toggle_switch --tolerance 1e-9 --plot law.png",
    help="Compute the stationary distribution, with a proven bound on its error.\n\n"
    "MODEL is an SBML file (.xml, .sbml), an Antimony file (.ant), or gallery:NAME.",
)
@click.argument("model")
@click.option("--tolerance", default=1e-8, show_default=True, help="Bound on the 1-norm of the error.")
@click.option("--species", multiple=True, metavar="NAME", help="Show this species only (repeatable).")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("-o", "--output", metavar="FILE.nc", help="Save as NetCDF-4.")
@click.option("--plot", "picture", metavar="FILE.png", help="Draw the law of one or two species.")
@click.option("--plot-log", is_flag=True, help="Logarithmic probabilities in the picture.")
@click.option(
    "--bounds", multiple=True, metavar="BOUNDS", help="Keep to U=300,V=20 or a condition 'U*V <= 5000'."
)
@click.option("--max-states", type=click.IntRange(min=1), metavar="N", help="Refuse to hold more states.")
@click.option("--memory-limit", metavar="SIZE", help="Refuse to use more memory, for example 4GiB.")
@click.option("--method", default="auto", show_default=True, help="How to solve the linear systems.")
@click.option("--progress/--no-progress", default=None, help="Show progress (default: on a terminal).")
def stationary(
    model: str,
    tolerance: float,
    species: tuple[str, ...],
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
    if not 0.0 < tolerance < 1.0:
        message = f"the tolerance must lie between 0 and 1, not {tolerance:g}"
        raise ArgumentError(message)
    if picture is not None:
        check_picture(picture)
    for path in (output, picture):
        if path is not None:
            storage.check_writable(path)
    options: dict[str, Any] = {
        "tolerance": tolerance, "bounds": parse_bounds(bounds), "max_states": max_states, "method": method,
        "memory_limit": None if memory_limit is None else parse_memory(memory_limit), "progress": progress,
    }  # fmt: skip
    network = fsp.load_model(model)
    names = list(dict.fromkeys(species)) or list(network.species_names)
    for name in names:
        if name not in network.species_names:
            cli_output.check_names(network, [name])
            message = f"{name!r} is a derived quantity; the table shows species"
            raise ArgumentError(message)
    if picture is not None and species and len(names) > 2:
        message = "a picture shows the law of one or two species: name them with --species"
        raise ArgumentError(message)
    try:
        with warnings.catch_warnings():
            warnings.showwarning = lambda message, *_: click.echo(f"fsp: warning: {message}", err=True)
            result = fsp.solve_stationary(network, **options)
    except SolverError as error:
        if as_json:
            partial = None if error.result is None else _as_json(error.result, model, names)
            failure = {"type": type(error).__name__, "message": str(error)}
            click.echo(cli_output.to_json({"model": model, "error": failure, "partial": partial}))
        raise
    failed: StorageError | None = None
    try:
        if output is not None:
            result.save(output)
        if picture is not None:
            _draw(result, names if species else None, picture, log=plot_log)
    except StorageError as error:  # the numbers are printed all the same
        failed = error
    click.echo(
        cli_output.to_json(_as_json(result, model, names)) if as_json else _describe(result, model, names)
    )
    if failed is not None:
        raise failed


def _as_json(result: StationaryResult, model: str, names: Sequence[str]) -> dict[str, Any]:
    law = result.distribution
    means, deviations = ([f(name) for name in names] for f in (law.mean_bounds, law.std_bounds))
    return {
        "model": model,
        "species": list(names),
        "mean": [law.mean(name) for name in names],
        "std": [law.std(name) for name in names],
        "mean_lower": [b.lower for b in means],
        "mean_upper": [b.upper for b in means],
        "std_lower": [b.lower for b in deviations],
        "std_upper": [b.upper for b in deviations],
        "n_states": result.n_states,
        "error_bound": result.error_bound,
        "certified": result.certified,
        "tolerance": result.tolerance,
        "residual": result.residual,
        "outflow": result.outflow,
        "reference": result.reference,
        "classes": [_class_as_json(found, names) for found in result.classes],
        "method": result.method,
        "explanation": result.explanation,
        "why": result.why,
        "ledger": {**dict(result.ledger), "total": result.ledger.total},
        "statistics": result.statistics,
        "version": fsp.__version__,
    }


def _class_as_json(found: StationaryClass, names: Sequence[str]) -> dict[str, Any]:
    law = found.distribution
    return {
        "probability_lower": found.probability.lower,
        "probability_upper": found.probability.upper,
        "certified": found.certified,
        "absorbing": found.absorbing,
        "n_states": found.n_states,
        "mean": [law.mean(name) for name in names],
        "error_bound": law.error_bound,
    }


def _describe(result: StationaryResult, model: str, names: Sequence[str]) -> str:
    """Return a table with a line for each species, and how it came about."""
    law = result.distribution
    rows = [("species", "mean", "proven within", "sd", "proven within")]
    for name in names:
        widths = (law.mean_bounds(name).width, law.std_bounds(name).width)
        shown = [f"{w:.1e}" if w < float("inf") else "-" for w in widths]
        rows.append((name, f"{law.mean(name):.9g}", shown[0], f"{law.std(name):.9g}", shown[1]))
    sizes = [max(len(row[k]) for row in rows) for k in range(5)]
    lines = [
        "  ".join([f"{row[0]:<{sizes[0]}}", *(f"{x:>{w}}" for x, w in zip(row[1:], sizes[1:], strict=True))])
        for row in rows
    ]
    kind = "proven" if result.certified else "estimated, not proven"
    entries = ", ".join(f"{key} {value:.1e}" for key, value in result.ledger if value > 0.0)
    facts = [
        ("model", model),
        ("method", result.explanation),
        ("error", f"at most {result.error_bound:.2e} in the 1-norm ({kind}); asked for {result.tolerance:g}"),
        ("why", result.why),
        ("ledger", f"total {result.ledger.total:.2e}" + (f": {entries}" if entries else "")),
        ("run", ", ".join(f"{k.replace('_', ' ')} {v:,.4g}" for k, v in result.statistics.items())),
    ]
    if len(result.classes) > 1:
        shown = [repr(found) for found in result.classes[:_MOST_CLASSES]]
        if len(result.classes) > _MOST_CLASSES:
            shown.append(f"and {len(result.classes) - _MOST_CLASSES:,} more classes; --json has all")
        facts[1:1] = [("classes" if k == 0 else "", text) for k, text in enumerate(shown)]
    lines.append("")
    for key, text in facts:
        lines += textwrap.wrap(text, 110, initial_indent=f"{key:<9}", subsequent_indent=" " * 9)
    return "\n".join(lines)


def _draw(result: StationaryResult, names: Sequence[str] | None, path: str, *, log: bool) -> None:
    axes = result.plot(None if names is None else list(names), log=log)
    with storage.replacing(path) as temporary:
        axes.figure.savefig(temporary, dpi=200, format=Path(path).suffix.lower().lstrip("."))
