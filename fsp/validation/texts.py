"""A report as text, for people."""

from __future__ import annotations

import math
import textwrap
from typing import TYPE_CHECKING

from fsp.validation.pvalues import PValue
from fsp.validation.statistic import Statistic

if TYPE_CHECKING:
    from fsp.validation.report import ValidationReport

__all__ = ["describe_report"]

_SHOWN = 8
_WIDTH = 110
_SYMBOLS = {"mean": "Z", "sd": "Y", "covariance": "Z", "G": "G", "chi2": "X2", "KS": "D"}


def describe_report(report: ValidationReport) -> str:
    """Return verdict, the most significant tests, what the samples can show, and the diagnosis."""
    lines = [f"{report.verdict.upper()}: {report.reason}", ""]
    family = [s for s in report.statistics if s.adjusted is not None]
    lines += _table(family[:_SHOWN])
    if len(family) > _SHOWN:
        lines.append(f"... and {len(family) - _SHOWN} more tests, none with a smaller p-value")
    lines.append("")
    facts = [("samples", f"{report.power.n:,} from {report.source}")]
    kind = "proven" if report.certified else "stated"
    correction = {"holm": "Holm", "bh": "Benjamini-Hochberg"}[report.settings.multiplicity]
    facts.append(
        (
            "level",
            f"correct samples are called inconsistent with a probability of at most {report.false_alarm_rate:.3g} "
            f"({kind}; {report.settings.calibration} p-values, {correction} over {len(family)} tests)",
        )
    )
    facts.append(
        ("Z, Y", f"largest |Z| {_number(report.largest('mean'))}, |Y| {_number(report.largest('sd'))}")
    )
    facts += _power_facts(report)
    facts += [("note", note) for note in report.notes]
    if report.diagnosis is not None:
        facts += report.diagnosis.facts()
    for k, (key, text) in enumerate(facts):
        shown = "" if k and facts[k - 1][0] == key else key
        lines += textwrap.wrap(text, _WIDTH, initial_indent=f"{shown:<11}", subsequent_indent=" " * 11)
    return "\n".join(lines)


def _power_facts(report: ValidationReport) -> list[tuple[str, str]]:
    power = report.power
    facts = [
        (
            "resolution",
            f"with probability {power.power:g} the tests would show a shift of a mean by {power.shift:.2g} standard "
            f"deviations, and a total variation of about {power.total_variation:.2g}",
        )
    ]
    for d in power.detectable()[:6]:
        parts = [f"its sd off by {100 * d.deviation:.2g} %"]
        if math.isfinite(d.mean):
            parts.insert(0, f"the mean off by {100 * d.mean:.2g} %")
        facts.append(("", f"{d.species} at t = {d.time:g}: {', '.join(parts)}"))
    return facts


def _table(statistics: list[Statistic]) -> list[str]:
    head = ("test", "species", "time", "value", "p-value", "corrected", "")
    rows = [head]
    for s in statistics:
        symbol = _SYMBOLS.get(s.kind, "count")
        p = s.p if s.p is not None else s.asymptotic
        rows.append(
            (
                s.kind,
                ", ".join(s.names),
                f"{s.time:g}",
                f"{symbol} = {_number(s.value)}",
                _interval(p),
                _interval(s.adjusted),
                s.detail,
            )
        )
    widths = [min(28, max(len(row[k]) for row in rows)) for k in range(6)]
    return ["  ".join([*(f"{row[k]:<{widths[k]}}" for k in range(6)), row[6]]).rstrip() for row in rows]


def _interval(p: PValue | None) -> str:
    """Return a p-value with two digits, or both ends where they differ.

    Examples
    --------
    >>> _interval(PValue(0.011, 0.0110001)), _interval(PValue(0.0, 1e-3))
    ('0.011', '0..0.001')
    """
    if p is None:
        return ""
    low, high = f"{p.lower:.2g}", f"{p.upper:.2g}"
    return high if low == high else f"{low}..{high}"


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3g}"
