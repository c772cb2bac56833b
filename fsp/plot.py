"""Pictures of distributions of one and of two species. Every picture states the error of what it shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fsp.plot_style import (
    CELLS,
    MAP,
    Caption,
    colour,
    count_axis,
    free_axis,
    label,
    new_axes,
    shown_range,
    state_error,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_counts", "draw_plane"]

#: Above this many counts bars turn into a filled curve.
_MANY_BARS = 80


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
    ax = new_axes(ax)
    low, high = shown_range(counts, masses, 1e-15 if log else 1e-4)
    heights = np.zeros(high - low + 1)
    inside = (counts >= low) & (counts <= high)
    heights[counts[inside] - low] = masses[inside]
    style = {"color": colour(0), **options}
    edges = np.arange(low, high + 2) - 0.5
    if len(heights) <= _MANY_BARS:
        ax.bar(np.arange(low, high + 1), heights, width=0.85 if len(heights) > 5 else 0.5, **style)
    else:
        # On a logarithmic axis a filled polygon needs a positive edge below.
        baseline = max(heights[heights > 0.0].min() / 2.0, 1e-300) if log else 0.0
        ax.stairs(np.maximum(heights, baseline), edges, fill=True, baseline=baseline, **style)
    margin = max(0.3, 0.02 * (high - low))
    ax.set_xlim(low - 0.5 - margin, high + 0.5 + margin)
    if log:
        floor = heights[heights > 0.0].min()
        ax.set_yscale("log")
        ax.set_ylim(max(floor / 2.0, 1e-300), heights.max() * 3.0)
        if caption.error_bound > floor:  # below this line the error bound says more than the numbers
            for tone, width, dashes in (("white", 2.4, "-"), ("black", 1.0, (0, (4, 3)))):
                ax.axhline(caption.error_bound, color=tone, lw=width, ls=dashes, zorder=3)
            note: dict[str, Any] = {"fontsize": "small", "color": "0.35", "ha": "right", "va": "bottom"}
            ax.annotate("error bound", (1.0, caption.error_bound), xycoords=("axes fraction", "data"), **note)
    else:
        ax.set_ylim(0.0, heights.max() * 1.06)
    free_axis(ax)
    count_axis(ax.xaxis, f"{label(name)} (count)")
    ax.set_ylabel("probability")
    ax.set_title(caption.title(label(name)), loc="left")
    state_error(ax, caption.error_text())
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

    ax = new_axes(ax)
    depth = 1e-12 if log else 1e-4
    seen = masses > depth * masses.max()
    corner, far = states[seen].min(axis=0), states[seen].max(axis=0)
    inside = ((states >= corner) & (states <= far)).all(axis=1)
    block = np.maximum(1, -(-(far - corner + 1) // CELLS))
    shape = (far - corner) // block + 1
    cell = (states[inside] - corner) // block
    table = np.zeros(tuple(shape.tolist()))
    np.add.at(table, (cell[:, 0], cell[:, 1]), masses[inside])
    table /= float(block.prod())
    edges = [corner[k] - 0.5 + block[k] * np.arange(shape[k] + 1) for k in (0, 1)]
    style: dict[str, Any] = {"cmap": MAP, "rasterized": True, **options}
    shown = np.ma.masked_less_equal(table, depth * table.max()) if log else table
    norm = LogNorm(float(shown.min()), float(shown.max())) if log else None
    mesh = ax.pcolormesh(edges[0], edges[1], shown.T, norm=norm, **style)
    ax.figure.colorbar(mesh, ax=ax, label="probability", fraction=0.05, pad=0.02)
    for k, (name, axis) in enumerate(zip(names, (ax.xaxis, ax.yaxis), strict=True)):
        count_axis(axis, f"{label(name)} (count)")
        (ax.set_xlim if k == 0 else ax.set_ylim)(edges[k][0], edges[k][-1])
    ax.set_title(caption.title(f"{label(names[0])}, {label(names[1])}"), loc="left")
    state_error(ax, caption.error_text())
    return ax
