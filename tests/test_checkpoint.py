"""Checkpoints: a run that is stopped anywhere goes on to the same bits."""

from __future__ import annotations

import errno
import hashlib
import itertools
import json
import multiprocessing
import os
import random
import resource
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fsp
from fsp import storage
from fsp.bundle import HEAD, read_bundle, write_bundle
from fsp.checkpoint import Checkpoint
from fsp.cli import main
from fsp.transient import saved
from fsp.transient.loop import AdaptiveLoop
from fsp.transient.planning import Planner

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
    "short fibres": lambda: (six_species(), {"times": [0.5, 1.0], "tolerance": 1e-4}),
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
    "moments": lambda: (fsp.gallery.toggle_switch(), {"times": [0.1, 0.5], "save": "moments"}),
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


@pytest.mark.parametrize("kind", RUNS)
def test_restart_at_every_step(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every boundary between two steps is a point of restart, one after the other in one run."""
    network, options = RUNS[kind]()
    path = tmp_path / "run.ckpt"
    reference = fsp.solve_transient(network, **options)
    result, sessions = step_by_step(
        lambda: fsp.solve_transient(network, **options, checkpoint=path, checkpoint_every=0), monkeypatch
    )
    assert same(result, reference)
    for name in network.observables:
        assert [law.mean(name) for law in result] == [law.mean(name) for law in reference]
        assert [law.std_bounds(name) for law in result] == [law.std_bounds(name) for law in reference]
    assert sessions >= min(3, int(reference.statistics["steps"]))
    assert os.listdir(tmp_path) == ["run.ckpt"]


def test_the_runs_are_of_every_kind() -> None:
    """The control of the test above: its runs do go through what could go wrong."""
    seen = {kind: fsp.solve_transient(network, **options) for kind, (network, options) in
            ((k, make()) for k, make in RUNS.items())}  # fmt: skip
    assert seen["growing"].statistics["signed_steps"] > 0
    assert seen["growing"].statistics["growths"] > 0
    assert seen["uniformisation"].statistics["growths"] > 0
    assert "double-double" in seen["fallen back"].explanation
    assert "because rounding" in seen["fallen back"].explanation
    assert seen["settled"].ledger.entries["steady_state"] > 0.0
    assert "assembled" in seen["short fibres"].explanation
    assert "double-double" in seen["events, fallen back"].explanation
    assert seen["rates of time"].method == "inhomogeneous"
    assert seen["events"][4].mean("X") > seen["events"][1].mean("X")
    axes = {law.space.coordinates.axes for law in seen["turning"]}
    assert len(axes) > 1, "no change of axes"
    assert seen["law with error"].ledger.entries["initial"] > 0.0


def spoil_planner(state: dict[str, Any]) -> None:
    state["planner"]["jumps"] = 32.0


def spoil_ledger(state: dict[str, Any]) -> None:
    state["ledger"]["entries"]["rounding"] += 1e-17


def spoil_headroom(state: dict[str, Any]) -> None:
    state["own"]["_headroom"] = 1.3


def spoil_vector(state: dict[str, Any]) -> None:
    state["p"] = state["p"] * (1.0 - 2.0**-53)


@pytest.mark.parametrize("spoil", [spoil_planner, spoil_ledger, spoil_headroom, spoil_vector])
def test_what_is_kept_matters(
    spoil: Callable[[dict[str, Any]], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: a state that is a little wrong gives another result."""
    network, options = RUNS["uniformisation"]()
    reference = fsp.solve_transient(network, **options)
    restore = saved.restore_loop

    def restore_wrongly(loop: AdaptiveLoop, state: dict[str, Any]) -> None:
        spoil(state)
        restore(loop, state)

    monkeypatch.setattr("fsp.transient.loop.restore_loop", restore_wrongly)
    result, _ = step_by_step(
        lambda: fsp.solve_transient(network, **options, checkpoint=tmp_path / "c", checkpoint_every=0),
        monkeypatch,
    )
    assert not same(result, reference)


@pytest.mark.parametrize("kind", RUNS)
def test_every_attribute_is_accounted_for(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control of the refusal below: nothing is overlooked, and the planner has its fields only."""
    loops: list[AdaptiveLoop] = []
    begin = AdaptiveLoop._begin
    monkeypatch.setattr(AdaptiveLoop, "_begin", lambda self, *a: (loops.append(self), begin(self, *a))[1])
    network, options = RUNS[kind]()
    fsp.solve_transient(network, **options, checkpoint=tmp_path / "run.ckpt")
    for loop in loops:
        assert vars(loop._planner).keys() - {"loop"} == Planner.__dataclass_fields__.keys()
        assert vars(loop.tables).keys() >= {"low", "high", "cancellation"}


def test_unknown_attributes_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new attribute of the loop has to be kept (`AdaptiveLoop.OWN`), or be named in `saved.py`."""
    prepare = AdaptiveLoop._prepare

    def prepare_more(self: AdaptiveLoop) -> None:
        prepare(self)
        self._mood = "new"  # type: ignore[attr-defined]

    monkeypatch.setattr(AdaptiveLoop, "_prepare", prepare_more)
    network, options = RUNS["growing"]()
    assert fsp.solve_transient(network, **options).status == "finished"
    with pytest.raises(fsp.UnsupportedError, match="_mood"):
        fsp.solve_transient(network, **options, checkpoint=tmp_path / "run.ckpt")


def test_steppers_keep_nothing_between_steps() -> None:
    """Steppers are not saved: two steps with one stepper are those of two steppers."""
    from fsp.transient.protocol import STEPPERS

    for info in STEPPERS.values():
        if info.name not in ("uniformisation", "chebyshev"):
            continue
        once, twice = (run_two_steps(info.load(), again) for again in (False, True))
        assert once.tobytes() == twice.tobytes(), info.name


def run_two_steps(make: Any, again: bool) -> Any:
    from fsp.generator.select import make_generator
    from fsp.generator.tables import FactorTables
    from fsp.statespace.coordinates import Coordinates
    from fsp.statespace.fibres import FibreSet

    network = birth_death()
    coordinates = Coordinates.of(network)
    space = FibreSet.from_states(coordinates, np.arange(120)[:, None])
    generator = make_generator(FactorTables(network, coordinates), space, threads=1)
    p = np.zeros(120)
    p[3] = 1.0
    stepper = make()
    for duration in (0.3, 0.7):
        stepper.headroom = 1.1
        stepper.begin(generator, p.copy(), np.longdouble(duration), 1e-9)
        stepper.advance(1.0)
        p = stepper.finish()
        stepper = stepper if again else make()
    return p


# -- killed at any moment ----------------------------------------------------------------------------------


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


@pytest.mark.slow
def test_killed_fifty_times(tmp_path: Path) -> None:
    """SIGKILL at random moments, in steps and while checkpoints are written, until each run is done."""
    rng = random.Random(20_261_124)
    runs = [
        (fsp.gallery.toggle_switch(), {"times": [1.0, 5.0, 20.0, 60.0], "tolerance": 1e-8}, 0.0),
        (
            fsp.gallery.toggle_switch(),
            {"times": [0.5, 1.0, 2.0], "tolerance": 1e-6, "save": "marginals"},
            0.01,
        ),
        (birth_death(40.0), {"times": [1.0, 30.0], "tolerance": 1e-13, "bounds": {"X": 400}}, 0.0),
        (six_species(), {"times": [0.5, 1.0], "tolerance": 1e-5}, 0.02),
        (dosed(), {"times": [0.2, 0.5, 1.2, 5.0, 30.0], "tolerance": 1e-9}, 0.0),
        (waving(), {"times": [0.2, 1.0, 4.0], "tolerance": 1e-6}, 0.0),
    ]
    known: list[tuple[fsp.TransientResult, float]] = []
    kills = turn = 0
    while kills < 50 or turn < len(runs):
        network, options, every = runs[turn % len(runs)]
        turn += 1
        assert turn < 60
        if turn <= len(runs):
            fsp.solve_transient(network, **options)  # kernels are compiled, files are in memory
            started = time.perf_counter()
            known.append((fsp.solve_transient(network, **options), time.perf_counter() - started))
        reference, took = known[(turn - 1) % len(runs)]
        path, target = tmp_path / f"{turn}.ckpt", tmp_path / f"{turn}.nc"

        def work() -> None:
            result = fsp.solve_transient(network, **options, checkpoint=path, checkpoint_every=every)  # noqa: B023
            result.save(target)  # noqa: B023

        longest = 0.4 * took + 0.03
        while not target.exists():
            code = in_child(work, rng.uniform(0.0, longest))
            assert code in (0, -signal.SIGKILL)
            kills += code != 0
            longest *= 1.05  # so that it ends on a busy machine too
        assert same(fsp.load_result(target), reference)
        assert same(
            fsp.solve_transient(network, **options, checkpoint=path, checkpoint_every=every), reference
        )
        assert not list(tmp_path.glob(".fsp-checkpoint-*"))
    print(f"{kills} kills in {turn} runs")
    assert kills >= 50


MODEL = """
U = 0; V = 0; a = 100;
-> U; a/(1 + (V/20)^2); U -> ; U;
-> V; a/(1 + (U/20)^2); V -> ; V;
"""


@pytest.mark.slow
def test_interrupt_on_the_command_line(tmp_path: Path) -> None:
    model, path, target = (tmp_path / name for name in ("toggle.ant", "run.ckpt", "run.nc"))
    model.write_text(MODEL)
    words = [sys.executable, "-m", "fsp", "transient", str(model), "--times", "1,5,60", "--tolerance", "1e-9",
             "--method", "uniformisation", "--checkpoint", str(path), "--checkpoint-every", "0",
             "-o", str(target)]  # fmt: skip
    # A shell in the background lets its children ignore Ctrl-C.
    child = subprocess.Popen(words, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                             preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))  # fmt: skip
    for _ in range(1200):
        if path.exists() or child.poll() is not None:
            break
        time.sleep(0.05)
    child.send_signal(signal.SIGINT)
    _, complaint = child.communicate(timeout=120)
    assert child.returncode == 130, complaint
    assert "make the same call to go on" in complaint
    assert "Traceback" not in complaint
    assert read_bundle(path)["state"]["time"] < 60.0
    again = subprocess.run(words, capture_output=True, text=True, timeout=300, check=False)
    assert again.returncode == 0, again.stderr
    options = {"tolerance": 1e-9, "method": "uniformisation"}
    assert same(
        fsp.load_result(target), fsp.solve_transient(fsp.load_model(model), [1.0, 5.0, 60.0], **options)
    )
    assert not path.exists()  # the command line has written all that was asked for


def test_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, target = str(tmp_path / "run.ckpt"), str(tmp_path / "run.nc")
    words = ["transient", "gallery:birth_death", "-t", "1,2", "--checkpoint", path, "-o", target]
    with monkeypatch.context() as patch:
        interrupt_in(patch, 2)
        assert main(words) == 130
    assert "make the same call to go on" in capsys.readouterr().err
    assert main([*words[:3], "1,3", *words[4:]]) == 2
    assert "times were 1.0, 2.0 and are 1.0, 3.0" in capsys.readouterr().err
    assert main([*words, "--checkpoint-every", "0"]) == 0
    assert same(fsp.load_result(target), fsp.solve_transient(fsp.gallery.birth_death(), [1.0, 2.0]))
    assert os.listdir(tmp_path) == ["run.nc"]  # all that was asked for is written
    assert main([*words[:5], target, *words[6:]]) == 2
    assert "a file of its own" in capsys.readouterr().err
    assert main([*words[:5], target, *words[6:-1], str(tmp_path / "other.nc")]) == 2
    assert "cannot be read as a checkpoint" in capsys.readouterr().err
    assert main([*words, "--checkpoint-every", "-1"]) == 2
    with monkeypatch.context() as patch:
        patch.setattr("fsp.checkpoint.write_bundle", refuse_to_write)
        assert main([*words, "--json"]) == 0
    captured = capsys.readouterr()
    assert "fsp: warning: no checkpoint could be written" in captured.err
    assert json.loads(captured.out)


def refuse_to_write(*_: Any) -> None:
    message = "the disk is full"
    raise fsp.StorageError(message)


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


@pytest.mark.parametrize(
    "kind", ["growing", "fixed", "fallen back", "moments", "events", "events, marginals", "rates of time"]
)
@pytest.mark.parametrize("step", [1, 3])
def test_interrupt_within_a_step(
    kind: str, step: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network, options = RUNS[kind]()
    path = tmp_path / "run.ckpt"
    reference = fsp.solve_transient(network, **options)
    with monkeypatch.context() as patch:
        interrupt_in(patch, step)
        with pytest.raises(KeyboardInterrupt, match=r"run\.ckpt.*same call to go on"):
            fsp.solve_transient(network, **options, checkpoint=path)
    assert path.exists()
    assert same(fsp.solve_transient(network, **options, checkpoint=path), reference)


def test_interrupt_without_checkpoint_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    network, options = RUNS["growing"]()
    interrupt_in(monkeypatch, 2)
    with pytest.raises(KeyboardInterrupt) as caught:
        fsp.solve_transient(network, **options)
    assert not caught.value.args


# -- the disk ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EFBIG, errno.EDQUOT])
def test_full_disk_keeps_the_old_checkpoint(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network, options = RUNS["growing"]()
    path = tmp_path / "run.ckpt"
    reference = fsp.solve_transient(network, **options)
    with monkeypatch.context() as patch:
        interrupt_in(patch, 3)
        with pytest.raises(KeyboardInterrupt):
            fsp.solve_transient(network, **options, checkpoint=path)
    old = path.read_bytes()

    def refuse(handle: int) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(storage.os, "fsync", refuse)
        with pytest.warns(RuntimeWarning, match="the run goes on") as warned:
            result = fsp.solve_transient(network, **options, checkpoint=path, checkpoint_every=0)
        assert same(result, reference)
        assert len([w for w in warned if "checkpoint" in str(w.message)]) == 1
        interrupt_in(patch, 2)
        with pytest.warns(RuntimeWarning), pytest.raises(KeyboardInterrupt, match="could not be written"):
            fsp.solve_transient(network, **options, checkpoint=path)
    assert path.read_bytes() == old
    assert os.listdir(tmp_path) == ["run.ckpt"]
    assert same(fsp.solve_transient(network, **options, checkpoint=path), reference)


def test_limit_on_file_sizes(tmp_path: Path) -> None:
    """The system itself refuses: files grow up to 64 KiB and no further."""
    network, options = RUNS["growing"]()
    path, verdict = tmp_path / "run.ckpt", tmp_path / "verdict"
    reference = fsp.solve_transient(network, **options)

    def work() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            result = fsp.solve_transient(network, **options, checkpoint=path, checkpoint_every=0)
        told = [w for w in caught if "File too large" in str(w.message)]
        verdict.write_text(f"{same(result, reference)} {len(told)}")

    assert in_child(work) == 0
    assert verdict.read_text() == "True 1"
    assert read_bundle(path)["state"]["time"] >= 0.0  # the last one that was small enough
    assert same(fsp.solve_transient(network, **options, checkpoint=path), reference)


def test_leftovers_are_removed(tmp_path: Path) -> None:
    network, options = RUNS["many outputs"]()
    path = tmp_path / "run.ckpt"
    fsp.solve_transient(network, **options, checkpoint=path)
    tag = hashlib.sha256(b"run.ckpt").hexdigest()[:16]
    (tmp_path / f".fsp-checkpoint-{tag}-half").write_bytes(b"half")
    (tmp_path / ".fsp-checkpoint-other-half").write_bytes(b"of another run")
    fsp.solve_transient(network, **options, checkpoint=path)
    assert sorted(os.listdir(tmp_path)) == [".fsp-checkpoint-other-half", "run.ckpt"]


# -- files that are not the right one ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("finished") / "run.ckpt"
    network, options = RUNS["many outputs"]()
    fsp.solve_transient(network, **options, checkpoint=path)
    return path


@pytest.mark.parametrize("path", [5, b"run.ckpt", ["run.ckpt"], "", "a\0b"])
def test_paths_that_are_none(path: Any) -> None:
    with pytest.raises(fsp.ArgumentError):
        attempt(path)


def attempt(path: Any, **changed: Any) -> fsp.TransientResult:
    network, options = RUNS["many outputs"]()
    network = changed.pop("network", network)
    return fsp.solve_transient(network, **{**options, **changed}, checkpoint=path)


def test_finished_run_comes_back(finished: Path) -> None:
    network, options = RUNS["many outputs"]()
    before = finished.read_bytes()
    assert same(attempt(finished), fsp.solve_transient(network, **options))
    assert attempt(finished, checkpoint_every=3.0, memory_limit=2**30, progress=False)
    assert read_bundle(finished)["laws"].keys() == {"pieces", "piece_of", "whole"}
    assert json.loads(before.splitlines()[1])["contents"]["end"]["method"] == "uniformisation"
    assert attempt(finished) == attempt(finished)  # the seconds too
    assert finished.read_bytes() == before


def seal(contents: bytes) -> bytes:
    return contents + storage.seal(hashlib.sha256(contents).hexdigest())


def bad_files(good: bytes) -> dict[str, bytes]:
    header = json.loads(good.splitlines()[1])
    rng = random.Random(7)
    files = {f"cut to {size}": good[:size] for size in (0, 1, 10, 17, 18, 300, len(good) // 2, len(good) - 1)}
    for _ in range(40):
        flipped = bytearray(good)
        flipped[rng.randrange(len(good))] ^= 1 << rng.randrange(8)
        files[f"flipped {len(files)}"] = bytes(flipped)
    files["longer"] = good + b"\n"
    files["text"] = b"a letter to my aunt\n" * 20
    files["zeros"] = bytes(5000)
    files["other layout"] = good.replace(HEAD, b"fsp checkpoint 9\n")
    for name, text in {
        "no JSON": b"{nothing",
        "no arrays": b"{}",
        "a list": b"[1, 2]",
        "deep": b"[" * 100_000,
        "unknown type": json.dumps({"arrays": [["<c16", [1]]], "contents": {}}).encode(),
        "objects": json.dumps({"arrays": [["|O", [1]]], "contents": {}}).encode(),
        "too long": json.dumps({"arrays": [["<f8", [2**62]]], "contents": {}}).encode(),
        "negative": json.dumps({"arrays": [["<f8", [-1]]], "contents": {}}).encode(),
        "overflowing": json.dumps({"arrays": [["<f8", [2**32, 2**32]]], "contents": {}}).encode(),
        "no call": json.dumps({"arrays": [], "contents": {}}).encode(),
        "no state": json.dumps({"arrays": [], "contents": {"call": header["contents"]["call"]}}).encode(),
        "array missing": json.dumps({"arrays": [], "contents": header["contents"]}).encode(),
    }.items():
        files[name] = seal(HEAD + text + b"\n")
    return files


def test_damaged_and_foreign_files(finished: Path, tmp_path: Path) -> None:
    path = tmp_path / "bad.ckpt"
    files = bad_files(finished.read_bytes())
    assert len(files) > 60
    for name, contents in files.items():
        path.write_bytes(contents)
        with pytest.raises(fsp.CheckpointError, match=r"bad\.ckpt"):
            attempt(path)
        assert path.read_bytes() == contents, name  # what is not ours stays as it is


def test_other_kinds_of_files(tmp_path: Path) -> None:
    network, options = RUNS["many outputs"]()
    result = tmp_path / "run.nc"
    fsp.solve_transient(network, **options).save(result)
    with pytest.raises(fsp.CheckpointError, match="does not begin like one"):
        attempt(result)
    with pytest.raises(fsp.ArgumentError, match="folder"):
        attempt(tmp_path)
    with pytest.raises(fsp.ArgumentError, match="no folder"):
        attempt(tmp_path / "nowhere" / "run.ckpt")
    with pytest.raises(fsp.ArgumentError, match="checkpoint_every"):
        attempt(tmp_path / "run.ckpt", checkpoint_every=-1.0)
    assert not (tmp_path / "run.ckpt").exists()


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"network": birth_death(21.0)}, "parameter b was 20.0 and is 21.0"),
        ({"network": birth_death().with_initial(X=1)}, "initial count of X was 0 and is 1"),
        ({"network": fsp.gallery.toggle_switch()}, "species was X and is U, V"),
        ({"times": [1.0, 3.0]}, r"times were 0\.0, 0\.25, \.\.\., 3\.0 \(13 times\) and are 1\.0, 3\.0"),
        ({"tolerance": 1e-8}, "tolerance was 1e-09 and is 1e-08"),
        ({"method": "uniformisation"}, "method was auto and is uniformisation"),
        ({"bounds": {"X": 100}}, "largest count of X was not given and is 100"),
        ({"bounds": "X <= 100"}, "condition X <= 100 was not given and is there"),
        ({"max_states": 5000}, "max_states was not given and is 5000"),
        ({"precision": "double"}, "precision was auto and is double"),
        ({"threads": 2}, "threads was not given and is 2"),
        (
            {"network": fsp.ReactionNetwork(**PLAIN, observables={"t": "2*X"})},
            "details of the network differ",
        ),
        ({"save": "moments"}, "save was distributions and is moments"),
        ({"initial": {"X": 2}}, "initial law differs"),
    ],
)
def test_other_calls_are_refused(changed: dict[str, Any], told: str, finished: Path) -> None:
    before = finished.read_bytes()
    with pytest.raises(fsp.CheckpointError, match=told) as caught:
        attempt(finished, **changed)
    assert "delete the file" in str(caught.value)
    assert finished.read_bytes() == before


def test_other_versions_are_refused(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fsp.checkpoint_call.__version__", "9.9")
    with pytest.raises(fsp.CheckpointError, match=r"version was .* and is 9\.9"):
        attempt(finished)


def test_same_network_by_another_way(finished: Path) -> None:
    """Names and notes are not part of the mathematics."""
    network = fsp.ReactionNetwork(
        {"X": 0}, ["0 -> X @ b", "X -> 0 @ d"], {"b": 20.0, "d": 1.0}, name="another name", notes="of my own"
    )
    assert attempt(finished, network=network)[-1].error_bound <= 1e-9


def test_out_of_memory_goes_on_with_more(tmp_path: Path) -> None:
    network, options = RUNS["uniformisation"]()
    path = tmp_path / "run.ckpt"
    reference = fsp.solve_transient(network, **options)
    with pytest.raises(fsp.StateSpaceLimitError):
        fsp.solve_transient(network, **options, checkpoint=path, memory_limit=600_000)
    assert read_bundle(path)["state"]["time"] >= 0.0
    assert same(fsp.solve_transient(network, **options, checkpoint=path), reference)


def test_bundle_gives_back_what_it_took(tmp_path: Path) -> None:
    contents = {"a": np.array([1.0, -0.0, np.inf, np.nan, 5e-324]), "b": [1, "x", None, float("inf")],
                "c": {"array": np.zeros((0, 3), np.int64)}, "d": np.arange(6).reshape(2, 3)[:, ::-1],
                "e": np.float64(0.1), "f": True, "array": 0}  # fmt: skip
    write_bundle(tmp_path / "b", contents)
    back = read_bundle(tmp_path / "b")
    assert back["a"].tobytes() == contents["a"].tobytes()
    assert back["b"] == contents["b"]
    assert back["c"]["array"].shape == (0, 3)
    assert np.array_equal(back["d"], contents["d"])
    assert (back["e"], back["f"], back["array"]) == (0.1, True, 0)
    with pytest.raises(TypeError):
        write_bundle(tmp_path / "b", {"z": np.array([object()])})


def test_seconds_add_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network, options = RUNS["growing"]()
    path = tmp_path / "run.ckpt"
    with monkeypatch.context() as patch:
        interrupt_in(patch, 3)
        with pytest.raises(KeyboardInterrupt):
            fsp.solve_transient(network, **options, checkpoint=path)
    before = read_bundle(path)["seconds"]
    assert before > 0.0
    assert fsp.solve_transient(network, **options, checkpoint=path).statistics["seconds"] > before


def test_number_of_threads_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sums are added up in another order with another number of threads."""
    network, options = RUNS["growing"]()
    path = tmp_path / "run.ckpt"
    monkeypatch.setenv("FSP_NUM_THREADS", "2")
    with monkeypatch.context() as patch:
        interrupt_in(patch, 2)
        with pytest.raises(KeyboardInterrupt):
            fsp.solve_transient(network, **options, checkpoint=path)
    assert read_bundle(path)["threads"] == 2
    monkeypatch.setenv("FSP_NUM_THREADS", "1")
    used: list[int | None] = []
    make = AdaptiveLoop._generator
    monkeypatch.setattr(
        AdaptiveLoop, "_generator", lambda self, s: (used.append(self.threads), make(self, s))[1]
    )
    fsp.solve_transient(network, **options, checkpoint=path)
    assert set(used) == {2}
