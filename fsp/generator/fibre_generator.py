"""`FibreGenerator`: the generator of the truncated chain, applied without being stored."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fsp.errors import ArgumentError
from fsp.generator import kernels, segments
from fsp.generator.assembled_kernels import no_weights
from fsp.generator.boundary import Boundary
from fsp.generator.entries import diagonal_parts, triplets
from fsp.generator.heap import LARGE, give_back
from fsp.generator.inflow import Inflow, SegmentLists
from fsp.generator.recurrence import chebyshev_series, clip, norms, recurrence_in_place
from fsp.generator.series import power_series
from fsp.generator.survey import Survey, check_propensities
from fsp.generator.tables import FactorTables
from fsp.generator.threads import run_threads, split_evenly, threads_for
from fsp.statespace.fibres import FibreSet

if TYPE_CHECKING:
    import scipy.sparse as sp
    from scipy.sparse.linalg import LinearOperator

__all__ = ["FibreGenerator"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


#: From this number of states on a product takes so long that a call from Python for each one costs nothing, and lets
#: the caller report progress.
ONE_BY_ONE = 500_000


class FibreGenerator:
    """The generator ``A`` of the chain on a state set: ``dp/dt = A p``, with outflow from the set lost.

    Columns of ``A`` and the outflow rates sum to zero. Products stream through the vector fibre by fibre; only numbers
    per fibre and reaction are stored.

    Parameters
    ----------
    tables : FactorTables
        Tables of the propensities; extended if the set reaches beyond them.
    space : FibreSet
        The states.
    threads : int, optional
        Largest number of threads; fewer are used where they do not pay.

    Raises
    ------
    PropensityError
        If a propensity is negative, not finite, or would make a count negative at a state of the set.

    Notes
    -----
    Building costs O(n_fibres * n_reactions), a product O(n_states * n_reactions).
    """

    kind = "matrix-free"
    lists_transitions = False  #: whether transitions that fire events are part of it
    vector_error = 2.0**-53  #: relative error of an entry of a vector that is stored
    #: Whether `outflow` tells the flow through each boundary segment instead of the probability of each boundary state: on
    #: large sets of three species, whose boundary is a good part of all states, that saves two vectors.
    by_segment = False

    def __init__(self, tables: FactorTables, space: FibreSet, *, threads: int | None = None) -> None:
        if tables.redirects is not None and not self.lists_transitions:
            message = "internal error: this form of the generator does not know events; take make_generator"
            raise AssertionError(message)
        self.factors = tables
        self.space = space
        tables.cover(*space.box())
        self.reactions = tables.reactions
        self.tables = tables.tables
        self.table_box = (tables.low, tables.high)  # of these; the object may be extended later
        self._propensities = survey = Survey.of(tables, space)
        ways_out, exits, mixed = [], [], []
        for part in survey.parts():
            c, start, error = survey.on_fibres(part)
            check_propensities(error, tables, space)
            ways_out.append(Boundary.of(tables, space, part, c, start))
            parts = diagonal_parts(space.first, c, start, tables.along_base[part], tables.pure[part])
            exits.append(parts[0])
            mixed.append(parts[1:])
        self.boundary = Boundary.joined(ways_out)
        self.fibre_exit = sum(exits[1:], exits[0])
        self._mixed = (np.concatenate([m[0] for m in mixed]), np.concatenate([m[1] for m in mixed]))
        self._diagonal = (space.first, space.offset, self.fibre_exit, tables.diagonal_base, self.tables)
        self._parts_of_inflow: Inflow | None = None
        self._survey: tuple[Any, ...] = ()
        if space.n_states < LARGE:
            self._survey = (tables.shifts, c, start, tables.along_base, tables.pure)
        self._assembled: tuple[Any, ...] = no_weights()
        self._largest: float | None = None
        self.threads = threads_for(space.n_states, threads)
        self._cuts = split_evenly(space.offset, self.threads)

    @property
    def _inflow(self) -> Inflow:
        """What products go through: made when it is first needed, because some sets are only asked for their boundary."""
        if self._parts_of_inflow is None:
            if self.n_states >= LARGE and not self._mixed[0].size:
                self._parts_of_inflow = Inflow.by_reaction(self._propensities)
            else:
                self._parts_of_inflow = Inflow.of(self.space, self._make_lists(), self.tables.size)
            self._survey = ()
            give_back(self.n_states)  # the lists of a large set
        return self._parts_of_inflow

    @property
    def _segment_lists(self) -> SegmentLists:
        """The segments with their reactions: kept from when they are first asked for."""
        inflow = self._parts_of_inflow
        lists = None if inflow is None else inflow.lists
        if lists is None:
            lists = self._make_lists()
            if inflow is None:
                inflow = self._parts_of_inflow = Inflow.of(self.space, lists, self.tables.size)
            inflow.lists = lists
        return lists

    def _make_lists(self) -> SegmentLists:
        return SegmentLists.of(self.space, self._surveyed(), self._mixed)

    def _surveyed(self) -> tuple[Any, ...]:
        """Return what `SegmentLists` are made from, which is not kept for large sets."""
        if self._survey:
            return self._survey
        survey = self._propensities
        c, start, _ = survey.on_fibres(survey.everything)
        return survey.shifts, c, start, survey.along_base, survey.pure

    def release_segments(self) -> None:
        """Forget what products go through, to make room; it is made again for the next product."""
        self._parts_of_inflow = None

    @property
    def _product_arrays(self) -> tuple[Any, ...]:
        """The last arguments of the compiled product."""
        return (*self._diagonal, *self._inflow.packed)

    @property
    def n_states(self) -> int:
        """The number of states."""
        return self.space.n_states

    @cached_property
    def n_terms(self) -> int:
        """Most terms that are added up in one row."""
        mixed = ~self.factors.pure & (self.factors.along_base != segments.NO_TABLE)
        return 1 + len(self.reactions) + int(mixed.sum())

    @property
    def signed_terms(self) -> int:
        """The same for vectors of any sign, where parts of the diagonal that are added up apart count threefold."""
        mixed = self.n_terms > 1 + len(self.reactions)
        return 3 * self.n_terms + 6 if mixed else self.n_terms

    @property
    def product_error(self) -> float:
        """Bound on the 1-norm error of one uniformised product on a vector of mass one, from rounding.

        A propensity carries the error of its tables and of their products; its flow is added to one row and taken
        from another; a row adds up ``n_terms`` numbers, all non-negative. Higham (2002), Accuracy and Stability of
        Numerical Algorithms, section 3.1.
        """
        u = 2.0**-53
        propensity = self.factors.n_tables * (self.factors.evaluation_error + u)
        return 2.0 * propensity + (3.0 * self.n_terms + 10.0) * u

    @property
    def nbytes(self) -> int:
        """Memory of the generator, without the state set and the vectors."""
        segments = len(self.reactions) * self.space.n_fibres  # about as many as there will be
        inflow = 28 * segments if self._parts_of_inflow is None else self._parts_of_inflow.nbytes
        return int(inflow + self.fibre_exit.nbytes + self.tables.nbytes) + self.boundary.nbytes

    def product(
        self, x: FloatArray, out: FloatArray, alpha: float, beta: float,
        weight: float = 0.0, total: FloatArray | None = None,
    ) -> None:  # fmt: skip
        """Set ``out = alpha x + beta A x``, then add ``weight * out`` to ``total``."""
        arguments = (
            x,
            out,
            alpha,
            beta,
            float(weight),
            out if total is None else total,
            *self._product_arrays,
        )
        self._on_ranges(kernels.product, arguments)

    def _vector(self, x: Any) -> FloatArray:
        vector = np.ascontiguousarray(x, dtype=np.float64)
        if vector.shape != (self.n_states,):
            message = f"the vector has shape {vector.shape}; the generator acts on {self.n_states} states"
            raise ArgumentError(message)
        return vector

    def apply(self, x: Any, out: FloatArray | None = None) -> FloatArray:
        """Return ``A x``: the time derivative of the probabilities ``x``."""
        x = self._vector(x)
        out = np.empty_like(x) if out is None else out
        self.product(x, out, 0.0, 1.0)
        return out

    def apply_transpose(self, z: Any) -> FloatArray:
        """Return ``A' z``: the backward operator, for expectations as functions of the initial state."""
        z = self._vector(z)
        out: FloatArray = np.empty_like(z)
        lists = self._segment_lists
        kernels.add_transpose(z, out, 0.0, 1.0, *self._diagonal, *lists.s, *lists.t)
        return out

    def exit_rates(self) -> FloatArray:
        """Return the total propensity of each state, outflow from the set included."""
        out = np.empty(self.n_states)
        kernels.exit_rates(0, self.space.n_fibres, out, *self._diagonal, *self._mixed)
        return out

    def max_exit_rate(self) -> float:
        """Return the largest exit rate on the set."""
        if self._largest is None:
            self._largest = float(kernels.max_exit_rate(*self._diagonal, *self._mixed))
        return self._largest

    def outflow(self, x: FloatArray) -> tuple[float, FloatArray]:
        """Return the flow of probability out of the set (1/time), and the probabilities of the boundary states.

        With `by_segment`, the flows through the boundary segments take the place of these probabilities.
        """
        if self.by_segment:
            flows = self.segment_outflow(x)
            return float(flows.sum()), flows
        b = self.boundary
        here = x if b.rates.size == x.size else np.empty(b.rates.size)
        return float(kernels.boundary_flow(x, b.positions, b.rates, here)), here

    def add_outflow(self, x: FloatArray, factor: float, total: FloatArray) -> float:
        """Add ``factor`` times what `outflow` tells of the boundary to ``total``; return the flow out of the set."""
        if self.by_segment:
            return float(kernels.add_segment_outflow(x, *self.boundary.segments, self.tables, factor, total))
        flow, here = self.outflow(x)
        kernels.add_scaled(total, 0, total.size, here, 0, factor)
        return flow

    def new_vector(self, p: FloatArray) -> FloatArray:
        """Return probabilities as a vector of this generator; no copy is made if none is needed."""
        return p

    def leading(self, x: FloatArray) -> FloatArray:
        """Return the probabilities that a vector of this generator stands for, in double precision."""
        return x

    def largest_decrease(self, before: FloatArray, after: FloatArray) -> float:
        """Return the largest relative decrease of a positive entry from one vector to another; 0 if none decreases."""
        return float(kernels.largest_decrease(before, after)) + 2.0**-51

    def boundary_vector(self) -> FloatArray:
        """Return zeros, one for each boundary state, or with `by_segment` for each segment."""
        return np.zeros(self.boundary.n_segments if self.by_segment else self.boundary.rates.size)

    def segment_outflow(self, x: FloatArray) -> FloatArray:
        """Return the flow of probability (1/time) through each boundary segment."""
        out = np.empty(self.boundary.n_segments)
        kernels.segment_outflow(x, *self.boundary.segments, self.tables, out)
        return out

    def segment_leaks(self, residence: FloatArray) -> FloatArray:
        """Return what left the set through each boundary segment.

        Parameters
        ----------
        residence : ndarray
            Expected time spent in each boundary state, as `boundary_vector` orders them; with `by_segment`, flows over time.
        """
        if self.by_segment:
            return residence
        if not residence.any():
            return np.zeros(self.boundary.reaction.size)
        return self.segment_outflow(self.on_boundary(residence))

    def on_boundary(self, values: FloatArray, shape: FloatArray | None = None) -> FloatArray:
        """Return a vector that has these entries at the boundary states, as `boundary_vector` orders them, and zeros.

        With `by_segment` the values are flows; along a segment the vector is then taken to be proportional to ``shape``.
        """
        if self.by_segment:
            assert shape is not None
            everywhere = np.zeros(self.n_states)
            kernels.spread_flows(values, shape, *self.boundary.segments, self.tables, everywhere)
            return everywhere
        if values.size == self.n_states:
            return values
        everywhere = np.zeros(self.n_states)
        everywhere[self.boundary.positions] = values
        return everywhere

    def leaks(self, residence: FloatArray) -> FloatArray:
        """Return what each reaction of the network took out of the set; see `segment_leaks`."""
        flows = self.segment_leaks(residence)
        n_reactions = self.factors.network.n_reactions
        return np.bincount(self.boundary.reaction, flows, n_reactions).astype(np.float64)

    def boundary_labels(self) -> tuple[list[str], IntArray]:
        """Return names, and for each boundary segment the position of its reaction's name among them."""
        return [reaction.name for reaction in self.factors.network.reactions], self.boundary.reaction

    def redirected_outflow(self, x: FloatArray, allowance: float) -> IntArray:
        """Return the states outside of the set to which events lead; see `RedirectedGenerator`."""
        return np.empty((0, len(self.space.species_names)), np.int64)

    def boundary_targets(self) -> IntArray:
        """Return the counts of the first state outside the set that each boundary segment leads to."""
        b, space = self.boundary, self.space
        reduced = np.column_stack([space.prefix[b.fibre], b.lo]) + self.factors.shifts[b.local]
        return space.coordinates.to_counts(reduced)

    def run_series(
        self, v: FloatArray, scratch: FloatArray, total: FloatArray, k: int, weights: FloatArray, later: FloatArray,
        beta: float, allowance: float, residence: FloatArray,
    ) -> tuple[int, float, bool] | None:  # fmt: skip
        """Make the products of a uniformisation series until its end, or until the outflow passes ``allowance``.

        Returns the number of products so far, the leaked probability, and whether the last power is in ``scratch``;
        ``None`` if the set is so large that the caller may as well make the products one by one.
        """
        if self.threads > 1 or self.n_states >= ONE_BY_ONE or self.by_segment:
            return None
        k, leaked, swapped = power_series(
            v, scratch, total, k, weights, later, beta, allowance, self.boundary.positions, self.boundary.rates,
            residence, self._product_arrays, self._assembled,
        )  # fmt: skip
        return int(k), float(leaked), bool(swapped)

    def run_recurrence(
        self, previous: FloatArray, v: FloatArray, total: FloatArray, weights: FloatArray, integrals: FloatArray,
        beta: float, per_column: float, lengths: FloatArray, magnitudes: FloatArray, wanted: float, refuse: float,
        residence: FloatArray,
    ) -> tuple[int, float] | None:  # fmt: skip
        """Make all terms of a Chebyshev series; see `fsp.generator.recurrence.chebyshev_series`.

        ``None`` if the set is so large that the caller may as well make them one by one.
        """
        if self.threads > 1 or self.n_states >= ONE_BY_ONE or self.by_segment:
            return None
        k, leaked = chebyshev_series(
            previous, v, np.empty_like(v), total, 1, weights, integrals, beta, per_column, lengths, magnitudes, wanted,
            refuse, self.boundary.positions, self.boundary.rates, residence, self._product_arrays, self._assembled,
        )  # fmt: skip
        return int(k), float(leaked)

    def recurrence(
        self, x: FloatArray, previous: FloatArray, beta: float, weight: float, total: FloatArray
    ) -> tuple[float, float]:
        """Set ``previous = 2 (x + beta A x) - previous``, add ``weight * previous`` to ``total``; return its norms.

        Returns the 1-norm and the largest magnitude.
        """
        arguments = (x, previous, total, 2.0 * beta, float(weight), self._product_arrays, self._assembled)
        found = self._on_ranges(recurrence_in_place, arguments)
        return sum(length for length, _ in found), max(magnitude for _, magnitude in found)

    def _on_ranges(self, kernel: Any, arguments: tuple[Any, ...]) -> list[Any]:
        """Return what a kernel on ranges of what products go through returns for each thread."""
        if self.threads == 1:
            return [kernel(0, self.space.n_fibres, *arguments)]
        return run_threads(kernel, self._cuts, arguments)

    def norms(self, x: FloatArray) -> tuple[float, float, float]:
        """Return the 1-norm, the largest magnitude and the largest entry."""
        parts = self._on_states(norms, x)
        return sum(p[0] for p in parts), max(p[1] for p in parts), max(p[2] for p in parts)

    def clip(self, x: FloatArray, eta: float) -> float:
        """Set ``x = max(x - eta, 0)``, rounded down, and return the 1-norm of the change."""
        return float(sum(self._on_states(clip, x, eta)))

    def _on_states(self, kernel: Any, *arguments: Any) -> list[Any]:
        """Return what a kernel on ranges of states returns for each thread."""
        if self.threads == 1:
            return [kernel(0, self.n_states, *arguments)]
        offset = self.space.offset
        return run_threads(kernel, [(int(offset[a]), int(offset[b])) for a, b in self._cuts], arguments)

    def outflow_rates(self) -> FloatArray:
        """Return for each state the rate at which it leaves the set."""
        if self.boundary.rates.size == self.n_states:
            return self.boundary.rates.copy()
        rates = np.zeros(self.n_states)
        rates[self.boundary.positions] = self.boundary.rates
        return rates

    def triplets(self) -> tuple[IntArray, IntArray, FloatArray, IntArray]:
        """Return rows, columns, values and reactions of all off-diagonal entries."""
        parts = []
        lists = self._segment_lists
        groups = (
            (*lists.s, lists.s[1], lists.s_reaction, True),
            (*lists.t, lists.t_reaction, False),
        )
        for ptr, lo, hi, source, c, table, reaction, plain in groups:
            size = int((hi - lo).sum())
            rows, columns, kinds = (np.empty(size, np.int64) for _ in range(3))
            values = np.empty(size)
            triplets(ptr, lo, hi, source, c, table, reaction, self.space.offset, self.tables, plain,
                      rows, columns, values, kinds)  # fmt: skip
            inflow = rows != columns
            parts.append((rows[inflow], columns[inflow], values[inflow], self.reactions[kinds[inflow]]))
        rows, columns, values, kinds = (np.concatenate(p) for p in zip(*parts, strict=True))
        return rows, columns, values, kinds

    def to_scipy(self) -> sp.csr_array:
        """Return the generator as a SciPy CSR array; O(n_states * n_reactions) memory."""
        import scipy.sparse as sp

        rows, columns, values, _ = self.triplets()
        index = np.int32 if self.n_states < 2**31 else np.int64
        everything = np.arange(self.n_states, dtype=index)
        rows = np.concatenate([rows.astype(index), everything])
        columns = np.concatenate([columns.astype(index), everything])
        values = np.concatenate([values, -self.exit_rates()])
        matrix = sp.coo_array((values, (rows, columns)), shape=(self.n_states, self.n_states)).tocsr()
        matrix.sort_indices()
        return matrix

    def as_linear_operator(self) -> LinearOperator:
        """Return the generator as a SciPy `LinearOperator` with its adjoint."""
        from scipy.sparse.linalg import LinearOperator

        n = self.n_states
        return LinearOperator((n, n), matvec=self.apply, rmatvec=self.apply_transpose, dtype=np.float64)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self.n_states:,} states, {len(self.reactions)} reactions, {self.kind})"
        )
