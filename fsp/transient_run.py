"""One call of `solve_transient`: the parts of a run, its second attempt in extended precision, and its result."""

from __future__ import annotations

import functools
import time as clock
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fsp.checkpoint import Checkpoint
from fsp.checkpoint_call import describe_call
from fsp.distribution import Distribution
from fsp.errors import SolverError, StateSpaceLimitError, ToleranceError
from fsp.explanation import explain, method_used
from fsp.initial import choose_coordinates, first_set, read_initial
from fsp.interrupts import DelayedInterrupt
from fsp.lazy_moments import Known, LazyMoments, MomentsAt, PieceMoments
from fsp.ledger import Ledger
from fsp.pieces import Piece, PiecewiseRun
from fsp.progress import Progress
from fsp.results import TransientResult
from fsp.statespace.constraints import Bounds, Constraints
from fsp.statespace.fibres import FibreSet
from fsp.summary import condense
from fsp.transient.limits import (
    FIXED_BYTES,
    LISTED_BYTES,
    MOVING_BYTES,
    TIMED_BYTES,
    Limits,
    RoundingError,
    default_memory,
)
from fsp.transient.loop import AdaptiveLoop, Snapshot
from fsp.transient.protocol import find_stepper
from fsp.transient.timed_loop import TimedLoop
from fsp.transient_options import TransientOptions

if TYPE_CHECKING:
    from fsp.model.network import ReactionNetwork

__all__ = ["TransientRun"]

Loop = AdaptiveLoop | PiecewiseRun


class TransientRun:
    """A run of the transient solver, from its arguments to its result.

    No loop is kept here: a loop of pieces refers to this run, and the two would keep each other's memory alive.

    Parameters
    ----------
    network : ReactionNetwork
    options : TransientOptions
    initial : optional
        The initial law as the user gave it.
    bounds : optional
        The user's constraints.

    Attributes
    ----------
    finished : list of Distribution
        What was found, one for each time so far, or what is to be kept of it.
    """

    def __init__(
        self, network: ReactionNetwork, options: TransientOptions, initial: Any, bounds: Bounds | None
    ) -> None:
        self._started = clock.perf_counter()
        self.network, self.options, self.bounds = network, options, bounds
        self.law = read_initial(network, initial)
        self._start_network, self._coordinates = choose_coordinates(network, self.law)
        self._constraints = Constraints(self._start_network, bounds)
        self._space, self._p = first_set(self._coordinates, self.law, self._constraints)
        self._safe = find_stepper(options.stepper if options.timed else "uniformisation").load()
        self._signed = find_stepper("chebyshev").load() if options.stepper == "chebyshev" else None
        self._line = Progress(float(options.times[-1]), options.progress)
        self._interrupt = DelayedInterrupt()
        self._moments = self._moments_at(options.times)
        self._piece_moments = PieceMoments(options.times, self._moments.support())
        self._threads = options.threads
        self.finished: list[Distribution] = []
        self._finished_pieces: list[Piece] = []
        self._keeper: Checkpoint | None = None
        if options.checkpoint is not None:
            self._keeper = self._open_checkpoint(options.checkpoint)

    def _open_checkpoint(self, path: Any) -> Checkpoint:
        """Return the checkpoint of this call, after taking over what earlier sessions have finished."""
        o = self.options
        call = describe_call(
            self.network, self.law, self._constraints, o.times, tolerance=o.tolerance,
            method="auto" if o.method == "auto" else o.stepper, max_states=o.max_states, precision=o.precision,
            threads=o.threads, save=o.save,
        )  # fmt: skip
        keeper = Checkpoint(path, o.checkpoint_every, call, o.save, self.network)
        self._threads = keeper.threads(o.threads)
        self.finished, self._finished_pieces = keeper.finished(
            lambda snapshot, piece, index: self._distribution(snapshot, piece, self._moments, index)
        )
        return keeper

    def run(self) -> TransientResult:
        """Return the result.

        Raises
        ------
        SolverError
            With what was finished, if the answer cannot be had.
        """
        keeper = self._keeper
        if keeper is not None and keeper.end is not None:
            return keeper.result(self.finished)
        loop = self._first_attempt()
        try:
            with self._interrupt:
                try:
                    self._follow(loop)
                except ToleranceError as error:
                    if not self._rounding_is_to_blame(loop, error):
                        raise
                    self.finished.clear()
                    loop = self.attempt(extended=True, foresee=False)
                    self._follow(loop)
                self._interrupt.check()
            found = self.result(loop, "finished")
            if keeper is not None:
                keeper.complete(found, loop)
        except KeyboardInterrupt as stop:
            if keeper is None:
                raise
            raise keeper.interrupt() from stop
        except SolverError as error:
            if keeper is not None and isinstance(error, StateSpaceLimitError):
                keeper.write()  # with a larger memory_limit the same call goes on from here
            self._record_partial(loop)
            error.result = self.result(loop, f"stopped: {error}")
            raise
        except MemoryError as error:
            if keeper is not None:
                keeper.write()
            reached = f"at time {loop.time:g} with {loop.space.n_states:,} states"
            message = f"out of memory {reached}; set memory_limit= or bounds="
            raise SolverError(message, self.result(loop, "stopped: out of memory")) from error
        finally:
            self._line.close()
        return found

    def _report(self, **progress: Any) -> None:
        self._interrupt.check()
        self._line.update(**progress)

    # -- attempts ------------------------------------------------------------------------------------------

    def _first_attempt(self) -> Loop:
        """Return the loop that the run begins with, or goes on with from a checkpoint."""
        keeper = self._keeper
        if keeper is None or keeper.state is None:
            return self.attempt(self.options.precision == "extended", self.options.may_extend)
        saved, keeper.state = keeper.state, None  # not held while the run goes on
        loop = self.attempt(saved["extended"], saved["foresee"])
        loop.saved = saved
        if isinstance(loop, PiecewiseRun):
            loop.pieces += self._finished_pieces
        return loop

    def attempt(self, extended: bool, foresee: bool) -> Loop:
        """Return a loop that starts from the initial law, in double or in extended precision."""
        ledger = Ledger()
        ledger.book("initial", self.law.missing)
        make = functools.partial(self.make_loop, ledger=ledger, extended=extended, foresee=foresee)
        loop: Loop
        if self.network.events:
            loop = PiecewiseRun(
                self.network, self.law, self.bounds, make, ledger, self.options.tolerance, extended
            )
        else:
            loop = make(self._start_network, self._space, self._p.copy(), self._constraints)
        if self._keeper is not None:
            loop.between = functools.partial(self._keeper.observe, self.finished)
        return loop

    def make_loop(
        self, network: ReactionNetwork, space: FibreSet, p: NDArray[np.float64], constraints: Constraints, *,
        ledger: Ledger, extended: bool, foresee: bool, **where: Any,
    ) -> AdaptiveLoop:  # fmt: skip
        """Return a loop for the whole run, or for one piece between events, which ``where`` places in time."""
        fixed = constraints.is_box()
        signed = None if self._signed is None or fixed or extended else self._signed()
        return (TimedLoop if self.options.timed else AdaptiveLoop)(
            network=network, space=space, p=p, constraints=constraints, stepper=self._safe(), signed=signed,
            tolerance=self.options.tolerance, limits=self._limits(fixed, extended), ledger=ledger, fixed=fixed,
            extended=extended, foresee=foresee, threads=self._threads, report=self._report, **where,
        )  # fmt: skip

    def _limits(self, fixed: bool, extended: bool) -> Limits:
        o = self.options
        moving = LISTED_BYTES if extended or self.network.events else MOVING_BYTES
        bytes_per_state = TIMED_BYTES if o.timed else FIXED_BYTES if fixed else moving
        bytes_per_state += 8 if self._keeper is not None else 0  # the vector that is to be written
        return Limits(o.max_states, int(o.memory_limit or default_memory()), bytes_per_state=bytes_per_state)

    def _rounding_is_to_blame(self, loop: Loop, error: ToleranceError) -> bool:
        """Tell whether extended precision may do what double precision could not."""
        if loop.extended or not self.options.may_extend:
            return False
        large = loop.ledger.entries["rounding"] > 0.1 * self.options.tolerance
        return isinstance(error, RoundingError) or large

    # -- what is found -------------------------------------------------------------------------------------

    def _follow(self, loop: Loop) -> None:
        """Let a loop run through all times that are left."""
        for snapshot in loop.run(self.options.times):
            self._record(loop, snapshot, self._moments, len(self.finished))
            del snapshot  # not held while the next one is computed

    def _record(self, loop: Loop, snapshot: Snapshot, moments: LazyMoments, index: int) -> None:
        piece = loop.pieces[-1] if isinstance(loop, PiecewiseRun) else None
        found = self._distribution(snapshot, piece, moments, index)
        self.finished.append(condense(found, self.options.save))

    def _record_partial(self, loop: Loop) -> None:
        """Record how far a loop came that stopped between two times."""
        # A run that stopped before its first step has nothing to show.
        with suppress(SolverError, AttributeError):
            partial = loop.snapshot()
            if partial.time > max((d.time for d in self.finished if d.time is not None), default=-1.0):
                self._record(loop, partial, self._moments_at(np.array([partial.time])), 0)

    def _moments_at(self, times: NDArray[np.float64]) -> LazyMoments:
        return LazyMoments(self._start_network, times, self.law, self._coordinates)

    def _distribution(
        self, snapshot: Snapshot, piece: Piece | None, moments: LazyMoments, index: int
    ) -> Distribution:
        """Return a snapshot with what is known about it; ``moments`` are those of a run without events."""
        if piece is None:
            known = Known(self.network.observables, MomentsAt(moments, index), moments.support())
        else:
            known = self._piece_moments.known(piece, snapshot.time)
        return Distribution(
            snapshot.space,
            snapshot.p,
            error_bound=snapshot.ledger.total,
            certified=self.law.certified,
            time=snapshot.time,
            moments=known.moments,
            support_bounds=known.support,
            lower_bound=self.law.lower_bound and not self.options.timed,
            ledger=snapshot.ledger,
            observables=known.observables,
        )

    def result(self, loop: Loop, status: str) -> TransientResult:
        """Return what is finished, with the last ledger and the work of the loop."""
        ledger = self.finished[-1].ledger if self.finished else None
        seconds = clock.perf_counter() - self._started if self._keeper is None else self._keeper.elapsed()
        return TransientResult(
            self.network, np.array([d.time for d in self.finished]), self.finished, ledger or loop.ledger,
            method_used(self.options, loop), explain(self.options, loop), dict(loop.statistics, seconds=seconds),
            status, self.options.tolerance,
        )  # fmt: skip
