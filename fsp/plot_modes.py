"""Pictures of slow modes: the spectrum, and modes over the counts of one or two species."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fsp.errors import ArgumentError
from fsp.plot_style import CELLS, colour, count_axis, free_axis, label, state_error
from fsp.query import unknown_species

if TYPE_CHECKING:
    from fsp.modes import SlowModes

__all__ = ["draw_modes"]

FloatArray = NDArray[np.float64]

#: States of less than this part of the largest marginal probability are not shown.
SHOWN = 1e-9
#: Colours of numbers with a sign: neutral at 0.
SIGNED = "PuOr"


def draw_modes(modes: SlowModes, names: str | Sequence[str] | None, count: int | None) -> Any:
    """Return a figure with the spectrum, and right and left modes side by side; see `SlowModes.plot`."""
    from matplotlib import pyplot

    chosen = _chosen(modes, names)
    shown = min(3, modes.rates.size) if count is None else count
    if not 1 <= shown <= modes.rates.size:
        message = f"between 1 and {modes.rates.size} modes can be drawn, not {count}"
        raise ArgumentError(message)
    figure = pyplot.figure(figsize=(3.6 * shown + 3.6, 6.4), layout="constrained")
    grid = figure.add_gridspec(2, shown + 1, width_ratios=[0.9] + [1.0] * shown)
    draw_spectrum(modes, figure.add_subplot(grid[:, 0]))
    states = modes.states[:, chosen]
    for j in range(shown):
        for row, what in enumerate(("right", "left")):
            axes = figure.add_subplot(grid[row, j + 1])
            values, cells, law = _over(modes, states, what, j)
            draw = _draw_line if len(chosen) == 1 else _draw_plane
            draw(axes, cells, values, law, [modes.network.species_names[s] for s in chosen])
            rate = modes.rates[j]
            number = f"{rate.real:.4g}" if not np.imag(rate) else f"{rate:.3g} (real part)"
            axes.set_title(f"{what} mode {j + 1}, rate {number}", loc="left", fontsize="medium")
    return figure


def draw_spectrum(modes: SlowModes, ax: Any) -> None:
    """Draw the decay rates: on a logarithmic axis if they are real, else in the complex plane."""
    rates = modes.rates
    if np.iscomplexobj(rates):
        ax.plot(rates.real, rates.imag, "o", color=colour(0))
        ax.axhline(0.0, color="0.8", lw=0.8, zorder=0)
        ax.set_xlim(left=0.0)
        ax.set_xlabel("decay rate (1/time)")
        ax.set_ylabel("angular frequency (1/time)")
    else:
        number = np.arange(1, rates.size + 1)
        shown = np.maximum(
            rates, 1e-3 * modes.error_bounds
        )  # of a rate that is not known only the error shows
        low = np.maximum(shown - modes.error_bounds, shown * 1e-3)
        spread = np.vstack([shown - low, modes.error_bounds])
        ax.errorbar(number, shown, yerr=spread, fmt="o", color=colour(0), capsize=3)
        ax.set_yscale("log")
        ax.set_xlim(0.4, rates.size + 0.6)
        count_axis(ax.xaxis, "mode")
        ax.set_ylabel("decay rate (1/time)")
    free_axis(ax)
    ax.set_title("spectrum", loc="left", fontsize="medium")
    sign = "≤" if modes.certified else "≈"
    state_error(ax, f"errors {sign} {modes.error_bounds.max():.1e}")


def _chosen(modes: SlowModes, names: str | Sequence[str] | None) -> list[int]:
    known = modes.network.species_names
    if names is not None:
        wanted = [names] if isinstance(names, str) else list(names)
        for name in wanted:
            if name not in known:
                raise ArgumentError(unknown_species(name, known))
        if not 1 <= len(wanted) <= 2:
            message = f"modes are drawn over one or two species, not {len(wanted)}"
            raise ArgumentError(message)
        return [known.index(name) for name in wanted]
    axes = modes.space.coordinates.axes  # species that no conservation law fixes
    span = {s: int(np.ptp(modes.states[:, s])) for s in axes}
    return sorted(sorted(axes, key=lambda s: -span[s])[:2])


def _over(
    modes: SlowModes, states: NDArray[np.int64], what: str, j: int
) -> tuple[FloatArray, NDArray[np.int64], FloatArray]:
    """Return a mode over some species, their counts, and their stationary probabilities."""
    cells, position = np.unique(states, axis=0, return_inverse=True)
    position = position.reshape(-1)
    law = np.bincount(position, modes.law, len(cells)).astype(np.float64)
    weight = modes.right[:, j].real if what == "right" else modes.law * modes.left[:, j].real
    values = np.bincount(position, weight, len(cells)).astype(np.float64)
    if what == "left":
        values = values / np.maximum(law, 1e-290)
    keep = law >= SHOWN * law.max()
    return values[keep], cells[keep], law[keep]


def _draw_line(
    ax: Any, cells: NDArray[np.int64], values: FloatArray, law: FloatArray, names: Sequence[str]
) -> None:
    counts = cells[:, 0]
    ax.axhline(0.0, color="0.8", lw=0.8, zorder=0)
    ax.fill_between(
        counts, 0.0, law * (np.abs(values).max() / law.max()), step="mid", color="0.9", lw=0.0, zorder=0
    )
    ax.plot(counts, values, drawstyle="steps-mid", color=colour(0), lw=1.4)
    free_axis(ax)
    count_axis(ax.xaxis, f"{label(names[0])} (count)")


def _draw_plane(
    ax: Any, cells: NDArray[np.int64], values: FloatArray, law: FloatArray, names: Sequence[str]
) -> None:
    corner, far = cells.min(axis=0), cells.max(axis=0)
    block = np.maximum(1, -(-(far - corner + 1) // CELLS))
    shape = tuple(((far - corner) // block + 1).tolist())
    cell = (cells - corner) // block
    table: FloatArray = np.zeros(shape)
    seen: FloatArray = np.zeros(shape)
    np.add.at(table, (cell[:, 0], cell[:, 1]), values)
    np.add.at(seen, (cell[:, 0], cell[:, 1]), 1.0)
    shown = np.ma.masked_array(table / np.maximum(seen, 1.0), seen == 0.0)
    edges = [corner[k] - 0.5 + block[k] * np.arange(shape[k] + 1) for k in (0, 1)]
    size = float(np.abs(values).max())
    mesh = ax.pcolormesh(edges[0], edges[1], shown.T, cmap=SIGNED, vmin=-size, vmax=size, rasterized=True)
    ax.figure.colorbar(mesh, ax=ax, fraction=0.05, pad=0.02)
    count_axis(ax.xaxis, f"{label(names[0])} (count)")
    count_axis(ax.yaxis, f"{label(names[1])} (count)")
