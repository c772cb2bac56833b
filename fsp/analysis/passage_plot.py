"""The picture of a first passage: the probability of having hit the target, and its density, with their bounds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fsp.errors import ArgumentError
from fsp.plot_style import colour, free_axis, state_error, time_axis

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from fsp.analysis.passage_result import FirstPassageResult

__all__ = ["draw_passage", "passage_figure"]

#: Up to so many times, each is marked.
FEW = 40


def passage_figure(result: FirstPassageResult, *, log: bool = False) -> Figure:
    """Return a figure of its own, ready to be saved."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 5.6), layout="constrained")
    draw_passage(result, figure.subplots(2, 1, sharex=True), log=log)
    return figure


def draw_passage(
    result: FirstPassageResult, axes: Sequence[Any] | None = None, *, log: bool = False
) -> Sequence[Any]:
    """Draw on two pairs of axes; see `FirstPassageResult.plot`."""
    if result.times.size < 2:
        message = "the picture of a first passage needs at least two times"
        raise ArgumentError(message)
    if axes is None:
        from matplotlib import pyplot

        axes = pyplot.subplots(2, 1, sharex=True, figsize=(6.4, 5.6), layout="constrained")[1]
    if len(axes) != 2:
        message = f"axes: give two Axes, for the probability and for its density, not {len(axes)}"
        raise ArgumentError(message)
    upper_panel, lower_panel = axes
    _band(upper_panel, result, result.bounds_of_cdf, colour(0), log)
    if result.avoid:
        _band(upper_panel, result, result.bounds_of_avoided, colour(1), log, "avoided")
        upper_panel.legend(frameon=False, fontsize="small")
    upper_panel.set_ylabel("probability to have hit")
    upper_panel.set_title(f"first passage: {_short(result.target)}", loc="left", fontsize="medium")
    widest = float((result.bounds_of_cdf[1] - result.bounds_of_cdf[0]).max())
    sign = "≤" if result.certified else "≈"
    state_error(upper_panel, f"width {sign} {widest:.1e}")
    _band(lower_panel, result, result.bounds_of_density, colour(0), log)
    lower_panel.set_ylabel("density (1/time)")
    time_axis(lower_panel, result.times)
    return axes


def _short(text: str) -> str:
    return text if len(text) <= 32 else text[:31] + "…"


def _band(
    ax: Any, result: FirstPassageResult, bounds: Any, shade: str, log: bool, name: str = "target"
) -> None:
    lower, upper = bounds
    finite = np.isfinite(upper)
    marker = "o" if result.times.size <= FEW else ""  # lines between few times are no course
    ax.plot(result.times, lower, color=shade, linewidth=1.4, marker=marker, markersize=3.0, label=name)
    if finite.any():
        ax.fill_between(
            result.times, lower, np.where(finite, upper, lower), color=shade, alpha=0.3, linewidth=0
        )
    if log:
        ax.set_yscale("log")
        seen = lower[lower > 0.0]
        if seen.size:
            ax.set_ylim(bottom=0.5 * float(seen.min()))
    else:
        ax.set_ylim(bottom=0.0)
    free_axis(ax)
