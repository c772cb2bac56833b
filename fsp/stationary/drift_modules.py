"""Drift functions that add up tables, one for each part of a network: ``V(y) = s . y + sum_i u_i(y_i)``.

A part (module) is a few axes: a gene with its messenger and its protein, say. What other parts do to it is bounded by
what it can meet at most: ``QV <= sum_i h_i(y_i)``, where h_i is found at every state of part i. So V may fall outside of
little more than a product of the sets that hold each part, which in many dimensions is a tiny part of what a polynomial
needs. Beyond a table its last entry goes on, and the linear function pulls.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fsp.stationary.drift_function import SurveyedDrift
from fsp.stationary.drift_region import NoDrift, enumerate_sums
from fsp.stationary.lattice import UNIT, Lattice
from fsp.stationary.rate_ranges import RateRanges
from fsp.stationary.reward import Reward

__all__ = ["Module", "ModuleDrift", "grid_of"]

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
LongArray = NDArray[np.longdouble]

#: Relative margin of sums in double precision, far above their rounding.
_MARGIN = 1e-9


@dataclass(frozen=True, eq=False)
class Module:
    """Some axes, and a function of them that is constant beyond its table.

    Attributes
    ----------
    axes : tuple of int
    table : ndarray of float
        One dimension for each axis, from the count 0 on.
    """

    axes: tuple[int, ...]
    table: FloatArray

    def values(self, states: IntArray) -> FloatArray:
        """Return the function at states of all axes."""
        return self.at(states[:, self.axes])

    def at(self, own: IntArray) -> FloatArray:
        """Return the function at states of its own axes."""
        last = np.array(self.table.shape) - 1
        clamped = np.clip(own, 0, last)
        found: FloatArray = self.table[tuple(clamped.T)]
        return found


def grid_of(lengths: list[int]) -> IntArray:
    """Return all states of a box from 0 on, in lexicographic order."""
    axes = np.meshgrid(*(np.arange(n) for n in lengths), indexing="ij")
    return np.stack([a.ravel() for a in axes], axis=1).astype(np.int64)


@dataclass(frozen=True, eq=False)
class ModuleDrift(SurveyedDrift):
    """``V(y) = slope . y + sum_i u_i(y_i)``.

    Attributes
    ----------
    slope : ndarray, shape (n_axes,)
        Positive for counts without a largest value, all of which belong to modules, and zero for the others.
    modules : tuple of Module
        No two of them share an axis.
    """

    slope: FloatArray
    modules: tuple[Module, ...]

    kind = "modular"

    def values(self, states: IntArray) -> tuple[LongArray, LongArray]:
        """Return the values at states, and bounds on their rounding."""
        y = states.astype(np.longdouble)
        value = y @ self.slope.astype(np.longdouble)
        size = np.abs(y) @ self.slope.astype(np.longdouble)
        for module in self.modules:
            part = module.values(states)
            value, size = value + part, size + np.abs(part)
        margin = np.longdouble((2 * len(self.slope) + len(self.modules) + 4) * UNIT)
        return np.maximum(value, 0.0), size * margin

    def change(self, states: IntArray, jump: IntArray) -> tuple[LongArray, LongArray]:
        """Return ``V(y + jump) - V(y)`` at states, and the sum of the magnitudes of its terms."""
        slope, step = self.slope.astype(np.longdouble), jump.astype(np.longdouble)
        change = np.full(len(states), slope @ step, np.longdouble)
        size = np.full(len(states), slope @ np.abs(step), np.longdouble)
        for module in self.modules:
            if jump[list(module.axes)].any():
                here, there = module.values(states), module.values(states + jump)
                change += there.astype(np.longdouble) - here
                size += np.abs(there) + np.abs(here)
        return change, size

    def describe(self, names: list[str]) -> str:
        """Return the function as a text."""
        parts = (", ".join(names[k] for k in module.axes) for module in self.modules)
        return "a sum of functions of " + " and ".join(f"({part})" for part in parts)

    # -- where it falls --------------------------------------------------------------------------------------

    def candidates(self, lattice: Lattice, decrease: float, reward: Reward, most: int) -> IntArray:
        """Return all states at which ``QV > -decrease * f`` is not excluded by the bounds of the parts.

        Raises
        ------
        NoDrift
            If they are not shown to be finitely many, or are more than ``most``.
        """
        ranges = RateRanges(lattice)
        base = decrease * (1.0 + _MARGIN)
        parts = [_Part(lattice, ranges, self, module, decrease, reward) for module in self.modules]
        highest = [part.highest for part in parts]
        for i, part in enumerate(parts):
            part.check_beyond(-(base + sum(h for k, h in enumerate(highest) if k != i)))
        rest = [k for k in range(lattice.n_axes) if not any(k in m.axes for m in self.modules)]
        if not np.isfinite(lattice.largest[rest]).all():
            message = "a count without bound belongs to no part"
            raise NoDrift(message)
        tables = [part.table for part in parts]
        tables += [np.zeros(int(lattice.largest[k]) + 1) for k in rest]
        rows = enumerate_sums(tables, base, most)
        states = np.zeros((len(rows), lattice.n_axes), np.int64)
        for i, part in enumerate(parts):
            states[:, part.module.axes] = part.grid[rows[:, i]]
        states[:, rest] = rows[:, len(parts) :]
        return states


class _Part:
    """The bound h of the drift of one part: a table, and a proof that it is low beyond."""

    def __init__(
        self, lattice: Lattice, ranges: RateRanges, drift: ModuleDrift, module: Module, decrease: float,
        reward: Reward,
    ) -> None:  # fmt: skip
        self.lattice, self.ranges, self.drift, self.module = lattice, ranges, drift, module
        self.decrease, self.reward = decrease, reward
        axes = list(module.axes)
        self.reactions = [r for r in lattice.reactions if lattice.shifts[r, axes].any()]
        self.free = [k for k in axes if math.isinf(lattice.largest[k])]
        jumps: dict[int, int] = {
            k: int(np.abs(lattice.shifts[self.reactions, k]).max(initial=1)) for k in axes
        }
        # From the corner on jumps along an axis stay beyond the table.
        sizes = [int(n) for n in module.table.shape]
        self.corner = {k: sizes[axes.index(k)] + jumps[k] for k in self.free}
        self.lengths = [self.corner.get(k, sizes[i]) for i, k in enumerate(axes)]
        self.grid = grid_of(self.lengths)
        value, size = np.zeros(len(self.grid)), np.zeros(len(self.grid))
        for r in self.reactions:
            change = self._change(r, self.grid)
            low, high = ranges.on_grid(r, axes, self.grid)
            rate = np.where(change > 0.0, high, low)
            if not np.isfinite(rate[change != 0.0]).all():
                message = "a rate without bound raises the function"
                raise NoDrift(message)
            term = np.where(change != 0.0, rate, 0.0) * change
            value, size = value + term, size + np.abs(term)
        for axis, weight in self._weights():
            term = decrease * weight * self.grid[:, axes.index(axis)].astype(float) ** reward.power
            value, size = value + term, size + term
        table = value + _MARGIN * size
        table[self._off_lattice()] = -math.inf
        self.table: FloatArray = table
        self.highest = float(table.max())

    def _weights(self) -> list[tuple[int, float]]:
        if not self.reward.power:
            return []
        return [(k, float(self.reward.weights[k])) for k in self.module.axes if self.reward.weights[k]]

    def _change(self, reaction: int, grid: IntArray) -> FloatArray:
        """Return what a reaction adds to the part of V."""
        axes = list(self.module.axes)
        jump = self.lattice.shifts[reaction, axes]
        linear = float(self.drift.slope[axes] @ jump)
        here, there = self.module.at(grid), self.module.at(grid + jump)
        # Rounded up: what is multiplied by a rate of at least zero may then take the largest rate that makes it larger.
        noise = 2.0**-48 * (np.abs(here) + np.abs(there) + abs(linear))
        same = (here == there) & (linear == 0.0)
        return np.where(same, 0.0, there - here + linear + noise)

    def _off_lattice(self) -> NDArray[np.bool_]:
        """Tell which states make a count negative that depends on the axes of the part alone."""
        c, axes = self.lattice.coordinates, list(self.module.axes)
        found = np.zeros(len(self.grid), np.bool_)
        for offset, row in zip(c.offset, c.matrix, strict=True):
            if set(np.flatnonzero(row)) <= set(axes):
                found |= offset + self.grid @ row[axes] < 0
        return found

    def check_beyond(self, room: float) -> None:
        """Raise unless h is at most ``room`` at every state beyond the table."""
        for many in range(1, len(self.free) + 1):
            for chosen in itertools.combinations(self.free, many):
                self._check_face(chosen, room)

    def _check_face(self, chosen: tuple[int, ...], room: float) -> None:
        axes = list(self.module.axes)
        corner = {k: self.corner[k] for k in chosen}
        grid = grid_of([1 if k in corner else n for k, n in zip(axes, self.lengths, strict=True)])
        for k, least in corner.items():
            grid[:, axes.index(k)] = least
        none = (0,) * len(corner)
        total = {none: np.zeros(len(grid))}
        size = {none: np.zeros(len(grid))}

        def add(key: tuple[int, ...], term: FloatArray) -> None:
            total[key] = total.get(key, np.zeros(len(grid))) + term
            size[key] = size.get(key, np.zeros(len(grid))) + np.abs(term)

        for r in self.reactions:
            change = self._change(r, grid)
            low, high = self.ranges.beyond(r, axes, grid, corner)
            for key in low.keys() | high.keys():
                nothing = np.zeros(len(grid))
                rate = np.where(change > 0.0, high.get(key, nothing), low.get(key, nothing))
                add(key, np.where(change != 0.0, rate, 0.0) * change)
        for axis, weight in self._weights():
            power, scale = self.reward.power, self.decrease * weight
            if axis not in corner:
                add(none, scale * grid[:, axes.index(axis)].astype(float) ** power)
                continue
            place = list(corner).index(axis)
            for j in range(power + 1):
                key = tuple(j if i == place else 0 for i in range(len(corner)))
                term = scale * math.comb(power, j) * float(corner[axis]) ** (power - j)
                add(key, np.full(len(grid), term))
        for key, value in total.items():
            limit = room if key == none else 0.0
            if not (value + _MARGIN * size[key] <= limit).all():
                names = self.lattice.coordinates
                where = ", ".join(names.species_names[names.axes[k]] for k in chosen)
                message = f"nothing shows that large counts of {where} are pulled back"
                raise NoDrift(message)
