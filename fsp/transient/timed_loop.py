"""The adaptive loop for rates that depend on time: steps end at break points, and are as long as the rates allow."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from fsp.errors import ToleranceError
from fsp.generator.fibre_generator import FibreGenerator
from fsp.generator.growth import grow_outflow
from fsp.generator.tables import FactorTables
from fsp.ledger import Ledger
from fsp.statespace.coordinates import Coordinates
from fsp.statespace.fibres import FibreSet
from fsp.timed.modulated import ModulatedGenerator, ModulatedTables, TimedNetwork
from fsp.timed.polynomials import RatePolynomial
from fsp.timed.rates import Window
from fsp.transient.audit import leaks_by_boundary
from fsp.transient.inhomogeneous import LEAST_JUMPS, InhomogeneousUniformisation
from fsp.transient.limits import Workload
from fsp.transient.loop import AdaptiveLoop, Snapshot
from fsp.transient.planning import FIRST_JUMPS, SHARE_SERIES, Planner, Step

__all__ = ["TimedLoop"]

FloatArray = NDArray[np.float64]

#: Part of the tolerance for what the polynomials leave out of the rates.
SHARE_RATES = 0.15

#: How much the exit rates may change within a step, over the largest one: more makes the vectors of the series grow.
MOST_VARIATION = 0.3

#: The flow through a part is taken to be at least this part of its largest rate when a step is planned.
LEAST_FLOW = 1e-3

#: Longest step, over the time reached: while a distribution spreads, the uniformisation rate has to follow the set.
LONGEST = 0.4

#: Shortest step, over the time reached. What a jump of the rates within so short a step costs is booked like the rest.
SHORTEST = 2.0**-50


@dataclass
class _TimedPlanner(Planner):
    """Chooses steps by the rates of its loop."""

    loop: TimedLoop | None = None

    def plan(self, rate: float, n_states: int, time: float, target: float, ledger: Ledger) -> Step:
        """Return the next step."""
        assert self.loop is not None
        duration, until = self.loop.duration(rate, target, self.jumps)
        budget = 0.0 if self.exact_tails else self._budget("series", SHARE_SERIES, duration, time, ledger)
        return Step(self.safe, duration, until, budget, rate * duration)

    def refused(self, step: Step, time: float, products: int) -> None:
        """Let the loop learn from a step that could not be made."""
        assert self.loop is not None
        self.loop.refused()


@dataclass
class TimedLoop(AdaptiveLoop):
    """One run of the transient solver for a network whose rates depend on time; see `AdaptiveLoop`."""

    OWN: ClassVar[tuple[str, ...]] = (*AdaptiveLoop.OWN, "_span", "_seen")
    MADE: ClassVar[tuple[str, ...]] = ("timed", "_breaks")

    def run(self, times: NDArray[np.float64]) -> Iterator[Snapshot]:
        """Yield a snapshot at each time (ascending, >= 0)."""
        self.timed = TimedNetwork(self.network)
        end = float(times[-1])
        self.timed.rates.check(end, self.time)
        self._breaks = self.timed.rates.break_points(end)
        self._span = math.inf  # of the last step, where it was limited by the rates
        #: Flows through each part in the last step, for each unit of time.
        self._seen = np.zeros(len(self.timed.rates.functions))
        yield from super().run(times)

    # -- what the loop asks of tables, generator and stepper -----------------------------------------------

    def state(self) -> dict[str, Any]:
        """Return the state between two steps, with the polynomials of the last one."""
        window = self._tables.window
        return {**super().state(), "window": asdict(window)}

    def _restore(self, state: dict[str, Any]) -> None:
        super()._restore(state)
        kept = dict(state["window"])
        polynomials = tuple(
            RatePolynomial(**{**p, "coefficients": tuple(p["coefficients"])}) for p in kept.pop("polynomials")
        )
        self._tables.window = Window(polynomials=polynomials, **kept)

    def _table_parts(self) -> list[tuple[FactorTables, FibreGenerator | None]]:
        tables, generator = self._tables, getattr(self, "generator", None)
        made = [None] * len(tables.parts) if generator is None else generator.parts
        return [(tables, None), *((t, g) for t, g in zip(tables.parts, made, strict=True) if t is not None)]

    def _make_planner(self) -> Planner:
        return _TimedPlanner(self.stepper, None, self.tolerance, self._end, self.fixed, loop=self)

    def _make_tables(self, coordinates: Coordinates) -> FactorTables:
        tables = ModulatedTables(self.timed, coordinates)
        rates = self.timed.rates
        before = getattr(self, "tables", None)
        tables.window = (
            before.window
            if isinstance(before, ModulatedTables)
            else rates.window(self.time, self.time, [0.0] * len(rates.functions))
        )
        return tables

    @property
    def _tables(self) -> ModulatedTables:
        assert isinstance(self.tables, ModulatedTables)
        return self.tables

    def _make_generator(self, space: FibreSet) -> Any:
        self.tables.cover(*space.box())
        return ModulatedGenerator(self._tables, space, threads=self.threads)

    def _grown(
        self, generator: Any, x: FloatArray, step: Step, excess: float, ahead: bool = False
    ) -> FibreSet:
        """Return a larger set, along the reactions of each part in turn.

        It reaches few firings ahead, because a set is thinned out only after a long step.
        """
        space: FibreSet = generator.space
        low, high = space.box()
        reach = max(2, int((high - low).max()) // 40)
        parts = [
            (part, s) for part, s in zip(generator.parts, generator.scales, strict=True) if part and s > 0.0
        ]
        allowance = 0.3 * self._allowance(step.stepper) / max(len(parts), 1)
        for part, scale in parts:
            larger = grow_outflow(part, scale * x, self.constraints, allowance, reach)
            if larger.n_states > part.space.n_states:
                space = space.union(larger)
        return space

    def _collect(self, leaks: dict[str, float], generator: Any, stepper: Any) -> None:
        for part, residence in zip(generator.parts, stepper.residences, strict=True):
            if part is not None:
                for boundary, amount in leaks_by_boundary(part, residence, self.constraints).items():
                    leaks[boundary] = leaks.get(boundary, 0.0) + amount

    def _book(self, leaks: dict[str, float], stepper: Any, series: str) -> None:
        self.ledger.book("rates", stepper.varied)
        window = self._tables.window
        self._seen = stepper.flows[1:] / (window.end - window.start)
        super()._book(leaks, stepper, series)

    # -- time ----------------------------------------------------------------------------------------------

    def _absorbed(self, target: float) -> bool:
        """Never jump ahead: rates that are zero now may not stay so."""
        return False

    def _settled(self, target: float) -> bool:
        """Never stop stepping: a distribution at rest is so at the present rates only."""
        return False

    def _workload(self, rate: float) -> Workload:
        """Foresee what the rest of the run needs at least: by the smallest values of the functions of time."""
        now = self._tables.window.end
        least = [1.0, *self.timed.rates.lower(now, max(self._end, now))]
        generator: Any = self.generator
        rate = min(rate, float((np.array(least) @ generator.part_exits).max(initial=0.0)))
        return super()._workload(rate)

    def refused(self) -> None:
        """Learn from a step that was refused: a shorter one, or better polynomials."""
        window, stepper = self._tables.window, self.stepper
        span = window.end - window.start
        if isinstance(stepper, InhomogeneousUniformisation) and stepper.coarse:
            self._seen = np.maximum(2.0 * self._seen, 2.0 * stepper.flows[1:] / span)
        elif span <= SHORTEST * max(self.time, 1e-290):
            message = f"the rates change too fast near time {self.time:g} for any step"
            raise ToleranceError(message)
        else:
            self._span = 0.125 * span  # twice that is tried

    def duration(self, rate: float, target: float, most: float) -> tuple[float, float]:
        """Choose the next step, of about ``most`` jumps or fewer, and the polynomials of the rates over it."""
        end = min([t for t in self._breaks if t > self.time] + [target])
        left = end - self.time
        span = min(left, 2.0 * self._span, 2.0 * most / max(rate, 1e-290))
        span = min(span, max(LONGEST * self.time, FIRST_JUMPS / max(rate, 1e-290)))
        room = SHARE_RATES * self.tolerance - self.ledger.entries.get("rates", 0.0)
        room = max(room, 1e-3 * SHARE_RATES * self.tolerance)
        wanted = self._wanted_radii(room)
        generator: Any = self.generator
        shortest = SHORTEST * self.time if self.time > 0.0 else 2.0**-50 * left
        while True:
            pieces = max(math.ceil(left / span - 1e-9), 1)
            until = end if pieces == 1 else self.time + left / pieces
            until = max(until, math.nextafter(self.time, math.inf))
            limit = room * min(1.0, 2.0 * (until - self.time) / (self._end - self.time))
            window = self.timed.rates.window(self.time, until, wanted, limit)
            self._tables.window = window
            if until - self.time <= shortest:  # a jump: whatever it costs is booked
                self._tables.window = replace(window, limit=math.inf)
                break
            if self._is_smooth(window, wanted, generator):
                jumps = generator.max_exit_rate() * (until - self.time)
                if jumps <= 1.5 * most:
                    break
                span = min(span, until - self.time) * most / jumps
            else:
                span = 0.5 * (until - self.time)
                self._span = span
        # What the rates allowed; twice as long is tried next time.
        self._span = max(self._span, until - self.time)
        return until - self.time, until

    def _wanted_radii(self, room: float) -> list[float]:
        """Return for each function of time the radius by which the rest of the run costs ``room``."""
        generator: Any = self.generator
        each = room / (self._end - self.time) / max(len(self._seen), 1)
        present = generator.part_exits[1:] @ self.p
        flow = np.maximum.reduce([2.0 * present, 2.0 * self._seen, LEAST_FLOW * generator.largest_exits[1:]])
        return [each / (2.0 * f) if f > 0.0 else math.inf for f in flow.tolist()]

    def _is_smooth(self, window: Window, wanted: list[float], generator: Any) -> bool:
        """Tell whether polynomials are good enough, and change little enough for a stable series."""
        change = 0.0
        for polynomial, radius, largest in zip(
            window.polynomials, wanted, generator.largest_exits[1:].tolist(), strict=True
        ):
            if not math.isfinite(polynomial.upper):
                return False
            if largest == 0.0:
                continue
            if polynomial.radius > radius:
                return False
            change += polynomial.variation(1.25 * (window.end - window.start)) * largest
        rate = max(float(generator.max_exit_rate()), LEAST_JUMPS / (window.end - window.start))
        return change <= MOST_VARIATION * rate
