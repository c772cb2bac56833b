"""Which picture of a result, and figures of several pictures, for files and for reports."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fsp.distribution import Distribution
from fsp.errors import ArgumentError
from fsp.plot_course import draw_course, draw_errors, draw_heat, draw_sizes
from fsp.plot_style import Caption

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["KINDS", "PICTURES", "draw_picture", "result_figure"]

#: What ``TransientResult.plot`` draws on one pair of axes, and what whole figures show.
PICTURES = ("course", "heatmap", "states", "ledger")
KINDS = ("auto", "course", "heatmap", "distribution", "run")
#: Up to so many species share one picture of courses; beyond, each has a panel of its own.
_TOGETHER = 3
#: More panels than this would be too small to read.
_MOST_PANELS = 12
_WIDTH, _HEIGHT = 6.4, 4.0


class Course(Protocol):
    """What pictures ask of a result."""

    times: NDArray[np.float64]
    tolerance: float

    @property
    def species_names(self) -> tuple[str, ...]:
        """The names of the species."""
        ...

    @property
    def kept(self) -> str:
        """What is kept for each time."""
        ...

    @property
    def error_bound(self) -> float:
        """The largest error bound."""
        ...

    @property
    def certified(self) -> bool:
        """Whether error bounds are proven."""
        ...

    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[Distribution]: ...
    def __getitem__(self, index: int) -> Distribution: ...


def draw_picture(
    result: Course,
    names: Sequence[str],
    kind: str = "course",
    *,
    ax: Axes | None = None,
    log: bool = False,
    quantiles: Sequence[float] = (0.05, 0.95),
    **options: Any,
) -> Axes:
    """Draw one picture of a result; see ``TransientResult.plot``."""
    if kind not in PICTURES:
        message = f"the kind of a picture is one of {', '.join(map(repr, PICTURES))}, not {kind!r}"
        raise ArgumentError(message)
    if not len(result):
        message = "the result has no output times, so there is nothing to draw"
        raise ArgumentError(message)
    caption = Caption(result.error_bound, result.certified)
    if kind == "states":
        return draw_sizes(result.times, [d.n_states for d in result], ax=ax)
    if kind == "ledger":
        return _draw_ledger(result, ax)
    means = np.array([[d.mean(name) for name in names] for d in result])
    if kind == "course":
        deviations = np.array([[d.std(name) for name in names] for d in result])
        counted = all(name in result.species_names for name in names)
        known = result.kept == "distributions" or (result.kept == "marginals" and counted)
        levels = list(quantiles) if known and len(names) <= _TOGETHER else []
        curves = np.array([[[d.quantile(n, level) for n in names] for d in result] for level in levels])
        return draw_course(
            result.times,
            means,
            deviations,
            names,
            caption,
            quantiles=curves,
            levels=levels,
            counted=counted,
            ax=ax,
            **options,
        )
    for name in names:
        if name not in result.species_names:
            message = f"a heat map shows the counts of a species; {name!r} is an observable"
            raise ArgumentError(message)
    if len(names) != 1 or len(result) < 2:
        message = f"a heat map shows one species at several times, not {len(names)} at {len(result)}"
        raise ArgumentError(message)
    laws = [(law.counts, law.masses) for law in (d.species_law(names[0]) for d in result)]
    return draw_heat(result.times, laws, names[0], caption, means=means[:, 0], ax=ax, log=log, **options)


def _draw_ledger(result: Course, ax: Axes | None) -> Axes:
    books = [{} if d.ledger is None else d.ledger.entries for d in result]
    sources = list(dict.fromkeys(source for book in books for source in book))
    entries = {source: np.array([book.get(source, 0.0) for book in books]) for source in sources}
    totals = np.array([d.error_bound for d in result])
    return draw_errors(result.times, entries, totals, result.tolerance, ax=ax)


def result_figure(result: Course, names: Sequence[str], kind: str = "auto", *, log: bool = False) -> Figure:
    """Return a figure of a result, ready to be saved.

    Parameters
    ----------
    result : TransientResult
        What to show.
    names : sequence of str
        The species.
    kind : str
        ``"course"`` (means, standard deviations and quantiles over time), ``"heatmap"`` (marginals over time),
        ``"distribution"`` (at the last time), ``"run"`` (states and ledger over time) or ``"auto"``: the course
        if there are several times, else the distribution.
    log : bool
        Logarithmic probabilities, in heat maps and distributions.

    Raises
    ------
    ArgumentError
        For an unknown kind, or when the result does not hold what the picture needs.
    """
    from matplotlib.figure import Figure

    if kind not in KINDS:
        message = f"the kind of a figure is one of {', '.join(map(repr, KINDS))}, not {kind!r}"
        raise ArgumentError(message)
    if kind == "auto":
        kind = "course" if len(result) > 1 else "distribution"
        counted = any(name in result.species_names for name in names)
        if kind == "distribution" and (result.kept == "moments" or len(names) > _MOST_PANELS or not counted):
            kind = "course"
    shown = list(names)
    if kind in ("heatmap", "distribution"):  # of counts
        shown = [name for name in names if name in result.species_names]
        if not shown:
            message = f"a {kind} shows species; {', '.join(names)} are observables: draw a course"
            raise ArgumentError(message)
    if kind == "course" and (len(shown) <= _TOGETHER or len(shown) > _MOST_PANELS or len(result) == 1):
        groups = [shown]
    elif kind == "distribution" and len(shown) == 2 and result.kept == "distributions":
        groups = [shown]
    elif kind == "run":
        groups = [[], []]
    else:
        groups = [[name] for name in shown[:_MOST_PANELS]]
    columns = 1 if kind == "run" else {1: 1, 2: 2, 3: 3, 4: 2}.get(len(groups), 3 if len(groups) <= 9 else 4)
    rows = math.ceil(len(groups) / columns)
    width, height = _WIDTH, _HEIGHT
    if len(groups) > 1:
        width, height = (0.75 * _WIDTH, 0.8 * _HEIGHT) if kind != "run" else (_WIDTH, 0.8 * _HEIGHT)
    elif kind == "distribution" and len(shown) == 2:
        width, height = 5.4, 4.4
    elif kind == "course" and len(shown) > _TOGETHER:
        width = 1.25 * _WIDTH
    figure = Figure(figsize=(width * columns, height * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for ax in axes[len(groups) :]:
        ax.remove()
    for k, (ax, group) in enumerate(zip(axes, groups, strict=False)):
        if kind == "run":
            draw_picture(result, shown, ("states", "ledger")[k], ax=ax)
        elif kind == "distribution":
            result[-1].marginal(group).plot(ax, log=log)
        else:
            draw_picture(result, group, kind, ax=ax, log=log)
    if kind in ("course", "heatmap") and len(groups) > 1:  # one legend serves all panels
        handles, texts = axes[0].get_legend_handles_labels()
        for ax in axes[: len(groups)]:
            ax.get_legend().remove()
        figure.legend(handles, texts, loc="outside lower center", ncols=3, frameon=False)
    return figure
