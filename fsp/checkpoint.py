"""Checkpoints: a run that is killed goes on from its last one, to the same bits; see docs/checkpoints.md."""

from __future__ import annotations

import hashlib
import io
import os
import time as clock
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fsp.bundle import read_bundle, write_bundle
from fsp.checkpoint_call import find_differences
from fsp.dataset import to_dataset
from fsp.distribution import Distribution
from fsp.errors import ArgumentError, CheckpointError, FSPError, StorageError
from fsp.generator.threads import threads_for
from fsp.model.record import network_record
from fsp.pieces import Piece, PiecewiseRun, pack_piece, unpack_piece
from fsp.restore import from_dataset
from fsp.results import TransientResult
from fsp.statespace.fibres import FibreSet
from fsp.storage import check_writable, dataset_from_image, dataset_image
from fsp.transient.loop import AdaptiveLoop, Snapshot
from fsp.transient.saved import pack_ledger, pack_space, unpack_ledger, unpack_space

if TYPE_CHECKING:
    from fsp.model.network import ReactionNetwork

__all__ = ["Checkpoint"]

#: A checkpoint is written after at least so many times the time that writing the last one took, so that a run is not
#: slowed down by more than a tenth.
_PATIENCE = 10.0


Rebuild = Callable[[Snapshot, Piece | None, int], Distribution]


class _Kept(NamedTuple):
    """What the next checkpoint will hold."""

    state: dict[str, Any] | None
    finished: list[Distribution]
    pieces: list[Piece]
    end: dict[str, Any] | None = None


class Checkpoint:
    """The checkpoint of one run: read at its start, written while it goes on.

    Parameters
    ----------
    path : path
        A file that is made, or that an earlier run of the same call made.
    every : float
        Seconds between two checkpoints; 0 for one after each step.
    call : dict
        What `fsp.checkpoint_call.describe_call` returns.
    save : str
        What the run keeps for each time.
    network : ReactionNetwork
        The network of the call.

    Attributes
    ----------
    state : dict or None
        The state of the loop to go on from.
    end : dict or None
        What a finished run said about itself; see `complete`.
    seconds : float
        What earlier sessions of the run took.

    Raises
    ------
    CheckpointError
        When the file is damaged, is no checkpoint, or belongs to another call.
    ArgumentError, StorageError
        When there is no place to write to, or the file cannot be read.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        every: float,
        call: dict[str, Any],
        save: str,
        network: ReactionNetwork,
    ) -> None:
        if not isinstance(path, str | os.PathLike):
            message = f"checkpoint must be the path of a file, not {path!r}"
            raise ArgumentError(message)
        self.name = os.fspath(path)
        self.path = check_writable(path)
        self._every, self._call, self._save, self._network = float(every), call, save, network
        self._began = clock.perf_counter()
        self._last = clock.monotonic()
        self._pause = 0.0
        self._warned = False
        self._kept: _Kept | None = None
        self._written = False  # what is kept
        tag = hashlib.sha256(os.fsencode(self.path.name)).hexdigest()[:16]
        self._prefix = f".fsp-checkpoint-{tag}-"
        self._sweep()
        self.state: dict[str, Any] | None = None
        self.end: dict[str, Any] | None = None
        self.seconds = 0.0
        self._laws: dict[str, Any] = {}
        self._threads: int | None = None
        if self.path.exists():
            self._read()

    def _sweep(self) -> None:
        """Remove what killed runs left half written. A run that is writing just now loses its new checkpoint only."""
        with suppress(OSError):
            for leftover in self.path.parent.glob(self._prefix + "*"):
                leftover.unlink(missing_ok=True)

    def _read(self) -> None:
        contents = read_bundle(self.path)
        try:
            differences = find_differences(contents["call"], self._call)
            if not differences:
                self.state, self.end = contents["state"], contents["end"]
                self._laws, self.seconds, self._threads = (
                    contents[k] for k in ("laws", "seconds", "threads")
                )
        except (KeyError, TypeError, AttributeError) as error:
            raise self._incomplete(error) from error
        if differences:
            message = (
                f"the checkpoint {self.name!r} belongs to another call: {differences}. Make the same call to go on, or "
                "delete the file or give another name to begin from the start"
            )
            raise CheckpointError(message)

    def _incomplete(self, error: Exception) -> CheckpointError:
        message = f"the checkpoint {self.name!r} is incomplete or contradicts itself ({error!r}); delete it to begin anew"
        return CheckpointError(message)

    def finished(self, rebuild: Rebuild) -> tuple[list[Distribution], list[Piece]]:
        """Return what earlier sessions have finished, and the pieces between events that it belongs to.

        ``rebuild(snapshot, piece, index)`` makes a distribution of it; the piece is None without events.
        """
        if not self._laws:
            return [], []
        try:
            pieces = [unpack_piece(piece, self._network) for piece in self._laws["pieces"]]
            pieces = [pieces[k] for k in self._laws["piece_of"]]
            return _unpack_laws(self._laws, pieces, rebuild), pieces
        except (KeyError, IndexError, TypeError, ValueError) as error:  # ArgumentError is a ValueError
            raise self._incomplete(error) from error

    def threads(self, limit: int | None) -> int:
        """Return how many threads to use: as many as the run began with, because the order of sums depends on it."""
        if self._threads is None:
            self._threads = threads_for(2**62, limit)
        return self._threads

    def result(self, finished: Sequence[Distribution]) -> TransientResult:
        """Return the result of the run that has ended, with what it had finished."""
        assert self.end is not None
        times = np.array([law.time for law in finished], dtype=np.float64)
        try:
            method, explanation, statistics, tolerance = (
                self.end[k] for k in ("method", "explanation", "statistics", "tolerance")
            )
            ledger = unpack_ledger(self.end["ledger"])
            return TransientResult(
                self._network, times, finished, ledger, method, explanation, statistics, tolerance=tolerance
            )
        except (KeyError, TypeError, ValueError) as error:
            raise self._incomplete(error) from error

    # -- while the run goes on -----------------------------------------------------------------------------

    def observe(self, finished: Sequence[Distribution], loop: AdaptiveLoop | PiecewiseRun) -> None:
        """Take note of the state between two steps, and write it if it is time."""
        kept = _Kept(loop.state(), list(finished), _pieces(loop))
        self._written = False  # first: an interrupt may come between the two lines
        self._kept = kept
        waited = clock.monotonic() - self._last
        if waited >= self._every and (self._every == 0.0 or waited >= self._pause):
            self.write()

    def write(self) -> bool:
        """Write the last state that was taken note of; tell whether it is on the disk.

        Where that fails the old checkpoint stays, and the first time a warning is given.
        """
        if self._kept is None or self._written:
            return self._written
        kept = self._kept
        started = clock.monotonic()
        contents = {
            "call": self._call,
            "seconds": self.elapsed(),
            "threads": self._threads,
            "state": kept.state,
            "end": kept.end,
        }
        try:
            contents["laws"] = _pack_laws(kept, self._save, self._network)
            write_bundle(self.path, contents, self._prefix)
        except FSPError as error:  # a full disk, a folder that is gone: the result matters more
            if not self._warned:
                self._warned = True
                message = f"no checkpoint could be written, the run goes on without: {error}"
                warnings.warn(message, RuntimeWarning, stacklevel=2)
        else:
            self._written = True
        self._last = clock.monotonic()
        self._pause = _PATIENCE * (self._last - started)
        return self._written

    def complete(self, result: TransientResult, loop: AdaptiveLoop | PiecewiseRun) -> None:
        """Write a result: the same call then returns it at once."""
        end = {
            "ledger": pack_ledger(result.ledger),
            "method": result.method,
            "explanation": result.explanation,
            "statistics": result.statistics,
            "tolerance": result.tolerance,
        }
        kept = _Kept(None, list(result), _pieces(loop), end)
        self._written = False
        self._kept = kept
        self.write()

    def interrupt(self) -> KeyboardInterrupt:
        """Write the last state, and return the interrupt that says so."""
        if self._kept is None:
            return KeyboardInterrupt("interrupted before the first step; there was nothing to keep")
        state = self._kept.state
        reached = "its end" if state is None else f"time {state['time']:g}"
        if self.write():
            return KeyboardInterrupt(
                f"interrupted; the checkpoint {self.name!r} holds the run up to {reached}: make the same call to go on"
            )
        return KeyboardInterrupt(
            f"interrupted at {reached}; the checkpoint {self.name!r} could not be written and is as it was before"
        )

    def elapsed(self) -> float:
        """Return the seconds that the run took, in all sessions."""
        return self.seconds + clock.perf_counter() - self._began


def _pieces(loop: AdaptiveLoop | PiecewiseRun) -> list[Piece]:
    return list(loop.pieces) if isinstance(loop, PiecewiseRun) else []


def _pack_laws(kept: _Kept, save: str, network: ReactionNetwork) -> dict[str, Any]:
    """Return finished distributions, or what is kept of them, as plain data."""
    laws, pieces = kept.finished, kept.pieces[: len(kept.finished)]
    different = list(dict.fromkeys(pieces))  # the same one for many times
    packed: dict[str, Any] = {
        "pieces": [pack_piece(piece) for piece in different],
        "piece_of": [different.index(piece) for piece in pieces],
    }
    if save == "distributions" or not laws:
        return {**packed, "whole": [_pack_law(law) for law in laws]}
    times: NDArray[np.float64] = np.array([law.time for law in laws], dtype=np.float64)
    try:
        image = dataset_image(to_dataset(times, laws, {"network": network_record(network)}, save=save))
    except (OSError, ValueError, TypeError, RuntimeError) as error:
        message = f"what is finished cannot be expressed as NetCDF-4: {error}"
        raise StorageError(message) from error
    return {**packed, "condensed": np.frombuffer(image, np.uint8)}


def _pack_law(law: Distribution) -> dict[str, Any]:
    assert isinstance(law.space, FibreSet)
    assert law.ledger is not None
    return {
        "time": law.time,
        "ledger": pack_ledger(law.ledger),
        "space": pack_space(law.space),
        "p": law.probabilities,
    }


def _unpack_laws(packed: dict[str, Any], pieces: Sequence[Piece], rebuild: Rebuild) -> list[Distribution]:
    if "condensed" in packed:
        image = io.BytesIO(packed["condensed"].tobytes())
        _, laws, _, _ = from_dataset(dataset_from_image(image))
        return laws
    laws = []
    for index, law in enumerate(packed["whole"]):
        snapshot = Snapshot(law["time"], unpack_space(law["space"]), law["p"], unpack_ledger(law["ledger"]))
        laws.append(rebuild(snapshot, pieces[index] if pieces else None, index))
    return laws
