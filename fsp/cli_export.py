"""The command ``fsp export``: a model as another kind of model file, or as a chain for model checkers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

import fsp
from fsp import cli_output, storage
from fsp.cli_arguments import parse_bounds
from fsp.errors import ArgumentError

__all__ = ["export"]

_MODELS = {"sbml": ".xml", "antimony": ".ant"}
_CHAINS = ("prism", "storm")


@click.command(
    epilog="Example: fsp export model.xml -o chain --format prism -t 10 --tolerance 1e-6 --label 'high=U > 50'",
    help="Write a model as SBML or Antimony, or its truncated chain for a model checker.\n\n"
    "MODEL is an SBML file (.xml, .sbml), an Antimony file (.ant), or gallery:NAME. For prism and storm, give -t or "
    "--bounds (or both); what leaves the states goes to one absorbing state labelled 'sink'.",
)
@click.argument("model")
@click.option(
    "-o",
    "--output",
    required=True,
    metavar="STEM",
    help="Path of the files; endings are added where they are missing.",
)
@click.option(
    "--format", "kind", required=True, type=click.Choice([*_CHAINS, *_MODELS]), help="What to write."
)
@click.option("-t", "--time", type=float, metavar="TIME", help="Keep the states that matter until this time.")
@click.option(
    "--tolerance", type=float, metavar="P", help="Probability of leaving them until then.  [default: 1e-8]"
)
@click.option(
    "--bounds", multiple=True, metavar="BOUNDS", help="Keep to U=300,V=20 or a condition 'U*V <= 5000'."
)
@click.option("--label", "labels", multiple=True, metavar="NAME=CONDITION", help="Label states (repeatable).")
@click.option("--max-states", type=click.IntRange(min=1), metavar="N", help="Refuse to write more states.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def export(
    model: str,
    output: str,
    kind: str,
    time: float | None,
    tolerance: float | None,
    bounds: tuple[str, ...],
    labels: tuple[str, ...],
    max_states: int | None,
    as_json: bool,
) -> None:
    """Write the files and say what they hold."""
    given: dict[str, Any] = {"time": time, "tolerance": tolerance, "bounds": parse_bounds(bounds)}
    given.update(labels=parse_labels(labels) or None, max_states=max_states)
    options = {name: value for name, value in given.items() if value is not None}
    written = (
        _write_model(model, output, kind, options)
        if kind in _MODELS
        else _write_chain(model, output, kind, options)
    )
    if as_json:
        click.echo(cli_output.to_json({"model": model, "format": kind, **written}))
        return
    click.echo("wrote " + ", ".join(written["files"]))
    if kind in _CHAINS:
        click.echo(
            f"{written['states']:,} states and the absorbing state 'sink', {written['transitions']:,} transitions"
        )
        click.echo(f"labels: {', '.join(written['labels'])}")
    if written.get("loss_bound") is not None:
        click.echo(f"probability of 'sink' until t = {time:g}: at most {written['loss_bound']:.2e} (proven)")
    for name, variable in written.get("renamed", {}).items():
        click.echo(f"species {name} is the variable {variable}, because PRISM has another use for the name")


def parse_labels(texts: Sequence[str]) -> dict[str, str]:
    """Return labels and their conditions.

    Raises
    ------
    ArgumentError
        When a text is not ``NAME=CONDITION``, or a label is given twice.

    Examples
    --------
    >>> parse_labels(["high=U > 50", "mid = U == 7"])
    {'high': 'U > 50', 'mid': 'U == 7'}
    """
    found: dict[str, str] = {}
    for text in texts:
        name, mark, condition = (part.strip() for part in text.partition("="))
        if not mark or not name or not condition:
            message = f"label {text!r}: write NAME=CONDITION, for example 'high=U > 50'"
            raise ArgumentError(message)
        if name in found:
            message = f"the label {name!r} is given twice"
            raise ArgumentError(message)
        found[name] = condition
    return found


def _write_model(model: str, output: str, kind: str, options: dict[str, Any]) -> dict[str, Any]:
    if options:
        message = (
            f"--{next(iter(options)).replace('_', '-').rstrip('s')} is for chains (--format prism or storm)"
        )
        raise ArgumentError(message)
    path = output if Path(output).suffix else output + _MODELS[kind]
    storage.check_writable(path)
    network = fsp.load_model(model)
    if kind == "sbml":
        network.to_sbml(path)
    else:
        network.to_antimony(path)
    return {"files": [path], "species": network.n_species, "reactions": network.n_reactions}


def _write_chain(model: str, output: str, kind: str, options: dict[str, Any]) -> dict[str, Any]:
    from fsp.chain_files import prism_names

    network = fsp.load_model(model)
    chain = fsp.export_chain(network, output, format=kind, **options)
    written: dict[str, Any] = {
        "files": [str(path) for path in chain.files],
        "states": chain.n_states,
        "transitions": chain.n_transitions,
        "sink": chain.sink,
        "labels": list(chain.labels),
        "time": chain.time,
        "loss_bound": chain.loss_bound,
    }
    if kind == "prism":
        names = prism_names(network.species_names)
        written["renamed"] = {name: variable for name, variable in names.items() if name != variable}
    return written
