"""The result of a first passage: intervals for each time, and for the whole of time."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fsp import storage
from fsp.analysis.backward import ByState
from fsp.analysis.long_run import LongRun
from fsp.analysis.passage_quantile import FindCdf, bracket, refined
from fsp.errors import ArgumentError
from fsp.interval import Interval
from fsp.ledger import Ledger
from fsp.transient_options import check_number
from fsp.version import __version__

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from fsp.model.network import ReactionNetwork

__all__ = ["FirstPassageResult"]

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class FirstPassageResult:
    """When the target is hit: made by `fsp.first_passage`.

    Attributes
    ----------
    network : ReactionNetwork or None
    times : ndarray, shape (n_times,)
    target, avoid : str
        The conditions; ``avoid`` may be empty.
    bounds_of_cdf, bounds_of_density, bounds_of_avoided : ndarray, shape (2, n_times)
        Lower and upper ends of `cdf`, `density` and `avoided`.
    certified : bool
        Whether the intervals are proven.
    ledger : Ledger
        What may be missing, at the last time.
    method, explanation : str
        What was done.
    notes : tuple of str
        What was found on the way, such as that the target cannot be reached.
    statistics : dict
        Numbers about the run.
    tolerance : float
        What was asked for.
    relative : bool
        Whether it was meant relative to the probability.
    """

    network: ReactionNetwork | None
    times: FloatArray
    target: str
    avoid: str
    bounds_of_cdf: FloatArray
    bounds_of_density: FloatArray
    bounds_of_avoided: FloatArray
    certified: bool
    ledger: Ledger
    method: str
    explanation: str
    notes: tuple[str, ...]
    statistics: dict[str, float | int]
    tolerance: float
    relative: bool
    by_state: ByState | None = None
    version: str = __version__
    _find_long_run: Callable[[], LongRun] | None = field(default=None, repr=False)
    _find_cdf: FindCdf | None = field(default=None, repr=False)

    # -- until a time --------------------------------------------------------------------------------------

    def _intervals(self, bounds: FloatArray) -> list[Interval]:
        return [Interval(a, b, self.certified) for a, b in bounds.T.tolist()]

    @property
    def cdf(self) -> list[Interval]:
        """The probability of having hit the target by each time, without having entered ``avoid`` before."""
        return self._intervals(self.bounds_of_cdf)

    @property
    def density(self) -> list[Interval]:
        """The probability per unit of time of hitting the target at each time."""
        return self._intervals(self.bounds_of_density)

    @property
    def avoided(self) -> list[Interval]:
        """The probability of having entered ``avoid`` by each time, before the target."""
        return self._intervals(self.bounds_of_avoided)

    def at(self, time: float) -> Interval:
        """Return the interval of `cdf` at one of the times.

        Raises
        ------
        ArgumentError
            If it is none of them.
        """
        wanted = float(time) if isinstance(time, int | float | np.number) else math.nan
        found = np.flatnonzero(self.times == wanted)
        if not found.size:
            message = f"the result has no time {time!r}; its times are {_listed(self.times)}"
            raise ArgumentError(message)
        return self.cdf[int(found[0])]

    def quantile(self, q: float, width: float | None = None) -> Interval:
        """Return bounds of the time by which the target has been hit with probability ``q``.

        Parameters
        ----------
        q : float
        width : float, optional
            How far apart the ends may be, in the time unit of the model: found by further runs. By default the ends are two
            of the times at hand.

        Raises
        ------
        ArgumentError
            If ``q`` is not between 0 and 1, or a width is asked for and the times at hand end before, or the result
            comes from a file.
        SolverError
            If a run cannot be done, or no such interval can be proven.

        Examples
        --------
        >>> import fsp
        >>> decay = fsp.ReactionNetwork({"X": 1}, ["X -> 0 @ 1"])
        >>> result = fsp.first_passage(decay, "X == 0", times=[0.5, 1.0])
        >>> print(result.quantile(0.5))
        [0.5, 1]
        >>> near = result.quantile(0.5, width=1e-6)
        >>> math.log(2.0) in near, near.width <= 1e-6
        (True, True)
        """
        check_number("q", q, 0.0, 1.0)
        first, last = bracket(self.times, self.bounds_of_cdf, q)
        if width is not None:
            check_number("width", width, 0.0, math.inf)
            if last - first > width:
                first, last = self._refined(first, last, float(q), float(width))
        return Interval(first, last, self.certified)

    def _refined(self, first: float, last: float, q: float, width: float) -> tuple[float, float]:
        if self._find_cdf is None:
            message = (
                "a result from a file has its times only: call first_passage again for quantile(q, width=...)"
            )
            raise ArgumentError(message)
        if last == math.inf:
            lower = float(self.bounds_of_cdf[0, -1])
            message = (
                f"by the last time, {self.times[-1]:g}, the target is proven to be hit with probability {lower:g} only, "
                f"less than {q!r}: call first_passage with a later time"
            )
            raise ArgumentError(message)
        return refined(self._find_cdf, (first, last), q, width, self.tolerance)

    def from_state(self, state: Any) -> list[Interval]:
        """Return the interval of the probability at each time from another initial state.

        Parameters
        ----------
        state : mapping or sequence
            Counts by species (0 where none is given), or in the order of the network.

        Raises
        ------
        ArgumentError
            If the result was computed forward only, or the state is not among those that were held.
        """
        if self.by_state is None:
            message = "from_state needs first_passage(..., direction='adjoint'), which computes all initial states at once"
            raise ArgumentError(message)
        return self.by_state.interval(state)

    # -- without an end ------------------------------------------------------------------------------------

    @cached_property
    def long_run(self) -> LongRun:
        """What is known without an end of time, computed when it is first asked for."""
        if self._find_long_run is None:
            never = Interval(0.0, 1.0)
            nothing = Interval(0.0, math.inf)
            return LongRun(never, nothing, nothing, nothing, 0, ("it was not computed",))
        return self._find_long_run()

    def _told(self, value: Interval) -> Interval:
        return Interval(value.lower, value.upper, self.certified and value.certified)

    @property
    def hit_probability(self) -> Interval:
        """The probability of ever hitting the target, without having entered ``avoid`` before."""
        found = self.long_run.hit_probability
        known = float(self.bounds_of_cdf[0].max(initial=0.0))  # hit by some time is hit at all
        return self._told(Interval(min(max(found.lower, known), found.upper), found.upper))

    @property
    def mean(self) -> Interval:
        """The mean time until the target is hit; infinite where it may never be hit."""
        return self._told(self.long_run.mean)

    @property
    def conditional_mean(self) -> Interval:
        """The mean time until the target is hit, over the paths that hit it."""
        return self._told(self.long_run.conditional_mean)

    @property
    def variance(self) -> Interval:
        """The variance of the time until the target is hit."""
        return self._told(self.long_run.variance)

    @property
    def std(self) -> Interval:
        """The standard deviation of the time until the target is hit."""
        return self.variance.sqrt()

    # -- tables, pictures, files ---------------------------------------------------------------------------

    def to_dataframe(self) -> pd.DataFrame:
        """Return a table with a row for each time."""
        import pandas

        columns: dict[str, Any] = {"time": self.times}
        for name in ("cdf", "density", "avoided"):
            columns[f"{name}_lower"], columns[f"{name}_upper"] = getattr(self, f"bounds_of_{name}")
        return pandas.DataFrame(columns)

    def to_xarray(self) -> xr.Dataset:
        """Return a Dataset with all that the result holds."""
        from fsp.analysis.passage_file import to_dataset

        return to_dataset(self)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a NetCDF-4 file, completely or not at all; `fsp.load_result` reads it back.

        Raises
        ------
        ArgumentError
            When there is no place to write to.
        StorageError
            When writing fails; no partial file is left.
        """
        storage.check_writable(path)
        storage.write_dataset(self.to_xarray(), path)

    def plot(self, axes: Sequence[Any] | None = None, *, log: bool = False) -> Sequence[Any]:
        """Draw the probability of having hit the target and its density, with their bounds; returns the two Axes.

        Parameters
        ----------
        axes : sequence of two Axes, optional
            Where to draw; by default in a figure of its own.
        log : bool
            Logarithmic probabilities.
        """
        from fsp.analysis.passage_plot import draw_passage

        return draw_passage(self, axes, log=log)

    def __repr__(self) -> str:
        without = f" without {self.avoid}" if self.avoid else ""
        lines = [f"FirstPassageResult: {self.target}{without}"]
        lines.append(f"{'time':>10}  {'hit by then, at least':>22}  {'at most':>22}  {'per time':>12}")
        n = len(self.times)
        shown = range(n) if n <= 12 else [*range(5), -1, *range(n - 5, n)]
        for k in shown:
            if k < 0:
                lines.append(f"{'...':>10}")
                continue
            lower, upper = self.bounds_of_cdf[:, k]
            density = self.bounds_of_density[0, k]
            lines.append(f"{self.times[k]:>10g}  {lower:>22.14g}  {upper:>22.14g}  {density:>12.5g}")
        kind = "proven" if self.certified else "estimated, not proven"
        of = " of the probability" if self.relative else ""
        lines.append(f"method {self.method}; bounds {kind}; tolerance {self.tolerance:g}{of}")
        lines += [f"note: {note}" for note in self.notes]
        return "\n".join(lines)


def _listed(times: FloatArray) -> str:
    shown = ", ".join(f"{t:g}" for t in times[:8].tolist())
    return shown + (", ..." if times.size > 8 else "")
