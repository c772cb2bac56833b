"""``fsp export`` from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import fsp
from fsp.cli import main


@pytest.mark.parametrize(("kind", "ending"), [("sbml", ".xml"), ("antimony", ".ant")])
def test_model_files(kind: str, ending: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", "gallery:toggle_switch", "-o", str(tmp_path / "m"), "--format", kind]) == 0
    assert f"m{ending}" in capsys.readouterr().out
    assert fsp.load_model(tmp_path / f"m{ending}") == fsp.gallery.toggle_switch()
    words = ["export", "gallery:toggle_switch", "-o", str(tmp_path / "x.sbml"), "--format", "sbml", "--json"]
    assert main(words) == 0
    assert json.loads(capsys.readouterr().out)["files"] == [str(tmp_path / "x.sbml")]


def test_chain_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = tmp_path / "m.ant"
    fsp.ReactionNetwork({"U": 3}, ["0 -> U @ 1", "U -> 0 @ 1"]).to_antimony(model)
    words = ["export", str(model), "-o", str(tmp_path / "c"), "--label", "high=U >= 4", "-t", "2"]
    assert main([*words, "--format", "prism", "--tolerance", "1e-6", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["labels"] == ["init", "deadlock", "sink", "high"]
    assert told["renamed"] == {"U": "U_"}
    assert 0 < told["loss_bound"] <= 1e-6
    assert [Path(p).name for p in told["files"]] == ["c.tra", "c.sta", "c.lab", "c.init"]
    assert (tmp_path / "c.sta").read_text().startswith("(U_)\n0:(-1)\n1:(0)\n")
    assert main([*words, "--format", "storm", "--bounds", "U=40"]) == 0
    shown = capsys.readouterr().out
    assert " states and the absorbing state 'sink'" in shown
    assert "at most" in shown
    assert (tmp_path / "c.drn").exists()


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["--format", "prism"], "infinitely many"),
        (["--format", "yaml"], "yaml"),
        (["--format", "sbml", "-t", "3"], "--time is for chains"),
        (["--format", "sbml", "--label", "a=X > 1"], "--label is for chains"),
        (["--format", "prism", "-t", "1", "--label", "high"], "NAME=CONDITION"),
        (["--format", "prism", "-t", "1", "--label", "a=X > 1", "--label", "a=X > 2"], "twice"),
        (["--format", "prism", "-t", "-1"], "time must be above 0"),
    ],
)
def test_refused(words: list[str], problem: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", "gallery:birth_death", "-o", str(tmp_path / "c"), *words]) == 2
    assert problem in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_help_has_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", "--help"]) == 0
    assert "Example: fsp export model.xml" in capsys.readouterr().out
