"""Checkpoints of runs that are killed, interrupted, or run out of disk or memory."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import pytest
from checkpoint_runs import RUNS, birth_death, dosed, in_child, interrupt_in, same, six_species, waving

import fsp
from fsp import storage
from fsp.bundle import read_bundle
from fsp.cli import main


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
