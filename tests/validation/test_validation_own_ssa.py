"""Our own simulator through the oracle: the DSMTS, and an ensemble as it is."""

from __future__ import annotations

from pathlib import Path

import pytest
from shared_files import need_folder
from strict_json import strict_json

import fsp
from fsp.cli import main

SUITE = Path(__file__).resolve().parents[3] / "shared" / "dsmts"


def test_an_ensemble_is_consistent_with_its_model():
    network = fsp.ReactionNetwork({"A": 30, "B": 0}, ["A -> B @ 1", "B -> A @ 0.5", "2 B -> 0 @ 0.02"])
    ensemble = fsp.simulate(network, times=[0.0, 0.5, 2.0], n_trajectories=10_000, seed=5)
    report = fsp.validate(ensemble, network)
    assert report.verdict == "consistent"
    assert report.source == "Ensemble"


def test_an_ensemble_in_a_file_is_consistent_with_its_model(tmp_path):
    network = fsp.gallery.birth_death()
    ensemble = fsp.simulate(network, times=[1.0, 3.0], n_trajectories=10_000, seed=5)
    ensemble.save(tmp_path / "runs.nc")
    assert main(["validate", "gallery:birth_death", str(tmp_path / "runs.nc")]) == 0


@pytest.mark.slow
def test_all_cases_of_the_dsmts_are_consistent(capsys):
    """20 cases with 10,000 trajectories each; a right simulator fails with a probability below 1e-6 in all."""
    need_folder(SUITE, "the test suite is")
    code = main(["validate", "--suite", str(SUITE), "-n", "10000", "--json"])
    answer = strict_json(capsys.readouterr().out)
    assert {case["case"]: case["verdict"] for case in answer["cases"]} == {
        f"{n:05d}": "consistent" for n in range(1, 40, 2)
    }
    assert code == 0
    assert sum(case["report"]["false_alarm_rate"] for case in answer["cases"]) <= 1e-6
