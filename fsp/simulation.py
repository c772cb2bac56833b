"""`simulate`: ensembles of exact trajectories."""

from __future__ import annotations

import hashlib
import math
import os
import threading
import time as clock
import warnings
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fsp.ensemble import Ensemble, Trajectory
from fsp.errors import ArgumentError, SolverError
from fsp.initial import InitialLaw, read_initial
from fsp.interrupts import DelayedInterrupt
from fsp.simulation_progress import SimulationProgress
from fsp.ssa.budget import Budget
from fsp.ssa.chunk import Chunk, ChunkResult, StoppedError
from fsp.ssa.course import plan_course
from fsp.ssa.methods import choose_method
from fsp.ssa.streams import LAST_BLOCK, deviates
from fsp.transient.limits import default_memory
from fsp.transient_options import check_count, read_times

if TYPE_CHECKING:
    from fsp.model.network import ReactionNetwork

__all__ = ["simulate"]

IntArray = NDArray[np.int64]

#: Trajectories of the first chunks; of later ones, if they are short; numbers that a chunk may hold; how long it may take.
_FIRST, _LEAST, _CHUNK, _CHUNK_NUMBERS, _SECONDS = 16, 4, 1024, 4_000_000, 0.5
#: What can be recorded.
_RECORDS = (None, "events")


def simulate(
    network: ReactionNetwork,
    times: ArrayLike,
    n_trajectories: int = 10_000,
    seed: int = 1,
    *,
    method: str = "auto",
    threads: int | None = None,
    initial: Any = None,
    progress: bool | None = None,
    record: str | None = None,
    max_events: int = 100_000_000,
    resume: Ensemble | None = None,
) -> Ensemble:
    """Simulate trajectories of a network exactly.

    Parameters
    ----------
    network : ReactionNetwork
        Events and rates that depend on time are included.
    times : array_like
        Output times >= 0, ascending.
    n_trajectories : int, optional
    seed : int, optional
        From 0 to 2^64 - 1. Trajectory ``i`` is a function of the seed, ``i``, the network and the method only: not of the
        number of trajectories or threads, nor of output times in between; if rates depend on time, of the last one too.
    method : str, optional
        ``"direct"``, ``"next-reaction"``, ``"composition-rejection"``, or ``"auto"``. All are exact.
    threads : int, optional
        By default those that the process may use, or ``FSP_NUM_THREADS``.
    initial : optional
        As for `fsp.solve_transient`: counts, or a law, from which each trajectory draws with its own random stream.
    progress : bool, optional
        Show how many trajectories are done; by default on a terminal, after a second.
    record : str, optional
        ``"events"`` to keep all reactions of each trajectory in ``Ensemble.events``.
    max_events : int, optional
        Most reactions of one trajectory.
    resume : Ensemble, optional
        An earlier ensemble of the same call, incomplete or with fewer trajectories; what it has is not simulated again, and
        the result is the same as that of one run.

    Returns
    -------
    Ensemble
        If Ctrl-C is pressed, the trajectories that were finished by then, with ``complete=False`` and a warning.

    Raises
    ------
    ArgumentError
        For arguments out of range, and more counts than three quarters of the memory hold.
    PropensityError
        If a propensity is negative or not finite at a state that is reached, or a count would become negative.
    ModelError, UnsupportedError
        For events that cannot be executed, or rates that mix time and counts in a way that cannot be bounded.
    ExplosionError
        If a trajectory has more reactions than ``max_events``; ``result`` is what was finished.
    SolverError
        If recorded reactions, or propensities, are more than can be held; ``result`` as before.
    KeyboardInterrupt
        If Ctrl-C is pressed before the first trajectories are finished.

    Notes
    -----
    The cost of a reaction does not depend on the number of reactions but for its logarithm; 10 to 40 ns are usual.
    Sources: Gillespie 1976 (direct method), Gibson and Bruck 2000, Slepoy, Thompson and Plimpton 2008; Salmon et al.
    2011 (random numbers). See ``docs/simulation.md``.

    Examples
    --------
    >>> from fsp.model import gallery
    >>> ensemble = simulate(gallery.telegraph(), times=[5.0], n_trajectories=500, seed=7)
    >>> ensemble.counts.shape, ensemble.method
    ((500, 1, 3), 'direct')
    """
    if not hasattr(network, "depends_on_time"):
        message = f"the network must be a ReactionNetwork, not {type(network).__name__}; fsp.load_model(path) reads a file"
        raise ArgumentError(message)
    when = read_times(times)
    check_count("n_trajectories", n_trajectories)
    check_count("max_events", max_events)
    check_count("threads", threads)
    if n_trajectories is None or max_events is None:
        message = "n_trajectories and max_events must be whole numbers >= 1, not None"
        raise ArgumentError(message)
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or not 0 <= seed < 2**64:
        message = f"seed must be a whole number from 0 to 2^64 - 1, not {seed!r}"
        raise ArgumentError(message)
    if record not in _RECORDS:
        message = f"record must be None or 'events', not {record!r}"
        raise ArgumentError(message)
    law = read_initial(network, initial)
    chosen, why = choose_method(method, network.n_reactions, network.depends_on_time)
    _check_memory(int(n_trajectories), when.size, network.n_species)
    job = _Job(network, when, law, int(seed), int(max_events), record == "events", chosen.name)
    wanted = np.arange(int(n_trajectories), dtype=np.int64)
    if resume is not None:
        job.check_resume(resume)
        wanted = np.setdiff1d(wanted, resume.trajectories)
    start = clock.monotonic()
    workers = _workers(threads)
    done = _run(job, chosen, wanted, workers, progress) if wanted.size else _Done()
    statistics = {
        "reactions": done.reactions + (0 if resume is None else int(resume.statistics.get("reactions", 0))),
        "seconds": clock.monotonic() - start,
        "threads": workers,
    }
    ensemble = done.ensemble(job, int(n_trajectories), resume, why, statistics)
    if done.error is not None:
        if isinstance(done.error, SolverError):
            done.error.result = ensemble if ensemble.n_trajectories else None
        raise done.error
    if not ensemble.complete:
        if not ensemble.n_trajectories:
            raise KeyboardInterrupt
        message = (
            f"fsp: stopped: {ensemble.n_trajectories:,} of {int(n_trajectories):,} trajectories are finished"
        )
        warnings.warn(message, stacklevel=2)
    return ensemble


@dataclass(frozen=True, eq=False)
class _Job:
    """What all chunks share."""

    network: ReactionNetwork
    times: NDArray[np.float64]
    law: InitialLaw
    seed: int
    max_events: int
    record: bool
    method: str

    def digest(self) -> str:
        """Return what tells initial laws apart."""
        parts = hashlib.sha256(np.ascontiguousarray(self.law.states).tobytes())
        parts.update(np.ascontiguousarray(self.law.probabilities).tobytes())
        return parts.hexdigest()

    def initial_states(self, streams: NDArray[np.uint64]) -> IntArray:
        """Return the state that each trajectory begins with."""
        if len(self.law.states) == 1:
            return np.repeat(self.law.states, streams.size, axis=0)
        edges = np.cumsum(self.law.probabilities)
        _, u = deviates(np.uint64(self.seed), streams, LAST_BLOCK)
        return np.asarray(
            self.law.states[np.minimum(np.searchsorted(edges / edges[-1], u, side="right"), edges.size - 1)]
        )

    def check_resume(self, earlier: Ensemble) -> None:
        """Refuse an ensemble that another call has made."""
        if not isinstance(earlier, Ensemble):
            message = f"resume must be an Ensemble, not {type(earlier).__name__}"
            raise ArgumentError(message)
        same = {
            "seed": earlier.seed == self.seed,
            "times": np.array_equal(earlier.times, self.times),
            "network": earlier.network == self.network,
            "method": earlier.method == self.method,
            "initial": earlier.initial == self.digest(),
            "record": (earlier.events is not None) == self.record,
        }
        for name, equal in same.items():
            if not equal:
                message = f"resume: the ensemble was made with another {name}, so it cannot be gone on with"
                raise ArgumentError(message)


class _Done:
    """The chunks that are finished, and the error that stopped the others."""

    def __init__(self) -> None:
        self.chunks: list[tuple[IntArray, ChunkResult]] = []
        self.error: BaseException | None = None
        self.reactions = 0

    def add(self, streams: IntArray, result: ChunkResult) -> None:
        """Take a finished chunk."""
        self.reactions += int(result.steps.sum())
        if int(result.counts.max(initial=0)) < 2**31:
            result.counts = result.counts.astype(np.int32)
        self.chunks.append((streams, result))

    def ensemble(
        self, job: _Job, n: int, resume: Ensemble | None, why: str, statistics: dict[str, float]
    ) -> Ensemble:
        """Return all trajectories below ``n`` in order."""
        n_species = job.network.n_species
        parts = [(streams, result.counts) for streams, result in self.chunks]
        events = [Trajectory(*entry) for _, result in self.chunks for entry in result.events]
        self.chunks = []
        if resume is not None:
            parts.append((resume.trajectories, resume.counts))
            events += resume.events or []
        order = np.concatenate([np.zeros(0, np.int64), *(streams for streams, _ in parts)])
        rank = np.argsort(order, kind="stable")
        rank = rank[order[rank] < n]
        kind = np.result_type(np.int32, *(counts.dtype for _, counts in parts))
        counts = np.zeros((rank.size, job.times.size, n_species), kind)
        while parts:  # each is given back when it has been copied, so that memory is not needed twice
            streams, part = parts.pop()
            few = streams < n
            counts[np.searchsorted(order[rank], streams[few])] = part[few]
        return Ensemble(
            job.network, job.times, counts, species_names=job.network.species_names, seed=job.seed,
            trajectories=order[rank], method=job.method, why=why, complete=rank.size == n, statistics=statistics,
            events=[events[i] for i in rank] if job.record else None, initial=job.digest(),
        )  # fmt: skip


def _check_memory(n: int, n_times: int, n_species: int) -> None:
    """Refuse more counts than there is memory for."""
    size, limit = n * (4 * n_times * n_species + 24), default_memory()
    if size > limit:
        message = (
            f"{n:,} trajectories at {n_times:,} times with {n_species:,} species need {size / 1e9:.3g} GB of memory, more "
            f"than the {limit / 1e9:.3g} GB that may be used: simulate fewer trajectories, or fewer output times"
        )
        raise ArgumentError(message)


def _workers(threads: int | None) -> int:
    """Return how many threads to use."""
    if threads is not None:
        return int(threads)
    setting = os.environ.get("FSP_NUM_THREADS", "")
    affinity = getattr(os, "sched_getaffinity", None)
    return max(
        1, int(setting) if setting.isdigit() else len(affinity(0)) if affinity else (os.cpu_count() or 1)
    )


class _Chunks:
    """Cuts the trajectories that are wanted into chunks.

    A chunk is small enough for memory, and so small that no thread waits long for another one. It takes about half a
    second, so that not much is lost when the user presses Ctrl-C.
    """

    def __init__(self, wanted: IntArray, numbers: int, workers: int) -> None:
        self._wanted = wanted
        self._most = max(_LEAST, min(_CHUNK, math.ceil(wanted.size / (8 * workers))))
        self._most = max(1, min(self._most, _CHUNK_NUMBERS // max(1, numbers)))
        self._size = min(_FIRST, self._most)

    def __bool__(self) -> bool:
        return bool(self._wanted.size)

    def next(self) -> IntArray:
        """Return the trajectories of the next chunk."""
        chunk, self._wanted = self._wanted[: self._size], self._wanted[self._size :]
        return chunk

    def took(self, seconds: float, n: int) -> None:
        """Learn how long a chunk of ``n`` trajectories took."""
        self._size = max(1, min(self._most, int(_SECONDS * n / max(seconds, 1e-9))))


def _run(job: _Job, method: Any, wanted: IntArray, workers: int, progress: bool | None) -> _Done:
    """Simulate all chunks in threads, until all are done, an error comes, or the user presses Ctrl-C."""
    course = plan_course(job.network, job.times.tolist(), record=job.record)
    stop = threading.Event()
    budget = Budget(default_memory()) if job.record else None
    done = _Done()

    def work(numbers: IntArray) -> tuple[ChunkResult, float]:
        if stop.is_set():
            raise StoppedError
        begin = clock.monotonic()
        streams = numbers.astype(np.uint64)
        result = Chunk(
            job.network, course, method, job.times, streams, job.initial_states(streams), seed=job.seed, most=job.max_events,
            record=budget, stop=stop,
        ).simulate()  # fmt: skip
        return result, clock.monotonic() - begin

    chunks = _Chunks(wanted, job.times.size * job.network.n_species, workers)
    with (
        DelayedInterrupt() as interrupt,
        SimulationProgress(wanted.size, progress) as line,
        ThreadPoolExecutor(workers, thread_name_prefix="fsp-ssa") as pool,
    ):
        pending: dict[Future[tuple[ChunkResult, float]], IntArray] = {}
        while True:
            while chunks and not stop.is_set() and len(pending) < 2 * workers:
                numbers = chunks.next()
                pending[pool.submit(work, numbers)] = numbers
            if not pending:
                return done
            finished, _ = wait(pending, timeout=0.1, return_when=FIRST_COMPLETED)
            for future in finished:
                numbers = pending.pop(future)
                error = future.exception()
                if error is None:
                    result, seconds = future.result()
                    chunks.took(seconds, numbers.size)
                    done.add(numbers, result)
                    line.update(numbers.size, int(result.steps.sum()))
                elif not isinstance(error, StoppedError):
                    done.error = done.error or error
                    stop.set()
            line.show()
            try:
                interrupt.check()
            except KeyboardInterrupt:
                stop.set()
