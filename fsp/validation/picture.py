"""A picture of a validation: Z and Y over time, corrected p-values, and the marginal that fits worst."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from fsp.distribution import Distribution
from fsp.plot_style import colour, count_axis, free_axis, label, legend_below
from fsp.validation.laws import Law
from fsp.validation.samples import Samples

if TYPE_CHECKING:
    from fsp.validation.report import ValidationReport

__all__ = ["draw_report"]

_FLOOR = 1e-40  # smaller p-values are drawn here, as triangles
_NAMES = 6


def draw_report(
    report: ValidationReport, laws: Mapping[float, Distribution], samples: Samples | None, path: str | None
) -> Any:
    """Return a figure of three panels; see `ValidationReport.plot`."""
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 3, figsize=(13.5, 4.0), layout="constrained")
    tested = [s for s in report.statistics if len(s.names) == 1]
    names = list(dict.fromkeys(s.names[0] for s in sorted(tested, key=lambda s: s.names)))[:_NAMES]
    _draw_scores(axes[0], report, names)
    _draw_p_values(axes[1], report)
    _draw_marginal(axes[2], report, laws, samples)
    figure.suptitle(f"{report.verdict}: {report.reason}", fontsize="medium")
    if path is not None:
        figure.savefig(path, dpi=150)
        pyplot.close(figure)
    return figure


def _draw_scores(ax: Any, report: ValidationReport, names: list[str]) -> None:
    for k, name in enumerate(names):
        for kind, marker in (("mean", "o"), ("sd", "x")):
            rows = sorted(
                (s.time, s.value)
                for s in report.statistics
                if s.kind == kind and s.names == (name,) and s.value == s.value
            )
            if rows:
                what = "Z of the mean" if kind == "mean" else "Y of the sd"
                ax.plot(
                    *zip(*rows, strict=True), marker, color=colour(k), ms=4, label=f"{label(name)}: {what}"
                )
    ax.axhspan(-3.0, 3.0, color="0.93", zorder=0)
    ax.axhline(0.0, color="0.6", lw=0.8, zorder=1)
    ax.set_xlabel("time (unit of the model)")
    ax.set_ylabel("standard errors")
    ax.set_title("means and deviations", loc="left")
    free_axis(ax)
    if 0 < len(names) <= 3:
        legend_below(ax, 2, depth=0.17)


def _draw_p_values(ax: Any, report: ValidationReport) -> None:
    """Draw the corrected p-values by kind of test; bars reach from the lower to the upper end."""
    family = [s for s in report.statistics if s.adjusted is not None]
    kinds = list(dict.fromkeys(s.kind for s in sorted(family, key=lambda s: s.kind)))
    for k, kind in enumerate(kinds):
        ends = [s.adjusted for s in family if s.kind == kind and s.adjusted is not None]
        upper = np.array([max(p.upper, _FLOOR) for p in ends])
        lower = np.array([max(p.lower, _FLOOR) for p in ends])
        place = k + 0.3 * (np.arange(len(ends)) / max(1, len(ends) - 1) - 0.5)
        ax.vlines(place, lower, upper, color=colour(0), lw=1.0)
        beyond = upper <= _FLOOR
        ax.plot(place[~beyond], upper[~beyond], "o", ms=3, color=colour(0))
        ax.plot(place[beyond], upper[beyond], "v", ms=5, color=colour(0))
    ax.axhline(report.settings.alpha, color=colour(1), lw=1.2, ls="--")
    ax.annotate(
        f"level {report.settings.alpha:g}", (1.0, report.settings.alpha), xycoords=("axes fraction", "data"),
        ha="right", va="bottom", fontsize="small", color=colour(1),
    )  # fmt: skip
    ax.set_yscale("log")
    ax.set_ylim(
        bottom=min([p.adjusted.upper for p in family if p.adjusted] + [report.settings.alpha]) / 10.0
        + _FLOOR / 3
    )
    ax.set_ylim(top=3.0)
    ax.set_xticks(range(len(kinds)), kinds, rotation=35, ha="right")
    ax.set_ylabel("p-value, corrected")
    ax.set_title("tests", loc="left")
    free_axis(ax)


def _draw_marginal(
    ax: Any, report: ValidationReport, laws: Mapping[float, Distribution], samples: Samples | None
) -> None:
    """Draw the exact and the sampled law of one species where the most significant test of one species is."""
    tables = () if samples is None else samples.tables
    worst = next((s for s in report.statistics if s.adjusted is not None and tables), None)
    table = (
        None
        if worst is None
        else next((t for t in tables if t.time == worst.time and worst.names[0] in t.names), None)
    )
    if worst is None or table is None:
        ax.set_axis_off()
        ax.text(0.5, 0.5, "no marginal to show", ha="center", va="center", color="0.4")
        return
    name = worst.names[0]
    law = Law.of(laws[worst.time], (name,))
    part = table.project((name,))
    order = np.argsort(part.states[:, 0])
    ax.plot(
        part.states[order, 0], part.weights[order] / part.n, "o", ms=3.5, color=colour(1), label="samples"
    )
    exact = np.argsort(law.states[:, 0])
    shown = law.masses[exact] > 1e-4 * law.masses.max()
    ax.step(
        law.states[exact, 0][shown], law.masses[exact][shown], where="mid", color=colour(0), label="exact"
    )
    count_axis(ax.xaxis, f"{label(name)} (count)")
    ax.set_ylabel("probability")
    ax.set_ylim(bottom=0.0)
    ax.set_title(f"{label(name)} at time {worst.time:g}", loc="left")
    ax.legend(frameon=False, fontsize="small")
    free_axis(ax)
