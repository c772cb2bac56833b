"""Malformed files through ``fsp info``: our error and exit code 2, soon, in little memory, without a traceback.

Every case runs in a process of its own, forked from one that has imported everything, with an alarm and a limit on its
memory; a sample goes through the real command line.
"""

from __future__ import annotations

import faulthandler
import multiprocessing
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from malformed_inputs import cases, special_paths
from malformed_sbml import sbml

from fsp.cli import main

SECONDS = 5.0
BYTES = 500 * 10**6
PATIENCE = 30  # seconds on the clock; what takes longer hangs
LEAST = 300  # inputs that must be refused

pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.skipif(not hasattr(os, "fork"), reason="cases run in forked processes"),
]


class Outcome(NamedTuple):
    """What became of one case."""

    name: str
    code: int  #: negative for a signal
    error: str
    seconds: float  #: of processor time, with that of processes it started: the machine may be busy
    memory: int

    def problems(self) -> list[str]:
        found = []
        if self.code not in (0, 2):
            found.append(f"exit code {self.code}")
        if self.code == 2 and not self.error.startswith("fsp: error: "):
            found.append("the message is not ours")
        if self.code == 0 and self.error:
            found.append("success with an error message")
        if "Traceback" in self.error or "Error:" in self.error.replace("fsp: error:", ""):
            found.append("a traceback, or an error of another kind")
        if len(self.error) > 3000:
            found.append(f"a message of {len(self.error)} characters")
        if self.seconds >= SECONDS:
            found.append(f"{self.seconds:.1f} s")
        if self.memory >= BYTES:
            found.append(f"{self.memory / 1e6:.0f} MB")
        return found

    def __str__(self) -> str:
        return f"{self.name}: {', '.join(self.problems())}: {self.error[-600:]}"


def run(name: str, action: Callable[[], int]) -> Outcome:
    """Run an action in a forked process and say what became of it."""
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        pid = os.fork()
        if pid == 0:
            code = 70
            try:
                faulthandler.disable()
                signal.signal(signal.SIGALRM, signal.SIG_DFL)
                os.dup2(output.fileno(), 1)
                os.dup2(errors.fileno(), 2)
                sys.stdout = open(1, "w", closefd=False)
                sys.stderr = open(2, "w", closefd=False, errors="backslashreplace")
                pages = int(Path("/proc/self/statm").read_text().split()[0])
                most = pages * resource.getpagesize() + BYTES
                resource.setrlimit(resource.RLIMIT_AS, (most, most))
                signal.alarm(PATIENCE)
                code = action()
                sys.stdout.flush()
                sys.stderr.flush()
            except BaseException:
                import traceback

                traceback.print_exc()
                sys.stderr.flush()
            finally:
                os._exit(code)
        _, status, usage = os.wait4(pid, 0)
        errors.seek(0)
        text = errors.read(1_000_000).decode(errors="replace")
    return Outcome(
        name, os.waitstatus_to_exitcode(status), text, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024
    )


def run_all(folder: Path) -> list[Outcome]:
    """Run all cases."""
    import antimony  # noqa: F401
    import libsbml  # noqa: F401

    assert main(["info", "gallery:toggle_switch.xml"]) == 0  # imports everything, once
    found = []
    for i, case in enumerate(cases()):
        path = folder / f"case{i}{case.ending}"
        path.write_bytes(case.data)
        found.append(run(case.name, lambda path=path: main(["info", str(path)])))
        path.unlink()
    for name, where in special_paths(folder).items():
        found.append(run(name, lambda where=where: main(["info", where])))
    return found


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> list[Outcome]:
    # In a fresh process: this one may hold much memory from other tests, which would count.
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(run_all, (tmp_path_factory.mktemp("malformed"),))


@pytest.mark.slow
def test_every_case_ends_well(outcomes: list[Outcome]) -> None:
    bad = [str(outcome) for outcome in outcomes if outcome.problems()]
    assert not bad, f"{len(bad)} of {len(outcomes)}:\n" + "\n".join(bad)


@pytest.mark.slow
def test_enough_are_refused(outcomes: list[Outcome]) -> None:
    refused = [outcome for outcome in outcomes if outcome.code == 2]
    assert len(refused) >= LEAST
    by_kind = {kind: sum(o.name.startswith(kind) for o in refused) for kind in ("SBML", "Antimony", "path")}
    assert by_kind["SBML"] >= 100
    assert by_kind["Antimony"] >= 100
    assert by_kind["path"] >= 10


@pytest.mark.slow
def test_messages_say_where(outcomes: list[Outcome]) -> None:
    """Each message names the file, or what was given in its place."""
    for outcome in outcomes:
        if outcome.code == 2 and not outcome.name.startswith(("path", "gallery")):
            assert "case" in outcome.error, outcome


@pytest.mark.parametrize(
    ("name", "ending", "text"),
    [
        ("valid", ".xml", sbml("<ci>A</ci>")),
        ("empty", ".xml", ""),
        ("deep", ".xml", sbml("<apply><exp/>" * 10_000 + "<ci>A</ci>" + "</apply>" * 10_000)),
        ("doctype", ".xml", sbml(head='<!DOCTYPE sbml [<!ENTITY a "b">]>')),
        (
            "brackets",
            ".ant",
            "model m()\n species A; A = 1; R: A => ; " + "(" * 10_000 + "A" + ")" * 10_000 + ";\nend\n",
        ),
        ("binary", ".ant", "\x00\x01\x02"),
    ],
)
def test_the_real_command_line(name: str, ending: str, text: str, tmp_path: Path) -> None:
    path = tmp_path / f"m{ending}"
    path.write_text(text)
    done = subprocess.run(
        [sys.executable, "-m", "fsp", "info", str(path)], capture_output=True, text=True, timeout=60
    )
    outcome = Outcome(name, done.returncode, done.stderr, 0.0, 0)
    assert outcome.problems() == []
    assert outcome.code == (0 if name == "valid" else 2)


# -- controls ----------------------------------------------------------------------------------------------


def check_controls() -> None:
    globals()["SECONDS"] = 0.2  # of this process, which does nothing else

    def fail() -> int:
        message = "not ours"
        raise ValueError(message)

    def crash() -> int:
        os.kill(os.getpid(), signal.SIGSEGV)
        return 2

    def eat() -> int:
        return len(bytearray(2 * BYTES))

    def hang() -> int:
        signal.alarm(1)  # instead of PATIENCE
        time.sleep(60)
        return 2

    def work() -> int:
        start = time.process_time()
        while time.process_time() < start + SECONDS:
            pass
        return 2

    assert run("good", lambda: 0).problems() == []
    assert any("traceback" in p for p in run("fail", fail).problems())
    assert any("exit code -11" in p for p in run("crash", crash).problems())
    assert "MemoryError" in run("eat", eat).error
    assert any("exit code -14" in p for p in run("hang", hang).problems())
    assert any(" s" in p for p in run("work", work).problems())


def test_control_what_must_not_happen_is_noticed() -> None:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        pool.apply(check_controls)
