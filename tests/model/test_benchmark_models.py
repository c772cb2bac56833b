"""The public benchmark models beside the repository load, with the propensities that their files say."""

from __future__ import annotations

from pathlib import Path

import pytest
from shared_files import need_folder

from fsp import solve_transient
from fsp.model.loader import load_model

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "benchmarks"
REPRESSOR = {"GA": 1, "GB": 0, "GC": 1, "MA": 2, "MB": 3, "MC": 4, "PA": 5, "PB": 6, "PC": 7}

#: For each model a state, propensities there by hand (by position), and the time if rates depend on it.
MODELS = {
    "gene_expression": ({"M": 3, "P": 5}, {0: 50, 1: 12, 2: 1.5, 3: 1.0}, None),
    "goutsias": (
        {"M": 4, "D": 3, "RNA": 2, "Gene": 1, "GeneD": 1, "Gene2D": 0},
        {0: 0.086, 4: 0.01992646636 * 3, 8: 0.08302694316 * 6, 9: 1.5},
        None,
    ),
    "hog1p": (
        {"G": 1, "N1": 2, "N2": 0, "C1": 0, "C2": 3},
        {0: 0.0067, 1: 3200, 2: 0.005, 3: 0.0116, 4: 0.02, 7: 0.0147},
        0.0,
    ),
    "michaelis_menten": ({"S": 90, "E": 990, "ES": 10, "P": 0}, {0: 89100, 1: 10, 2: 1}, None),
    "repressilator": ({"X1": 1, "X2": 2, "X3": 0}, {0: 100 / (1 + 20 * 64), 2: 100, 4: 100 / 21}, None),
    "schloegl": ({"X": 10}, {0: 0.18 * 90, 1: 2.5e-4 * 720, 2: 2200, 3: 375}, None),
    "toggle2": (
        {"GeneA": 1, "GeneB": 1, "A": 5, "B": 4, "bGeneB": 0, "bGeneA": 0},
        {0: 40, 4: 1e-4, 5: 2.1e-4, 6: 0},
        None,
    ),
    "toggle_hill": ({"U": 0, "V": 20}, {0: 50, 1: 0, 2: 100, 3: 20}, None),
    "toggle_stiff": ({"U": 4, "V": 4}, {0: 5000 / 33, 2: 1600 / 9}, None),
    "transcription_growing_cell": (
        {"M": 4, "D": 3, "RNA": 2, "Gene": 1, "GeneD": 1, "Gene2D": 0},
        {4: 0.012e9 / (6.022140857e8 * 2) * 3, 8: 0.05e9 / (6.022140857e8 * 2) * 6},
        2100.0,
    ),
    "triple_repressor": (REPRESSOR, {0: 0, 1: 7 + 2 * 7, 2: 9 + 4 * 6, 6: 1.5, 12: 19, 17: 77}, None),
}


@pytest.fixture(autouse=True)
def _folder() -> None:
    need_folder(FOLDER, "the benchmark models are")


def test_every_model_is_checked():
    assert sorted(path.stem for path in FOLDER.glob("*.ant")) == sorted(MODELS)


@pytest.mark.parametrize("name", MODELS)
def test_propensities(name):
    state, expected, time = MODELS[name]
    net = load_model(FOLDER / f"{name}.ant")
    assert set(net.species_names) == set(state)
    values = net.evaluate_propensities([[state[s] for s in net.species_names]], time=time)[0]
    assert net.depends_on_time == (time is not None)
    for position, value in expected.items():
        assert values[position] == pytest.approx(value, rel=1e-12), net.reactions[position]
    # only the genes of the triple repressor have laws that could be read in two ways, and say how they are read
    marked = [remark for remark in net.remarks if "marked reversible" in remark]
    assert len(marked) == (3 if name == "triple_repressor" else 0)
    if time is None:
        assert net.check() == []


FIRST_TIMES = {
    "goutsias": (100.0, 1e-6),
    "hog1p": (60.0, 1e-4),
    "michaelis_menten": (70.0, 1e-6),
    "repressilator": (10.0, 1e-6),
    "schloegl": (1.0, 1e-6),
    "toggle2": (30.0, 1e-6),
    "toggle_hill": (1.0, 1e-6),
    "toggle_stiff": (30.0, 1e-6),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", FIRST_TIMES)
def test_to_the_first_output_time(name):
    """All transient models but one, which takes minutes: tests/benchmarks/timed.py solves it."""
    until, tolerance = FIRST_TIMES[name]
    law = solve_transient(load_model(FOLDER / f"{name}.ant"), [until], tolerance=tolerance).final
    assert law.certified
    assert law.error_bound <= tolerance
    assert 1.0 - law.error_bound <= law.probabilities.sum() <= 1.0 + law.error_bound
