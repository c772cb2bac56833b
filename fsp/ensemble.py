"""Ensembles: the counts of many simulated trajectories, and what they say about the law, with confidence intervals."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fsp import storage
from fsp.distribution import Distribution
from fsp.errors import ArgumentError, ModelError
from fsp.query import unknown_species
from fsp.version import __version__

if TYPE_CHECKING:
    import xarray as xr

    from fsp.model.network import ReactionNetwork

__all__ = ["ENSEMBLE_KIND", "Ensemble", "Trajectory", "ensemble_from_dataset", "load_ensemble"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.signedinteger[Any]]

#: The attribute that tells files of ensembles from others, and the version of their layout.
ENSEMBLE_KIND, _FORMAT = "fsp ensemble", 1


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
        data = self.counts[:, :, self._columns(name)].astype(np.float64)
        mean = data.mean(axis=0)
        data -= mean
        return [mean, *((data**k).mean(axis=0) for k in range(2, orders + 1))]

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
        counts = {name: self.counts[:, :, s].astype(np.int64) for s, name in enumerate(self.species_names)}
        hits = predicate.evaluate(counts).sum(axis=0).astype(np.float64)
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
        import xarray

        record: dict[str, Any] = {
            "seed": self.seed, "method": self.method, "why": self.why, "complete": self.complete,
            "statistics": self.statistics, "initial": self.initial, "version": self.version, "network":
            self._network_record(),
        }  # fmt: skip
        variables: dict[str, Any] = {
            "counts": (("trajectory", "time", "species"), self.counts),
            "record": ((), np.array(json.dumps(record), dtype=object)),
        }
        coordinates = {
            "trajectory": np.asarray(self.trajectories, np.int64),
            "time": self.times,
            "species": np.array(self.species_names, dtype=object),
        }
        if self.events is not None:
            variables["event_offset"] = (
                "trajectory_edge",
                np.concatenate([[0], np.cumsum([e.times.size for e in self.events])]).astype(np.int64),
            )
            empty = Trajectory(
                np.zeros(0), np.zeros(0, np.int64), np.zeros((0, len(self.species_names)), np.int64)
            )
            every = [empty, *self.events]
            variables["event_time"] = ("event", np.concatenate([e.times for e in every]))
            variables["event_reaction"] = ("event", np.concatenate([e.reactions for e in every]))
            variables["event_state"] = (("event", "species"), np.concatenate([e.states for e in every]))
        notes = {
            "kind": ENSEMBLE_KIND,
            "format": _FORMAT,
            "seed": str(self.seed),
            "method": self.method,
            "version": self.version,
        }
        return xarray.Dataset(variables, coordinates, notes)

    def _network_record(self) -> Any:
        if self.network is None:
            return None
        from fsp.model.record import network_record

        return network_record(self.network)

    def to_csv(self, path: str | os.PathLike[str]) -> None:
        """Write a table with one row for each trajectory and time: ``trajectory,time,...species``.

        Raises
        ------
        ArgumentError, StorageError
            If it cannot be written; then there is no file.
        """
        with storage.replacing(path) as temporary, temporary.open("w", encoding="utf-8") as file:
            file.write(",".join(["trajectory", "time", *self.species_names]) + "\n")
            times = [repr(float(t)) for t in self.times]
            for number, rows in zip(self.trajectories.tolist(), self.counts, strict=True):
                for time, row in zip(times, rows.tolist(), strict=True):
                    file.write(f"{number},{time},{','.join(map(str, row))}\n")

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
    if dataset.attrs.get("kind") != ENSEMBLE_KIND:
        message = "this is not an ensemble of this package (the attribute 'kind' is missing or another one)"
        raise ArgumentError(message)
    if int(dataset.attrs["format"]) != _FORMAT:
        message = f"the file has layout {int(dataset.attrs['format'])}, this version reads {_FORMAT}: upgrade the package"
        raise ArgumentError(message)
    try:
        record = json.loads(str(dataset["record"].values[()]))
        network = None
        if record["network"] is not None:
            from fsp.model.record import network_from_record

            network = network_from_record(record["network"])
        events = None
        if "event_offset" in dataset:
            edges = dataset["event_offset"].values.tolist()
            times, reactions, states = (
                dataset[f"event_{key}"].values for key in ("time", "reaction", "state")
            )
            events = [Trajectory(times[a:b], reactions[a:b], states[a:b]) for a, b in pairwise(edges)]
        return Ensemble(
            network, np.asarray(dataset["time"].values, np.float64), dataset["counts"].values,
            species_names=[str(name) for name in dataset["species"].values], seed=record["seed"],
            trajectories=np.asarray(dataset["trajectory"].values, np.int64), method=record["method"], why=record["why"],
            complete=record["complete"], statistics=record["statistics"], events=events, initial=record["initial"],
            version=record["version"],
        )  # fmt: skip
    except (KeyError, IndexError, TypeError, ValueError, ModelError) as error:
        message = f"the ensemble is incomplete or contradicts itself: {error}"
        raise ArgumentError(message) from error


def load_ensemble(path: str | os.PathLike[str]) -> Ensemble:
    """Read an ensemble that `Ensemble.save` wrote; `fsp.load_result` does the same.

    Raises
    ------
    ArgumentError
        When there is no such file, it does not hold an ensemble, or it is damaged.
    StorageError
        When the system refuses to read it.
    """
    try:
        return ensemble_from_dataset(storage.read_dataset(path))
    except ArgumentError as error:
        text = str(error)
        message = text if os.fspath(path) in text else f"{os.fspath(path)!r}: {text}"
        raise ArgumentError(message) from error
