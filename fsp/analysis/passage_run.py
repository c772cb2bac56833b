"""Forward runs of a first passage: absolute accuracy in one run, relative accuracy in as many as it takes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fsp.analysis.passage_loop import SUMMING, Flow, PassageLoop, PassageSnapshot
from fsp.analysis.passage_problem import PassageProblem
from fsp.errors import SolverError, ToleranceError
from fsp.generator.extended import extended_available
from fsp.interrupts import DelayedInterrupt
from fsp.ledger import Ledger
from fsp.progress import Progress
from fsp.transient.limits import FIXED_BYTES, MOVING_BYTES, Limits, RoundingError, default_memory
from fsp.transient.protocol import find_stepper

__all__ = ["Course", "PassageRun", "RunOptions"]

FloatArray = NDArray[np.float64]

#: The largest number of runs for relative accuracy, and the smallest probability that doubles can hold well.
MOST_RUNS, SMALLEST = 12, 1e-280

#: What underflow in all products together can take away, with a wide margin.
UNDERFLOW = 1e-290


@dataclass(frozen=True)
class RunOptions:
    """How to run; see `fsp.first_passage`."""

    times: FloatArray
    tolerance: float
    relative: bool
    method: str
    max_states: int | None
    memory_limit: int | None
    threads: int | None
    progress: bool | None


@dataclass
class Course:
    """Bounds at each time.

    Attributes
    ----------
    lower, upper : ndarray
        Of the probability of having hit the target.
    density : ndarray
        Lower bound of the flow into the target.
    avoided : ndarray
        Lower bound of the probability of having entered what is to be avoided.
    lost : ndarray
        What may be missing in each of these.
    reward : ndarray
        Lower bound of the expected reward.
    rounding : ndarray
        Relative error of all of these.
    ledger : Ledger
        Of the last time.
    """

    lower: FloatArray
    upper: FloatArray
    density: FloatArray
    avoided: FloatArray
    lost: FloatArray
    reward: FloatArray
    rounding: FloatArray
    ledger: Ledger
    statistics: dict[str, float | int] = field(default_factory=dict)
    method: str = "uniformisation"

    @classmethod
    def of(cls, snapshots: list[PassageSnapshot], loop: PassageLoop | None, exact: bool) -> Course:
        """Return the bounds that snapshots prove; ``exact`` if the initial law is a lower bound."""
        rows = np.array([_bounds(s, exact) for s in snapshots]).reshape(-1, 7)
        lower, upper, density, avoided, lost, reward, rounding = rows.T
        ledger = snapshots[-1].ledger if snapshots else Ledger()
        # What has been hit stays hit.
        lower, upper = np.maximum.accumulate(lower), np.minimum.accumulate(upper[::-1])[::-1]
        found = cls(lower, upper, density, avoided, lost, reward, rounding, ledger)
        if loop is not None:
            found.statistics = dict(loop.statistics)
            found.method = "chebyshev" if loop.statistics.get("signed_steps") else "uniformisation"
        return found


def _bounds(s: PassageSnapshot, exact: bool) -> tuple[float, ...]:
    """Return lower and upper bound, density, avoided, lost, reward and rounding at one time."""
    entries = s.ledger.entries
    defect = entries["defect"]
    absolute = s.ledger.total
    relative = s.rounding + entries["rounding"]
    # A signed series errs in either direction, and so does a law that is no lower bound.
    off = (defect + entries["rounding"] if defect > 0.0 else 0.0) + (0.0 if exact else entries["initial"])
    lower, avoided, reward = (
        max(0.0, value * (1.0 - relative) - off) for value in (s.flow.target, s.flow.avoid, s.flow.reward)
    )
    if s.time == 0.0:
        lower, avoided = (max(0.0, value - off) for value in (s.flow.target, s.flow.avoid))
        upper = s.flow.target * (1.0 + 2.0**-50) + entries["initial"]
        return (
            lower,
            min(1.0, upper),
            s.density * (1.0 - SUMMING),
            avoided,
            entries["initial"],
            reward,
            2.0**-50,
        )
    upper = s.flow.target * (1.0 + 2.0 * relative) + absolute * (1.0 + 1e-12) + UNDERFLOW
    return lower, min(1.0, upper), s.density * (1.0 - SUMMING), avoided, absolute, reward, relative


class PassageRun:
    """Runs a problem forward.

    Parameters
    ----------
    problem : PassageProblem
    options : RunOptions
    fixed : bool
        Keep all states that can be reached within the bounds.
    reward, keep : optional
        See `PassageLoop`.
    """

    def __init__(
        self,
        problem: PassageProblem,
        options: RunOptions,
        fixed: bool,
        reward: Any = None,
        keep: bool = False,
    ) -> None:
        self.problem, self.options, self.fixed = problem, options, fixed
        self.reward, self.keep = reward, keep
        self.loop: PassageLoop | None = None
        self._extended = False
        self._interrupt = DelayedInterrupt()

    def run(self) -> Course:
        """Return the bounds.

        Raises
        ------
        SolverError
            If the answer cannot be had within the limits or the tolerance.
        """
        self._line = Progress(float(self.options.times[-1]), self.options.progress)
        try:
            with self._interrupt:
                found = self._in_either_precision()
                self._interrupt.check()
        except MemoryError as error:
            message = "out of memory; set memory_limit= or bounds="
            raise SolverError(message) from error
        finally:
            self._line.close()
        return found

    def _in_either_precision(self) -> Course:
        """Run in double precision, or in extended precision where rounding is what the tolerance cannot hold."""
        solve = self._relative if self.options.relative else self._absolute
        try:
            return solve()
        except ToleranceError as error:
            loop = self.loop
            if loop is None or self._extended or not extended_available():
                raise
            rounding = loop.ledger.entries["rounding"] > 0.1 * self.options.tolerance
            rounding = rounding or loop.rounding > 0.1 * self.options.tolerance
            if not (rounding or isinstance(error, RoundingError)):
                raise
            self._extended = True
            return solve()

    def _absolute(self) -> Course:
        snapshots = list(self._snapshots(self.options.tolerance, None))
        return Course.of(snapshots, self.loop, self.problem.law.lower_bound)

    def _relative(self) -> Course:
        """Run with a tolerance that is lowered until what is lost is small against what was hit, at every time."""
        wanted, exact = self.options.tolerance, self.problem.law.lower_bound
        tolerance = 1e-2 * wanted
        for _ in range(MOST_RUNS):
            snapshots: list[PassageSnapshot] = []
            excess = 0.0
            for snapshot in self._snapshots(0.5 if self.fixed else tolerance, 0.5 * wanted, tolerance):
                snapshots.append(snapshot)
                course = Course.of([snapshot], None, exact)
                lower, upper = float(course.lower[0]), float(course.upper[0])
                if snapshot.time > 0.0 and upper - lower > wanted * lower:
                    excess = (upper - lower) / (wanted * lower) if lower > 0.0 else np.inf
                    break
            if not excess:
                return Course.of(snapshots, self.loop, exact)
            leaked = snapshots[-1].ledger.entries["leaked"]
            if tolerance <= SMALLEST or (self.fixed and leaked > wanted * lower):
                break
            # What is hit so far says how little may be lost; where nothing is, the tolerance is lowered blindly.
            tolerance = max(tolerance / (4.0 * excess) if excess < 1e200 else 1e-20 * tolerance, SMALLEST)
        why = f"lost {snapshots[-1].ledger.total:.2g} at time {snapshots[-1].time:g}, against {lower:.2g} that was hit"
        if leaked > wanted * lower and self.fixed:
            advice = "widen bounds="
        elif lower == 0.0:
            advice = "it is 0, or too small for doubles: leave out early times, at which it is smallest"
        else:
            advice = "leave out early times, at which it is smallest"
        message = (
            f"the probability is not known to {wanted:g} of itself: {why}; {advice}, or use relative=False"
        )
        raise ToleranceError(message)

    def _snapshots(self, tolerance: float, relative: float | None, series: float | None = None) -> Any:
        self.loop = loop = self._make_loop(tolerance, relative)
        loop.series = series
        yield from loop.run(self.options.times)

    def _make_loop(self, tolerance: float, relative: float | None) -> PassageLoop:
        problem, o = self.problem, self.options
        signed = None
        plain = relative is None and not self.fixed and self.reward is None and not self._extended
        if o.method in ("auto", "chebyshev") and plain:
            signed = find_stepper("chebyshev").load()()
        ledger = Ledger()
        ledger.book("initial", problem.law.missing)
        memory = int(o.memory_limit or default_memory())
        limits = Limits(o.max_states, memory, bytes_per_state=FIXED_BYTES if self.fixed else MOVING_BYTES)
        return PassageLoop(
            network=problem.network, space=problem.space, p=problem.p.copy(), constraints=problem.constraints(),
            stepper=find_stepper("uniformisation").load()(), signed=signed, tolerance=tolerance, limits=limits,
            ledger=ledger, fixed=self.fixed, extended=self._extended,
            foresee=not self._extended and extended_available(), threads=o.threads, report=self._report,
            regions=problem.regions,
            flow=Flow(problem.hit, problem.avoided), relative=relative, reward=self.reward, keep=self.keep,
            initial_mass=float(problem.p.sum()) + problem.hit + problem.avoided,
        )  # fmt: skip

    def _report(self, **progress: Any) -> None:
        self._interrupt.check()
        self._line.update(**progress)
