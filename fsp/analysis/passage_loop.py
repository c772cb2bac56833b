"""`PassageLoop`: the adaptive loop on the paths that have not hit the target, and what has hit it until each time.

The set leaves out the target. What flows into the target is accumulated as a sum of non-negative terms, product by
product, and so are what flows into the states to be avoided and what is lost: none is ever the rest of another.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fsp.analysis.exits import DividedBoundary, divide_boundary
from fsp.analysis.regions import Regions
from fsp.generator.fibre_generator import FibreGenerator
from fsp.statespace.fibres import FibreSet
from fsp.summation import chunk_sum, chunks
from fsp.transient.audit import check_balance
from fsp.transient.limits import Workload
from fsp.transient.loop import AdaptiveLoop, Snapshot
from fsp.transient.planning import Planner
from fsp.transient.protocol import Stepper
from fsp.transient.steady import decay_at_rest

__all__ = ["Flow", "PassageLoop", "PassageSnapshot"]

FloatArray = NDArray[np.float64]

#: Names under which what has hit the target or been avoided is kept while a step may still be begun anew.
_TARGET, _AVOID, _REWARD = "\0target", "\0avoid", "\0reward"

#: Rounding of the sums over boundary states and of the Poisson probabilities that weight them, relative.
SUMMING = 2.0**-40


def _dot(a: FloatArray, b: FloatArray) -> float:
    """Return a sum of products of non-negative numbers, to about 30 units of rounding."""
    return chunk_sum(a[start:stop] * b[start:stop] for start, stop in chunks(a.size))


@dataclass
class Flow:
    """What has left the set with a purpose.

    Attributes
    ----------
    target, avoid : float
        Probability of having hit the target, or what was to be avoided.
    reward : float
        Expected reward until then.
    """

    target: float = 0.0
    avoid: float = 0.0
    reward: float = 0.0


@dataclass
class PassageSnapshot(Snapshot):
    """The state of a run at an output time.

    Attributes
    ----------
    flow : Flow
    density : float
        Flow into the target (1/time), from what the set holds.
    rounding : float
        Relative error of what has flowed, where it is not booked in the ledger.
    """

    flow: Flow = field(default_factory=Flow)
    density: float = 0.0
    rounding: float = 0.0


@dataclass(kw_only=True)
class PassageLoop(AdaptiveLoop):
    """One run on the paths that have not hit the target.

    Parameters
    ----------
    regions : Regions
    flow : Flow
        What had hit a region at the start.
    relative : float, optional
        Rounding, which is relative to every entry, may be this large, and is kept apart from the ledger: for
        probabilities far below it.
    series : float, optional
        Tolerance by which series are cut off, if it is another one.
    reward : callable, optional
        Reward for a unit of time in each state, as a function of the set.
    keep : bool
        Keep all states that were ever needed.
    """

    regions: Regions
    flow: Flow = field(default_factory=Flow)
    relative: float | None = None
    series: float | None = None
    reward: Any = None
    keep: bool = False
    rounding: float = 0.0

    def _begin(self, times: NDArray[np.float64]) -> None:
        super()._begin(times)
        self._set_rounding_apart()

    def _set_rounding_apart(self) -> None:
        if self.relative is not None:
            self.rounding += self.ledger.entries["rounding"]
            self.ledger.entries["rounding"] = 0.0

    def _make_planner(self) -> Planner:
        if self.series is not None:
            return Planner(self.stepper, None, self.series, self._end)
        return Planner(self.stepper, self.signed, self.tolerance, self._end, self.fixed)

    def _make_generator(self, space: FibreSet) -> FibreGenerator:
        generator = super()._make_generator(space)
        divide_boundary(generator, self.regions, everywhere=self.reward is not None)
        return generator

    def snapshot(self) -> PassageSnapshot:
        """Return what has hit the target until the time that was reached, and the vector of the other paths."""
        rounding = 0.5 * (self.ledger.entries["rounding"] + self.rounding) + 2.0**-52
        p = self.generator.leading(self.p) * max(0.0, 1.0 - rounding * (1.0 + 1e-9))
        gone = self.flow.target + self.flow.avoid
        # Rounding that is kept apart has scaled the vector all the same.
        check_balance(self._initial_mass - gone - self.rounding, p, self.ledger, self.time)
        density = self._boundary_sum(self.generator, self._here(p), "target")
        flow = Flow(self.flow.target, self.flow.avoid, self.flow.reward)
        return PassageSnapshot(
            self.time, self.space, p, self.ledger.copy(), flow, density, self.rounding + SUMMING
        )

    def _absorbed(self, target: float) -> bool:
        duration = target - self.time
        if not super()._absorbed(target):
            return False
        if self.reward is not None:
            self.flow.reward += duration * _dot(self.generator.leading(self.p), self.reward(self.space))
        return True

    def _prune(self, duration: float, budget: float, products: int) -> None:
        super()._prune(duration, 0.0 if self.keep else budget, products)

    # -- what flows where ----------------------------------------------------------------------------------

    def _here(self, p: FloatArray) -> FloatArray:
        """Return the entries of a vector at the boundary states."""
        positions = self.generator.boundary.positions
        return p[positions] if positions.size or not self.generator.boundary.rates.size else p

    @staticmethod
    def _boundary_sum(generator: FibreGenerator, residence: FloatArray, region: str) -> float:
        boundary = generator.boundary
        assert isinstance(boundary, DividedBoundary)
        return _dot(residence, getattr(boundary, region))

    def _collect(self, leaks: dict[str, float], generator: FibreGenerator, stepper: Stepper) -> None:
        super()._collect(leaks, generator, stepper)
        residence = stepper.residence
        for key, region in ((_TARGET, "target"), (_AVOID, "avoid")):
            leaks[key] = leaks.get(key, 0.0) + self._boundary_sum(generator, residence, region)
        if self.reward is not None:
            leaks[_REWARD] = leaks.get(_REWARD, 0.0) + _dot(residence, self.reward(generator.space))

    def _book(self, leaks: dict[str, float], stepper: Stepper, series: str) -> None:
        self.flow.target += leaks.pop(_TARGET, 0.0)
        self.flow.avoid += leaks.pop(_AVOID, 0.0)
        self.flow.reward += leaks.pop(_REWARD, 0.0)
        if self.relative is not None:
            self.rounding += 2.0 * stepper.rounding
            stepper.rounding = 0.0
        super()._book(leaks, stepper, series)

    def _workload(self, rate: float) -> Workload:
        work = super()._workload(rate)
        if self.relative is not None:  # the share of rounding in the error that it may make
            scale = self.tolerance / self.relative
            work.rounding, work.product_error = self.rounding * scale, work.product_error * scale
        return work

    def _settled(self, target: float) -> bool:
        """Stop stepping if what the set holds has stopped changing; it flows out at a constant rate then.

        From ``p(s) >= exp(-r s) p`` the flow into the target is at least ``exp(-r s)`` times the present one.
        """
        if self.relative is not None or self.reward is not None:
            return False  # the little that still flows is what is asked for
        if self._decay is None and int(self.statistics["steps"]) >= self._next_test:
            self._next_test = int(self.statistics["steps"]) + 4
            room = 0.8 * (self.tolerance - self.ledger.total)
            self._decay = decay_at_rest(self.generator, self.p, self._end - self.time, room)
        if self._decay is None:
            return False
        duration = target - self.time
        loss = self._decay * duration * (1.0 + 1e-9)
        least = duration * (1.0 - loss) * (1.0 - 2.0**-40)
        here = self._here(self.generator.leading(self.p))
        self.flow.target += least * self._boundary_sum(self.generator, here, "target")
        self.flow.avoid += least * self._boundary_sum(self.generator, here, "avoid")
        self.ledger.book("steady_state", loss)
        self.p = self.p * math.exp(-loss)
        self.time = target
        return True
