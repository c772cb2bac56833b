"""Ensembles: the counts of many simulated trajectories, and what they say about the law, with confidence intervals."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fsp import storage
from fsp.distribution import Distribution
from fsp.errors import ArgumentError
from fsp.query import unknown_species
from fsp.version import __version__

if TYPE_CHECKING:
    import xarray as xr

    from fsp.model.network import ReactionNetwork

__all__ = ["Ensemble", "Trajectory", "ensemble_from_dataset"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.signedinteger[Any]]

#: Moments are computed for so many times together that they need this much memory, in bytes, or one time.
_BLOCK_BYTES = 2**26


@dataclass(frozen=True, eq=False)
class Trajectory:
    """All that happened in one trajectory.

    Attributes
    ----------
    times : ndarray of float64, shape (n_events,)
    reactions : ndarray of int64, shape (n_events,)
        Which reaction; -1 for events of the network. Those that leave all counts as they are do not appear.
    states : ndarray of int64, shape (n_events, n_species)
        The counts afterwards.
    """

    times: FloatArray
    reactions: IntArray
    states: IntArray


class Ensemble:
    """The counts of simulated trajectories at output times. Made by `fsp.simulate`.

    Attributes
    ----------
    times : ndarray of float64, shape (n_times,)
    species_names : tuple of str
    counts : ndarray of int, shape (n_trajectories, n_times, n_species)
    n_trajectories : int
    seed : int
    trajectories : ndarray of int64, shape (n_trajectories,)
        The number of each trajectory, which is that of its random stream.
    method, why : str
        How the next reaction was found, and why so.
    complete : bool
        False if the run was stopped before all trajectories were done.
    network : ReactionNetwork or None
    statistics : dict
        ``reactions``: how many happened; ``seconds``; ``threads``.
    events : list of Trajectory or None
        One for each trajectory, if they were recorded.

    Examples
    --------
    >>> import fsp
    >>> network = fsp.ReactionNetwork({"X": 0}, ["0 -> X @ 10", "X -> 0 @ 1"])
    >>> ensemble = fsp.simulate(network, times=[1.0, 50.0], n_trajectories=1000, seed=1)
    >>> ensemble.counts.shape
    (1000, 2, 1)
    >>> low, high = ensemble.mean_interval("X", level=0.999)
    >>> bool(low[1] < 10.0 < high[1])
    True
    """

    def __init__(
        self, network: ReactionNetwork | None, times: FloatArray, counts: IntArray, *, species_names:
        Sequence[str], seed: int,
        trajectories: IntArray, method: str, why: str, complete: bool = True, statistics: Mapping[str, float] | None = None,
        events: list[Trajectory] | None = None, initial: str = "", version: str = __version__,
    ) -> None:  # fmt: skip
        self.network = network
        self.times = times
        self.counts = counts
        self.species_names = tuple(species_names)
        self.seed = seed
        self.trajectories = trajectories
        self.method, self.why = method, why
        self.complete = complete
        self.statistics = dict(statistics or {})
        self.events = events
        self.initial = initial
        self.version = version

    @property
    def n_trajectories(self) -> int:
        """How many trajectories there are."""
        return int(self.counts.shape[0])

    def __len__(self) -> int:
        return int(self.times.size)

    def at(self, time: float) -> IntArray:
        """Return the counts at an output time, shape (n_trajectories, n_species).

        Raises
        ------
        ArgumentError
            If it is none of the output times (to 1e-12 of its size).
        """
        return self.counts[:, self._index(time)]

    def _index(self, time: float) -> int:
        if isinstance(time, bool) or not isinstance(time, int | float | np.number):
            message = f"an output time is a number, not {time!r}"
            raise ArgumentError(message)
        k = int(np.argmin(np.abs(self.times - time)))
        if not abs(self.times[k] - time) <= 1e-12 * max(1e-300, abs(float(time))):
            message = f"there is no output at time {time!r}; the nearest is {self.times[k]:g}"
            raise ArgumentError(message)
        return k

    def _columns(self, name: str | None) -> list[int]:
        if name is None:
            return list(range(len(self.species_names)))
        if name not in self.species_names:
            raise ArgumentError(unknown_species(name, self.species_names))
        return [self.species_names.index(name)]

    def _shaped(self, table: FloatArray, name: str | None) -> FloatArray:
        return table if name is None else table[:, 0]

    def _moments(self, name: str | None, orders: int) -> list[FloatArray]:
        """Return means and central moments of the sample up to an order, shape (n_times, columns) each."""
        self._need(1)
        columns = self._columns(name)
        found = np.zeros((orders, len(self), len(columns)))
        step = max(1, _BLOCK_BYTES // (8 * self.n_trajectories * max(1, len(columns))))
        for start in range(0, len(self), step):
            block = slice(start, start + step)
            data = self.counts[:, block, columns].astype(np.float64)
            mean = data.mean(axis=0)
            data -= mean
            found[:, block] = [mean, *((data**k).mean(axis=0) for k in range(2, orders + 1))]
        return list(found)

    def _need(self, n: int) -> None:
        if self.n_trajectories < n:
            message = f"this needs at least {n} trajectories, not {self.n_trajectories}"
            raise ArgumentError(message)

    def mean(self, name: str | None = None) -> FloatArray:
        """Return sample means: shape (n_times,) for one species, else (n_times, n_species)."""
        return self._shaped(self._moments(name, 1)[0], name)

    def std(self, name: str | None = None) -> FloatArray:
        """Return standard deviations (with n - 1), in the shape of `mean`."""
        self._need(2)
        n = self.n_trajectories
        return self._shaped(np.sqrt(self._moments(name, 2)[1] * (n / (n - 1))), name)

    def mean_interval(self, name: str | None = None, level: float = 0.95) -> tuple[FloatArray, FloatArray]:
        """Return confidence intervals of the means, by Student's t: lower and upper ends, in the shape of `mean`."""
        from scipy import stats

        self._need(2)
        half = float(stats.t.ppf(0.5 + 0.5 * _level(level), self.n_trajectories - 1)) / math.sqrt(
            self.n_trajectories
        )
        mean, std = self.mean(name), self.std(name)
        return mean - half * std, mean + half * std

    def std_interval(self, name: str | None = None, level: float = 0.95) -> tuple[FloatArray, FloatArray]:
        """Return confidence intervals of the standard deviations, for many trajectories.

        The variance of a sample has the variance ``(kappa - 1) sigma^4/n`` with the kurtosis kappa, here that of the sample.
        """
        from scipy import stats

        self._need(2)
        _, second, _, fourth = self._moments(name, 4)
        z = float(stats.norm.ppf(0.5 + 0.5 * _level(level)))
        half = z * np.sqrt(np.maximum(fourth - second**2, 0.0) / self.n_trajectories)
        low, high = np.sqrt(np.maximum(second - half, 0.0)), np.sqrt(second + half)
        return self._shaped(low, name), self._shaped(high, name)

    def probability(self, condition: str, level: float = 0.95) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return the part of the trajectories for which a condition holds, at each time, with its confidence interval.

        The interval is that of Clopper and Pearson (1934), whose level is never below the stated one.

        Returns
        -------
        ndarray, ndarray, ndarray
            The part, lower and upper ends, shape (n_times,) each.
        """
        from scipy import stats

        from fsp.model.propensity import Predicate

        self._need(1)
        predicate = Predicate(condition, self.species_names)
        hits = np.zeros(len(self))
        for k in range(len(self)):
            counts = {
                name: self.counts[:, k, s].astype(np.int64) for s, name in enumerate(self.species_names)
            }
            hits[k] = np.broadcast_to(predicate.evaluate(counts), (self.n_trajectories,)).sum()
        n, tail = self.n_trajectories, 0.5 - 0.5 * _level(level)
        low = np.where(hits > 0, stats.beta.ppf(tail, np.maximum(hits, 1), n - hits + 1), 0.0)
        high = np.where(hits < n, stats.beta.ppf(1.0 - tail, hits + 1, np.maximum(n - hits, 1)), 1.0)
        return hits / n, low, high

    def distribution(self, time: float) -> Distribution:
        """Return the empirical distribution at an output time.

        Its ``error_bound`` is an estimate (``certified`` is False): the expected 1-norm of what the sample misses,
        ``sum sqrt(2 p (1 - p)/(pi n))``.
        """
        self._need(1)
        states, hits = np.unique(self.at(time).astype(np.int64), axis=0, return_counts=True)
        p = hits / self.n_trajectories
        error = float(np.sqrt(2.0 / math.pi * p * (1.0 - p) / self.n_trajectories).sum())
        return Distribution.from_states(
            states,
            p,
            self.species_names,
            error_bound=error,
            certified=False,
            time=float(time),
            lower_bound=False,
        )

    # -- output --------------------------------------------------------------------------------------------

    def plot(self, exact: Any = None, names: str | Sequence[str] | None = None, ax: Any = None) -> Any:
        """Draw means and standard deviations over time, beside those of an exact result if one is given.

        Parameters
        ----------
        exact : TransientResult, optional
            Its means are drawn as black lines, and one standard deviation around them as thin ones.
        names : str or sequence of str, optional
            The species; by default all.
        ax : Axes, optional

        Returns
        -------
        Axes
        """
        from fsp.ensemble_plot import draw_ensemble

        wanted = self.species_names if names is None else (names,) if isinstance(names, str) else tuple(names)
        for name in wanted:
            self._columns(name)
        return draw_ensemble(self, wanted, exact, ax)

    def to_xarray(self) -> xr.Dataset:
        """Return a Dataset with ``counts`` over trajectory, time and species."""
        from fsp.ensemble_files import to_dataset

        return to_dataset(self)

    def to_csv(self, path: str | os.PathLike[str]) -> None:
        """Write a table with one row for each trajectory and time: ``trajectory,time,...species``.

        Raises
        ------
        ArgumentError, StorageError
            If it cannot be written; then there is no file.
        """
        from fsp.ensemble_files import write_csv

        write_csv(self, path)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a NetCDF-4 file that `fsp.load_result` reads; it is complete, or not there.

        Raises
        ------
        ArgumentError, StorageError
            If it cannot be written.
        """
        storage.write_dataset(self.to_xarray(), path)

    def __repr__(self) -> str:
        done = "" if self.complete else " (incomplete)"
        lines = [
            f"Ensemble: {self.n_trajectories:,} trajectories, {len(self)} times, {', '.join(self.species_names[:12])}{done}"
        ]
        if self.n_trajectories > 1:
            names = self.species_names[:4]
            lines.append(f"{'time':>10}" + "".join(f"  {'mean ' + n:>14}  {'sd':>11}" for n in names))
            mean, std = self.mean(), self.std()
            for k in range(len(self)) if len(self) <= 12 else [*range(6), *range(len(self) - 6, len(self))]:
                row = "".join(f"  {mean[k, s]:>14.6g}  {std[k, s]:>11.5g}" for s in range(len(names)))
                lines.append(f"{self.times[k]:>10g}{row}")
        lines.append(f"method {self.method} (exact); seed {self.seed}")
        return "\n".join(lines)

    def __eq__(self, other: object) -> bool:
        """Say whether all numbers are the same: network, times, counts, seed, trajectories."""
        if not isinstance(other, Ensemble):
            return NotImplemented
        return bool(
            self.species_names == other.species_names
            and self.seed == other.seed
            and self.network == other.network
            and np.array_equal(self.times, other.times)
            and np.array_equal(self.trajectories, other.trajectories)
            and np.array_equal(self.counts, other.counts)
        )

    __hash__ = None  # type: ignore[assignment]


def _level(level: float) -> float:
    if isinstance(level, bool) or not isinstance(level, int | float | np.number) or not 0.0 < level < 1.0:
        message = f"level must be a number between 0 and 1, not {level!r}"
        raise ArgumentError(message)
    return float(level)


def ensemble_from_dataset(dataset: xr.Dataset) -> Ensemble:
    """Return the ensemble that `Ensemble.to_xarray` has put into a Dataset.

    Raises
    ------
    ArgumentError
        If it is no ensemble, of another layout, or incomplete.
    """
    from fsp.ensemble_files import fields_of

    fields = fields_of(dataset)
    events = fields.pop("events")
    return Ensemble(**fields, events=None if events is None else [Trajectory(*entry) for entry in events])
