"""The states that a run holds at present, with the vector and the generator on them."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fsp.errors import StateSpaceLimitError
from fsp.generator.fibre_generator import FibreGenerator
from fsp.generator.growth import closure, reachable
from fsp.generator.heap import LARGE, give_back
from fsp.generator.select import make_generator
from fsp.generator.tables import FactorTables
from fsp.ledger import Ledger
from fsp.statespace.constraints import Constraints
from fsp.statespace.coordinates import Coordinates
from fsp.statespace.fibres import FibreSet
from fsp.statespace.orientation import PIECE, along_longest_axis, enumerated_by
from fsp.statespace.pruning import prune
from fsp.transient.growing import GROWTH_COST
from fsp.transient.limits import Limits
from fsp.transient.vectors import empty_like, transfer

if TYPE_CHECKING:
    from fsp.model.network import ReactionNetwork

__all__ = ["WorkingSet"]

FloatArray = NDArray[np.float64]

#: The first set: what reactions can reach that fire so often, or four times as often if rates do not rise by much.
FIRST_REACH = 8


@dataclass(kw_only=True)
class WorkingSet:
    """The state set of a run, which follows the probability or is fixed; what is dropped is booked in the ledger.

    Parameters
    ----------
    network, space, p : ReactionNetwork, FibreSet, ndarray
        The initial distribution: probabilities ``p`` on ``space``. Later ``p`` is a vector of the generator, which in
        double-double arithmetic has two rows.
    constraints : Constraints
    limits : Limits
    ledger : Ledger
    fixed : bool
        Take all states that the constraints allow and keep them, instead of following the probability.
    extended : bool
        Work in double-double arithmetic.
    threads : int, optional
        Largest number of threads.
    """

    network: ReactionNetwork
    space: FibreSet
    p: FloatArray
    constraints: Constraints
    limits: Limits
    ledger: Ledger
    fixed: bool = False
    extended: bool = False
    threads: int | None = None
    statistics: dict[str, float | int] = field(default_factory=dict)
    _held: FibreGenerator | None = field(init=False, repr=False, compare=False)

    @property
    def probabilities(self) -> FloatArray:
        """The present vector in double precision."""
        return self.p if self.p.ndim == 1 else self.p[0]

    @property
    def generator(self) -> FibreGenerator:
        """The generator on the present set; made anew if it was released while the set of a step grew."""
        if self._held is None:
            self._held = self._generator(self.space)
        return self._held

    @generator.setter
    def generator(self, generator: FibreGenerator) -> None:
        self._held = generator

    # -- the first set -------------------------------------------------------------------------------------

    def _make_first_set(self, firings: int) -> None:
        """Begin with what so many reactions can reach, or on a fixed set with all that can be reached."""
        self._checked_size = 0  # states of the set when its fibre axis was last thought about
        self.limits.check(self.space)
        self.tables = self._make_tables(self.space.coordinates)
        self.tables.cover(*self.space.box())
        room = self.limits.max_states or self.limits.memory // self.limits.bytes_per_state
        self._move_to(self._first_set(firings, room))
        self._first_rate = rate = self.generator.max_exit_rate()
        if not self.fixed and firings:
            with suppress(StateSpaceLimitError):
                wider = self._surroundings(firings, 4 * FIRST_REACH, min(room, GROWTH_COST // 100))
                if self._make_generator(wider).max_exit_rate() <= 1.5 * rate:
                    self._move_to(wider)

    def _first_set(self, firings: int, room: int) -> FibreSet:
        try:
            if self.fixed:
                return self._best_axis(closure(self.tables, self.space, self.constraints, room))
            return self._surroundings(firings, FIRST_REACH, room)
        except StateSpaceLimitError as error:
            if self.limits.max_states is not None:
                raise
            message = (
                f"the states within the bounds need more than memory_limit = {self.limits.memory / 2**30:.3g} GiB at "
                f"{self.limits.bytes_per_state} bytes each; tighten bounds=, or raise memory_limit"
            )
            raise StateSpaceLimitError(message) from error

    def _surroundings(self, firings: int, reach: int, room: int) -> FibreSet:
        """Return the set with what so many reactions, each fired ``reach`` times, can reach."""
        return reachable(self.tables, self.space, self.constraints, firings, room, reach)

    # -- what a set needs ----------------------------------------------------------------------------------

    def _make_tables(self, coordinates: Coordinates) -> FactorTables:
        return FactorTables(self.network, coordinates, extended=self.extended)

    def _generator(self, space: FibreSet) -> FibreGenerator:
        """Return a generator on a set, if it can be held."""
        generator = self._make_generator(space)
        give_back(space.n_states)
        self.limits.check(space, generator.nbytes)
        peak = max(int(self.statistics["states_peak"]), space.n_states)
        self.statistics.update(states_peak=peak, states_final=space.n_states)
        return generator

    def _make_generator(self, space: FibreSet) -> FibreGenerator:
        generator = make_generator(self.tables, space, threads=self.threads, extended=self.extended)
        plain = not self.extended and not generator.lists_transitions
        generator.by_segment = plain and space.n_states >= LARGE
        return generator

    def _table_parts(self) -> list[tuple[FactorTables, FibreGenerator | None]]:
        """Return all tables, and what was made from them if it keeps a copy."""
        return [(self.tables, getattr(self, "_held", None))]

    # -- another set ---------------------------------------------------------------------------------------

    def _move_to(self, space: FibreSet, generator: FibreGenerator | None = None) -> None:
        """Make ``space`` the set of the current vector, booking what has no place in it as pruned.

        Its generator is made, if it is not given.
        """
        self.limits.check(space)
        if space is not self.space:
            self.p, lost = transfer(self.space, self.p, space)
            if lost > 0.0:
                self.ledger.book("pruned", lost * (1.0 + 1e-9))
        self.space = space
        self.generator = self._generator(space) if generator is None else generator
        if self.p.ndim == 1:
            self.p = self.generator.new_vector(self.p)

    def _best_axis(self, space: FibreSet) -> FibreSet:
        """Return the set with its longest axis as the fibre axis, if that makes fewer fibres; the vector follows."""
        other = along_longest_axis(space)
        if other is space:
            return space
        moved = other if space is self.space else enumerated_by(other.coordinates, self.space)
        p = empty_like(self.p)
        for start in range(0, self.space.n_states, PIECE):
            stop = start + PIECE
            p[..., moved.index(self.space.states(start, stop))] = self.p[..., start:stop]
        self.space, self.p = moved, p
        self.tables = self._make_tables(other.coordinates)
        return other

    def _prune(self, duration: float, budget: float, products: int) -> None:
        """Drop states that a step of ``duration`` and ``products`` could do without, and let the fibre axis follow.

        What they hold, and what would leave them in such a step, adds up to at most ``budget``.
        """
        smaller = prune(self.space, self.probabilities, self.generator.exit_rates(), duration, budget)
        if smaller is not None and smaller.n_states > 0.5 * self.space.n_states:
            saved = (self.space.n_states - smaller.n_states) * products
            if saved < GROWTH_COST:  # the set may well have to grow again
                smaller = None
        space = self.space if smaller is None else smaller
        if space.n_states >= 2 * self._checked_size:
            self._checked_size = space.n_states
            if smaller is not None:
                self._move_to(space)
            space = self._best_axis(self.space)
        if space is not self.generator.space:
            self._move_to(space)
