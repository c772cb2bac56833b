"""The drivers of real simulators: their models, what they share, and the simulators themselves where they are installed."""

from __future__ import annotations

import csv
import importlib.util
import os
import shlex
import subprocess
import sys
from collections import UserDict
from pathlib import Path

import numpy as np
import pytest

import fsp
from fsp.cli import main

FOLDER = Path(__file__).parents[2] / "examples" / "simulators"
#: Driver, module, its package, and an option under which a constant k for pairs is taken as the simulator has it.
SIMULATORS = [
    ("run_rebop.py", "rebop", "rebop", "--literal"),
    ("run_gillespy2.py --numpy", "gillespy2", "gillespy2", "--by-hand"),
    ("run_roadrunner.py", "roadrunner", "libroadrunner", None),
]


@pytest.fixture
def scripts(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    yield
    for name in ("make_models", "driver", "mass_action", "check_all"):
        sys.modules.pop(name, None)


def test_models_are_what_the_script_writes(scripts):
    import make_models

    texts = make_models.sbml()
    assert {path.stem for path in (FOLDER / "models").iterdir()} == set(texts)
    for name, text in texts.items():
        assert (FOLDER / "models" / f"{name}.xml").read_text(encoding="utf-8") == text, name


def test_models_are_read_and_checked_at_some_time(scripts):
    import check_all

    files = {path.stem for path in (FOLDER / "models").iterdir()}
    assert set(check_all.MODELS) == files
    for name, end in check_all.MODELS.items():
        network = fsp.load_model(FOLDER / "models" / f"{name}.xml")
        assert end > 0.0
        assert (network.evaluate_propensities([network.initial_state], time=0.0) >= 0.0).all(), name
    assert fsp.load_model(FOLDER / "models" / "reversible.xml").n_reactions == 2


def test_rows_are_commands(scripts):
    import check_all

    rows = check_all.rows()
    assert len({row.model for row in rows}) >= 10
    assert len({shlex.join(row.command()) for row in rows}) == len(rows)
    command = check_all.rows()[0].command(7, 3)
    assert command[:7] == ["fsp", "validate", "models/dimerisation.xml", "-n", "7", "--seed", "3"]
    assert command[-1] == "python run_rebop.py {model} {n} {seed} {out} --end 50"


def test_constants_of_pairs_are_told_from_other_laws(scripts):
    from mass_action import expression, permutations, rate_constant

    network = fsp.ReactionNetwork(
        {"A": 9, "B": 3},
        ["2 A -> B @ k", "2 A -> B ; k*A^2", "A + B -> 0 @ k", "0 -> A ; k/(1 + B)", "3 A -> 0 @ k"],
        {"k": 0.5},
    )
    found = [rate_constant(network, reaction) for reaction in network.reactions]
    assert found == [0.5, None, 0.5, None, 0.5]
    assert [permutations(reaction) for reaction in network.reactions] == [2, 2, 1, 1, 6]
    assert expression(network, network.reactions[3]).replace("1.0", "1") in ("0.5/(B + 1)", "1/(2*(B + 1))")


def test_counts_are_written_as_they_are(scripts, tmp_path):
    from driver import Task, write_counts

    task = Task("m", 2, 1, tmp_path / "out.csv", 4.0, 2)
    write_counts(task, ["A"], [[(1,), (2,), (3.5,)], [(0,), (1e15,), (-1,)]])
    with task.out.open(encoding="ascii") as stream:
        rows = list(csv.reader(stream))
    assert rows[0] == ["trajectory", "time", "A"]
    assert rows[3] == ["0", "4.0", "3.5"]
    assert [float(row[2]) for row in rows[4:]] == [0.0, 1e15, -1.0]
    with pytest.raises(ValueError, match="zip"):
        write_counts(task, ["A"], [[(1,), (2,)]])  # a time is missing


def test_one_run_alone_is_read_as_gillespy2_has_it():
    """Its trajectories are mappings too, and are not taken for histograms."""
    network = fsp.load_model(FOLDER / "models" / "telegraph.xml")
    run = UserDict(
        time=np.array([0.0, 1.0]), OFF=np.array([1.0, 0.0]), ON=np.array([0.0, 1.0]), M=np.zeros(2)
    )
    report = fsp.validate(run, network)
    assert report.verdict == "undecided"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("driver", "module", "package", "literal"), SIMULATORS, ids=[s[1] for s in SIMULATORS]
)
def test_an_installed_simulator_is_right_and_its_convention_is_told(
    driver, module, package, literal, monkeypatch, capsys
):
    if importlib.util.find_spec(module) is None:
        pytest.skip(f"{package} is not installed: pip install {package} to check it")
    monkeypatch.setenv(
        "PYTHONPATH", os.pathsep.join([str(FOLDER.parents[1]), os.environ.get("PYTHONPATH", "")])
    )
    name, *options = driver.split()
    words = [sys.executable, str(FOLDER / name), "{model}", "{n}", "{seed}", "{out}", "--end", "4", *options]
    for model in ("telegraph", "homodimer"):
        path = str(FOLDER / "models" / f"{model}.xml")
        code = main(["validate", path, "-n", "6500", "--seed", "5", "--simulator", shlex.join(words)])
        assert code == 0, capsys.readouterr().out
    if literal is not None:
        code = main(["validate", path, "-n", "2000", "--simulator", shlex.join([*words, literal])])
        assert code == 1
        assert "twice" in capsys.readouterr().out


def test_a_driver_without_its_simulator_says_so(tmp_path):
    """Not a pass: an error, so that a missing package is never taken for a verdict."""
    missing = [name for name, module, *_ in SIMULATORS if importlib.util.find_spec(module) is None]
    if not missing:
        pytest.skip("all simulators are installed")
    words = [
        sys.executable,
        str(FOLDER / missing[0].split()[0]),
        "m.xml",
        "1",
        "1",
        str(tmp_path / "o"),
        "--end",
        "1",
    ]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "ModuleNotFoundError" in done.stderr
