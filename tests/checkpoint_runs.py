"""What is run in the tests of checkpoints: runs of every kind, and processes that are stopped."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import signal
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fsp
from fsp.checkpoint import Checkpoint
from fsp.transient.loop import AdaptiveLoop

Call = Callable[..., fsp.TransientResult]


class Killed(BaseException):
    """Stands for a process that ends between two steps."""


PLAIN: dict[str, Any] = {
    "species": {"X": 0}, "reactions": ["0 -> X @ b", "X -> 0 @ d"], "parameters": {"b": 20.0, "d": 1.0},
}  # fmt: skip


def birth_death(birth: float = 20.0) -> fsp.ReactionNetwork:
    return fsp.ReactionNetwork(**{**PLAIN, "parameters": {"b": birth, "d": 1.0}})


def six_species() -> fsp.ReactionNetwork:
    """Many short fibres, for which the generator is assembled."""
    names = "ABCDEF"
    reactions = [f"{a} -> {b} @ k" for a, b in itertools.pairwise(names)]
    return fsp.ReactionNetwork(
        dict.fromkeys(names, 0), ["0 -> A @ b", *reactions, "F -> 0 @ k"], {"b": 2.0, "k": 1.0}
    )


def turning() -> fsp.ReactionNetwork:
    """First B is the widest axis, later A."""
    return fsp.ReactionNetwork(
        {"A": 0, "B": 30}, ["0 -> A @ a", "A -> 0 @ 0.1", "B -> 0 @ 1", "A + B -> A @ 0.01"], {"a": 12.0}
    )


def observed() -> fsp.ReactionNetwork:
    return fsp.ReactionNetwork(
        {"X": 3, "Y": 0}, ["0 -> X @ b", "X -> Y @ d", "Y -> 0 @ d"], {"b": 4.0, "d": 1.0},
        observables={"total": "X + Y", "twice": "2*X"},
    )  # fmt: skip


def law_with_error() -> dict[str, Any]:
    return {"initial": fsp.solve_transient(birth_death(), [1.0], tolerance=1e-7)}


def dosed(**changed: Any) -> fsp.ReactionNetwork:
    """Events by time and by counts; one of them changes a parameter, another one leads to one state."""
    return fsp.ReactionNetwork(**{
        "species": {"X": 2, "Y": 6}, "parameters": {"b": 8.0, "d": 1.0},
        "reactions": ["0 -> X @ b", "X -> 0 @ d", "X -> Y @ d", "Y -> X @ d"],
        "events": ["dose: at time >= 0.5: X = X + 5", "halve: at time > 1: b = b/2", "same: at time >= 1.5: X = 4, Y = 1",
                   "last: at time >= 3: Y = floor(Y/2)"],
        **changed,
    })  # fmt: skip


def waving() -> fsp.ReactionNetwork:
    """Rates of time with a jump at time 1.5."""
    return fsp.ReactionNetwork(
        {"X": 2, "Y": 0},
        ["0 -> X ; b*(1 + sin(3*time)/2)", "X -> Y ; d*X*piecewise(1, time < 1.5, 3)", "Y -> 0 @ d"],
        {"b": 6.0, "d": 1.0},
    )


FIRED = ["wash: at time >= 1: X = floor(X/2)", "divide: at X >= 12: X = 6"]


#: Runs of every kind: what is called, and the options.
RUNS: dict[str, Callable[[], tuple[fsp.ReactionNetwork, dict[str, Any]]]] = {
    "growing": lambda: (fsp.gallery.toggle_switch(), {"times": [1.0, 5.0, 20.0], "tolerance": 1e-6}),
    "uniformisation": lambda: (
        fsp.gallery.toggle_switch(),
        {"times": [1.0, 5.0], "tolerance": 1e-8, "method": "uniformisation"},
    ),
    "many outputs": lambda: (birth_death(), {"times": np.linspace(0.0, 3.0, 13), "tolerance": 1e-9}),
    "fixed": lambda: (birth_death(), {"times": [0.5, 2.0, 40.0], "bounds": {"X": 120}}),
    "conditions": lambda: (
        fsp.gallery.toggle_switch(),
        {"times": [0.3, 1.0], "bounds": ["U + V <= 150", {"U": 120}], "tolerance": 0.5},
    ),
    "extended": lambda: (
        birth_death(5.0),
        {"times": [0.5, 3.0], "precision": "extended", "tolerance": 1e-13},
    ),
    "fallen back": lambda: (birth_death(5.0), {"times": [0.5, 3.0, 8.0], "tolerance": 1e-13}),
    "settled": lambda: (birth_death(), {"times": [100.0, 1e4, 1e6], "tolerance": 1e-6}),
    "absorbed": lambda: (
        fsp.ReactionNetwork({"X": 30}, ["X -> 0 @ 1", "2 X -> 0 @ 0.1"], {}),
        {"times": [0.1, 1.0, 50.0]},
    ),
    "conserved": lambda: (
        fsp.ReactionNetwork(
            {"E": 20, "S": 60, "C": 0}, ["E + S -> C @ 0.1", "C -> E + S @ 1", "C -> E @ 0.5"], {}
        ),
        {"times": [0.5, 2.0], "tolerance": 1e-9},
    ),
    "short fibres": lambda: (six_species(), {"times": [0.5, 1.7], "tolerance": 1e-6}),
    "turning": lambda: (turning(), {"times": [0.0, 0.1, 1.0, 4.0, 12.0], "tolerance": 1e-7}),
    "law with error": lambda: (birth_death(), {"times": [1.0, 2.0], "tolerance": 1e-5, **law_with_error()}),
    "events": lambda: (
        dosed(),
        {"times": [0.0, 0.2, 0.5, 0.7, 1.0, 1.4, 1.5, 1.6, 2.0, 3.0], "tolerance": 1e-6},
    ),
    "events to the end": lambda: (dosed(), {"times": [0.3, 3.5], "tolerance": 1e-9, "save": "moments"}),
    "events, marginals": lambda: (
        dosed(observables={"total": "X + Y", "scaled": "b*X"}),
        {"times": [0.2, 0.5, 1.2, 2.0], "tolerance": 1e-6, "save": "marginals"},
    ),
    "events, fixed": lambda: (dosed(), {"times": [0.6, 1.7], "bounds": {"X": 80, "Y": 80}}),
    "events, fallen back": lambda: (dosed(), {"times": [0.6, 1.7], "tolerance": 1e-13}),
    "fired by reactions": lambda: (
        fsp.ReactionNetwork(**PLAIN, events=FIRED),
        {"times": [0.5, 1.0, 2.0], "tolerance": 1e-9},
    ),
    "rates of time": lambda: (waving(), {"times": [0.2, 1.0, 2.5], "tolerance": 1e-6, "bounds": {"Y": 60}}),
    "rates of time, events": lambda: (
        dosed(reactions=["0 -> X ; b*(1 + sin(3*time)/2)", "X -> 0 @ d", "X -> Y @ d", "Y -> X @ d"]),
        {"times": [0.0, 0.2, 0.5, 1.0, 1.4, 1.6, 3.0], "tolerance": 1e-6},
    ),
    "rates of time, fixed": lambda: (
        waving(),
        {"times": [0.5, 2.0], "tolerance": 1e-6, "bounds": {"X": 60, "Y": 60}, "save": "moments"},
    ),
    "observables": lambda: (observed(), {"times": [0.1, 0.5], "save": "marginals"}),
    "whole, with observables": lambda: (observed(), {"times": [0.1, 0.5]}),
    "marginals": lambda: (fsp.gallery.toggle_switch(), {"times": [0.1, 0.5], "save": "marginals"}),
    "moments": lambda: (fsp.gallery.toggle_switch(), {"times": [0.1, 0.5, 3.0], "save": "moments"}),
}


def same(a: fsp.TransientResult, b: fsp.TransientResult) -> bool:
    """Compare bit by bit, all but the time that it took."""
    for result in (a, b):
        result.statistics.pop("seconds", None)
    return a == b


def step_by_step(call: Call, monkeypatch: pytest.MonkeyPatch) -> tuple[fsp.TransientResult, int]:
    """Run one step in each session, each time from the checkpoint of the session before."""
    write = Checkpoint.write
    budget = [0]

    def write_and_die(self: Checkpoint) -> bool:
        done = write(self)
        budget[0] -= 1
        if budget[0] < 0:
            raise Killed
        return done

    monkeypatch.setattr(Checkpoint, "write", write_and_die)
    sessions = 0
    while True:
        budget[0] = 1 if sessions else 0  # the first write repeats the checkpoint that the session began from
        sessions += 1
        assert sessions < 10_000
        try:
            return call(), sessions
        except Killed:
            continue


def in_child(work: Callable[[], None], delay: float | None = None, number: int = signal.SIGKILL) -> int:
    """Run in a forked process, which is sent a signal after a delay; return its exit code."""
    child = multiprocessing.get_context("fork").Process(target=work)
    child.start()
    if delay is not None:
        child.join(delay)
        if child.is_alive():
            assert child.pid is not None
            os.kill(child.pid, number)
    child.join(60)
    assert child.exitcode is not None
    return child.exitcode


def interrupt_in(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """Let Ctrl-C come in the middle of a step."""
    count = AdaptiveLoop._count
    left = [step]

    def count_and_stop(self: AdaptiveLoop, stepper: Any) -> int:
        left[0] -= 1
        if left[0] == 0:
            raise KeyboardInterrupt
        return count(self, stepper)

    monkeypatch.setattr(AdaptiveLoop, "_count", count_and_stop)
