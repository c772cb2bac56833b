"""The adaptive loop: time steps, a state set that follows the probability, and the ledger."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from fsp.generator.fibre_generator import FibreGenerator
from fsp.generator.heap import LARGE, give_back
from fsp.ledger import Ledger
from fsp.statespace.fibres import FibreSet
from fsp.transient.audit import check_balance, check_tolerance, leaks_by_boundary
from fsp.transient.growing import enlarge
from fsp.transient.limits import Workload
from fsp.transient.planning import SHARE_LEAKED, SHARE_PRUNED, Planner, Step
from fsp.transient.protocol import Progress, Stepper
from fsp.transient.saved import loop_state, restore_loop
from fsp.transient.steady import decay_at_rest
from fsp.transient.vectors import copy_with_room, grow, has_room, transfer
from fsp.transient.working_set import WorkingSet

__all__ = ["AdaptiveLoop", "Snapshot"]

FloatArray = NDArray[np.float64]

#: Factor of the uniformisation rate over the largest exit rate while the set grows: a new state that leaves faster
#: than the uniformisation rate means that the step has to be begun anew.
GROWING_HEADROOM = 1.18

#: Relative error of any state that a vector at rest may have where the user fixed the set.
TAIL_ERROR = 1e-10

#: Part of the states up to which it pays to keep a vector on those only where it is not zero.
SUPPORT = 0.9

#: A signed step may leak as much as if the rest of the run took at most so many times as long as itself: to begin it
#: anew costs more than to leave less for the steps after it.
SPARING = 1.25


@dataclass
class Snapshot:
    """The state of a run at an output time; ``p`` is a lower bound on the distribution."""

    time: float
    space: FibreSet
    p: FloatArray
    ledger: Ledger


@dataclass
class _Attempt:
    """An attempt to make a step: the set may grow on the way, and what it leaked goes with the boundary of that time."""

    step: Step
    generator: FibreGenerator
    start: FibreSet  #: the states that it began with
    leaks: dict[str, float] = field(default_factory=dict)
    grew: bool = False


@dataclass(kw_only=True)
class AdaptiveLoop(WorkingSet):
    """One run of the transient solver; `WorkingSet` says what else it is made from.

    A subclass for other rates replaces how tables, generators and plans are made (`_make_tables`, `_make_generator`,
    `_make_planner`), how the set grows (`_grown`), what a step books (`_collect`, `_book`), and when steps are not needed
    (`_absorbed`, `_settled`, `_workload`).

    Parameters
    ----------
    stepper, signed : Stepper
        What makes any step, and what makes long ones with fewer products where its bound allows; may be ``None``.
    tolerance : float
    foresee : bool
        Raise `RoundingError` as soon as rounding is bound to use up the tolerance.
    report : callable, optional
        Called with ``time=, states=, lost=, products=`` as the run goes on.
    time : float
        Where the run starts.
    end : float, optional
        Until when the tolerance has to last; by default the last output time.
    initial_mass : float, optional
        What the ledger started from, if it holds losses already.
    between : callable, optional
        Called with this loop before each step, when `state` returns all that the run depends on.
    saved : dict, optional
        Such a state, to go on from instead of beginning anew.
    """

    #: What else a run depends on between two steps; see `fsp.transient.saved`.
    OWN: ClassVar[tuple[str, ...]] = (
        "_end", "_initial_mass", "_headroom", "_longest", "_decay", "_next_test", "_checked_size", "_first_rate",
        "_yielded",
    )  # fmt: skip
    #: What a subclass makes anew when it begins or goes on.
    MADE: ClassVar[tuple[str, ...]] = ()

    stepper: Stepper
    tolerance: float
    foresee: bool = False
    signed: Stepper | None = None
    report: Callable[..., None] | None = None
    time: float = 0.0
    end: float | None = None
    initial_mass: float | None = None
    between: Callable[[AdaptiveLoop], None] | None = None
    saved: dict[str, Any] | None = None

    def run(self, times: NDArray[np.float64]) -> Iterator[Snapshot]:
        """Yield a snapshot at each time (ascending, >= 0).

        Raises
        ------
        SolverError
            If a limit is reached, the tolerance cannot be met, or the network seems to explode.
        """
        if self.saved is None:
            self._begin(times)
        else:
            self._restore(self.saved)
            self.saved = None
        for target in times[self._yielded :]:
            self._advance_to(float(target))
            check_tolerance(self.ledger, self.tolerance, self.time)
            self._yielded += 1
            yield self.snapshot()  # without a name here, which would keep it alive

    def _begin(self, times: NDArray[np.float64]) -> None:
        self.statistics.update(
            products=0, steps=0, signed_steps=0, growths=0, restarts=0, states_peak=0, states_final=0
        )
        self._end = float(times[-1]) if self.end is None else self.end
        self._initial_mass = float(self.p.sum()) if self.initial_mass is None else self.initial_mass
        self._yielded = 0
        self.ledger.book("rounding", 2.0**-50)
        self._planner = self._make_planner()
        self._headroom = GROWING_HEADROOM
        self._longest = 0.0  # of the steps so far
        self._decay: float | None = None  # of the whole vector, once it has stopped changing
        self._next_test = 4
        self._prepare()

    def state(self) -> dict[str, Any]:
        """Return the state between two steps."""
        return loop_state(self)

    def _restore(self, state: dict[str, Any]) -> None:
        restore_loop(self, state)

    def _make_planner(self) -> Planner:
        return Planner(self.stepper, self.signed, self.tolerance, self._end, self.fixed)

    def _prepare(self) -> None:
        """Make the first set: what two reactions can reach, if any time is to pass."""
        self._make_first_set(2 if self._end > 0.0 else 0)

    def snapshot(self) -> Snapshot:
        """Return the distribution at the time that was reached."""
        rounding = 0.5 * self.ledger.entries["rounding"] + 2.0**-52
        # Scaled down by the worst case of rounding, so that no entry exceeds the truth.
        p = self.probabilities * max(0.0, 1.0 - rounding * (1.0 + 1e-9))
        check_balance(self._initial_mass, p, self.ledger, self.time)
        return Snapshot(self.time, self.space, p, self.ledger.copy())

    # -- time ----------------------------------------------------------------------------------------------

    def _advance_to(self, target: float) -> None:
        while self.time < target:
            if self.between is not None:
                self.between(self)
            if self._absorbed(target) or self._settled(target):
                return
            self._step(target)
            self._report(self.time)

    def _report(self, time: float, products: int = 0, leaked: float = 0.0) -> None:
        """Say how far the run has come, with what the present step has done so far."""
        if self.report is not None:
            done = int(self.statistics["products"]) + products
            states = self.statistics["states_final"]
            self.report(time=time, states=states, lost=self.ledger.total + leaked, products=done)

    def _pulse(self, stepper: Stepper, duration: float, part: float, products: int) -> None:
        self._report(self.time + part * duration, stepper.products + products, stepper.leaked)

    def _absorbed(self, target: float) -> bool:
        """Tell whether nothing happens any more; then the time jumps ahead."""
        if self.generator.max_exit_rate() > 0.0:
            return False
        self.time = target
        return True

    def _settled(self, target: float) -> bool:
        """Stop stepping if the distribution has stopped changing, and book what that can be wrong by."""
        if self._decay is None and int(self.statistics["steps"]) >= self._next_test:
            self._next_test = int(self.statistics["steps"]) + 4
            room = 0.8 * (self.tolerance - self.ledger.total)
            if self.fixed:  # tails are wanted with all their digits
                room = min(room, TAIL_ERROR)
            self._decay = decay_at_rest(self.generator, self.p, self._end - self.time, room)
        if self._decay is None:
            return False
        loss = self._decay * (target - self.time) * (1.0 + 1e-9)
        self.ledger.book("steady_state", loss)
        self.p = self.p * float(np.exp(-loss))
        self.time = target
        return True

    def _step(self, target: float) -> None:
        """Make one step; it is planned anew until an attempt succeeds."""
        grew = False
        while True:
            step = self._plan(target)
            if step.signed and not grew:
                grew = self._grow_ahead(step)
            attempt = self._begin_step(step)
            progress = self._advance(attempt)
            grew = grew or attempt.grew
            if progress is Progress.DONE:
                break
            self._learn(attempt, progress)
        self._finish_step(attempt)
        products = self._count(step.stepper)
        self._planner.succeeded(step, products)
        if not step.signed:
            self._next_test = max(min(self._next_test, int(self.statistics["steps"])), 4)
        self._headroom = GROWING_HEADROOM if grew else 1.0
        if not self.fixed and self.time < self._end:
            budget = max(SHARE_PRUNED * self.tolerance - self.ledger.entries["pruned"], 0.0)
            budget *= 0.05 * step.duration / max(self._end - self.time, step.duration)
            self._prune(step.duration, budget, products)
            give_back(self.space.n_states)

    def _plan(self, target: float) -> Step:
        """Return the next step, if the rest of the run can be made within the limits."""
        rate = self.generator.max_exit_rate()
        self._workload(rate).check(
            self.network,
            self.limits,
            self.tolerance,
            self.space,
            foresee=self.foresee,
            adaptive=not self.fixed,
        )
        return self._planner.plan(rate, self.space.n_states, self.time, target, self.ledger)

    def _begin_step(self, step: Step) -> _Attempt:
        stepper = step.stepper
        stepper.pulse = functools.partial(self._pulse, stepper, step.duration)
        stepper.headroom = 1.0 if self.fixed else self._headroom
        exact = np.longdouble(step.until) - np.longdouble(self.time)
        attempt = _Attempt(step, self.generator, self.space)
        keep = not self.fixed or step.signed  # a step may have to be begun anew
        stepper.begin(attempt.generator, self._hand_over() if keep else self.p, exact, step.budget)
        return attempt

    def _hand_over(self) -> FloatArray:
        """Return the vector for a step to overwrite, and keep what is needed to begin the step anew."""
        # A large vector is often zero on a good part of its set, where the set has just grown or a signed step has lowered
        # entries. Then it goes to the step itself, and a copy on the other states stays here; but not if `between` was
        # shown the vector, which may be kept for a checkpoint.
        p, space = self.p, self.space
        if p.ndim == 1 and p.size >= LARGE and self.between is None and has_room(p):
            if 0 < np.count_nonzero(p) < SUPPORT * p.size:
                self.space = space.where(p != 0.0)
                self.p, _ = transfer(space, p, self.space)
                return p
        return copy_with_room(p)

    def _advance(self, attempt: _Attempt) -> Progress:
        """Work on an attempt and let its set grow, until it is done or refused; after `OUTFLOW` it is to be begun anew."""
        step, stepper = attempt.step, attempt.step.stepper
        blocked = 0.0  # outflow that no larger set would hold
        while True:
            progress = stepper.advance(max(self._allowance(stepper, step), blocked))
            if progress is not Progress.OUTFLOW:
                return progress
            flow, _ = attempt.generator.outflow(stepper.current)
            excess = stepper.leaked / (self._allowance(stepper) * step.duration) if step.signed else 0.0
            larger = self._grown(attempt.generator, stepper.current, step, excess)
            if (
                larger.n_states == attempt.generator.space.n_states
            ):  # whatever flows out now, a constraint keeps out
                blocked = 1.5 * flow
            elif not self._replace(attempt, larger):
                return progress

    def _replace(self, attempt: _Attempt, larger: FibreSet) -> bool:
        """Let an attempt go on with a larger set; tell whether its stepper can."""
        stepper, smaller = attempt.step.stepper, attempt.generator.space
        self.statistics["growths"] += 1
        attempt.grew = True
        self.limits.check(larger)
        self._collect(attempt.leaks, attempt.generator, stepper)
        vectors = stepper.vectors()
        # The generator of the smaller set goes before the larger one comes.
        del attempt.generator
        self._held = None  # what asks for the generator of the present set from here on has it made anew
        attempt.generator = self._generator(larger)
        for i in range(len(vectors)):
            vectors[i] = grow(smaller, vectors[i], larger)
        return stepper.replace(attempt.generator, vectors)

    def _learn(self, attempt: _Attempt, progress: Progress) -> None:
        """Draw the consequences from an attempt that failed; one that leaked too much leaves its larger set behind."""
        products = self._count(attempt.step.stepper)
        if progress is Progress.REFUSED:
            if self.space is not attempt.start:  # the vector was kept on a part of the set
                same = self._held is not None and self._held.space is attempt.start
                self._move_to(attempt.start, self._held if same else None)
            self._planner.refused(attempt.step, self.time, products)
            return
        self._planner.begun_anew(attempt.step, products)
        self.statistics["restarts"] += 1
        self._headroom = max(self._headroom, GROWING_HEADROOM)
        self._move_to(attempt.generator.space, attempt.generator)

    def _finish_step(self, attempt: _Attempt) -> None:
        """Take over the vector, the set and the losses of an attempt that succeeded."""
        step, stepper = attempt.step, attempt.step.stepper
        self._collect(attempt.leaks, attempt.generator, stepper)
        self.space, self.generator = attempt.generator.space, attempt.generator
        self.p = stepper.finish()
        stepper.pulse = None  # which holds this loop, and with it all its memory
        self._longest = max(self._longest, step.duration)
        self.time = step.until
        self._book(attempt.leaks, stepper, "defect" if step.signed else "series")

    def _workload(self, rate: float) -> Workload:
        left, rounding = self._end - self.time, self.ledger.entries["rounding"]
        shrinking = self._longest * rate / self._planner.jumps
        return Workload(
            rate, self._first_rate, self.time, left, rounding, self.generator.product_error, shrinking
        )

    def _allowance(self, stepper: Stepper, step: Step | None = None) -> float:
        """Outflow per unit of time that the rest of the run may have, or for a signed step this step alone."""
        if self.fixed:
            return float("inf")
        left = SHARE_LEAKED * self.tolerance - self.ledger.entries["leaked"] - stepper.leaked
        room = max(left, 1e-3 * SHARE_LEAKED * self.tolerance)
        ahead = self._end - self.time
        if step is not None and step.signed:
            ahead = min(ahead, SPARING * step.duration)
        return float(room / ahead / stepper.stretch)

    def _grown(
        self, generator: FibreGenerator, x: FloatArray, step: Step, excess: float, ahead: bool = False
    ) -> FibreSet:
        """Return a larger set where ``x`` flows out, in a signed step by ``excess`` times what is allowed."""
        return enlarge(
            generator,
            generator.leading(x),
            self.constraints,
            duration=step.duration,
            allowance=self._allowance(step.stepper),
            excess=excess,
            ahead=ahead,
            most=self.limits.max_states or math.inf,
        )

    def _grow_ahead(self, step: Step) -> bool:
        """Enlarge the set before a step that has to be begun anew if it leaks too much."""
        step.stepper.leaked = 0.0
        excess = self._planner.foreseen / (self._allowance(step.stepper) * step.duration)
        if excess <= 1.0:
            return False
        larger = self._grown(self.generator, self.p, step, excess, ahead=True)
        if larger.n_states == self.space.n_states:
            return False
        self.statistics["growths"] += 1
        self._move_to(larger)
        return True

    def _count(self, stepper: Stepper) -> int:
        """Book products that were made, and return their number."""
        products, stepper.products = stepper.products, 0
        self.statistics["products"] += products
        return products

    # -- the ledger ----------------------------------------------------------------------------------------

    def _collect(self, leaks: dict[str, float], generator: FibreGenerator, stepper: Stepper) -> None:
        for boundary, amount in leaks_by_boundary(generator, stepper.residence, self.constraints).items():
            leaks[boundary] = leaks.get(boundary, 0.0) + amount

    def _book(self, leaks: dict[str, float], stepper: Stepper, series: str) -> None:
        for boundary, amount in leaks.items():
            self.ledger.book("leaked", amount * (1.0 + 1e-9), boundary)
        self.ledger.book(series, stepper.missing)
        self.ledger.book("rounding", 2.0 * stepper.rounding)
        self.statistics["steps"] += 1
        self.statistics["signed_steps"] += series == "defect"
        check_tolerance(self.ledger, self.tolerance, self.time)
