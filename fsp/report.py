"""One self-contained page about a result: model, numbers with their bounds, pictures, ledger, how to cite.

The page loads nothing: styles and pictures are part of it, and a content security policy forbids anything else, scripts
included. Every text that comes from a model or a file goes through ``_text``.
"""

from __future__ import annotations

import base64
import decimal
import html
import io
import math
import os
from collections.abc import Iterable, Sequence
from typing import Any

from fsp import storage
from fsp.distribution import Distribution
from fsp.errors import ArgumentError
from fsp.figures import result_figure
from fsp.interval import Interval
from fsp.ledger import MEANINGS
from fsp.model.event_parameters import parameters_at
from fsp.query import unknown_species
from fsp.report_texts import PAGE, REFERENCES
from fsp.results import TransientResult
from fsp.summary import Summary
from fsp.version import __version__

__all__ = ["html_report", "write_report"]

#: Tables show so many times at most, evenly chosen; the file has all of them.
_MOST_ROWS = 101
#: Pictures show so many species at most.
_MOST_PICTURED = 12
_LEVELS = (0.05, 0.5, 0.95)
#: Ends of enclosures below this are rounded up to it, which reads better.
_TINY = 1e-100


def write_report(
    result: TransientResult, path: str | os.PathLike[str], names: Sequence[str] | None = None
) -> None:
    """Write the page that ``html_report`` makes, completely or not at all.

    Raises
    ------
    ArgumentError
        When there is no place to write to, or a species is not known.
    StorageError
        When writing fails.
    """
    storage.check_writable(path)
    page = html_report(result, names)
    with storage.replacing(path) as temporary:
        temporary.write_text(page, encoding="utf-8", errors="replace")


def html_report(result: TransientResult, names: Sequence[str] | None = None) -> str:
    """Return a page of HTML about a result.

    Parameters
    ----------
    result : TransientResult
        The result, from the solver or from a file.
    names : sequence of str, optional
        The species that tables and pictures show; by default all.

    Raises
    ------
    ArgumentError
        When a species is not known, or the result has no output times.

    Examples
    --------
    >>> import fsp
    >>> result = fsp.solve_transient(fsp.gallery.birth_death(), times=[1.0, 2.0], tolerance=1e-6)
    >>> page = html_report(result)
    >>> page.startswith("<!DOCTYPE html>"), "data:image/png;base64," in page, "<script" in page
    (True, True, False)
    """
    if not len(result):
        message = "the result has no output times, so there is nothing to report"
        raise ArgumentError(message)
    wanted = tuple(result.names if names is None else names)
    for name in wanted:
        if name not in result.names:
            raise ArgumentError(unknown_species(name, result.names))
    title = str(getattr(result.network, "name", "") or "") or "Reaction network"
    sections = [
        _section("Summary", _summary(result)),
        _section("Model", _model(result)),
        _section("Pictures", _pictures(result, wanted)),
        _section(
            "Moments" + (" and quantiles" if result.kept != "moments" else ""), _moments(result, wanted)
        ),
        _section("Errors", _errors(result)),
        _section("How it was computed", _computation(result)),
        _section("How to cite", _citation(result)),
    ]
    return PAGE.format(title=_text(title), body="\n".join(sections), version=_text(__version__))


# -- pieces of HTML ------------------------------------------------------------------------------------------


def _text(value: object) -> str:
    """Return a text that a browser shows as it is."""
    return html.escape(str(value), quote=True)


def _section(title: str, content: str) -> str:
    return f"<section>\n<h2>{_text(title)}</h2>\n{content}\n</section>"


def _table(head: Sequence[str], rows: Iterable[Sequence[object]], *, numbers_from: int = 1) -> str:
    """Return a table; lines are not broken in the columns from ``numbers_from`` on."""

    def cells(row: Sequence[object], tag: str) -> str:
        kinds = ["" if k < numbers_from else ' class="n"' for k in range(len(row))]
        return "".join(f"<{tag}{k}>{_text(cell)}</{tag}>" for k, cell in zip(kinds, row, strict=True))

    body = "\n".join(f"<tr>{cells(row, 'td')}</tr>" for row in rows)
    return (
        f'<div class="scroll"><table>\n<thead><tr>{cells(head, "th")}</tr></thead>\n'
        f"<tbody>\n{body}\n</tbody></table></div>"
    )


def _facts(pairs: Iterable[tuple[str, object]]) -> str:
    rows = "\n".join(f"<dt>{_text(key)}</dt><dd>{_text(value)}</dd>" for key, value in pairs)
    return f"<dl>\n{rows}\n</dl>"


def _note(text: str) -> str:
    return f'<p class="note">{_text(text)}</p>'


def _bounds(interval: Interval) -> str:
    """Return an enclosure for reading: at most nine digits, rounded outward, so that it stays one.

    Examples
    --------
    >>> _bounds(Interval(1.0, 1.0 + 2e-16)), _bounds(Interval(0.0, 5e-324))
    ('[1, 1.00000001]', '[0, 1e-100]')
    """
    if not math.isfinite(interval.upper):
        return f"at least {_rounded(interval.lower, decimal.ROUND_FLOOR)}, no upper bound proven"
    lower = 0.0 if 0.0 <= interval.lower < _TINY else interval.lower
    tiny = 0.0 < interval.upper < _TINY
    upper = f"{_TINY:g}" if tiny else _rounded(interval.upper, decimal.ROUND_CEILING)
    return f"[{_rounded(lower, decimal.ROUND_FLOOR)}, {upper}]"


def _rounded(value: float, direction: str) -> str:
    return f"{float(decimal.Context(prec=9, rounding=direction).create_decimal(value)):.9g}"


# -- the sections --------------------------------------------------------------------------------------------


def _summary(result: TransientResult) -> str:
    proof = "proven" if result.certified else "estimated, not proven"
    times = f"{len(result)}, from {result.times[0]:g} to {result.times[-1]:g} (unit of the model)"
    facts: list[tuple[str, object]] = [
        ("error bound", f"{result.error_bound:.3g} in the 1-norm, at all times ({proof})"),
        ("asked for", f"{result.tolerance:g}"),
        ("output times", times),
        ("species", len(result.species_names)),
        ("states at the last time", f"{result.final.n_states:,}"),
        ("method", result.method),
        ("status", result.status),
        ("kept", result.kept),
        ("computed with", f"fsp {result.version}"),
    ]
    meaning = (
        "Every probability that the run computed is too small by at most the error bound, never too large"
        if all(d.lower_bound for d in result)
        else "The error bound holds for the sum of the errors of all probabilities"
    )
    return _facts(facts) + _note(meaning + ".")


def _model(result: TransientResult) -> str:
    network = result.network
    if network is None:
        return _note("The network was not stored with the result.")
    parts = []
    facts = [("name", network.name), ("source", network.source), ("notes", network.notes)]
    if any(text for _, text in facts):
        parts.append(_facts((key, text) for key, text in facts if text))
    species = zip(network.species_names, network.initial_state.tolist(), strict=True)
    parts.append("<h3>Species</h3>" + _table(["species", "initial count"], species))
    if network.parameters:
        values = [(name, f"{value:.12g}") for name, value in network.parameters.items()]
        parts.append("<h3>Parameters</h3>" + _table(["parameter", "value"], values))
    rows = [(r.name, r.text, r.propensity) for r in network.reactions]
    parts.append(
        "<h3>Reactions</h3>" + _table(["reaction", "equation", "propensity (1/time)"], rows, numbers_from=3)
    )
    if network.events:
        parts.append("<h3>Events</h3>" + _table(["event"], [(str(event),) for event in network.events]))
        parts.append(_changed_parameters(result))
    if network.observables:
        derived = [(name, o.function) for name, o in network.observables.items()]
        parts.append("<h3>Observables</h3>" + _table(["observable", "function"], derived, numbers_from=2))
    if network.remarks:
        parts.append(
            "<h3>Remarks of the reader</h3>" + _table(["remark"], [(text,) for text in network.remarks])
        )
    laws = network.conservation_laws()
    if len(laws):
        parts.append(_facts([("conserved", "; ".join(str(laws).splitlines()))]))
    return "\n".join(parts)


def _changed_parameters(result: TransientResult) -> str:
    """Return the course of the parameters that events change; elsewhere the page shows the values at the start."""
    names = sorted(result.network.event_rules.changed)
    if not names:
        return ""
    shown = [float(result.times[k]) for k in _chosen_rows(len(result))]
    rows = [
        (f"{time:.12g}", *(f"{values[name]:.12g}" for name in names))
        for time, values in zip(shown, parameters_at(result.network, shown), strict=True)
    ]
    note = "Events change these parameters; the table of parameters has their values before any event."
    return f"<h3>Parameters over time</h3>{_table(['time', *names], rows, numbers_from=0)}{_note(note)}"


def _picture(
    result: TransientResult, names: Sequence[str], kind: str, caption: str, *, log: bool = False
) -> str:
    buffer = io.BytesIO()
    result_figure(result, names, kind, log=log).savefig(buffer, dpi=120, format="png")
    data = base64.b64encode(buffer.getvalue()).decode("ascii")
    return (
        f'<figure><img src="data:image/png;base64,{data}" alt="{_text(caption)}">'
        f"<figcaption>{_text(caption)}</figcaption></figure>"
    )


def _pictures(result: TransientResult, names: Sequence[str]) -> str:
    shown = names[:_MOST_PICTURED]
    counted = [name for name in names if name in result.species_names][:_MOST_PICTURED]
    marginals = result.kept != "moments" and bool(counted)
    several = len(result) > 1
    pictures = []
    if several:
        pictures.append(_picture(result, shown, "course", "Means and standard deviations over time."))
        if marginals:
            pictures.append(_picture(result, counted, "heatmap", "Distribution of each species over time."))
    if marginals:
        text = f"Distribution at time {result.times[-1]:g}"
        both = "\n".join(
            _picture(result, counted, "distribution", text + scale, log=log)
            for log, scale in ((False, "."), (True, ", logarithmic."))
        )
        pictures.append(f'<div class="row">{both}</div>' if len(counted) <= 2 else both)
    if not several and not marginals:
        pictures.append(_picture(result, shown, "course", f"Means at time {result.times[0]:g}."))
    if several:
        pictures.append(_picture(result, shown, "run", "The state set and the ledger of errors over time."))
    if len(names) > len(shown):
        pictures.append(_note(f"The pictures show the first {len(shown)} of {len(names)} species."))
    return "\n".join(pictures)


def _chosen_rows(n: int) -> list[int]:
    """Return which of n times a table shows: all, or evenly chosen ones with the first and the last."""
    if n <= _MOST_ROWS:
        return list(range(n))
    return [round(k * (n - 1) / (_MOST_ROWS - 1)) for k in range(_MOST_ROWS)]


def _moments(result: TransientResult, names: Sequence[str]) -> str:
    rows = _chosen_rows(len(result))
    head = ["time", "mean", "enclosure of the mean", "standard deviation", "its enclosure"]
    levels = [f"{100 * level:g} %" for level in _LEVELS]
    parts = []
    for name in names:
        counted = name in result.species_names
        with_quantiles = result.kept == "distributions" or (result.kept == "marginals" and counted)
        table = _table(
            head + levels * with_quantiles,
            (_moment_row(result[k], name, with_quantiles) for k in rows),
            numbers_from=0,
        )
        parts.append(f"<h3>{_text(name)} ({'count' if counted else 'observable'})</h3>{table}")
        how = _proof(result.final, name)
        parts.append(
            _note(
                f"Proof of the enclosures: {how}." if how else "The enclosures follow from the states kept."
            )
        )
    if len(rows) < len(result):
        parts.append(_note(f"The tables show {len(rows)} of {len(result)} times, evenly chosen."))
    return "\n".join(parts)


def _moment_row(law: Distribution, name: str, with_quantiles: bool) -> list[str]:
    row = ["" if law.time is None else f"{law.time:.12g}"]
    row += [f"{law.mean(name):.7g}", _bounds(law.mean_bounds(name))]
    row += [f"{law.std(name):.7g}", _bounds(law.std_bounds(name))]
    if with_quantiles:
        row += [f"{law.quantile(name, level):.9g}" for level in _LEVELS]
    return row


def _proof(law: Distribution, name: str) -> str:
    """Return why the enclosures of a species hold beyond the states that were kept, as far as it is known."""
    if isinstance(law, Summary):
        if not law.marginals:
            return ""
        law = law.marginals.get(name, next(iter(law.marginals.values())))
    return "" if law.moments is None else str(law.moments.how.get(name, ""))


def _errors(result: TransientResult) -> str:
    ledger = result.ledger
    rows = [(source.replace("_", " "), f"{x:.3e}", MEANINGS.get(source, "")) for source, x in ledger]
    rows.append(("total", f"{ledger.total:.3e}", "bound on the 1-norm of the error, at the last time"))
    parts = ["<h3>Ledger</h3>", _table(["source", "1-norm", "meaning"], rows)]
    if ledger.leaks:
        leaks = sorted(ledger.leaks.items(), key=lambda item: -item[1])[:20]
        parts.append(
            "<h3>Leaks</h3>" + _table(["reaction and bound", "1-norm"], [(b, f"{x:.3e}") for b, x in leaks])
        )
    chosen = _chosen_rows(len(result))
    course = [
        (f"{result.times[k]:.12g}", f"{result[k].n_states:,}", f"{result[k].error_bound:.3e}") for k in chosen
    ]
    parts.append("<h3>Over time</h3>" + _table(["time", "states", "error bound"], course, numbers_from=0))
    return "\n".join(parts)


def _computation(result: TransientResult) -> str:
    facts: list[tuple[str, Any]] = [("method", result.explanation or result.method)]
    for key, value in result.statistics.items():
        shown = f"{value:,}" if isinstance(value, int) else f"{value:.4g}"
        facts.append((key.replace("_", " "), shown))
    return _facts(facts)


def _citation(result: TransientResult) -> str:
    own = f"fsp, version {result.version}: exact probability distributions of reaction networks with proven error bounds."
    cited = [own, *REFERENCES["always"], *REFERENCES.get(result.method, ())]
    source = str(getattr(result.network, "source", "") or "")
    if source:
        cited.append(f"The model: {source}")
    return "<ul>\n" + "\n".join(f"<li>{_text(text)}</li>" for text in cited) + "\n</ul>"
