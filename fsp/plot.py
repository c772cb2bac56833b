"""Pictures of distributions and of their course in time. Every picture states the error of what it shows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Caption", "draw_counts", "draw_course", "draw_plane"]

#: Above this many counts bars turn into a filled curve.
_MANY_BARS = 80
#: Cells of a heat map on each side; larger ranges are summed into blocks of this resolution.
_CELLS = 400


class Caption(NamedTuple):
    """What a picture says beside its data."""

    error_bound: float
    certified: bool
    time: float | None = None

    def error_text(self) -> str:
        """Return the statement of the error."""
        if self.error_bound == 0.0:
            return "exact"
        sign = "≤" if self.certified else "≈"
        return f"1-norm error {sign} {self.error_bound:.1e}"

    def title(self, what: str) -> str:
        """Return the title: what is shown, and when."""
        return what if self.time is None else f"{what} at t = {self.time:g}"


def _axes(ax: Axes | None) -> Axes:
    """Return the given axes, or new ones in a figure of its own."""
    if ax is not None:
        return ax
    from matplotlib import pyplot

    return pyplot.subplots(figsize=(6.4, 4.2), layout="constrained")[1]


def _state_error(ax: Axes, text: str) -> None:
    """Write the error above the right end of the axes, where it covers no data."""
    ax.set_title(text, loc="right", fontsize="small", color="0.4")


def _whole_ticks(axis: Any) -> None:
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator(integer=True, nbins=8, steps=[1, 2, 5, 10]))


def _shown_range(counts: NDArray[np.int64], masses: NDArray[np.float64], threshold: float) -> tuple[int, int]:
    """Return the least and the largest count that carry more than ``threshold`` of the largest mass."""
    seen = counts[masses > threshold * masses.max()]
    return int(seen.min()), int(seen.max())


def draw_counts(
    counts: NDArray[np.int64],
    masses: NDArray[np.float64],
    name: str,
    caption: Caption,
    *,
    ax: Axes | None = None,
    log: bool = False,
    **options: Any,
) -> Axes:
    """Draw the distribution of one species: bars, or a filled step curve for many counts.

    Parameters
    ----------
    counts, masses : ndarray, shape (m,)
        Counts and their probabilities.
    name : str
        The species.
    caption : Caption
        Time and error.
    ax : Axes, optional
        Where to draw.
    log : bool
        Logarithmic probabilities; the range down to 1e-15 of the largest is shown (linear: 1e-4).
    **options
        Passed on to ``Axes.bar`` or ``Axes.stairs``.

    Returns
    -------
    Axes
    """
    ax = _axes(ax)
    low, high = _shown_range(counts, masses, 1e-15 if log else 1e-4)
    heights = np.zeros(high - low + 1)
    inside = (counts >= low) & (counts <= high)
    heights[counts[inside] - low] = masses[inside]
    style = {"color": "C0", **options}
    edges = np.arange(low, high + 2) - 0.5
    if len(heights) <= _MANY_BARS:
        ax.bar(np.arange(low, high + 1), heights, width=0.85, **style)
    else:
        # On a logarithmic axis a filled polygon needs a positive edge below.
        baseline = max(heights[heights > 0.0].min() / 2.0, 1e-300) if log else 0.0
        ax.stairs(np.maximum(heights, baseline), edges, fill=True, baseline=baseline, **style)
    margin = max(0.5, 0.02 * (high - low))
    ax.set_xlim(low - 0.5 - margin, high + 0.5 + margin)
    if log:
        floor = heights[heights > 0.0].min()
        ax.set_yscale("log")
        ax.set_ylim(max(floor / 2.0, 1e-300), heights.max() * 3.0)
    else:
        ax.set_ylim(0.0, heights.max() * 1.06)
    ax.spines[["top", "right"]].set_visible(False)
    _whole_ticks(ax.xaxis)
    ax.set_xlabel(f"{name} (molecules)")
    ax.set_ylabel("probability")
    ax.set_title(caption.title(name), loc="left")
    _state_error(ax, caption.error_text())
    return ax


def draw_plane(
    states: NDArray[np.int64],
    masses: NDArray[np.float64],
    names: Sequence[str],
    caption: Caption,
    *,
    ax: Axes | None = None,
    log: bool = False,
    **options: Any,
) -> Axes:
    """Draw the joint distribution of two species as a heat map.

    Parameters
    ----------
    states : ndarray of int, shape (m, 2)
        The states.
    masses : ndarray of float, shape (m,)
        Their probabilities.
    names : sequence of two str
        The species on the horizontal and on the vertical axis.
    caption : Caption
        Time and error.
    ax : Axes, optional
        Where to draw.
    log : bool
        Logarithmic colours, down to 1e-12 of the largest probability (linear: 1e-4).
    **options
        Passed on to ``Axes.pcolormesh``.

    Returns
    -------
    Axes
    """
    from matplotlib.colors import LogNorm

    ax = _axes(ax)
    depth = 1e-12 if log else 1e-4
    seen = masses > depth * masses.max()
    corner, far = states[seen].min(axis=0), states[seen].max(axis=0)
    inside = ((states >= corner) & (states <= far)).all(axis=1)
    block = np.maximum(1, -(-(far - corner + 1) // _CELLS))
    shape = (far - corner) // block + 1
    cell = (states[inside] - corner) // block
    table = np.zeros(tuple(shape.tolist()))
    np.add.at(table, (cell[:, 0], cell[:, 1]), masses[inside])
    table /= float(block.prod())
    edges = [corner[k] - 0.5 + block[k] * np.arange(shape[k] + 1) for k in (0, 1)]
    style: dict[str, Any] = {"cmap": "viridis", "rasterized": True, **options}
    shown = np.ma.masked_less_equal(table, depth * table.max()) if log else table
    norm = LogNorm(depth * table.max(), table.max()) if log else None
    mesh = ax.pcolormesh(edges[0], edges[1], shown.T, norm=norm, **style)
    ax.figure.colorbar(mesh, ax=ax, label="probability", fraction=0.05, pad=0.02)
    for k, (name, axis) in enumerate(zip(names, (ax.xaxis, ax.yaxis), strict=True)):
        _whole_ticks(axis)
        axis.set_label_text(f"{name} (molecules)")
        (ax.set_xlim if k == 0 else ax.set_ylim)(edges[k][0], edges[k][-1])
    ax.set_title(caption.title(f"{names[0]}, {names[1]}"), loc="left")
    _state_error(ax, caption.error_text())
    return ax


def draw_course(
    times: NDArray[np.float64],
    means: NDArray[np.float64],
    deviations: NDArray[np.float64],
    names: Sequence[str],
    caption: Caption,
    *,
    ax: Axes | None = None,
    **options: Any,
) -> Axes:
    """Draw means over time, with a band of one standard deviation on either side.

    Parameters
    ----------
    times : ndarray, shape (n_times,)
        The times.
    means, deviations : ndarray, shape (n_times, n_species)
        Means and standard deviations.
    names : sequence of str
        The species.
    caption : Caption
        The largest error bound of all times.
    ax : Axes, optional
        Where to draw.
    **options
        Passed on to ``Axes.plot``.

    Returns
    -------
    Axes
    """
    ax = _axes(ax)
    few = len(times) <= 25
    for k, name in enumerate(names):
        style: dict[str, Any] = {
            "color": f"C{k % 10}",
            "marker": "o" if few else None,
            "markersize": 3.5,
            "clip_on": False,
        }
        low = np.maximum(means[:, k] - deviations[:, k], 0.0)
        if len(times) == 1:  # a band has no width here: one bar for each species, side by side
            above = deviations[:, k]
            ax.errorbar(
                [k],
                means[:, k],
                [means[:, k] - low, above],
                fmt="o",
                color=style["color"],
                capsize=4,
                label=name,
            )
            continue
        if k % 2:
            style["dashes"] = (4, 2)  # two species with the same mean can both be seen
        style |= options
        ax.plot(times, means[:, k], label=name, **style)
        ax.fill_between(times, low, means[:, k] + deviations[:, k], color=style["color"], alpha=0.18, lw=0)
    ax.set_ylim(bottom=0.0)
    if len(times) > 1:
        ax.set_xlim(float(times[0]), float(times[-1]))
    else:
        ax.set_xlim(-0.7, len(names) - 0.3)
        ax.set_xticks(range(len(names)), names)
    ax.spines[["top", "right"]].set_visible(False)
    ax.set_xlabel("time" if len(times) > 1 else "")
    ax.set_ylabel("molecules")
    when = "" if len(times) > 1 else f" at t = {times[0]:g}"
    ax.set_title(f"mean ± one standard deviation{when}", loc="left")
    _state_error(ax, caption.error_text())
    columns = max(1, math.ceil(len(names) / 10))
    ax.legend(frameon=False, ncols=columns)
    return ax
