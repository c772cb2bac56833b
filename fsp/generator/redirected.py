"""Generators of networks in which reactions fire events, in double precision and in double-double arithmetic.

The propensities in the tables are zero for transitions that fire events. These are added as a list: their rates to the exit
rates of where they start, and their flows to where they lead. All terms are non-negative, as in the other forms.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from fsp.generator.assembled import AssembledGenerator
from fsp.generator.extended import EVALUATION_ERROR, ExtendedGenerator, split_double
from fsp.generator.fibre_generator import FibreGenerator, FloatArray, IntArray
from fsp.generator.kernels import add_scaled
from fsp.generator.recurrence import combine
from fsp.generator.tables import FactorTables
from fsp.statespace.fibres import FibreSet

__all__ = ["RedirectedExtendedGenerator", "RedirectedGenerator"]


@njit(cache=True, nogil=True)
def _scatter(x, y, beta, source, target, rate):  # type: ignore[no-untyped-def]
    """``y[target] += beta rate x[source]`` for every transition."""
    for k in range(source.size):
        y[target[k]] += beta * rate[k] * x[source[k]]


class _WithTransitions(FibreGenerator):
    """What both forms share: the list of transitions, and the flow that they take out of the set."""

    lists_transitions = True
    _listed = False  # the forms below are made from the triplets of the tables first

    def _list_transitions(self) -> None:
        """Find the transitions, those within the set sorted by target."""
        space, redirects = self.space, self.factors.redirects
        assert redirects is not None
        found = redirects.find(space)
        self._cancellation = redirects.cancellation
        self._extra_exit = np.zeros(space.n_states, np.longdouble)
        np.add.at(self._extra_exit, found.source, found.fine)
        where = space.index(found.target)
        inside = np.flatnonzero(where >= 0)
        inside = inside[np.lexsort((found.source[inside], where[inside]))]
        self._source, self._target = found.source[inside], where[inside]
        self._fine, self._fired_by = found.fine[inside], found.reaction[inside]
        self._rate = self._fine.astype(np.float64)
        self._most = int(np.bincount(self._target, minlength=1).max(initial=0))
        self._most += int(np.bincount(found.source, minlength=1).max(initial=0))
        out = np.flatnonzero(where < 0)
        self._out_source, self._out_rate = found.source[out], found.rate[out]
        self._out_target = found.target[out]
        b = self.boundary
        outflow = self.outflow_rates() + np.bincount(self._out_source, self._out_rate, space.n_states)
        b.positions, b.rates = np.empty(0, np.int64), outflow  # a rate for every state
        b.further = found.reaction[out]
        self._listed = True

    @property
    def n_terms(self) -> int:
        """Most terms that are added up in one row."""
        return super().n_terms + self._most

    @property
    def nbytes(self) -> int:
        """Memory of the generator, without the state set and the vectors."""
        return super().nbytes + 64 * self._source.size + 24 * self.n_states

    def run_series(self, *arguments: Any) -> None:
        """Leave the loop to the caller."""

    def run_recurrence(self, *arguments: Any) -> None:
        """Leave the loop to the caller."""

    def recurrence(
        self, x: FloatArray, previous: FloatArray, beta: float, weight: float, total: FloatArray
    ) -> tuple[float, float]:
        """Set ``previous = 2 (x + beta A x) - previous``, add ``weight * previous`` to ``total``; return its norms."""
        image = np.empty_like(x)
        self.product(x, image, 2.0, 2.0 * beta)
        length, magnitude = combine(0, x.size, image, previous, total, weight)
        previous[:] = image
        return float(length), float(magnitude)

    def apply_transpose(self, z: Any) -> FloatArray:
        """Return ``A' z``: the backward operator, for expectations as functions of the initial state."""
        z = self._vector(z)
        out: FloatArray = super().apply_transpose(z) - self._extra_exit.astype(np.float64) * z
        _scatter(z, out, 1.0, self._target, self._source, self._rate)
        return out

    def triplets(self) -> tuple[IntArray, IntArray, FloatArray, IntArray]:
        """Return rows, columns, values and reactions of all off-diagonal entries."""
        rows, columns, values, reactions = super().triplets()
        if not self._listed:
            return rows, columns, values, reactions
        return (
            np.concatenate([rows, self._target]),
            np.concatenate([columns, self._source]),
            np.concatenate([values, self._rate]),
            np.concatenate([reactions, self._fired_by]),
        )

    def segment_outflow(self, x: FloatArray) -> FloatArray:
        """Return the flow through each boundary segment, and through each transition with events out of the set."""
        return np.concatenate([super().segment_outflow(x), self._out_rate * x[self._out_source]])

    def boundary_labels(self) -> tuple[list[str], IntArray]:
        """Return names, and for each boundary segment its place among them; those that fire events have their own."""
        names, where = super().boundary_labels()
        fires = np.arange(where.size) >= self.boundary.n_segments
        return [*names, *(f"{name} and event" for name in names)], where + fires * len(names)

    def boundary_targets(self) -> NDArray[np.int64]:
        """Return the counts of the first state outside the set that each boundary segment leads to."""
        return np.concatenate([super().boundary_targets(), self._out_target])

    def redirected_outflow(self, x: FloatArray, allowance: float) -> IntArray:
        """Return the states outside of the set to which events lead.

        Parameters
        ----------
        x : ndarray
            The probabilities.
        allowance : float
            The smallest flows that together stay below it are not followed.
        """
        flow = self._out_rate * x[self._out_source]
        order = np.argsort(flow)
        follow = order[np.cumsum(flow[order]) > allowance]
        return np.unique(self._out_target[follow], axis=0)


class RedirectedGenerator(_WithTransitions, AssembledGenerator):
    """The generator with transitions that fire events, in double precision."""

    kind = "assembled, with events,"

    def __init__(self, tables: FactorTables, space: FibreSet, *, threads: int | None = None) -> None:
        super().__init__(tables, space, threads=threads)
        self._list_transitions()
        self._exit += self._extra_exit.astype(np.float64)  # in place: the product reads this array

    @property
    def product_error(self) -> float:
        """Bound on the relative rounding error of one uniformised product."""
        return super().product_error + 2.0 * (self._cancellation * 2.0**-62 + 2.0**-52)

    def product(
        self, x: FloatArray, out: FloatArray, alpha: float, beta: float,
        weight: float = 0.0, total: FloatArray | None = None,
    ) -> None:  # fmt: skip
        """Set ``out = alpha x + beta A x``, then add ``weight * out`` to ``total``."""
        super().product(x, out, alpha, beta)
        _scatter(x, out, beta, self._source, self._target, self._rate)
        if weight > 0.0 and total is not None:
            add_scaled(total, 0, out.size, out, 0, float(weight))


class RedirectedExtendedGenerator(_WithTransitions, ExtendedGenerator):
    """The generator with transitions that fire events, in double-double arithmetic."""

    kind = "double-double, with events,"

    def __init__(self, tables: FactorTables, space: FibreSet, *, threads: int | None = None) -> None:
        super().__init__(tables, space, threads=1)
        self._list_transitions()
        n = space.n_states
        rows = np.concatenate([np.repeat(np.arange(n), np.diff(self._pointer)), self._target])
        source = np.concatenate([self._source_of_row, self._source])
        high, low = self._weights
        rates = np.concatenate([high.astype(np.longdouble) + low, self._fine])
        order = np.lexsort((source, rows))
        self._pointer = np.searchsorted(rows[order], np.arange(n + 1)).astype(np.int64)
        self._source_of_row = np.ascontiguousarray(source[order])
        self._weights = split_double(rates[order])
        high, low = self._exit
        self._exit = split_double(high.astype(np.longdouble) + low + self._extra_exit)

    @property
    def product_error(self) -> float:
        """Bound on the relative rounding error of one uniformised product."""
        listed = max(EVALUATION_ERROR, self._cancellation * 2.0**-62)
        return super().product_error + 2.5 * listed

    def exit_rates(self) -> FloatArray:
        """Return the total propensity of each state, outflow from the set included."""
        return self._exit[0].copy()
