"""The picture of an ensemble: means and deviations over time, beside an exact result."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fsp.errors import ArgumentError
from fsp.plot_style import colour, count_axis, free_axis, label, legend_below, new_axes, time_axis

if TYPE_CHECKING:
    from fsp.ensemble import Ensemble

__all__ = ["draw_ensemble"]


def draw_ensemble(ensemble: Ensemble, names: Sequence[str], exact: Any = None, ax: Any = None) -> Any:
    """Draw the means of species as points with bands of one standard deviation; exact ones as black lines.

    Raises
    ------
    ArgumentError
        If the exact result lacks one of the species.
    """
    if exact is not None:
        for name in names:
            if name not in exact.species_names:
                message = (
                    f"the exact result has no species {name!r} (known: {', '.join(exact.species_names)})"
                )
                raise ArgumentError(message)
    ax = new_axes(ax)
    highest = 1.0
    single = ensemble.n_trajectories < 2
    for k, name in enumerate(names):
        mean = ensemble.mean(name)
        std = np.zeros_like(mean) if single else ensemble.std(name)
        low, high = (mean, mean) if single else ensemble.mean_interval(name)
        ax.fill_between(
            ensemble.times, np.maximum(mean - std, 0.0), mean + std, color=colour(k), alpha=0.2, lw=0
        )
        bars = np.maximum(np.array([mean - low, high - mean]), 0.0)
        ax.errorbar(
            ensemble.times,
            mean,
            yerr=bars,
            color=colour(k),
            fmt="o",
            markersize=3.5,
            lw=1.2,
            label=label(name),
            clip_on=False,  # points lie on the first and the last time
        )
        highest = max(highest, float((mean + std).max()))
        if exact is not None:
            there, spread = np.asarray(exact.mean(name)), np.asarray(exact.std(name))
            ax.plot(exact.times, there, color="black", lw=1.2, label="exact" if k == 0 else None)
            for line in (np.maximum(there - spread, 0.0), there + spread):
                ax.plot(exact.times, line, color="black", lw=0.7, ls=":")
            highest = max(highest, float((there + spread).max()))
    free_axis(ax)
    time_axis(ax, ensemble.times)
    ax.set_ylim(0.0, 1.05 * highest)
    count_axis(ax.yaxis, "count")
    what = (
        "1 trajectory"
        if single
        else f"{ensemble.n_trajectories:,} trajectories: mean (95 %), band of 1 standard deviation"
    )
    ax.set_title(what, loc="left")
    legend_below(ax, 3)
    return ax
