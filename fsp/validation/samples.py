"""Samples of a simulator in the form that all tests read: a table of states and frequencies for each time.

The tests compare the law at each time, so a table for each time holds all that they need of an ensemble of
trajectories.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fsp.errors import SampleError
from fsp.model.names import close_matches

__all__ = ["MomentRow", "Samples", "Table", "check_names", "check_times", "from_counts", "whole_numbers"]

#: Counts beyond this are not held exactly by floating-point numbers.
_LARGEST = 2**53


@dataclass(frozen=True)
class Table:
    """How often each state was seen at one time.

    Attributes
    ----------
    time : float
    names : tuple of str
        The species, or observables, that were recorded.
    states : ndarray of int, shape (m, n_names)
        The states, each once.
    weights : ndarray of int, shape (m,)
        How often each was seen.
    """

    time: float
    names: tuple[str, ...]
    states: NDArray[np.int64]
    weights: NDArray[np.int64]

    @property
    def n(self) -> int:
        """The number of samples."""
        return int(self.weights.sum())

    def project(self, names: Sequence[str]) -> Table:
        """Return the table of some of the names, in the given order."""
        if tuple(names) == self.names:
            return self
        columns = [self.names.index(name) for name in names]
        states, weights = _count(self.states[:, columns], self.weights)
        return Table(self.time, tuple(names), states, weights)


@dataclass(frozen=True)
class MomentRow:
    """Mean and standard deviation (of n samples, with n - 1 in the denominator) of one species at one time."""

    time: float
    name: str
    mean: float
    deviation: float | None
    n: int


@dataclass(frozen=True)
class Samples:
    """What a simulator gave: tables of states, or means and deviations.

    Attributes
    ----------
    tables : tuple of Table
        For each time one with all names, or several with different names.
    moments : tuple of MomentRow
    source : str
        What they were read from.
    notes : tuple of str
        What the reader decided.
    """

    tables: tuple[Table, ...] = ()
    moments: tuple[MomentRow, ...] = ()
    source: str = "samples"
    notes: tuple[str, ...] = field(default=())

    @property
    def times(self) -> tuple[float, ...]:
        """All times, ascending."""
        return tuple(sorted({t.time for t in self.tables} | {r.time for r in self.moments}))

    @property
    def names(self) -> tuple[str, ...]:
        """All species and observables that were recorded."""
        found = [name for table in self.tables for name in table.names] + [row.name for row in self.moments]
        return tuple(dict.fromkeys(found))

    @property
    def n(self) -> int:
        """The smallest number of samples at any time."""
        return min([t.n for t in self.tables] + [r.n for r in self.moments])

    def at_times(self, times: Sequence[float]) -> Samples:
        """Return the samples at some of the times."""
        kept = set(times)
        return Samples(
            tuple(t for t in self.tables if t.time in kept),
            tuple(r for r in self.moments if r.time in kept),
            self.source,
            self.notes,
        )


def _count(
    states: NDArray[np.int64], weights: NDArray[np.int64] | None = None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the different rows, in lexicographic order, and their total weights."""
    low = states.min(axis=0)
    widths = states.max(axis=0) - low + 1
    size = 1
    for width in widths.tolist():
        size *= width
    if size < 2**62:  # one number for each row
        keys = np.zeros(len(states), dtype=np.int64)
        for column, width in enumerate(widths.tolist()):
            keys = keys * width + (states[:, column] - low[column])
        if weights is None and size <= 4 * len(states):
            table = np.bincount(keys, minlength=size)
            cells = np.flatnonzero(table)
            counted = table[cells]
        else:
            cells, inverse = np.unique(keys, return_inverse=True)
            counted = np.bincount(inverse, weights).astype(np.int64)
        rows = np.empty((len(cells), states.shape[1]), dtype=np.int64)
        for column in range(states.shape[1] - 1, -1, -1):
            cells, digit = np.divmod(cells, widths[column])
            rows[:, column] = digit + low[column]
        return rows, counted.astype(np.int64)
    rows, inverse = np.unique(states, axis=0, return_inverse=True)
    return rows, np.bincount(inverse.reshape(-1), weights).astype(np.int64)


def tabulate(
    time: float, names: Sequence[str], states: NDArray[np.int64], weights: NDArray[np.int64] | None = None
) -> Table:
    """Return the table of states that were seen at one time, shape (n_samples, n_names)."""
    return Table(float(time), tuple(names), *_count(states, weights))


def whole_numbers(values: Any, what: str, *, wanted: str = "counts of molecules") -> NDArray[np.int64]:
    """Return an array of counts as integers.

    Raises
    ------
    SampleError
        When it is empty, or a value is no number, not finite, not whole, negative, or too large; the place of
        the first one is named.
    """
    array = np.asarray(values)
    if not array.size:
        message = f"{what}: there are no samples in it"
        raise SampleError(message)
    if array.dtype.kind == "O":
        try:
            array = array.astype(np.float64)
        except (TypeError, ValueError) as error:
            message = f"{what}: samples are {wanted}, and not all of these are numbers ({error})"
            raise SampleError(message) from error
    if array.dtype.kind not in "iuf":
        message = f"{what}: samples are {wanted}, not values of the type {array.dtype}"
        raise SampleError(message)
    problems = [("negative", array < 0), ("too large (2**53 is the limit)", array >= _LARGEST)]
    if array.dtype.kind == "f":
        finite = np.isfinite(array)
        problems = [
            ("not a finite number", ~finite),
            ("not a whole number", finite & (np.where(finite, array, 0.0) % 1.0 != 0.0)),
            *problems,
        ]
    for problem, wrong in problems:
        if bool(np.any(wrong)):
            place = tuple(int(i) for i in np.argwhere(wrong)[0])
            where = place[0] if len(place) == 1 else place
            message = (
                f"{what}: the value {array[place].item()!r} at index {where} is {problem}; samples are {wanted} "
                f"({int(wrong.sum())} of {array.size} values are like this)"
            )
            raise SampleError(message)
    return np.asarray(array.astype(np.int64))


def check_times(times: ArrayLike, what: str) -> NDArray[np.float64]:
    """Return sample times as an ascending array.

    Raises
    ------
    SampleError
        When they are no finite numbers >= 0 that ascend.
    """
    try:
        array = np.atleast_1d(np.asarray(times, dtype=np.float64))
    except (TypeError, ValueError) as error:
        message = f"{what}: the times are no numbers ({error})"
        raise SampleError(message) from error
    if array.ndim != 1 or not array.size:
        message = f"{what}: times are a list of at least one number, not an array of shape {array.shape}"
        raise SampleError(message)
    if not bool(np.all(np.isfinite(array))) or float(array[0]) < 0.0 or bool(np.any(np.diff(array) <= 0.0)):
        message = f"{what}: times must be finite, at least 0, and ascend, not {array[:6].tolist()}"
        raise SampleError(message)
    return array


def check_names(names: Sequence[str], what: str) -> tuple[str, ...]:
    """Return species names.

    Raises
    ------
    SampleError
        When there are none, or one is given twice.
    """
    found = (names,) if isinstance(names, str) else tuple(str(name) for name in names)
    twice = sorted({name for name in found if found.count(name) > 1})
    if not found or twice:
        problem = f"the species '{twice[0]}' is named twice" if twice else "no species is named"
        message = f"{what}: {problem}"
        raise SampleError(message)
    return found


def from_counts(counts: Any, times: ArrayLike, names: Sequence[str], source: str = "array") -> Samples:
    """Return samples from an array of trajectories.

    Parameters
    ----------
    counts : array_like of int, shape (n_trajectories, n_times, n_species)
        For one species the last axis may be missing, for one time the middle one.
    times : array_like of float, shape (n_times,)
    names : sequence of str
        The species, in the order of the last axis.
    source : str
        What error messages call it.

    Raises
    ------
    SampleError
        When the shape does not fit, or a value is no count.

    Examples
    --------
    >>> samples = from_counts([[[0, 5], [1, 4]], [[0, 5], [0, 5]]], [0.0, 1.0], ["A", "B"])
    >>> samples.tables[1].states.tolist(), samples.tables[1].weights.tolist()
    ([[0, 5], [1, 4]], [1, 1])
    """
    species = check_names(names, source)
    moments = check_times(times, source)
    try:
        array = np.asarray(counts)
    except ValueError as error:
        message = f"{source}: samples need the same number of values for each trajectory and time ({error})"
        raise SampleError(message) from error
    wanted = (len(moments), len(species))
    if array.ndim == 2 and wanted[1] == 1 and array.shape[1] == wanted[0]:
        array = array[:, :, np.newaxis]
    elif array.ndim == 2 and wanted[0] == 1 and array.shape[1] == wanted[1]:
        array = array[:, np.newaxis, :]
    if array.ndim != 3 or array.shape[1:] != wanted:
        message = (
            f"{source}: samples need the shape (n_trajectories, n_times, n_species) = (n, {wanted[0]}, {wanted[1]}) "
            f"for {wanted[0]} times and the species {', '.join(species)}, not {array.shape}"
        )
        raise SampleError(message)
    whole = whole_numbers(array, f"{source}, axes (trajectory, time, species)")
    tables = tuple(tabulate(t, species, whole[:, k, :]) for k, t in enumerate(moments.tolist()))
    return Samples(tables, source=source)


def need_columns(wanted: Sequence[str], found: Sequence[str], what: str) -> None:
    """Refuse samples that lack species.

    Raises
    ------
    SampleError
        Naming those that are missing.
    """
    missing = [name for name in wanted if name not in found]
    if missing:
        message = (
            f"{what}: there are no samples of {', '.join(repr(m) for m in missing)}"
            f"{close_matches(missing[0], found)}; found are {', '.join(found) or 'none'}. To compare some species only, "
            "name them (species=[...], --species)"
        )
        raise SampleError(message)
