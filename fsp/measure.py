"""A measure on a finite state set, how far it may be off, and its marginals."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fsp.interval import Interval
from fsp.pointset import PointSet
from fsp.protocols import StateSpace
from fsp.summation import CHUNK, BinSums, chunk_sum, chunks, down, up

__all__ = ["Measure"]

#: A marginal is summed into a table over its box when that has at most this many cells, or 4 per state.
_SMALL_TABLE = 1 << 20


@dataclass(frozen=True)
class Measure:
    """Non-negative masses ``p`` on a state set, standing for a probability law ``P``.

    For every set of states S the law obeys ``p(S) - below <= P(S) <= p(S) + above``.

    Parameters
    ----------
    space : StateSpace
        The states.
    masses : ndarray of float, shape (n_states,)
        The mass of each state, at least 0.
    below, above : float
        How much the law may lack and exceed; ``below`` is 0 where the masses are lower bounds.
    """

    space: StateSpace
    masses: NDArray[np.float64]
    below: float
    above: float

    def parts(self) -> Iterator[tuple[int, int, NDArray[np.float64]]]:
        """Yield ``(start, stop, masses[start:stop])`` chunk by chunk."""
        for start, stop in chunks(self.space.n_states):
            yield start, stop, self.masses[start:stop]

    @cached_property
    def total(self) -> float:
        """The sum of the masses, to about 30 units of rounding."""
        return chunk_sum(part for _, _, part in self.parts())

    def enclose(self, mass: float, n_terms: int) -> Interval:
        """Return the interval of P(S), from the computed p(S) and the number of states in S."""
        lower = max(0.0, Interval(down(mass, n_terms), 1e300).lower - self.below)
        upper = up(mass, n_terms)
        if self.above > 0.0:
            upper = (Interval(upper, upper) + self.above).upper
        upper = min(1.0, upper)
        return Interval(min(lower, upper), upper)

    def columns(self, names: Sequence[str], start: int, stop: int) -> dict[str, NDArray[np.int64]]:
        """Return the counts of the named species (of the first one if none is named) at some positions."""
        known = list(self.space.species_names)
        return {name: self.space.counts(known.index(name), start, stop) for name in names or known[:1]}

    def states_at(self, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the states at the given positions, in that order; repetition is allowed."""
        space = self.space
        result = np.empty((len(positions), len(space.species_names)), dtype=np.int64)
        order = np.argsort(positions, kind="stable")
        ordered = positions[order]
        pieces: Iterable[tuple[int, int]] = chunks(space.n_states)
        if len(positions) <= 4096 and space.n_states > CHUNK:
            # A few states out of very many are fetched one by one.
            pieces = [(i, i + 1) for i in np.unique(ordered).tolist()]
        for start, stop in pieces:
            a, b = np.searchsorted(ordered, [start, stop])
            if a < b:
                result[order[a:b]] = space.states(start, stop)[ordered[a:b] - start]
        return result

    def marginal(self, columns: Sequence[int]) -> Measure:
        """Return the law of some of the species; O(n_states), plus a sort where its box is large.

        What rounding loses in the sums is added to ``above``, so that the bounds stay proven.
        """
        names = [self.space.species_names[c] for c in columns]
        if not self.space.n_states:
            return Measure(PointSet(np.empty((0, len(names))), names), self.masses, self.below, self.above)
        low, radix = self._box(columns)
        size = 1
        for length in radix:
            size *= length
        if size <= max(_SMALL_TABLE, 4 * self.space.n_states):
            sums = BinSums(size, self.total)
            for start, stop, part in self.parts():
                sums.add(self._keys(columns, low, radix, start, stop), part)
            masses, lack = sums.lower()
            occupied = np.flatnonzero(sums.n_terms)
            masses = masses[occupied]
        else:
            occupied, masses, lack = self._sorted_sums(columns, low, radix, size)
        states = _unravel(occupied, low, radix) if occupied.ndim == 1 else occupied
        above = self.above if lack == 0.0 else (Interval(lack, lack) + self.above).upper
        return Measure(PointSet(states, names), masses, self.below, above)

    def _box(self, columns: Sequence[int]) -> tuple[list[int], list[int]]:
        """Return the least count and the number of values of each column."""
        low = [2**63 - 1] * len(columns)
        high = [0] * len(columns)
        for start, stop, _ in self.parts():
            for k, column in enumerate(columns):
                counts = self.space.counts(column, start, stop)
                low[k] = min(low[k], int(counts.min()))
                high[k] = max(high[k], int(counts.max()))
        return low, [b - a + 1 for a, b in zip(low, high, strict=True)]

    def _keys(
        self, columns: Sequence[int], low: list[int], radix: list[int], start: int, stop: int
    ) -> NDArray[np.int64]:
        """Return the number of each state's cell, the cells of the box being in lexicographic order."""
        keys = np.zeros(stop - start, dtype=np.int64)
        for column, least, length in zip(columns, low, radix, strict=True):
            keys *= length
            keys += self.space.counts(column, start, stop) - least
        return keys

    def _sorted_sums(
        self, columns: Sequence[int], low: list[int], radix: list[int], size: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float64], float]:
        """Sum by sorting: for boxes that are much larger than the state set."""
        n = self.space.n_states
        cells: NDArray[np.int64]
        if size < 2**62:
            keys = np.empty(n, dtype=np.int64)
            for start, stop in chunks(n):
                keys[start:stop] = self._keys(columns, low, radix, start, stop)
            cells, inverse = np.unique(keys, return_inverse=True)
        else:
            rows = np.stack([self.space.counts(c) for c in columns], axis=1)
            cells, inverse = np.unique(rows, axis=0, return_inverse=True)
            inverse = inverse.reshape(-1)
        sums = BinSums(len(cells), self.total)
        for start, stop, part in self.parts():
            sums.add(inverse[start:stop], part)
        masses, lack = sums.lower()
        return cells, masses, lack


def _unravel(keys: NDArray[np.int64], low: list[int], radix: list[int]) -> NDArray[np.int64]:
    """Return the states with the given numbers in a box, the inverse of ``Measure._keys``."""
    states = np.empty((len(keys), len(radix)), dtype=np.int64)
    rest = keys.astype(np.int64)
    for k in range(len(radix) - 1, -1, -1):
        rest, digit = np.divmod(rest, radix[k])
        states[:, k] = digit + low[k]
    return states
