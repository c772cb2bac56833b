"""`solve_transient`: from a network and times to distributions with a bound on their error."""

from __future__ import annotations

import functools
import math
import os
import time as clock
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fsp.checkpoint import Checkpoint
from fsp.checkpoint_call import describe_call
from fsp.distribution import Distribution
from fsp.errors import (
    ArgumentError,
    SolverError,
    StateSpaceLimitError,
    ToleranceError,
    UnsupportedError,
)
from fsp.generator.extended import extended_available
from fsp.initial import InitialLaw, choose_coordinates, first_set, read_initial
from fsp.ledger import Ledger
from fsp.pieces import Piece, PiecewiseRun
from fsp.progress import Progress
from fsp.results import TransientResult
from fsp.statespace.constraints import Bounds, Constraints
from fsp.statespace.coordinates import Coordinates
from fsp.statespace.fibres import FibreSet
from fsp.summary import check_kind, condense
from fsp.timed.modulated import refuse_state_events
from fsp.transient.limits import Limits, RoundingError
from fsp.transient.loop import AdaptiveLoop, Snapshot
from fsp.transient.protocol import find_stepper
from fsp.transient.timed_loop import TimedLoop

if TYPE_CHECKING:
    from fsp.interval import Interval
    from fsp.model.network import ReactionNetwork
    from fsp.model.observables import Observable

    _Known = tuple[Mapping[str, Observable], "_MomentsAt | None", dict[str, float]]
    from fsp.moments import MomentBounds

__all__ = ["solve_transient"]


#: Memory for each state, to foresee whether a run fits: on a fixed set, and on one that grows and shrinks.
FIXED_BYTES, MOVING_BYTES = 40, 64

#: The method for rates that depend on time, which keeps some vectors more.
TIMED, TIMED_BYTES = "inhomogeneous", 200


def solve_transient(
    network: ReactionNetwork,
    times: ArrayLike,
    *,
    tolerance: float = 1e-8,
    initial: Any = None,
    method: str = "auto",
    bounds: Bounds | None = None,
    max_states: int | None = None,
    memory_limit: int | None = None,
    precision: str = "auto",
    threads: int | None = None,
    progress: bool | None = None,
    save: str = "distributions",
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_every: float = 60.0,
) -> TransientResult:
    """Solve the chemical master equation up to given times, with a proven bound on the error.

    The distribution is computed on a finite set of states that follows the probability. Every entry is a lower bound
    on the true probability (but where rates depend on time), and the 1-norm of the error is at most
    ``error_bound <= tolerance``.

    Parameters
    ----------
    network : ReactionNetwork
        Its rates may depend on ``time``, which is 0 at the initial law. Its events fire at their moments, counted from
        time 0; an output at the moment of an event is the law after it.
    times : array_like of float
        Output times >= 0 in the time unit of the model, ascending; the initial law holds at time 0.
    tolerance : float
        Largest acceptable error bound, 1-norm.
    initial : optional
        Counts ``{"U": 3}``, a law ``{(3, 0): 0.5, (4, 0): 0.5}``, independent species laws
        ``{"U": {3: 0.5, 4: 0.5}}``, a `Distribution`, or an earlier result (its end). By default the initial counts of
        the network.
    method : str
        ``"auto"``, ``"uniformisation"``, or ``"chebyshev"``, a signed series that makes long steps with fewer products
        where its bound allows (else uniformisation makes the step). ``"auto"`` lets both take turns; where tails are
        wanted with all their digits, which is where ``bounds`` fix the set, it takes uniformisation. Rates that depend on
        time are for ``"inhomogeneous"`` alone, and ``"auto"`` takes it; its results are no lower bounds.
    bounds : dict, str, or a sequence of these, optional
        Constraints on the states: ``{"U": 300}`` for largest counts, conditions such as ``"U*V <= 5000"``. If largest
        counts and conservation laws bound every species, all states within them are kept, so that tails come out
        with all their digits; what leaves them is booked as leaked.
    max_states : int, optional
        Largest number of states to hold at one time.
    memory_limit : int, optional
        Largest number of bytes to use; by default three quarters of the machine's memory.
    precision : str
        ``"double"``; ``"extended"`` for double-double arithmetic, some twenty times slower; or ``"auto"``: extended where
        the worst-case rounding of double precision would exceed the tolerance.
    threads : int, optional
        Largest number of threads; by default ``FSP_NUM_THREADS`` or all cores. Small sets use one.
    progress : bool, optional
        Show a progress line; by default if the run is long and the standard error stream is a terminal.
    save : str
        What to keep for each time: ``"distributions"``, or only ``"marginals"`` (with moments) or ``"moments"``; then
        the memory of each distribution is released before the next one is computed.
    checkpoint : path, optional
        A file that holds the state of the run from time to time. If the run is killed, the same call goes on from there
        and ends with the same result, bit by bit. Ctrl-C writes a checkpoint before it stops the run. The file is
        kept when the run is finished; then the same call returns the result at once.
    checkpoint_every : float
        Seconds between two checkpoints; 0 for one after each step.

    Returns
    -------
    TransientResult
        One `Distribution` for each time, or a `Summary` of it.

    Raises
    ------
    ArgumentError
        For times that are not ascending and >= 0, a tolerance outside (0, 1), an unknown method, ...
    PropensityError
        If a propensity is negative or not finite at a reachable state, or would make a count negative.
    StateSpaceLimitError, ToleranceError, ExplosionError
        If the answer cannot be had within the limits; ``error.result`` holds what was finished.
    ModelError
        If an event makes a count negative or not whole, or the events do not come to an end.
    UnsupportedError
        If a propensity mixes time and counts in a way that is no sum of products, if a network has events that
        reactions can fire and rates that depend on time, or if what events do depends on their order and the order is
        undefined.
    CheckpointError
        If the checkpoint is damaged, or belongs to another call; it says what differs.

    Notes
    -----
    Uniformisation (Jensen 1953) and Chebyshev series (Tal-Ezer and Kosloff 1984) on a moving window of states (Munsky and
    Khammash 2006, J. Chem. Phys. 124:044104; Henzinger, Mateescu and Wolf 2009). Work is O(n_states * n_reactions *
    largest exit rate * time), or the square root of the last two for long signed steps; memory about 40 bytes for each
    state of a fixed set, and 64 while a set grows.

    Examples
    --------
    >>> import fsp
    >>> network = fsp.ReactionNetwork({"X": 0}, ["0 -> X @ k", "X -> 0 @ d"], {"k": 10.0, "d": 1.0})
    >>> result = fsp.solve_transient(network, times=[1.0, 5.0], tolerance=1e-8)
    >>> result[-1].error_bound <= 1e-8, result[-1].certified
    (True, True)
    >>> round(result[-1].mean("X"), 6)  # 10 (1 - exp(-5))
    9.932621
    """
    started = clock.perf_counter()
    if not hasattr(network, "depends_on_time"):
        message = f"the network must be a ReactionNetwork, not {type(network).__name__}; fsp.load_model(path) reads a file"
        raise ArgumentError(message)
    when = _read_times(times)
    _check_number("tolerance", tolerance, 0.0, 1.0)
    _check_count("max_states", max_states)
    if memory_limit is not None:
        _check_number("memory_limit", memory_limit, 0.0, float("inf"))
    _check_count("threads", threads)
    check_kind(save)
    if checkpoint_every != 0.0:
        _check_number("checkpoint_every", checkpoint_every, 0.0, float("inf"))
    name = _choose_method(network, method)
    if precision not in ("auto", "double", "extended"):
        message = f"precision must be 'auto', 'double' or 'extended', not {precision!r}"
        raise ArgumentError(message)
    if name == TIMED and precision == "extended":
        message = (
            "rates that depend on time are solved in double precision only; leave out precision='extended'"
        )
        raise UnsupportedError(message)
    if name == TIMED and network.events:
        refuse_state_events(network)
    law = read_initial(network, initial)
    network_then, coordinates = choose_coordinates(network, law)
    constraints = Constraints(network_then, bounds)
    space, p = first_set(coordinates, law, constraints)
    safe = find_stepper("uniformisation").load()
    signed = find_stepper("chebyshev").load() if name == "chebyshev" else None
    line = Progress(float(when[-1]), progress)
    planned = _LazyMoments(network_then, when, law, coordinates)
    by_piece = _PieceMoments(when, planned.support())

    def known(snapshot: Snapshot, piece: Piece | None, moments: _LazyMoments, index: int) -> Distribution:
        if piece is None:
            parts: _Known = (network.observables, _MomentsAt(moments, index), moments.support())
        else:
            parts = by_piece.known(piece, snapshot.time)
        return _distribution(snapshot, law, name != TIMED, *parts)

    keeper, resumed = None, None
    finished: list[Distribution] = []
    pieces: list[Piece] = []
    if checkpoint is not None:
        call = describe_call(
            network, law, constraints, when, tolerance=float(tolerance), method="auto" if method == "auto" else name,
            max_states=max_states, precision=precision, threads=threads, save=save,
        )  # fmt: skip
        keeper = Checkpoint(checkpoint, checkpoint_every, call, save, network)
        resumed = keeper.state
        threads = keeper.threads(threads)
        finished, pieces = keeper.finished(lambda s, piece, i: known(s, piece, planned, i))
        if keeper.end is not None:
            return keeper.result(finished)

    def adaptive_loop(
        network: ReactionNetwork, space: FibreSet, p: NDArray[np.float64], constraints: Constraints, ledger: Ledger,
        extended: bool, foresee: bool, **where: Any,
    ) -> AdaptiveLoop:  # fmt: skip
        fixed = constraints.is_box()
        # Measured peaks: three vectors on a fixed set, and about seven while a set grows.
        bytes_per_state = TIMED_BYTES if name == TIMED else FIXED_BYTES if fixed else MOVING_BYTES
        bytes_per_state += 8 if checkpoint is not None else 0
        limits = Limits(max_states, int(memory_limit or _default_memory()), bytes_per_state=bytes_per_state)
        stepper = find_stepper(TIMED).load() if name == TIMED else safe
        return (TimedLoop if name == TIMED else AdaptiveLoop)(
            network, space, p, constraints, stepper(), float(tolerance), limits, ledger, fixed, extended, foresee,
            signed() if signed and not (fixed or extended) else None, threads, line.update, **where,
        )  # fmt: skip

    def attempt(extended: bool, foresee: bool) -> AdaptiveLoop | PiecewiseRun:
        ledger = Ledger()
        ledger.book("initial", law.missing)
        loop: AdaptiveLoop | PiecewiseRun
        if network.events:
            make = functools.partial(adaptive_loop, ledger=ledger, extended=extended, foresee=foresee)
            loop = PiecewiseRun(network, law, bounds, make, ledger, float(tolerance), extended)
        else:
            loop = adaptive_loop(network_then, space, p.copy(), constraints, ledger, extended, foresee)
        if keeper is not None:
            loop.between = functools.partial(keeper.observe, finished)
        return loop

    def finish(
        loop: AdaptiveLoop | PiecewiseRun, snapshot: Snapshot, moments: _LazyMoments, index: int
    ) -> None:
        piece = loop.pieces[-1] if isinstance(loop, PiecewiseRun) else None
        finished.append(condense(known(snapshot, piece, moments, index), save))

    def result(loop: AdaptiveLoop | PiecewiseRun, status: str) -> TransientResult:
        ledger = finished[-1].ledger if finished else None
        seconds = clock.perf_counter() - started if keeper is None else keeper.elapsed()
        statistics = dict(loop.statistics, seconds=seconds)
        used = (
            TIMED
            if name == TIMED
            else "chebyshev"
            if loop.statistics.get("signed_steps")
            else "uniformisation"
        )
        return TransientResult(
            network, np.array([d.time for d in finished]), finished, ledger or loop.ledger, used,
            _explain(method, precision, loop, name == TIMED), statistics, status, float(tolerance),
        )  # fmt: skip

    def run(loop: AdaptiveLoop | PiecewiseRun) -> None:
        for snapshot in loop.run(when):
            finish(loop, snapshot, planned, len(finished))
            del snapshot  # not held while the next one is computed

    auto = precision == "auto" and extended_available() and name != TIMED
    if resumed is None:
        loop = attempt(precision == "extended", auto)
    else:
        loop = attempt(resumed["extended"], resumed["foresee"])
        loop.saved = resumed
        if isinstance(loop, PiecewiseRun):
            loop.pieces += pieces
    del resumed
    try:
        try:
            run(loop)
        except ToleranceError as error:
            blame_rounding = loop.ledger.entries["rounding"] > 0.1 * tolerance
            if loop.extended or not (auto and (isinstance(error, RoundingError) or blame_rounding)):
                raise
            finished.clear()
            loop = attempt(extended=True, foresee=False)
            run(loop)
        found = result(loop, "finished")
        if keeper is not None:
            keeper.complete(found, loop)
    except KeyboardInterrupt as stop:
        if keeper is None:
            raise
        raise keeper.interrupt() from stop
    except SolverError as error:
        if keeper is not None and isinstance(error, StateSpaceLimitError):
            keeper.write()  # with a larger memory_limit the same call goes on from here
        with suppress(
            SolverError, AttributeError
        ):  # a run that stopped before its first step has nothing to show
            partial = loop.snapshot()
            if partial.time > max((d.time for d in finished if d.time is not None), default=-1.0):
                between = _LazyMoments(network_then, np.array([partial.time]), law, coordinates)
                finish(loop, partial, between, 0)
        error.result = result(loop, f"stopped: {error}")
        raise
    except MemoryError as error:
        if keeper is not None:
            keeper.write()
        message = f"out of memory at time {loop.time:g} with {loop.space.n_states:,} states; set memory_limit= or bounds="
        raise SolverError(message, result(loop, "stopped: out of memory")) from error
    finally:
        line.close()
    return found


def _choose_method(network: ReactionNetwork, method: str) -> str:
    """Return the name of the stepper; networks whose rates depend on time need their own."""
    timed = [r.name for r in network.reactions if r.propensity.depends_on_time]
    if method == "auto":
        return TIMED if timed else "chebyshev"
    name = find_stepper(method).name
    if timed and name != TIMED:
        rates = f"the propensity of {', '.join(timed)} depends on time"
        message = f"{rates}, which method {name!r} cannot do; use 'auto' or {TIMED!r}"
        raise ArgumentError(message)
    return name


def _read_times(times: ArrayLike) -> NDArray[np.float64]:
    try:
        when = np.atleast_1d(np.asarray(times, dtype=np.float64))
    except (TypeError, ValueError) as error:
        message = f"times must be numbers, not {times!r}"
        raise ArgumentError(message) from error
    if when.ndim != 1 or when.size == 0:
        message = f"times must be a list of at least one number, not an array of shape {when.shape}"
        raise ArgumentError(message)
    if not np.isfinite(when).all() or when[0] < 0.0:
        message = f"times must be finite and >= 0; got {when[~(np.isfinite(when) & (when >= 0))][0]}"
        raise ArgumentError(message)
    steps = np.diff(when)
    if (steps <= 0.0).any():
        i = int(np.argmax(steps <= 0.0))
        message = f"times must be ascending without repeats; {when[i]} is followed by {when[i + 1]}"
        raise ArgumentError(message)
    return when


def _check_number(name: str, value: Any, low: float, high: float) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not low < value < high:
        message = f"{name} must be a number between {low:g} and {high:g}, not {value!r}"
        raise ArgumentError(message)


def _check_count(name: str, value: Any) -> None:
    number = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    if value is not None and not (number and float(value).is_integer() and value >= 1):
        message = f"{name} must be a whole number >= 1, not {value!r}"
        raise ArgumentError(message)


def _default_memory() -> int:
    """Three quarters of the machine's memory, where it can be told."""
    try:
        return int(0.75 * os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, ValueError, OSError):
        return 2**62


def _distribution(
    snapshot: Snapshot,
    law: InitialLaw,
    lower_bound: bool,
    observables: Mapping[str, Observable],
    moments: _MomentsAt | None,
    support: dict[str, float],
) -> Distribution:
    return Distribution(
        snapshot.space,
        snapshot.p,
        error_bound=snapshot.ledger.total,
        certified=law.certified,
        time=snapshot.time,
        moments=moments,
        support_bounds=support,
        lower_bound=law.lower_bound and lower_bound,
        ledger=snapshot.ledger,
        observables=observables,
    )


def _explain(method: str, precision: str, loop: AdaptiveLoop | PiecewiseRun, timed: bool) -> str:
    steps, signed = int(loop.statistics.get("steps", 0)), int(loop.statistics.get("signed_steps", 0))
    used = (
        f"chebyshev for {signed} of {steps} steps, uniformisation for the others"
        if signed
        else "uniformisation"
    )
    if timed:
        used = TIMED
    if method != "auto":
        chosen = "as requested"
    elif used == TIMED:
        chosen = "chosen, because rates depend on time"
    elif signed:
        chosen = "chosen, because fewer products do and the bound allows it"
    else:
        chosen = "chosen, because it is the method with a componentwise proof"
    peak = int(loop.statistics.get("states_peak", 0))
    how = (
        f"on all {peak:,} states within the bounds"
        if getattr(loop, "fixed", False)
        else f"on a moving set of at most {peak:,} states"
    )
    kind = getattr(getattr(loop, "generator", None), "kind", "matrix-free")
    why = (
        ", because rounding in double precision could exceed the tolerance"
        if loop.extended and precision == "auto"
        else ""
    )
    return f"{used} ({chosen}) {how}, {kind} products{why}"


class _LazyMoments:
    """Moment enclosures at all output times, computed when the first one is asked for."""

    def __init__(
        self, network: ReactionNetwork, times: NDArray[np.float64], law: InitialLaw, coordinates: Coordinates,
        before: float = 0.0,
    ) -> None:  # fmt: skip
        self.network = network
        self._before = before  # how long reactions fired before the law
        self._times = times
        self._law = law
        self._same_totals = coordinates.n_axes < network.n_species or not len(network.conservation_laws())
        self._found: Sequence[MomentBounds] | None = None

    def support(self) -> dict[str, float]:
        """Return the largest counts that conservation allows."""
        if not self._same_totals:
            return {}
        bounds = self.network.conservation_laws().upper_bounds
        return {
            n: float(b) for n, b in zip(self.network.species_names, bounds, strict=True) if math.isfinite(b)
        }

    def at(self, index: int) -> MomentBounds:
        if self._found is None:
            from fsp.moments import InitialMoments, excludes_explosion, moment_bounds

            law = self._law
            exact = law.missing == 0.0 and law.states.shape[0] <= 100_000
            if self._before > 0.0 and not excludes_explosion(self.network, self._before):
                exact = False  # an event takes all paths to the law, but there may be none left
            moments = InitialMoments.from_probabilities(law.states, law.probabilities) if exact else None
            support = self.support()
            bounds = [support.get(name, math.inf) for name in self.network.species_names]
            self._found = moment_bounds(
                self.network, [float(t) for t in self._times], moments, upper_bounds=bounds
            )
        return self._found[index]


class _PieceMoments:
    """What is proven at the output times of a run with events.

    Moment equations start anew where events have changed the law, if it is known exactly there; they do not know about
    events that reactions fire. ``always`` are largest counts by the laws that hold for reactions and all events.
    """

    def __init__(self, times: NDArray[np.float64], always: dict[str, float]) -> None:
        self._outputs, self._always = times, always
        self._piece: Piece | None = None

    def known(self, piece: Piece, time: float) -> _Known:
        """Return the derived quantities (they may read parameters that events change), moments, and largest counts."""
        observables = piece.network.observables
        if piece.law is None:
            return observables, None, self._always
        if self._piece is not piece:
            outputs, self._piece = self._outputs, piece
            self._times = outputs[
                (outputs >= piece.start) & ((outputs < piece.stop) | (outputs == piece.start))
            ]
            self._moments = self._of(piece, self._times)
        # The equations count time from the law, so they do not fit rates that depend on it.
        if piece.network.events or (piece.start > 0.0 and piece.network.depends_on_time):
            return observables, None, self._moments.support()
        index = int(np.searchsorted(self._times, time))
        if index < self._times.size and self._times[index] == time:
            return observables, _MomentsAt(self._moments, index), self._moments.support()
        between = self._of(piece, np.array([time]))
        return observables, _MomentsAt(between, 0), between.support()

    def _of(self, piece: Piece, times: NDArray[np.float64]) -> _LazyMoments:
        assert piece.law is not None
        return _LazyMoments(
            piece.network, times - piece.start, piece.law, piece.coordinates, before=piece.start
        )


class _MomentsAt:
    """The enclosures at one output time, as a `Distribution` asks for them."""

    def __init__(self, shared: _LazyMoments, index: int) -> None:
        self._shared, self._index = shared, index

    @property
    def how(self) -> dict[str, str]:
        return self._shared.at(self._index).how

    def mean(self, species: str) -> Interval | None:
        return self._shared.at(self._index).mean(species)

    def second(self, species: str) -> Interval | None:
        return self._shared.at(self._index).second(species)

    def cross(self, a: str, b: str) -> Interval | None:
        return self._shared.at(self._index).cross(a, b)

    def largest(self, species: str) -> float:
        return self._shared.at(self._index).largest(species)

    def powers(self, species: str, power: int) -> Sequence[float]:
        return self._shared.at(self._index).powers(species, power)

    def tail(self, species: str, mass: float, power: int = 1) -> float:
        return self._shared.at(self._index).tail(species, mass, power)
