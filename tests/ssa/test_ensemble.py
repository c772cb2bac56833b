"""What an ensemble says, and its files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from strict_json import strict_json

import fsp
from fsp import storage
from fsp.cli import main


@pytest.fixture(scope="module")
def ensemble() -> fsp.Ensemble:
    return fsp.simulate(fsp.gallery.telegraph(), [0.0, 1.0, 2.0], 400, seed=3, record="events")


def test_moments(ensemble: fsp.Ensemble) -> None:
    name = ensemble.species_names[-1]
    data = ensemble.counts[:, 2, -1].astype(float)
    assert ensemble.mean(name)[2] == pytest.approx(data.mean())
    assert ensemble.std(name)[2] == pytest.approx(data.std(ddof=1))
    assert (
        ensemble.mean().shape
        == ensemble.std().shape
        == (3, 3 if len(ensemble.species_names) == 3 else len(ensemble.species_names))
    )
    low, high = ensemble.mean_interval(name, 0.9)
    wanted = stats.t.interval(0.9, 399, data.mean(), data.std(ddof=1) / 20)
    assert (low[2], high[2]) == pytest.approx(wanted)
    low, high = ensemble.std_interval(name)
    assert low[2] < data.std() < high[2]
    law = ensemble.distribution(2.0)
    assert law.mean(name) == pytest.approx(data.mean())
    assert not law.certified
    assert law.total == pytest.approx(1.0)
    part, low, high = ensemble.probability(f"{name} > 5")
    exact = stats.binomtest(int((data > 5).sum()), 400).proportion_ci(0.95, method="exact")
    assert part[2] == pytest.approx((data > 5).mean())
    assert (low[2], high[2]) == pytest.approx((exact.low, exact.high))
    assert (part[0], low[0]) == (0.0, 0.0)


def test_intervals_hold_what_they_promise() -> None:
    network = fsp.ReactionNetwork({"X": 0}, ["0 -> X @ 10", "X -> 0 @ 1"])
    mean = 10 * (1 - np.exp(-1.0))
    hits = np.zeros(2)
    for seed in range(200):
        found = fsp.simulate(network, [1.0], 400, seed=seed)
        for k, (interval, truth) in enumerate(
            [(found.mean_interval("X"), mean), (found.std_interval("X"), np.sqrt(mean))]
        ):
            hits[k] += interval[0][0] <= truth <= interval[1][0]
    assert (stats.binom.sf(hits - 1, 200, 0.95) > 1e-6).all()
    assert (stats.binom.cdf(hits, 200, 0.93) > 1e-6).all()


def test_files(ensemble: fsp.Ensemble, tmp_path: Path) -> None:
    ensemble.save(tmp_path / "runs.nc")
    again = fsp.load_result(tmp_path / "runs.nc")
    assert isinstance(again, fsp.Ensemble)
    assert again == ensemble
    for name in ("method", "why", "statistics", "complete", "initial"):
        assert getattr(again, name) == getattr(ensemble, name)
    for a, b in zip(again.events, ensemble.events, strict=True):
        np.testing.assert_array_equal(a.times, b.times)
        np.testing.assert_array_equal(a.reactions, b.reactions)
        np.testing.assert_array_equal(a.states, b.states)
    more = fsp.simulate(
        ensemble.network,
        ensemble.times,
        500,
        seed=3,
        record="events",
        resume=fsp.load_result(tmp_path / "runs.nc"),
    )
    np.testing.assert_array_equal(more.counts[:400], ensemble.counts)
    ensemble.to_csv(tmp_path / "runs.csv")
    lines = (tmp_path / "runs.csv").read_text().splitlines()
    assert lines[0] == "trajectory,time," + ",".join(ensemble.species_names)
    table = np.loadtxt(lines[1:], delimiter=",")
    np.testing.assert_array_equal(table[:, 2:].reshape(ensemble.counts.shape), ensemble.counts)
    data = ensemble.to_xarray()
    assert data["counts"].dims == ("trajectory", "time", "species")
    broken = (tmp_path / "runs.nc").read_bytes()
    (tmp_path / "cut.nc").write_bytes(broken[:-200])
    with pytest.raises(fsp.ArgumentError):
        fsp.load_result(tmp_path / "cut.nc")
    del data.attrs["format"]
    storage.write_dataset(data, tmp_path / "stripped.nc")
    with pytest.raises(fsp.ArgumentError, match="not an ensemble"):
        fsp.load_result(tmp_path / "stripped.nc")


def test_refused(ensemble: fsp.Ensemble) -> None:
    for call in (
        lambda: ensemble.at(1.5), lambda: ensemble.at("late"), lambda: ensemble.mean("Z"),
        lambda: ensemble.mean_interval(None, 1.5),
        lambda: ensemble.plot(names="Z"), lambda: ensemble.probability("Z > 1"),
    ):  # fmt: skip
        with pytest.raises(fsp.FSPError):
            call()
    one = fsp.simulate(fsp.gallery.telegraph(), [1.0], 1)
    with pytest.raises(fsp.ArgumentError, match="at least 2"):
        one.std()


def test_pictures(ensemble: fsp.Ensemble) -> None:
    exact = fsp.solve_transient(fsp.gallery.telegraph(), [0.0, 1.0, 2.0])
    assert "400 trajectories" in ensemble.plot(exact).get_title(loc="left")
    assert ensemble.plot(names=ensemble.species_names[-1]) is not None
    assert fsp.simulate(fsp.gallery.telegraph(), [1.0], 1).plot() is not None


def test_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = str(tmp_path / "runs.nc")
    words = ["simulate", "gallery:telegraph", "-t", "0:2:1", "-n", "200", "--seed", "4", "-o", out]
    assert main([*words, "--csv", str(tmp_path / "a.csv"), "--plot", str(tmp_path / "a.png")]) == 0
    shown = capsys.readouterr().out
    assert "200 trajectories" in shown
    assert "seed 4" in shown
    assert fsp.load_result(out) == fsp.simulate(fsp.gallery.telegraph(), [0.0, 1.0, 2.0], 200, seed=4)
    assert (tmp_path / "a.png").stat().st_size > 1000
    assert main([*words, "--json"]) == 0
    told = strict_json(capsys.readouterr().out)
    assert told["n_trajectories"] == 200
    assert json.dumps(told["species"])
    assert main(["simulate", "--help"]) == 0
    assert "Example: fsp simulate model.xml -t 0:50:1 -n 10000 --seed 1 -o runs.nc" in " ".join(
        capsys.readouterr().out.split()
    )


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["-t", "3:1:1"], "start <= stop"),
        (["-t", "1", "-n", "0"], "n_trajectories"),
        (["-t", "1", "--method", "fast"], "no method"),
        (["-t", "1", "--seed", "-2"], "seed"),
        (["-t", "1", "-o", "/nowhere/a.nc"], "no folder"),
        (["-t", "1", "--csv", "a.nc"], "use -o"),
        (["-t", "1", "--plot", "a.xyz"], "xyz"),
    ],
)
def test_command_line_refuses(words: list[str], problem: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", "gallery:telegraph", *words]) == 2
    assert problem in capsys.readouterr().err
