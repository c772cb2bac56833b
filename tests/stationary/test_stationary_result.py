"""The result of solve_stationary: printing, files, pictures, the command line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import fsp
from fsp import gallery
from fsp.cli import main


@pytest.fixture(scope="module")
def result() -> fsp.StationaryResult:
    return fsp.solve_stationary(gallery.gene_expression(), tolerance=1e-6, method="gth")


def test_facts(result: fsp.StationaryResult) -> None:
    assert result.certified
    assert result.error_bound <= 1e-6
    assert set(result.ledger.entries) == {"truncation", "residual", "rounding"}
    assert result.residual < 1e-10
    assert 0.0 < result.outflow < 1e-6
    assert set(result.reference) == {"M", "P"}
    assert result.method == "gth"
    assert result.n_states == result.distribution.n_states == len(result.distribution.states)
    assert result.mean("P") == pytest.approx(40.0, abs=1e-9)
    assert result.statistics["states"] == result.n_states


def test_prints_well(result: fsp.StationaryResult) -> None:
    text = repr(result)
    assert "StationaryResult: M, P" in text
    assert "proven" in text
    assert "contraction" in text
    assert max(len(line) for line in text.splitlines()) <= 100
    assert "flow out of the state set" in str(result.ledger)
    assert list(result.to_pandas().columns)[:3] == ["mean", "mean_lower", "mean_upper"]


def test_files_hold_all(result: fsp.StationaryResult, tmp_path: Path) -> None:
    path = tmp_path / "law.nc"
    result.save(path)
    again = fsp.load_result(path)
    assert isinstance(again, fsp.StationaryResult)
    assert again == result
    assert again.distribution.mean_bounds("P") == result.distribution.mean_bounds("P")
    assert again.network == result.network
    assert repr(again) == repr(result)


def test_an_estimate_stays_one_in_files(result: fsp.StationaryResult, tmp_path: Path) -> None:
    law = result.distribution
    guess = fsp.Distribution(law.space, law.probabilities, error_bound=1e-6, certified=False)
    other = fsp.StationaryResult(
        result.network, guess, result.ledger, residual=0.0, outflow=0.0, reference={}, method="gth",
        explanation="x", why="no proof", statistics={}, tolerance=1e-6,
    )  # fmt: skip
    other.save(tmp_path / "guess.nc")
    again = fsp.load_result(tmp_path / "guess.nc")
    assert not again.certified


def test_picture(result: fsp.StationaryResult) -> None:
    axes = result.plot()
    assert axes.get_xlabel()
    assert result.plot("P").get_xlabel().startswith("P")


def test_a_run_can_start_from_it(result: fsp.StationaryResult) -> None:
    course = fsp.solve_transient(gallery.gene_expression(), times=[0.5], tolerance=1e-4, initial=result)
    assert np.abs(course[-1].mean("P") - 40.0) < 0.01


# -- command line ----------------------------------------------------------------------------------------------


def test_command_prints_a_table(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    saved, picture = tmp_path / "law.nc", tmp_path / "law.png"
    words = [
        "stationary",
        "gallery:toggle_switch",
        "--tolerance",
        "1e-4",
        "-o",
        str(saved),
        "--plot",
        str(picture),
    ]
    assert main(words) == 0
    out = capsys.readouterr().out
    assert "proven within" in out
    assert "in the 1-norm (proven); asked for 0.0001" in out
    assert fsp.load_result(saved).certified
    assert picture.stat().st_size > 1000
    assert main(["report", str(saved)]) == 2


def test_command_prints_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stationary", "gallery:telegraph", "--json", "--species", "M"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["species"] == ["M"]
    assert data["certified"] is True
    assert data["error_bound"] <= data["tolerance"] == 1e-8
    assert data["mean_lower"][0] <= 10.0 <= data["mean_upper"][0]


def test_command_says_what_is_wrong(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    model = tmp_path / "growth.ant"
    model.write_text("model growth\n species X; X = 1;\n X -> X + X; X;\nend\n")
    assert main(["stationary", str(model)]) == 2
    assert "no stationary law" in capsys.readouterr().err
    assert main(["stationary", "gallery:telegraph", "--species", "Q"]) == 2
    assert main(["stationary", "gallery:telegraph", "--tolerance", "2"]) == 2
    assert main(["stationary", "gallery:toggle_switch", "--max-states", "1000", "--json"]) == 1
    captured = capsys.readouterr()
    failure = json.loads(captured.out)
    assert failure["error"]["type"] == "StateSpaceLimitError"
    assert main(["stationary", "gallery:immigration_death", "--bounds", "X=12"]) == 1
    assert "error bound" in capsys.readouterr().err
