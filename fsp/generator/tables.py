"""Factor tables: every propensity as a product of tabulated factors over few coordinates.

A propensity that is a product of one-species factors needs one short table for each of them. What reads the fibre
axis becomes one table with unit stride along the fibre; what does not is a number on each fibre. Tables are
evaluated in extended precision and rounded once, so that an entry is off by about one unit in its last place.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fsp.errors import StateSpaceLimitError
from fsp.generator.redirects import Redirects
from fsp.generator.segments import NO_TABLE
from fsp.model.propensity import Factor
from fsp.statespace.coordinates import Coordinates

if TYPE_CHECKING:
    from fsp.model.network import ReactionNetwork

__all__ = ["EVALUATION_ERROR", "FactorTables"]

#: Relative error allowed for one table entry: half a unit in the last place for the final rounding, and the error of
#: the extended-precision evaluation; where ``long double`` is ``double`` (Windows, macOS on ARM) 16 units.
EVALUATION_ERROR = 2.0**-53 * (1.01 if np.finfo(np.longdouble).nmant >= 63 else 16.0)

#: Largest number of entries of one table that reads several coordinates.
MAX_TABLE = 2**25


@dataclass
class _Group:
    """Factors of one reaction that read the same axes."""

    axes: tuple[int, ...]
    factors: list[Factor]


class FactorTables:
    """Tables of all propensities of a network over a box of reduced coordinates.

    Parameters
    ----------
    network : ReactionNetwork
        Its propensities must not depend on time.
    coordinates : Coordinates
    extended : bool
        Keep the tables in extended precision, too.

    Attributes
    ----------
    reactions : ndarray of int64
        The reactions that change the reduced coordinates; the others do not act on the distribution.
    tables : ndarray of float64
        All tables behind one another. Entries where a factor is negative or outside the lattice are NaN: reaching one
        is an error, unless another factor is zero. Where a factor is not finite they are infinite: reaching one is
        always an error (0/0 is not 0, whichever way the propensity factors).
    """

    def __init__(self, network: ReactionNetwork, coordinates: Coordinates, *, extended: bool = False) -> None:
        self.network = network
        self.extended = extended
        self.coordinates = coordinates
        self.reactions = np.flatnonzero((coordinates.shifts != 0).any(axis=1)).astype(np.int64)
        self.shifts = np.ascontiguousarray(coordinates.shifts[self.reactions])
        fibre_axis = coordinates.n_axes - 1
        #: What events do to transitions: these have the propensity zero here, and are `Redirects`' business.
        self.redirects = None if network.state_events is None else Redirects(network, coordinates)
        self._groups: list[list[_Group]] = []
        self._constants: list[np.longdouble] = []
        for r in self.reactions:
            groups: dict[tuple[int, ...], _Group] = {}
            constant = np.longdouble(1.0)
            along: list[Factor] = []
            guards = () if self.redirects is None else self.redirects.guards(int(r))
            for factor in (*network.propensities[r].factors, *guards):
                axes = coordinates.reads(factor.species)
                if fibre_axis in axes:
                    along.append(factor)
                elif axes:
                    groups.setdefault(axes, _Group(axes, [])).factors.append(factor)
                else:
                    constant *= np.longdouble(
                        factor.evaluate(self._fixed_counts(factor), dtype=np.longdouble)
                    )
            found = list(groups.values())
            if along:
                axes = tuple(sorted({a for f in along for a in coordinates.reads(f.species)}))
                found.append(_Group(axes, along))
            self._groups.append(found)
            self._constants.append(constant)
        self.low = np.zeros(coordinates.n_axes, np.int64)
        self.high = np.zeros(coordinates.n_axes, np.int64)  # exclusive
        #: Roundings that enter one propensity: one for each table, and the products between them.
        self.cancellation = 1.0  # units in the last place by which double precision is off
        self.n_tables = max((len(groups) for groups in self._groups), default=0)

    def _fixed_counts(self, factor: Factor) -> dict[str, NDArray[np.int64]]:
        names = self.coordinates.species_names
        return {s: self.coordinates.offset[names.index(s)] for s in factor.species}

    def cover(self, low: NDArray[np.int64], high: NDArray[np.int64]) -> bool:
        """Make the tables reach from ``low`` to ``high`` (inclusive) on each axis; tell whether they were rebuilt."""
        high = high + 1
        if (low >= self.low).all() and (high <= self.high).all():
            return False
        fresh = not self.high.any()
        single = all(len(group.axes) == 1 for groups in self._groups for group in groups)
        pad = np.maximum(high - low if single else (high - low) // 2, 256 if single else 8)
        self.low = np.maximum(np.where(low < self.low, low - pad, low if fresh else self.low), 0)
        self.high = np.where(high > self.high, high + pad, self.high)
        self._build()
        return True

    def place(self, low: NDArray[np.int64], high: NDArray[np.int64]) -> None:
        """Make the tables reach exactly from ``low`` to ``high`` (exclusive) on each axis."""
        self.low, self.high = low, high
        self._build()

    def _build(self) -> None:
        coordinates = self.coordinates
        n_prefix = coordinates.n_axes - 1
        pieces: list[NDArray[np.float64]] = []
        self._fine: list[list[tuple[int, NDArray[np.int64], NDArray[np.longdouble]]]] = []
        size = 0
        const: list[float] = []
        pointer = [0]
        bases: list[int] = []
        strides: list[NDArray[np.int64]] = []
        along_base: list[int] = []
        along_stride: list[NDArray[np.int64]] = []
        pure: list[bool] = []
        flagged: list[bool] = []
        width = int(self.high[-1] - self.low[-1])
        diagonal = np.zeros(width, np.longdouble)
        for groups, constant in zip(self._groups, self._constants, strict=True):
            values = self._evaluate(groups, constant)
            self._fine.append([])
            const.append(1.0 if groups else float(constant) if constant >= 0 else np.nan)
            along_base.append(NO_TABLE)
            along_stride.append(np.zeros(n_prefix, np.int64))
            pure.append(False)
            flagged.append(False)
            for group, value in zip(groups, values, strict=True):
                table = value.astype(np.float64)
                steps = np.zeros(coordinates.n_axes, np.int64)
                for axis, step in zip(group.axes, table.strides, strict=True):
                    steps[axis] = step // table.itemsize
                base = size - int(steps @ self.low)
                if self.extended:
                    self._fine[-1].append((base - size, steps, value.ravel()))
                if n_prefix in group.axes:
                    along_base[-1] = base
                    along_stride[-1] = steps[:-1]
                    pure[-1] = len(groups) == 1 and not steps[:-1].any()
                    flagged[-1] = not bool(np.isfinite(table).all())
                    if pure[-1]:
                        diagonal = diagonal + value
                else:
                    bases.append(base)
                    strides.append(steps[:-1])
                pieces.append(table.ravel())
                size += table.size
            pointer.append(len(bases))
        pieces.append(diagonal.astype(np.float64))
        pieces.append(np.ones(8))  # a slice for what has no table
        self.diagonal_base = size - int(self.low[-1])
        self.ones = size + width
        self.tables = np.concatenate(pieces)
        self.const = np.array(const)
        self.factor_pointer = np.array(pointer, np.int64)
        self.factor_base = np.array(bases, np.int64)
        self.factor_stride = np.array(strides, np.int64).reshape(len(bases), n_prefix)
        self.along_base = np.array(along_base, np.int64)
        self.along_stride = np.array(along_stride, np.int64).reshape(len(along_base), n_prefix)
        self.pure = np.array(pure, np.bool_)
        self.flagged = np.array(flagged, np.bool_)

    def _note_cancellation(
        self, group: _Group, counts: dict[str, NDArray[np.int64]], value: NDArray[np.longdouble]
    ) -> None:
        """Find how many digits a formula such as ``1 - exp(-k*X)`` cancels, from its value in double precision."""
        coarse = np.ones(value.shape)
        for factor in group.factors:
            coarse = coarse * factor.evaluate(counts)
        good = np.isfinite(value) & (value != 0)
        if good.any():
            worst = float(np.max(np.abs(coarse[good] - value[good]) / np.abs(value[good])))
            self.cancellation = max(self.cancellation, min(worst, 1e300) * 2.0**53)
        for factor in group.factors:
            if isinstance(factor, Factor) and factor.may_cancel:  # what events guard is 0 or 1
                self._note_lost(factor.errors(counts), factor.evaluate(counts, dtype=np.longdouble))

    def _note_lost(self, error: NDArray[np.longdouble], value: NDArray[np.longdouble]) -> None:
        """Note what double and extended precision may have lost alike, by a running analysis of the rounding."""
        error, value = np.broadcast_arrays(np.asarray(error, np.longdouble), np.asarray(value, np.longdouble))
        size = np.abs(value)
        good = np.isfinite(value) & (size > 0)
        if good.any():
            worst = float(np.max(error[good] / size[good]))
            self.cancellation = max(self.cancellation, min(worst, 1e280) * 2.0**62)
        # A zero that is one by rounding only: of numbers that are far larger than all values.
        zero = size == 0
        largest = size[np.isfinite(size)].max(initial=0)
        if zero.any() and float(error[zero].max()) > 2.0**-40 * float(largest):
            self.cancellation = 1e300

    @property
    def evaluation_error(self) -> float:
        """Relative error of an entry of the tables, from rounding and from cancellation in its formula."""
        return EVALUATION_ERROR + self.cancellation * 2.0**-62

    def evaluate_extended(self, states: NDArray[np.int64]) -> NDArray[np.longdouble]:
        """Return the propensities of all reactions of the network at reduced states, in extended precision."""
        out = np.zeros((states.shape[0], self.network.n_reactions), np.longdouble)
        for r, groups, constant in zip(self.reactions, self._fine, self._constants, strict=True):
            out[:, r] = 1.0 if groups else constant
            for base, steps, values in groups:
                out[:, r] *= values[base + states @ steps]
        return out

    def _evaluate(self, groups: list[_Group], constant: np.longdouble) -> list[NDArray[np.longdouble]]:
        """Evaluate the groups on the box, the last one times the constant; negative entries become NaN, undefined inf."""
        values = []
        for group in groups:
            shape = tuple(int(self.high[a] - self.low[a]) for a in group.axes)
            if np.prod(shape, dtype=float) > MAX_TABLE:
                names = [self.coordinates.species_names[self.coordinates.axes[a]] for a in group.axes]
                message = (
                    f"a propensity couples {', '.join(names)} over a box of {' x '.join(map(str, shape))} states and "
                    "does not factor; bound these species with bounds=, or rewrite the propensity as a product"
                )
                raise StateSpaceLimitError(message)
            grids = np.meshgrid(
                *(np.arange(self.low[a], self.high[a]) for a in group.axes), indexing="ij", sparse=True
            )
            counts: dict[str, NDArray[np.int64]] = {}
            valid = np.ones(shape, np.bool_)
            for name in {s for f in group.factors for s in f.species}:
                row = self.coordinates.species_names.index(name)
                count = self.coordinates.offset[row]
                for axis, grid in zip(group.axes, grids, strict=True):
                    if self.coordinates.matrix[row, axis]:
                        count = count + self.coordinates.matrix[row, axis] * grid
                valid &= count >= 0
                counts[name] = np.maximum(count, 0)
            value = np.ones(shape, np.longdouble)
            with np.errstate(all="ignore"):
                for factor in group.factors:
                    value = value * factor.evaluate(counts, dtype=np.longdouble)
                rounded = value.astype(np.float64)
                self._note_cancellation(group, counts, value)
            value[~np.isfinite(rounded)] = np.inf
            value[~valid] = np.nan
            values.append(value)
        sign = np.longdouble(-1.0 if constant < 0 else 1.0)
        for i, value in enumerate(values):  # a factor that is negative throughout, such as -k, is a sign
            finite = value[np.isfinite(value)]
            if finite.size and (finite <= 0).all() and (finite < 0).any():
                values[i], sign = np.where(np.isfinite(value), -value, value), -sign
        if values and sign < 0:
            values[-1] = np.where(np.isfinite(values[-1]), -values[-1], values[-1])
        for value in values:
            with np.errstate(invalid="ignore"):
                value[value < 0] = np.nan
        if values:
            with np.errstate(all="ignore"):
                last = values[-1] * abs(constant)
                values[-1] = np.where(np.isinf(last.astype(np.float64)) | np.isinf(values[-1]), np.inf, last)
        return values
