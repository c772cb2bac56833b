"""The adaptive loop: time steps, a state set that follows the probability, and the ledger."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fsp.errors import ExplosionError, SolverError, StateSpaceLimitError, ToleranceError
from fsp.generator.fibre_generator import FibreGenerator
from fsp.generator.growth import closure, grow_outflow, reachable
from fsp.generator.select import make_generator
from fsp.generator.tables import FactorTables
from fsp.ledger import Ledger
from fsp.statespace.constraints import Constraints
from fsp.statespace.coordinates import Coordinates
from fsp.statespace.fibres import FibreSet
from fsp.statespace.pruning import prune
from fsp.transient.protocol import Progress, Stepper

if TYPE_CHECKING:
    from fsp.model.network import ReactionNetwork

__all__ = ["AdaptiveLoop", "Snapshot"]

FloatArray = NDArray[np.float64]

#: How the tolerance is shared out between what may leak, what may be pruned and what the series leaves out;
#: the rest is for rounding.
SHARE_LEAKED, SHARE_PRUNED, SHARE_SERIES, SHARE_STEADY = 0.45, 0.25, 0.1, 0.1

#: Jumps of the uniformised chain in the first step, and in the longest ones: a long series spends few products on its
#: tail, a short one lets the rate follow the set.
FIRST_JUMPS, MOST_JUMPS = 32.0, 1024.0

#: Factor of the uniformisation rate over the largest exit rate while the set grows: a new state that leaves faster
#: than the uniformisation rate means that the step has to be begun anew.
GROWING_HEADROOM = 1.1

#: Layers of states that surround the initial state.
FIRST_REACH = 8


@dataclass
class Snapshot:
    """The state of a run at an output time; ``p`` is a lower bound on the distribution."""

    time: float
    space: FibreSet
    p: FloatArray
    ledger: Ledger


@dataclass
class Limits:
    """What a run may use."""

    max_states: int | None = None
    memory: int = 2**62
    products: float = 2e9

    def check(self, space: FibreSet, overhead: int = 0) -> None:
        """Raise before memory is used up."""
        if self.max_states is not None and space.n_states > self.max_states:
            message = (
                f"the state set needs {space.n_states:,} states, more than max_states = {self.max_states:,}; "
                "raise max_states, loosen the tolerance, or limit species with bounds="
            )
            raise StateSpaceLimitError(message)
        need = 40 * space.n_states + space.nbytes + overhead
        if need > self.memory:
            message = (
                f"the state set needs {space.n_states:,} states and about {need / 2**30:.3g} GiB, more than "
                f"memory_limit = {self.memory / 2**30:.3g} GiB; loosen the tolerance or limit species with bounds="
            )
            raise StateSpaceLimitError(message)


@dataclass
class AdaptiveLoop:
    """One run of the transient solver.

    Parameters
    ----------
    network, space, p : ReactionNetwork, FibreSet, ndarray
        The initial distribution: probabilities ``p`` on ``space``.
    constraints : Constraints
    stepper : Stepper
    tolerance : float
    limits : Limits
    fixed : bool
        Take all states that the constraints allow and keep them, instead of following the probability.
    report : callable, optional
        Called with ``time=, states=, lost=, products=`` as the run goes on.
    """

    network: ReactionNetwork
    space: FibreSet
    p: FloatArray
    constraints: Constraints
    stepper: Any
    tolerance: float
    limits: Limits
    ledger: Ledger
    fixed: bool = False
    threads: int | None = None
    report: Callable[..., None] | None = None
    statistics: dict[str, float | int] = field(default_factory=dict)
    time: float = 0.0

    def run(self, times: NDArray[np.float64]) -> Iterator[Snapshot]:
        """Yield a snapshot at each time (ascending, >= 0).

        Raises
        ------
        SolverError
            If a limit is reached, the tolerance cannot be met, or the network seems to explode.
        """
        self.statistics.update(products=0, steps=0, growths=0, restarts=0, states_peak=0, states_final=0)
        self._end = float(times[-1])
        self._initial_mass = float(self.p.sum())
        self._jumps = FIRST_JUMPS
        self._headroom = GROWING_HEADROOM
        self._steady = False
        self._checked_size = 0
        self._prepare()
        for target in times:
            self._advance_to(float(target))
            rounding = 0.5 * self.ledger.entries["rounding"]
            last = target == times[-1]
            p = self.p if last else self.p.copy()
            p *= max(0.0, 1.0 - rounding * (1.0 + 1e-9))  # so that no entry exceeds the truth
            self._check_ledger()
            self._check_balance(p)
            yield Snapshot(float(target), self.space, p, self.ledger.copy())

    # -- the state set -------------------------------------------------------------------------------------

    def _prepare(self) -> None:
        self.limits.check(self.space)
        self.tables = FactorTables(self.network, self.space.coordinates)
        self.tables.cover(*self.space.box())
        room = self.limits.max_states or self.limits.memory // 40
        if self.fixed:
            space = closure(self.tables, self.space, self.constraints, room)
            space = self._best_axis(space)
        else:
            space = reachable(self.tables, self.space, self.constraints, FIRST_REACH if self._end > 0 else 0, room)
        self._move_to(space)
        self._first_rate = self.generator.max_exit_rate()

    def _best_axis(self, space: FibreSet) -> FibreSet:
        """Return the set with its longest axis as the fibre axis, if that makes fewer fibres."""
        low, high = space.box()
        extent = high - low + 1
        best = int(np.argmax(extent))
        if best == extent.size - 1 or extent[best] < 1.5 * extent[-1] or space.n_states > 2_000_000:
            return space
        coordinates = Coordinates.of(self.network, space.coordinates.axes[best])
        other = FibreSet.from_reduced(coordinates, coordinates.to_reduced(space.states()))
        if other.n_fibres >= 0.8 * space.n_fibres:
            return space
        old_states = self.space.states()
        moved = FibreSet.from_reduced(coordinates, coordinates.to_reduced(old_states))
        p = np.empty_like(self.p)
        p[moved.index(old_states)] = self.p
        self.space, self.p = moved, p
        self.tables = FactorTables(self.network, coordinates)
        return other

    def _move_to(self, space: FibreSet) -> None:
        """Make ``space`` the set of the current vector, booking what has no place in it as pruned."""
        self.limits.check(space)
        if space is not self.space:
            self.p, lost = self.space.transfer(self.p, space)
            if lost > 0.0:
                self.ledger.book("pruned", lost * (1.0 + 1e-9))
        self.space = space
        self.generator = self._generator(space)

    def _generator(self, space: FibreSet) -> FibreGenerator:
        generator = make_generator(self.tables, space, threads=self.threads)
        self.limits.check(space, generator.nbytes)
        peak = max(int(self.statistics["states_peak"]), space.n_states)
        self.statistics.update(states_peak=peak, states_final=space.n_states)
        return generator

    # -- time ----------------------------------------------------------------------------------------------

    def _advance_to(self, target: float) -> None:
        while self.time < target and not self._absorbed(target):
            self._step(target)
            if self.report is not None:
                self.report(time=self.time, states=self.space.n_states, lost=self.ledger.total,
                            products=self.statistics["products"])  # fmt: skip

    def _absorbed(self, target: float) -> bool:
        """Tell whether nothing happens any more; then the time jumps ahead."""
        if self.generator.max_exit_rate() > 0.0:
            return False
        self.time = target
        return True

    def _step(self, target: float) -> None:
        start_space, start_p = self.space, self.p
        blocked = 0.0
        grew = False
        while True:  # until a step is done without exceeding its uniformisation rate
            rate = self.generator.max_exit_rate()
            self._check_rate(rate)
            duration = self._duration(rate, target)
            generator = self.generator
            stepper: Stepper = self.stepper
            self.stepper.headroom = 1.0 if self.fixed else self._headroom
            stepper.begin(generator, self.p if self.fixed else self.p.copy(), duration, self._series_budget(duration))
            leaks: dict[int, float] = {}
            space = self.space
            restart = False
            while stepper.advance(max(self._allowance(stepper), blocked)) is Progress.OUTFLOW:
                flow, _ = generator.outflow(stepper.current)
                larger = grow_outflow(
                    generator, stepper.current, self.constraints, 0.3 * self._allowance(stepper), self._reach(space)
                )
                if larger.n_states == space.n_states:  # whatever flows out now, a constraint keeps out
                    blocked = 1.5 * flow
                    continue
                self.statistics["growths"] += 1
                grew = True
                self.limits.check(larger)
                self._collect(leaks, generator, stepper)
                grown = self._generator(larger)
                vectors = stepper.vectors()
                for i in range(len(vectors)):
                    vectors[i], _ = space.transfer(vectors[i], larger)
                space, generator = larger, grown
                if not stepper.replace(generator, vectors):
                    restart = True
                    break
            if not restart:
                break
            self.statistics["restarts"] += 1
            self._headroom = max(self._headroom, GROWING_HEADROOM)
            self.statistics["products"] += stepper.products
            self.space, self.p = start_space, start_p
            self._move_to(space)
            start_space, start_p = self.space, self.p
        self._collect(leaks, generator, stepper)
        self.space, self.generator = space, generator
        self.p = stepper.finish()
        self._book(leaks, stepper)
        last = self.time + duration >= target * (1.0 - 1e-14)
        self.time = target if last else self.time + duration
        self._jumps = min(2.0 * self._jumps, MOST_JUMPS)
        self._headroom = GROWING_HEADROOM if grew else 1.0
        if not self.fixed and self.time < self._end:
            self._prune(duration)

    def _duration(self, rate: float, target: float) -> float:
        left = target - self.time
        if rate <= 0.0:
            return left
        n = np.ceil(left * rate / self._jumps)
        return left / max(n, 1.0)

    def _series_budget(self, duration: float) -> float:
        spent = self.ledger.entries["series"]
        return max(SHARE_SERIES * self.tolerance - spent, 0.0) * duration / max(self._end - self.time, duration)

    def _allowance(self, stepper: Any) -> float:
        """Outflow per unit of time that the rest of the run may have."""
        if self.fixed:
            return float("inf")
        left = SHARE_LEAKED * self.tolerance - self.ledger.entries["leaked"] - stepper.leaked
        return max(left, 1e-3 * SHARE_LEAKED * self.tolerance) / (self._end - self.time)

    def _reach(self, space: FibreSet) -> int:
        low, high = space.box()
        return max(4, int((high - low).max()) // 16)

    def _prune(self, duration: float) -> None:
        budget = max(SHARE_PRUNED * self.tolerance - self.ledger.entries["pruned"], 0.0)
        budget *= 0.5 * duration / max(self._end - self.time, duration)
        smaller = prune(self.space, self.p, self.generator.exit_rates(), duration, budget)
        space = self.space if smaller is None else smaller
        if space.n_states >= 2 * self._checked_size:
            self._checked_size = space.n_states
            if smaller is not None:
                self._move_to(space)
            space = self._best_axis(self.space)
        if space is not self.space:
            self._move_to(space)

    # -- the ledger ----------------------------------------------------------------------------------------

    def _collect(self, leaks: dict[int, float], generator: Any, stepper: Any) -> None:
        reaction = generator.boundary.reaction
        if stepper.segment_loss.size == reaction.size and reaction.size:
            totals = np.bincount(reaction, stepper.segment_loss)
            for r in np.flatnonzero(totals):
                leaks[int(r)] = leaks.get(int(r), 0.0) + float(totals[r])
        stepper.segment_loss = np.zeros(0)

    def _book(self, leaks: dict[int, float], stepper: Any) -> None:
        for r, amount in leaks.items():
            self.ledger.book("leaked", amount * (1.0 + 1e-9), self.network.reactions[r].name)
        self.ledger.book("series", stepper.missing)
        self.ledger.book("rounding", 2.0 * stepper.rounding)
        self.statistics["products"] += stepper.products
        self.statistics["steps"] += 1
        stepper.products = 0
        self._check_ledger()

    def _check_ledger(self) -> None:
        if self.ledger.total <= self.tolerance:
            return
        worst = max(self.ledger.entries, key=lambda name: self.ledger.entries[name])
        advice = {
            "leaked": "widen bounds=, or loosen the tolerance",
            "rounding": "loosen the tolerance, or shorten the time span: the worst-case rounding of double precision "
            "grows with exit rate times time",
            "initial": "give an initial distribution with a smaller error bound",
        }.get(worst, "loosen the tolerance")
        message = (
            f"the tolerance {self.tolerance:g} cannot be kept: at time {self.time:g} the error bound is "
            f"{self.ledger.total:.3g}, of which {worst} {self.ledger.entries[worst]:.3g}; {advice}"
        )
        raise ToleranceError(message)

    def _check_balance(self, p: FloatArray) -> None:
        """Refuse to go on if probability is missing that nobody booked: the ledger is never filled from this sum."""
        unbooked = self._initial_mass - float(p.sum()) - self.ledger.total
        if unbooked > 1e-12:
            message = (
                f"internal error: {unbooked:.3g} of the probability is missing at time {self.time:g} and not booked in "
                "the ledger; please report this model"
            )
            raise SolverError(message)

    def _check_rate(self, rate: float) -> None:
        products = rate * (self._end - self.time)
        if products <= self.limits.products:
            return
        low, high = self.space.box()
        names = self.space.species_names
        axis = int(np.argmax(high - low))
        species = names[self.space.coordinates.axes[axis]]
        if rate > 1e4 * max(self._first_rate, 1e-300) and not self.fixed:
            message = (
                f"the network seems explosive: at time {self.time:g} the state set reaches {species} = {high[axis]:,} "
                f"and an exit rate of {rate:.3g}, {rate / max(self._first_rate, 1e-300):.1g} times that at the start, and both keep "
                "growing; check the propensities that increase counts faster than linearly, or limit the species "
                "with bounds="
            )
            raise ExplosionError(message)
        message = (
            f"the problem is too stiff for uniformisation: exit rate {rate:.3g} times the remaining time "
            f"{self._end - self.time:g} needs {products:.2g} products (limit {self.limits.products:g}); "
            "shorten the time span"
        )
        raise ToleranceError(message)
