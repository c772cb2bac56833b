"""Driving a simulator that is another program: its command line, its time limit, what it wrote."""

from __future__ import annotations

import collections
import contextlib
import os
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from fsp.errors import ArgumentError, SampleError, SimulatorError
from fsp.validation.readers import read_samples
from fsp.validation.samples import Samples

__all__ = ["PLACES", "check_command", "run_simulator"]

#: What stands for something in a command.
PLACES = ("model", "n", "seed", "out", "times")
_PLACE = re.compile(r"\{([^{}]*)\}")
_TAIL = 4000  # characters of the error stream that are kept


def check_command(command: str) -> list[str]:
    """Return the words of a command, split as a shell would, but never given to one.

    Raises
    ------
    ArgumentError
        When quotes do not match, the program does not exist, a place in braces is not known, or ``{out}`` is missing.

    Examples
    --------
    >>> check_command("python3 'my simulator.py' {model} {out}")
    ['python3', 'my simulator.py', '{model}', '{out}']
    """
    try:
        words = shlex.split(command)
    except ValueError as error:
        message = f"the simulator's command {command!r} cannot be split into words: {error}"
        raise ArgumentError(message) from error
    unknown = [place for word in words for place in _PLACE.findall(word) if place not in PLACES]
    if unknown:
        known = ", ".join(f"{{{place}}}" for place in PLACES)
        message = f"the simulator's command has {{{unknown[0]}}}; known are {known}"
        raise ArgumentError(message)
    if not any("{out}" in word for word in words):
        message = "the simulator's command needs {out}, the file that it writes its samples to"
        raise ArgumentError(message)
    if shutil.which(words[0]) is None:
        message = f"there is no program {words[0]!r}"
        raise ArgumentError(message)
    return words


def run_simulator(
    command: str,
    model: str | os.PathLike[str],
    *,
    n: int,
    seed: int,
    times: Sequence[float] = (),
    timeout: float = 600.0,
    suffix: str = ".csv",
) -> Samples:
    """Run a program and return the samples that it wrote.

    Parameters
    ----------
    command : str
        Its words, with ``{model}``, ``{n}``, ``{seed}``, ``{out}`` and ``{times}`` (with commas) for what is put there.
    model : path
        The model file.
    n, seed : int
    times : sequence of float, optional
    timeout : float
        Seconds after which it is stopped.
    suffix : str
        The ending of the file that it is to write: ``.csv`` or ``.nc``.

    Raises
    ------
    ArgumentError
        For a command that cannot be run.
    SimulatorError
        When the program fails, does not end in time, or writes nothing, or nothing that can be read.
    """
    words = check_command(command)
    if not 0.0 < timeout < float("inf"):
        message = f"the time limit of the simulator must be a positive number of seconds, not {timeout!r}"
        raise ArgumentError(message)
    with tempfile.TemporaryDirectory(prefix="fsp-validate-") as folder:
        out = Path(folder) / f"samples{suffix}"
        values = {"model": os.path.abspath(model), "n": str(n), "seed": str(seed), "out": str(out)}
        values["times"] = ",".join(repr(float(t)) for t in times)
        filled = [_PLACE.sub(lambda match: values[match[1]], word) for word in words]
        error = _run(filled, timeout)
        if not out.is_file():
            message = f"the simulator ended without writing {{out}} ({out.name}){_quoted(error)}"
            raise SimulatorError(message)
        try:
            samples = read_samples(out, n=n)
        except SampleError as problem:
            message = f"what the simulator wrote cannot be used: {str(problem).replace(str(out), out.name)}"
            raise SimulatorError(message) from problem
    if samples.n != n:
        message = f"the simulator wrote {samples.n} samples in place of {n}"
        raise SimulatorError(message)
    return Samples(samples.tables, samples.moments, Path(words[0]).name, samples.notes)


def _run(words: Sequence[str], timeout: float) -> str:
    """Run a program to its end; return the end of what it wrote to its error stream."""
    try:
        process = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        message = f"the simulator {words[0]!r} cannot be started: {error.strerror or error}"
        raise SimulatorError(message) from error
    tail: collections.deque[bytes] = collections.deque(maxlen=8)
    assert process.stderr is not None
    reader = threading.Thread(target=_collect, args=(process.stderr, tail), daemon=True)
    reader.start()
    try:
        code = process.wait(timeout)
    except subprocess.TimeoutExpired:
        message = (
            f"the simulator did not end within {timeout:g} seconds and was stopped{_quoted(_text(tail))}"
        )
        raise SimulatorError(message) from None
    finally:  # whatever it left running, also after Ctrl-C
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    reader.join(5.0)
    if code:
        how = f"was ended by signal {-code}" if code < 0 else f"failed with exit code {code}"
        message = f"the simulator {how}{_quoted(_text(tail))}"
        raise SimulatorError(message)
    return _text(tail)


def _collect(stream: IO[bytes], tail: collections.deque[bytes]) -> None:
    """Read a stream to its end and keep its last pieces, so that the program never waits for a reader."""
    with stream:
        while piece := stream.read1(4096):  # type: ignore[attr-defined]
            tail.append(piece)


def _text(tail: Sequence[bytes]) -> str:
    return b"".join(tail).decode("utf-8", "replace")[-_TAIL:].strip()


def _quoted(error: str) -> str:
    if not error:
        return ""
    last = error.splitlines()[-3:]
    return "; it said: " + " / ".join(line.strip() for line in last)[-500:]
