"""Which method makes the next time step, how long it is, and what it may lose."""

from __future__ import annotations

import math
from dataclasses import dataclass

from fsp.ledger import Ledger
from fsp.transient.protocol import Stepper

__all__ = ["SHARE_LEAKED", "SHARE_PRUNED", "Planner", "Step"]

#: How the tolerance is shared out between what may leak, what may be pruned, and what the series leave out. A smaller
#: share costs few products; what is left is for rounding and for what cannot be foreseen.
SHARE_LEAKED, SHARE_PRUNED, SHARE_SERIES, SHARE_DEFECT = 0.35, 0.1, 0.05, 0.4

#: Jumps of the uniformised chain in the first step, and in the longest ones: a long series spends few products on its
#: tail, a short one lets the rate follow the set.
FIRST_JUMPS, MOST_JUMPS = 64.0, 4096.0

#: Jumps in the first step of a signed series, and the fewest for which it pays.
FIRST_SIGNED, FEWEST_SIGNED = 256.0, 64.0

#: Jumps times states below which the signed series is not worth its preparations.
LEAST_WORK = 300_000

#: Cost of a product of the signed series, with the norms and the second subtraction, over one of the safe series.
SIGNED_COST = 1.4

#: Factor by which the next signed step may leak more than the last step, at first.
FIRST_AMPLIFICATION = 1e5


#: Part of the budget of a signed step that rounding is to take, and how the next one is lengthened towards that: rounding
#: grows with a power of the duration, the budget with the duration.
ROUNDING_PART, LENGTHENING = 0.5, 0.6

#: Rounding over the budget of a signed step from which half of the step would not do either.
HOPELESS = 50.0


@dataclass
class Step:
    """A step to be made."""

    stepper: Stepper
    duration: float
    until: float
    budget: float
    jumps: float
    signed: bool = False


@dataclass
class Planner:
    """Chooses steps; learns from those that were made or refused.

    Parameters
    ----------
    safe : Stepper
        Makes any step.
    signed : Stepper or None
        Makes long steps with fewer products, where its bound allows.
    tolerance, end : float
    exact_tails : bool
        Whether the result has to be right relative to every entry: then series leave out nothing.
    """

    safe: Stepper
    signed: Stepper | None
    tolerance: float
    end: float
    exact_tails: bool = False
    jumps: float = FIRST_JUMPS
    _signed_jumps: float = FIRST_SIGNED
    _refused_jumps: float = math.inf
    _wasted: int = 0
    _refusals: int = 0
    _spent: float = 0.0  # products of late, and what uniformisation would have made
    _gained: float = 0.0
    _not_before: float = 0.0
    _safe_after: float = MOST_JUMPS
    _pause: float = 0.0
    _last_leak: float = 0.0
    _amplification: float = FIRST_AMPLIFICATION

    def plan(self, rate: float, n_states: int, time: float, target: float, ledger: Ledger) -> Step:
        """Return the next step from ``time``, with exit rates of at most ``rate``, not beyond ``target``."""
        jumps = (target - time) * rate
        signed = self.signed
        worthwhile = jumps >= FEWEST_SIGNED and jumps * n_states >= LEAST_WORK
        if (self.end - time) * rate > 8.0 * MOST_JUMPS and time * rate > self._safe_after:
            # In the long run nothing may change any more. A signed step, which lowers entries, hides that in the tails.
            self._safe_after = 2.0 * time * rate
            worthwhile = False
        if signed is not None and worthwhile and time >= self._not_before:
            duration, until = _divide(time, target, rate, self._signed_jumps)
            budget = self._budget("defect", SHARE_DEFECT, duration, time, ledger)
            return Step(signed, duration, until, budget, rate * duration, signed=True)
        duration, until = _divide(time, target, rate, self.jumps)
        budget = 0.0 if self.exact_tails else self._budget("series", SHARE_SERIES, duration, time, ledger)
        return Step(self.safe, duration, until, budget, rate * duration)

    def _budget(self, entry: str, share: float, duration: float, time: float, ledger: Ledger) -> float:
        left = max(share * self.tolerance - ledger.entries[entry], 0.0)
        return left * duration / max(self.end - time, duration)

    @property
    def foreseen(self) -> float:
        """What the next signed step may leak, to judge by the last ones: as long as tails rise, more than the last."""
        return self._last_leak * self._amplification

    def succeeded(self, step: Step, products: int) -> None:
        """Learn from a step that was made with so many products."""
        self._last_leak = step.stepper.leaked
        if not step.signed:
            self._amplification = FIRST_AMPLIFICATION
            self.jumps = min(2.0 * self.jumps, MOST_JUMPS)
            return
        self._amplification = max(0.2 * self._amplification, 3.0)
        self._spent = 0.5 * self._spent + SIGNED_COST * (products + self._wasted)
        self._gained = 0.5 * self._gained + step.jumps + 6.0 * math.sqrt(step.jumps)
        if self._spent > self._gained:
            self._give_up(step.until, step.duration)
        else:
            self._pause = 0.0
        self._wasted = self._refusals = 0
        used = getattr(step.stepper, "floor", 0.0) / max(step.budget, 1e-300)
        factor = min(max((ROUNDING_PART / max(used, 1e-9)) ** LENGTHENING, 0.8), 4.0)
        # What was refused will be refused again for some time.
        limit = min(0.7 * self._refused_jumps, MOST_JUMPS)
        self._refused_jumps *= 1.15
        self._signed_jumps = max(min(factor * self._signed_jumps, limit), FEWEST_SIGNED)

    def refused(self, step: Step, time: float, products: int) -> None:
        """Learn from a signed step that could not be made: try a shorter one, or go on safely for a while."""
        again, self._refusals = self._refusals > 0, self._refusals + 1
        if getattr(step.stepper, "floor", 0.0) > HOPELESS * step.budget:
            self._wasted += products
            self._give_up(time, 0.5 * step.duration)
            return
        self._wasted += products
        self._refused_jumps = step.jumps
        self._signed_jumps = 0.5 * min(self._signed_jumps, step.jumps)
        if again or self._signed_jumps < FEWEST_SIGNED:
            self._give_up(time, step.duration)

    def begun_anew(self, step: Step, products: int) -> None:
        """Count what a step took that leaked too much, half of it: the next one will leak less."""
        if step.signed:
            self._wasted += products // 2

    def _give_up(self, time: float, duration: float) -> None:
        """Go on safely for a while, each time for longer."""
        self._pause = max(2.0 * self._pause, time, duration)
        self._wasted = self._refusals = 0
        self._spent = self._gained = 0.0
        self._not_before = time + self._pause
        self._signed_jumps = 0.75 * FIRST_SIGNED
        self._refused_jumps = math.inf


def _divide(time: float, target: float, rate: float, jumps: float) -> tuple[float, float]:
    """Return the length of the next of equal steps of at most ``jumps``, and the time at which it ends."""
    left = target - time
    n = math.ceil(min(left * rate / jumps, 2.0**60))
    if n <= 1:
        return left, target
    until = time + left / n
    return until - time, until
