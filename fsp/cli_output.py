"""What the command line prints and draws: tables for people, JSON for machines, pictures."""

from __future__ import annotations

import json
import math
import shutil
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import fsp
from fsp import storage
from fsp.errors import ArgumentError
from fsp.model.names import close_matches

if TYPE_CHECKING:
    from fsp.model import ReactionNetwork
    from fsp.results import TransientResult

__all__ = [
    "check_figure",
    "check_names",
    "describe_network",
    "describe_result",
    "draw_result",
    "network_json",
    "result_json",
    "shown_names",
    "to_json",
]


def to_json(data: dict[str, Any]) -> str:
    """Return one JSON object; numbers that are not finite, which JSON lacks, become null.

    Examples
    --------
    >>> to_json({"upper": [1.5, float("inf")]})
    '{"upper": [1.5, null]}'
    """
    return json.dumps(_finite(data), allow_nan=False, ensure_ascii=False)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    if hasattr(value, "item"):  # a NumPy scalar
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


# -- results -----------------------------------------------------------------------------------------------


def result_json(result: TransientResult, model: str, names: Sequence[str]) -> dict[str, Any]:
    """Return a result as plain data; tables have one row per time and one column per species."""
    means = [[d.mean_bounds(name) for name in names] for d in result]
    deviations = [[d.std_bounds(name) for name in names] for d in result]
    return {
        "model": model,
        "times": result.times.tolist(),
        "species": list(names),
        "mean": [[d.mean(name) for name in names] for d in result],
        "std": [[d.std(name) for name in names] for d in result],
        "mean_lower": [[b.lower for b in row] for row in means],
        "mean_upper": [[b.upper for b in row] for row in means],
        "std_lower": [[b.lower for b in row] for row in deviations],
        "std_upper": [[b.upper for b in row] for row in deviations],
        "n_states": [d.n_states for d in result],
        "error_bound": [d.error_bound for d in result],
        "certified": result.certified,
        "tolerance": result.tolerance,
        "status": result.status,
        "method": result.method,
        "explanation": result.explanation,
        "ledger": {**dict(result.ledger), "total": result.ledger.total},
        "leaks": dict(result.ledger.leaks),
        "statistics": dict(result.statistics),
        "version": fsp.__version__,
    }


def _column(head: str, values: Sequence[float]) -> list[str]:
    """Format numbers alike: at least five decimals, more for small numbers, or powers of ten."""
    largest = max((abs(v) for v in values), default=0.0) or 1.0
    # Numbers far below the others (rounding, or the first instant) do not set the digits of all.
    smallest = min((abs(v) for v in values if abs(v) > 1e-6 * largest), default=1.0)
    decimals = max(5, 4 - math.floor(math.log10(smallest)))
    if decimals > 9 or largest >= 1e12:
        cells = [f"{v:.8e}" for v in values]
    else:
        cells = [f"{v:.{decimals}f}" for v in values]
    width = max(len(head), *(len(cell) for cell in cells))
    return [f"{text:>{width}}" for text in (head, *cells)]


def _time_column(times: Sequence[float]) -> list[str]:
    cells = ["time", *(f"{t:.15g}" for t in times)]
    width = max(len(cell) for cell in cells)
    return [f"{cell:>{width}}" for cell in cells]


def _line_width() -> int | None:
    """Return the width to which tables are broken: that of the terminal, or None for a file or a pipe."""
    return shutil.get_terminal_size((100, 24)).columns if sys.stdout.isatty() else None


def _table(first: list[str], columns: list[list[str]], last: list[str], width: int | None) -> list[str]:
    """Set columns side by side, in several blocks where a line would not hold them."""
    room = math.inf if width is None else width - len(first[0]) - len(last[0]) - 4
    blocks: list[list[list[str]]] = [[]]
    for column in columns:
        used = sum(len(c[0]) + 2 for c in blocks[-1])
        if blocks[-1] and used + len(column[0]) + 2 > room:
            blocks.append([])
        blocks[-1].append(column)
    lines: list[str] = []
    for block in blocks:
        lines += ["", *("  ".join(row) for row in zip(first, *block, last, strict=True))]
    return lines[1:]


def _proofs(result: TransientResult, names: Sequence[str]) -> list[str]:
    """Say how closely means and standard deviations are enclosed, and for which species they are not."""
    lines = []
    open_ended = []
    proven: list[tuple[str, float, float]] = []
    for name in names:
        means = max((d.mean_bounds(name).width for d in result), default=0.0)
        deviations = max((d.std_bounds(name).width for d in result), default=0.0)
        if math.isfinite(means) and math.isfinite(deviations):
            proven.append((name, means, deviations))
        elif math.isfinite(means):
            proven.append((name, means, math.inf))
        else:
            open_ended.append(name)
    if len(proven) > 8:
        proven = [(f"{len(proven)} species", max(m for _, m, _ in proven), max(d for _, _, d in proven))]
    for name, mean, deviation in proven:
        spread = f"sd within {deviation:.1e}" if math.isfinite(deviation) else "sd not bounded above"
        lines.append(f"{name}: mean within {mean:.1e}, {spread} (proven)")
    if open_ended:
        lines.append(
            f"{', '.join(open_ended)}: mean and sd are those of the states kept, without a proof about the "
            "molecules beyond them"
        )
    return lines


def describe_result(result: TransientResult, model: str, names: Sequence[str]) -> str:
    """Return the table of means and standard deviations with error bounds, and how they came about."""
    columns = []
    for name in names:
        means = _column(f"{name} mean", result.mean(name).tolist())
        deviations = _column(f"{name} sd", result.std(name).tolist())
        columns.append(["  ".join(pair) for pair in zip(means, deviations, strict=True)])
    bounds = ["error bound", *(f"{d.error_bound:11.1e}" for d in result)]
    width = _line_width()
    lines = [*_table(_time_column(result.times.tolist()), columns, bounds, width), ""]
    kind = "proven" if result.certified else "estimated, not proven"
    entries = ", ".join(f"{k} {v:.1e}" for k, v in result.ledger if v > 0.0)
    method = result.method
    explained = result.explanation if method in result.explanation else f"{method}: {result.explanation}"
    facts = [("model", model), ("method", explained)]
    error = f"at most {result.error_bound:.2e} in the 1-norm ({kind}); asked for {result.tolerance:g}"
    facts.append(("error", error))
    facts.append(("ledger", f"total {result.ledger.total:.2e}" + (f": {entries}" if entries else "")))
    facts += [("moments" if k == 0 else "", line) for k, line in enumerate(_proofs(result, names))]
    facts.append(("run", _run_facts(result)))
    for key, text in facts:
        lines += textwrap.wrap(text, width or 110, initial_indent=f"{key:<9}", subsequent_indent=" " * 9)
    return "\n".join(lines)


def _run_facts(result: TransientResult) -> str:
    facts = []
    for key, value in result.statistics.items():
        shown = f"{value:,}" if isinstance(value, int) else f"{value:.4g}"
        facts.append(f"{key.replace('_', ' ')} {shown}")
    return ", ".join(facts) or "no statistics"


def check_figure(kind: str, save: str, n_times: int) -> None:
    """Refuse a picture that the result will not be able to give, before the work begins.

    Raises
    ------
    ArgumentError
        When marginals are needed that are not kept, or several times.
    """
    if save == "moments" and kind in ("heatmap", "distribution"):
        message = f"--plot-kind {kind} needs marginals: take --save marginals or distributions"
        raise ArgumentError(message)
    if n_times < 2 and kind == "heatmap":
        message = "--plot-kind heatmap needs several times"
        raise ArgumentError(message)


def draw_result(
    result: TransientResult, names: Sequence[str], path: str | Path, kind: str = "auto", *, log: bool = False
) -> None:
    """Draw a figure of a result into a file; see ``fsp.figures.result_figure`` for the kinds.

    Raises
    ------
    StorageError
        When the file cannot be written; no partial file is left.
    """
    from fsp.figures import result_figure

    figure = result_figure(result, names, kind, log=log)
    with storage.replacing(path) as temporary:
        figure.savefig(temporary, dpi=200, format=Path(path).suffix.lower().lstrip("."))


# -- networks ----------------------------------------------------------------------------------------------


def shown_names(network: ReactionNetwork) -> list[str]:
    """Return what tables show when no names are asked for: species, and derived quantities of that kind."""
    return [*network.species_names, *(o.name for o in network.observables.values() if o.listed)]


def check_names(network: ReactionNetwork, names: Sequence[str]) -> None:
    """Refuse names that are neither a species nor a derived quantity.

    Raises
    ------
    ArgumentError
        With close matches.
    """
    known = [*network.species_names, *network.observables]
    for name in names:
        if name not in known:
            message = f"unknown species '{name}'{close_matches(name, known)}"
            raise ArgumentError(message)


def network_json(network: ReactionNetwork, model: str) -> dict[str, Any]:
    """Return what there is to know about a network before it is solved, as plain data."""
    laws = network.conservation_laws()
    reactions = []
    for reaction, change in zip(network.reactions, network.stoichiometry.tolist(), strict=True):
        propensity = reaction.propensity
        timed = propensity.depends_on_time
        reactions.append(
            {
                "name": reaction.name,
                "equation": reaction.text,
                "propensity": str(propensity),
                "change": {n: c for n, c in zip(network.species_names, change, strict=True) if c},
                "reads": list(propensity.species),
                "factors": None if timed else [list(f.species) for f in propensity.factors if f.species],
                "depends_on_time": timed,
                "time_separable": propensity.split_time() is not None,
            }
        )
    return {
        "model": model,
        "name": network.name,
        "source": network.source,
        "species": [
            {"name": name, "initial": int(count), "largest": float(bound)}
            for name, count, bound in zip(
                network.species_names, network.initial_state, laws.upper_bounds, strict=True
            )
        ],
        "parameters": dict(network.parameters),
        "reactions": reactions,
        "events": [_event_json(network, e) for e in range(len(network.events))],
        "conservation_laws": [line for line in str(laws).splitlines() if len(laws)],
        "depends_on_time": network.depends_on_time,
        "compartments": dict(network.compartments),
        "derived": [
            {"name": o.name, "expression": str(o.function), "reads": list(o.species), "listed": o.listed}
            for o in network.observables.values()
        ],
        "notes": list(network.remarks),
        "warnings": network.check(),
        "version": fsp.__version__,
    }


def _event_json(network: ReactionNetwork, e: int) -> dict[str, Any]:
    event, rules = network.events[e], network.event_rules
    return {
        "name": event.name,
        "text": str(event),
        "trigger": str(event.trigger),
        "assignments": {name: str(value) for name, value in event.assignments.items()},
        "priority": None if event.priority is None else str(event.priority),
        "persistent": event.persistent,
        "initial_value": event.initial_value,
        "use_trigger_values": event.use_trigger_values,
        "fired_by_reactions": bool(rules.by_counts[e]),
        "moments": sorted({clock.moment for clock in rules.clocks[e] if clock.moment >= 0.0}),
    }


def describe_network(network: ReactionNetwork, model: str) -> str:
    """Return what there is to know about a network before it is solved, for reading."""
    data = network_json(network, model)
    width = _line_width() or 110
    lines: list[str] = []

    def add(key: str, text: str) -> None:
        # No line may end inside "name = value": such spaces are hidden from the wrapping.
        whole = text.replace(" = ", "\0=\0")
        wrapped = textwrap.wrap(whole, width, initial_indent=f"{key:<14}", subsequent_indent=" " * 14)
        lines.extend(line.replace("\0", " ") for line in wrapped)

    add("model", data["name"] or model)
    if data["source"]:
        add("source", data["source"])
    add("species", ", ".join(f"{s['name']} = {s['initial']}" for s in data["species"]))
    if data["compartments"]:
        add("compartments", ", ".join(f"{key} = {value:g}" for key, value in data["compartments"].items()))
    if data["parameters"]:
        add("parameters", ", ".join(f"{key} = {value:g}" for key, value in data["parameters"].items()))
    lines.append(f"{'reactions':<14}{len(data['reactions'])}")
    rows = [(r["name"], r["equation"], r["propensity"], _factor_text(r)) for r in data["reactions"]]
    head = ("", "equation", "propensity", "factors")
    widths = [min(48, max(len(row[k]) for row in (head, *rows))) for k in range(3)]
    for row in (head, *rows):
        cells = [f"{cell:<{w}}" for cell, w in zip(row, widths, strict=False)]
        lines.append(f"  {'  '.join([*cells, row[3]])}".rstrip())
    for event in data["events"]:
        add("event" if event is data["events"][0] else "", event["text"])
    for quantity in data["derived"]:
        add("derived", f"{quantity['name']} = {quantity['expression']}")
    bounded = [f"{s['name']} <= {s['largest']:g}" for s in data["species"] if math.isfinite(s["largest"])]
    laws = "; ".join(data["conservation_laws"]) or "none found"
    add("conserved", laws + (f" (so {', '.join(bounded)})" if bounded else ""))
    add("time", "rates depend on time" if data["depends_on_time"] else "rates do not depend on time")
    for note in data["notes"]:
        add("note", note)
    for warning in data["warnings"]:
        add("warning", warning)
    return "\n".join(lines)


def _factor_text(reaction: dict[str, Any]) -> str:
    """Say into which functions of counts a propensity splits."""
    if reaction["depends_on_time"]:
        return (
            "function of time * function of counts" if reaction["time_separable"] else "time and counts mixed"
        )
    groups = ["f(" + ", ".join(group) + ")" for group in reaction["factors"]]
    return " * ".join(groups) or "constant"
