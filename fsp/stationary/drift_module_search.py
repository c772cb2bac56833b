"""Candidates for drift functions that add up tables: parts of a network, and a function of each that falls.

A part alone, with what the others do to it at its worst, is a small chain with a law of its own, pi. A function u whose
drift there is ``epsilon`` on a set and ``-K`` outside of it exists when the mean of the drift under pi is zero, so that
``epsilon = K (1 / pi(set) - 1)``: a sum over n parts falls wherever one of them is outside of its set, if ``(n - 1)
epsilon < K``. In many dimensions the product of the sets is as small as a set that holds the law can be.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.sparse.linalg import splu

from fsp.errors import FSPError
from fsp.stationary.chain import FiniteChain
from fsp.stationary.classes import communicating_classes
from fsp.stationary.drift_modules import Module, ModuleDrift, grid_of
from fsp.stationary.lattice import Lattice
from fsp.stationary.rate_ranges import RateRanges
from fsp.stationary.selection import SelectedSolver

__all__ = ["find_modules", "modular_candidates"]

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]

#: Most states of the table of a part, and most unbounded counts in it.
_MOST_STATES, _MOST_FREE = 40_000, 2
#: By how much the other parts together rise while one falls by one, where V falls: the more, the smaller the sets.
_RISES = (0.6, 0.3, 0.1)
#: Share of the law that may lie at the end of a table.
_AT_THE_END = 1e-12
#: How much the linear function falls there, beside one for the tables.
_AT_ENDS = 1.2
#: Turns in which the worst rates and the function are found from each other, and when they no longer change it.
_MOST_TURNS, _SETTLED = 8, 1e-9
#: V stays above zero in spite of rounding.
_ABOVE_ZERO = 1e-6


def find_modules(lattice: Lattice, ranges: RateRanges) -> list[tuple[int, ...]] | None:
    """Return the axes of each part, or None if a part has too many unbounded counts.

    Two unbounded counts are in one part if a reaction that raises one of them grows without bound with the other. A bounded
    count, such as a gene, is in the part that it is read by, if there is only one.
    """
    free = [k for k in range(lattice.n_axes) if math.isinf(lattice.largest[k])]
    part = {k: k for k in free}

    def join(a: int, b: int) -> None:
        old, new = part[b], part[a]
        for k in free:
            if part[k] == old:
                part[k] = new

    for r in lattice.reactions:
        for k in free:
            if lattice.shifts[r, k] > 0:
                for j in ranges.unbounded_in(r):
                    join(k, j)
    groups: dict[int, list[int]] = {}
    for k in free:
        groups.setdefault(part[k], []).append(k)
    if any(len(group) > _MOST_FREE for group in groups.values()):
        return None
    for g in range(lattice.n_axes):
        if g in part:
            continue
        readers = {
            part[k] for r in lattice.reactions if g in ranges.reads(r) for k in free if lattice.shifts[r, k]
        }
        if len(readers) == 1:
            groups[readers.pop()].append(g)
    return [tuple(sorted(group)) for group in groups.values()]


def modular_candidates(lattice: Lattice, slopes: Sequence[FloatArray]) -> Iterator[ModuleDrift]:
    """Yield functions that fall by one outside of products of sets, smaller sets first.

    Parameters
    ----------
    lattice : Lattice
    slopes : sequence of ndarray, shape (n_axes,)
        Of linear functions that fall far out; the first one that serves is taken.

    Notes
    -----
    The cost is that of a few sparse factorisations on the tables of the parts, whatever the number of states of the network.
    """
    ranges = RateRanges(lattice)
    groups = find_modules(lattice, ranges)
    found: list[_ModuleChain] = []
    for slope in slopes if groups else []:
        chains = [_ModuleChain.fitting(lattice, ranges, axes, slope) for axes in groups or []]
        found = [chain for chain in chains if chain is not None]
        if len(found) == len(chains):
            break
    if not found or len(found) < len(groups or []):
        return
    others = max(1, len(found) - 1)
    for rise in _RISES:
        held, fall = 1.0 / (1.0 + rise / others), 1.0 / (1.0 - rise * (len(found) > 1))
        tables = [chain.function(held, fall) for chain in found]
        total = np.zeros(lattice.n_axes)
        modules = []
        for chain, table in zip(found, tables, strict=True):
            if table is None:
                break
            modules.append(Module(chain.axes, table))
            total[list(chain.axes)] = chain.slope * fall
        else:
            yield ModuleDrift(total, tuple(modules))


class _ModuleChain:
    """A part with what the others do to it at its worst, on a box.

    Attributes
    ----------
    slope : ndarray
        Of a linear function of the counts without bound, which falls by more than one from the ends of the table on.
    usable : bool
        Whether there is such a function.
    """

    def __init__(
        self, lattice: Lattice, ranges: RateRanges, axes: tuple[int, ...], slope: FloatArray,
        lengths: list[int],
    ) -> None:  # fmt: skip
        self.axes, self.lengths = axes, lengths
        own = list(axes)
        self.free = [math.isinf(lattice.largest[k]) for k in axes]
        reactions = [r for r in lattice.reactions if lattice.shifts[r, own].any()]
        self.grid = grid_of(lengths)
        self.jumps = [lattice.shifts[r, own] for r in reactions]
        self.rates = [ranges.on_grid(r, axes, self.grid) for r in reactions]
        last = np.array(lengths) - 1
        self.targets = [
            np.ravel_multi_index(tuple(np.clip(self.grid + jump, 0, last).T), lengths) for jump in self.jumps
        ]
        self.slope = np.where(self.free, slope[own], 0.0)
        drift = self._linear_drift(self.slope, self._worst(np.zeros(len(self.grid)), self.slope))
        top = float(drift.max())
        # At each end of the table, whatever the other counts.
        ends = [float(drift[self.grid[:, i] == n - 1].max()) for i, n in enumerate(lengths) if self.free[i]]
        self.rates_are_finite = bool(np.isfinite(drift).all())
        self.usable = self.rates_are_finite and top > 0.0 and max(ends) < 0.0
        if self.usable:
            self.slope = self.slope * max(0.5 / top, _AT_ENDS / -max(ends))

    @classmethod
    def fitting(
        cls, lattice: Lattice, ranges: RateRanges, axes: tuple[int, ...], slope: FloatArray
    ) -> _ModuleChain | None:
        """Return the chain on a box that holds its law, or None."""
        lengths = [16 if math.isinf(lattice.largest[k]) else int(lattice.largest[k]) + 1 for k in axes]
        while math.prod(lengths) <= _MOST_STATES:
            chain = cls(lattice, ranges, axes, slope, list(lengths))
            if not chain.rates_are_finite:
                return None
            law = chain._law(chain._worst(np.zeros(len(chain.grid)), chain.slope))
            if law is None:
                return None
            ends = [chain.grid[:, i] == lengths[i] - 1 for i in range(len(axes))]
            full = [i for i, free in enumerate(chain.free) if free and law[ends[i]].sum() > _AT_THE_END]
            if not full and chain.usable:
                return chain
            for i in full or [i for i, free in enumerate(chain.free) if free]:
                lengths[i] = int(1.5 * lengths[i])
        return None

    def function(self, held: float, fall: float) -> FloatArray | None:
        """Return a table that falls by ``fall``, with the linear function, where the law has its rest."""
        n, slope = len(self.grid), self.slope * fall
        table = np.zeros(n)
        for _ in range(_MOST_TURNS):
            rates = self._worst(table, slope)
            law = self._law(rates)
            if law is None:
                return None
            linear = self._linear_drift(slope, rates)
            inside = self._below(law, held)
            wanted = np.where(inside, 0.0, np.minimum(-fall, self._at_worst(linear)))
            lack = wanted - linear
            wanted[inside] = -float(law @ lack) / float(law[inside].sum())
            likely = int(
                np.argmax(law)
            )  # where the equation that is left out is the surest to follow from the others
            others = np.arange(n) != likely
            new = _solved(self._generator(rates)[others][:, others], (wanted - linear)[others])
            if new is None:
                return None
            before, table = table, np.insert(new, likely, 0.0)
            if float(np.abs(table - before).max()) <= _SETTLED * (1.0 + float(np.abs(table).max())):
                break
        lowest = float((table + self.grid @ slope).min())
        return (table - lowest + _ABOVE_ZERO).reshape(self.lengths)

    def _worst(self, table: FloatArray, slope: FloatArray) -> list[FloatArray]:
        """Return the rates that make V rise most; the largest ones where it does not change, if they are finite."""
        found = []
        for jump, target, (low, high) in zip(self.jumps, self.targets, self.rates, strict=True):
            change = table[target] - table + float(slope @ jump)
            rises = (change > 0.0) | ((change == 0.0) & np.isfinite(high))
            found.append(np.where(rises, high, low))
        return found

    def _linear_drift(self, slope: FloatArray, rates: list[FloatArray]) -> FloatArray:
        total = np.zeros(len(self.grid))
        for jump, rate in zip(self.jumps, rates, strict=True):
            step = float(slope @ jump)
            if step:
                total += rate * step
        return total

    def _generator(self, rates: list[FloatArray]) -> sp.csc_array:
        n = len(self.grid)
        rows = np.concatenate([np.arange(n)] * len(rates))
        q = sp.coo_array((np.concatenate(rates), (rows, np.concatenate(self.targets))), shape=(n, n)).tocsc()
        return (q - sp.diags_array(np.asarray(q.sum(axis=1)))).tocsc()

    def _law(self, rates: list[FloatArray]) -> FloatArray | None:
        """Return the stationary law on the box."""
        if not all(np.isfinite(rate).all() for rate in rates):
            return None
        q = self._generator(rates)
        inflow = (q - sp.diags_array(q.diagonal())).T.tocsr()
        inflow.eliminate_zeros()
        chain = FiniteChain(inflow, np.zeros(len(self.grid)))
        classes = communicating_classes(chain)
        if classes.closed.size != 1:
            return None
        # A gene that nothing need switch off stays on.
        recurrent = np.zeros(len(self.grid), np.bool_)
        recurrent[classes.members(int(classes.closed[0]))] = True
        law = np.zeros(len(self.grid))
        try:
            law[recurrent] = SelectedSolver(chain.restricted(recurrent), method="gth").stationary(0)
        except FSPError:
            return None
        return law

    def _below(self, law: FloatArray, held: float) -> NDArray[np.bool_]:
        """Return the likely states that hold a part of the law, and all states with fewer molecules than one of them."""
        order = np.argsort(-law, kind="stable")
        inside = np.zeros(len(law), np.bool_)
        inside[order[: 1 + int(np.searchsorted(np.cumsum(law[order]), held))]] = True
        box = inside.reshape(self.lengths)
        for i, free in enumerate(self.free):
            if free:
                box = np.flip(np.logical_or.accumulate(np.flip(box, i), axis=i), i)
            else:
                box = np.broadcast_to(box.any(axis=i, keepdims=True), box.shape)
        return box.ravel()

    def _at_worst(self, linear: FloatArray) -> FloatArray:
        """Return the largest value over the bounded counts, so that they alone make no difference."""
        box = linear.reshape(self.lengths)
        for i, free in enumerate(self.free):
            if not free:
                box = np.broadcast_to(box.max(axis=i, keepdims=True), box.shape)
        return box.ravel()


def _solved(matrix: sp.csc_array, right: FloatArray) -> FloatArray | None:
    """Solve a sparse system; None if it is singular."""
    if not len(right):
        return right
    try:
        x = splu(matrix.tocsc()).solve(right)
    except RuntimeError:  # what SuperLU raises for a singular matrix
        return None
    return x if np.isfinite(x).all() else None
