"""Pictures of a whole run: moments over time, marginals over time, the state set and the ledger."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
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
    legend_below,
    legend_beside,
    new_axes,
    state_error,
    time_axis,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_course", "draw_errors", "draw_heat", "draw_sizes"]

FloatArray = NDArray[np.float64]
#: The curves of so few times are drawn with a mark at each.
_FEW = 25
#: Linear colours end at this multiple of the usual peak, lest the sharp law at the start leave the rest dark.
_BRIGHTEST = 2.0
#: Linear heat maps show counts that at some time have this part of the largest probability; logarithmic ones more.
_FAINTEST, _FAINTEST_LOG = 1e-3, 1e-12
_LEDGER_COLOURS = {
    "initial": "#CC79A7",
    "leaked": "#D55E00",
    "pruned": "#E69F00",
    "series": "#56B4E9",
    "defect": "#949494",
    "steady_state": "#009E73",
    "rounding": "#0072B2",
}


def draw_course(
    times: FloatArray,
    means: FloatArray,
    deviations: FloatArray,
    names: Sequence[str],
    caption: Caption,
    *,
    quantiles: FloatArray | None = None,
    levels: Sequence[float] = (),
    legend: bool = True,
    counted: bool = True,
    ax: Axes | None = None,
    **options: Any,
) -> Axes:
    """Draw means over time, with a band of one standard deviation on either side, and quantiles.

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
    quantiles : ndarray, shape (n_levels, n_times, n_species), optional
        Quantiles, as thin lines.
    levels : sequence of float
        Their levels, for the legend.
    legend : bool
        Whether to explain the lines.
    counted : bool
        Whether all are counts, which are never negative; other functions of counts may be.
    ax : Axes, optional
        Where to draw.
    **options
        Passed on to ``Axes.plot`` for the means.

    Returns
    -------
    Axes
    """
    ax = new_axes(ax)
    if len(times) == 1:
        return _draw_instant(float(times[0]), means[0], deviations[0], names, caption, ax, counted)
    few = len(times) <= _FEW
    for k, name in enumerate(names):
        style: dict[str, Any] = {"color": colour(k), "lw": 1.8, "zorder": 3}
        if few:
            style |= {"marker": "o", "markersize": 3.5}
        if k % 2 and len(names) > 1:
            style["dashes"] = (4, 2)  # two species with the same mean can both be seen
        style |= options
        mean, spread = means[:, k], deviations[:, k]
        low = np.maximum(mean - spread, 0.0) if counted else mean - spread
        ax.plot(times, mean, label="mean" if len(names) == 1 else label(name), **style)
        ax.fill_between(times, low, mean + spread, color=style["color"], alpha=0.2, lw=0)
        for q in quantiles if quantiles is not None else ():
            ax.plot(times, q[:, k], color=style["color"], lw=1.1, ls=":")
    # Empty ones, which stand for the bands and the thin lines of all species in the legend.
    grey = colour(0) if len(names) == 1 else "0.35"
    ax.fill_between([], [], [], color=grey, alpha=0.2, lw=0, label="mean ± 1 standard deviation")
    if levels:
        percents = " and ".join(f"{100 * level:g} %" for level in levels)
        ax.plot([], [], color=grey, lw=1.1, ls=":", label=f"quantiles, {percents}")
    free_axis(ax)
    time_axis(ax, times)
    highest = float((means + deviations).max())
    if quantiles is not None and quantiles.size:
        highest = max(highest, float(quantiles.max()))
    if counted:
        ax.set_ylim(0.0, 1.05 * highest if highest > 0.0 else 1.0)
    unit = "count" if counted else "value"
    what = f"{label(names[0])} ({unit})" if len(names) == 1 else unit
    if highest >= 4.0 and counted:
        count_axis(ax.yaxis, what)
    else:
        ax.set_ylabel(what)
    ax.set_title(label(names[0]) if len(names) == 1 else "means", loc="left")
    state_error(ax, caption.error_text())
    if legend and len(names) <= 3:
        legend_below(ax, 3)
    elif legend:
        legend_beside(ax, len(names) + 2)
    return ax


def _draw_instant(
    time: float, means: FloatArray, deviations: FloatArray, names: Sequence[str], caption: Caption, ax: Axes,
    counted: bool,
) -> Axes:  # fmt: skip
    """Draw means and standard deviations at one time, a mark with a bar for each species side by side."""
    for k, (mean, spread) in enumerate(zip(means.tolist(), deviations.tolist(), strict=True)):
        reach = [[min(spread, max(mean, 0.0))], [spread]] if counted else [[spread], [spread]]
        ax.errorbar([k], [mean], reach, fmt="o", color=colour(k), capsize=4)
    free_axis(ax)
    if counted:
        ax.set_ylim(bottom=0.0)
    ax.set_xlim(-0.6, len(names) - 0.4)
    turned = sum(len(name) for name in names) > 50
    ax.set_xticks(range(len(names)), [label(name) for name in names], rotation=90 if turned else 0)
    ax.set_ylabel("count" if counted else "value")
    ax.set_title(f"mean ± 1 standard deviation at time {time:g}", loc="left")
    state_error(ax, caption.error_text())
    return ax


def draw_heat(
    times: FloatArray,
    laws: Sequence[tuple[NDArray[np.int64], FloatArray]],
    name: str,
    caption: Caption,
    *,
    means: FloatArray | None = None,
    ax: Axes | None = None,
    log: bool = False,
    **options: Any,
) -> Axes:
    """Draw the marginal of one species over time as a heat map, one column for each output time.

    Parameters
    ----------
    times : ndarray, shape (n_times,)
        The times, at least two.
    laws : sequence of (counts, masses)
        The marginal at each time.
    name : str
        The species.
    caption : Caption
        The largest error bound of all times.
    means : ndarray, shape (n_times,), optional
        A line to draw on top.
    ax : Axes, optional
        Where to draw.
    log : bool
        Logarithmic colours, down to 1e-12 of the largest probability; else they go with the square root, which
        lets broad and narrow distributions be seen together.
    **options
        Passed on to ``Axes.pcolormesh``.

    Returns
    -------
    Axes
    """
    from matplotlib.colors import LogNorm, PowerNorm

    ax = new_axes(ax)
    peaks = np.array([masses.max() for _, masses in laws])
    top = float(peaks.max() if log else min(peaks.max(), _BRIGHTEST * np.median(peaks)))
    faintest = (_FAINTEST_LOG if log else _FAINTEST) * top
    seen = [counts[masses > faintest] for counts, masses in laws]
    low = min(int(counts.min()) for counts in seen if counts.size)
    high = max(int(counts.max()) for counts in seen if counts.size)
    block = max(1, math.ceil((high - low + 1) / CELLS))
    table = np.zeros((len(times), (high - low) // block + 1))
    for row, (counts, masses) in zip(table, laws, strict=True):
        inside = (counts >= low) & (counts <= high)
        np.add.at(row, (counts[inside] - low) // block, masses[inside] / block)
    middles = 0.5 * (times[1:] + times[:-1])
    edges = np.concatenate([times[:1], middles, times[-1:]])
    levels = low - 0.5 + block * np.arange(table.shape[1] + 1)
    style: dict[str, Any] = {"cmap": MAP, "rasterized": True, **options}
    shown = np.ma.masked_less_equal(table, faintest) if log else table
    norm = LogNorm(float(shown.min()), top) if log else PowerNorm(0.5, 0.0, top)
    mesh = ax.pcolormesh(edges, levels, shown.T, norm=norm, **style)
    over = float(table.max()) > top * (1.0 + 1e-9)
    scale = "probability" if log else "probability (square-root scale)"
    extend = "max" if over else "neither"
    ax.figure.colorbar(mesh, ax=ax, label=scale, fraction=0.05, pad=0.02, extend=extend)
    if means is not None:
        ax.plot(times, means, color="white", lw=2.6)
        ax.plot(times, means, color="black", lw=1.2, ls="--", label="mean")
    ax.set_ylim(levels[0], levels[-1])
    count_axis(ax.yaxis, f"{label(name)} (count)")
    time_axis(ax, times)
    ax.set_title(label(name), loc="left")
    state_error(ax, caption.error_text())
    if means is not None:
        legend_below(ax, 1)
    return ax


def draw_sizes(times: FloatArray, sizes: Sequence[int], *, ax: Axes | None = None) -> Axes:
    """Draw the number of states over time."""
    from matplotlib.ticker import LogLocator, NullLocator

    ax = new_axes(ax)
    few = len(times) <= _FEW
    ax.plot(times, sizes, color=colour(0), lw=1.8, marker="o" if few else None, markersize=3.5)
    if max(sizes) > 30 * max(1, min(sizes)):
        decades = max(sizes) / max(1, min(sizes))
        ax.set_yscale("log")
        ax.yaxis.set_major_locator(LogLocator(subs=(1.0,) if decades > 1e4 else (1.0, 2.0, 5.0)))
        ax.yaxis.set_minor_locator(NullLocator())
        ax.yaxis.set_major_formatter("{x:,.0f}")
        ax.set_ylabel("states")
    else:
        ax.set_ylim(0.0, 1.08 * max(sizes))
        count_axis(ax.yaxis, "states")
        ax.yaxis.set_major_formatter("{x:,.0f}")
    free_axis(ax)
    time_axis(ax, times)
    ax.set_title("size of the state set", loc="left")
    return ax


def draw_errors(
    times: FloatArray,
    entries: Mapping[str, FloatArray],
    totals: FloatArray,
    tolerance: float,
    *,
    ax: Axes | None = None,
) -> Axes:
    """Draw the entries of the ledger over time on a logarithmic axis, their total, and the tolerance.

    Parameters
    ----------
    times : ndarray, shape (n_times,)
        The times.
    entries : mapping from str to ndarray, shape (n_times,)
        The entries; those that stay zero are left out.
    totals : ndarray, shape (n_times,)
        The error bounds.
    tolerance : float
        What was asked for; not drawn when it is 0.
    ax : Axes, optional
        Where to draw.

    Returns
    -------
    Axes
    """
    ax = new_axes(ax)
    mark: dict[str, Any] = {"marker": "o", "markersize": 3.5} if len(times) <= _FEW else {}
    positive = [totals[totals > 0.0]]
    ax.plot(times, np.where(totals > 0.0, totals, np.nan), color="black", lw=2.0, label="error bound", **mark)
    for k, (name, amounts) in enumerate(entries.items()):
        if not (amounts > 0.0).any():
            continue
        positive.append(amounts[amounts > 0.0])
        tone = _LEDGER_COLOURS.get(name, colour(k))
        shown = np.where(amounts > 0.0, amounts, np.nan)
        ax.plot(times, shown, color=tone, lw=1.4, label=name.replace("_", " "), **mark)
    values = np.concatenate(positive)
    if tolerance > 0.0:
        ax.axhline(tolerance, color="0.35", lw=1.0, ls=(0, (4, 3)), label="tolerance")
    if values.size:
        ax.set_yscale("log")
        top = max(float(values.max()), tolerance)
        # Entries of a few units of rounding would take most of the picture from those that matter.
        ax.set_ylim(max(float(values.min()) / 2.0, 1e-12 * top), 3.0 * top)
    free_axis(ax)
    time_axis(ax, times)
    ax.set_ylabel("1-norm error")
    ax.set_title("ledger of errors", loc="left")
    legend_below(ax, 4, depth=0.24)
    return ax
