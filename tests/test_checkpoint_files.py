"""Checkpoint files that are finished, damaged, foreign, or of another call."""

from __future__ import annotations

import hashlib
import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from checkpoint_runs import PLAIN, RUNS, birth_death, interrupt_in, same

import fsp
from fsp import storage
from fsp.bundle import HEAD, read_bundle, write_bundle
from fsp.transient.loop import AdaptiveLoop


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
