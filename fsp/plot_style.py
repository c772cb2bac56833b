"""What all pictures have in common: captions that state the error, colours, ticks, axes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = [
    "CELLS",
    "MAP",
    "Caption",
    "colour",
    "count_axis",
    "free_axis",
    "label",
    "legend_below",
    "legend_beside",
    "new_axes",
    "shown_range",
    "state_error",
    "time_axis",
]

#: Cells of a heat map on each side; larger ranges are summed into blocks of this resolution.
CELLS = 400
#: Colours that people with any kind of colour vision tell apart (Okabe and Ito, Color Universal Design, 2008).
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
#: The colours of heat maps: lightness alone tells probabilities apart.
MAP = "viridis"


def colour(k: int) -> str:
    """Return the colour of the k-th species of a picture."""
    return _COLOURS[k % len(_COLOURS)]


def label(name: str) -> str:
    """Return the name of a species as pictures write it: not too long, and never taken for a hidden label.

    Examples
    --------
    >>> label("protein"), label("_x"), label("a" * 40)
    ('protein', ' _x', 'aaaaaaaaaaaaaaaaaaaaaaa…')
    """
    short = name if len(name) <= 24 else name[:23] + "…"
    return f" {short}" if short.startswith("_") else short


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
        return what if self.time is None else f"{what} at time {self.time:g}"


def new_axes(ax: Axes | None) -> Axes:
    """Return the given axes, or new ones in a figure of its own."""
    if ax is not None:
        return ax
    from matplotlib import pyplot

    return pyplot.subplots(figsize=(6.4, 4.2), layout="constrained")[1]


def state_error(ax: Axes, text: str) -> None:
    """Write the error above the right end of the axes, where it covers no data."""
    ax.set_title(text, loc="right", fontsize="small", color="0.35")


def count_axis(axis: Any, label: str) -> None:
    """Give an axis of counts whole ticks and its label."""
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator(integer=True, nbins=8, steps=[1, 2, 5, 10]))
    axis.set_label_text(label)


def time_axis(ax: Axes, times: NDArray[np.float64]) -> None:
    """Let the horizontal axis run from the first to the last time."""
    if len(times) > 1:
        ax.set_xlim(float(times[0]), float(times[-1]))
    ax.set_xlabel("time (unit of the model)")


def free_axis(ax: Axes) -> None:
    """Take away the frame where there is no axis."""
    ax.spines[["top", "right"]].set_visible(False)


def shown_range(counts: NDArray[np.int64], masses: NDArray[np.float64], threshold: float) -> tuple[int, int]:
    """Return the least and the largest count that carry more than ``threshold`` of the largest mass."""
    seen = counts[masses > threshold * masses.max()]
    return int(seen.min()), int(seen.max())


def legend_below(ax: Axes, columns: int, *, depth: float = 0.16) -> None:
    """Put the legend in rows below the axes, ``depth`` times their height below."""
    below: dict[str, Any] = {"loc": "upper center", "bbox_to_anchor": (0.5, -depth), "borderaxespad": 0.4}
    ax.legend(frameon=False, ncols=columns, fontsize="small", columnspacing=1.6, handlelength=2.2, **below)


def legend_beside(ax: Axes, n: int) -> None:
    """Put the legend to the right of the axes, where it covers no data, in columns of at most 18 entries."""
    ax.legend(frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0), ncols=max(1, math.ceil(n / 18)))
