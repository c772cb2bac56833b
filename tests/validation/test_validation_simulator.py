"""Other programs as simulators, whole suites, and the command line with its exit codes."""

from __future__ import annotations

import shlex
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from strict_json import strict_json

import fsp
from fsp.cli import main
from fsp.errors import ArgumentError, SimulatorError
from fsp.validation.simulator import check_command, run_simulator
from fsp.validation.suite import find_cases

MODEL = "gallery:birth_death"
TIMES = [0.5, 2.0]
HEAD = "import sys, time, os\nmodel, n, seed, out = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]\n"

#: Programs that behave badly, and what has to be said.
BAD = {
    "fails": (
        "print('no licence', file=sys.stderr); sys.exit(7)",
        "failed with exit code 7; it said: no licence",
    ),
    "raises": ("raise ValueError('what')", "ValueError: what"),
    "never ends": ("time.sleep(1000)", "did not end within 2 seconds"),
    "floods its error stream": (
        "\nwhile True: print('x' * 10000, file=sys.stderr)",
        "did not end within 2 seconds",
    ),
    "kills itself": ("os.kill(os.getpid(), 9)", "was ended by signal 9"),
    "writes nothing": ("pass", "without writing {out}"),
    "writes an empty file": ("open(out, 'w')", "samples.csv': the file is empty"),
    "writes nonsense": ("open(out, 'w').write('hello, world')", "only the header hello"),
    "writes a head only": ("open(out, 'w').write('trajectory,time,X\\n')", "no samples"),
    "writes NaN": ("open(out, 'w').write('trajectory,time,X\\n1,1,nan\\n2,1,3\\n')", "not a finite number"),
    "writes negative counts": ("open(out, 'w').write('trajectory,time,X\\n1,1,-2\\n')", "is negative"),
    "writes half molecules": ("open(out, 'w').write('trajectory,time,X\\n1,1,2.5\\n')", "not a whole number"),
    "writes too few": ("open(out, 'w').write('trajectory,time,X\\n1,1,2\\n')", "1 samples in place of 50"),
}


def program(folder: Path, body: str) -> str:
    path = folder / "simulator.py"
    path.write_text(HEAD + body, encoding="utf-8")
    return f"{shlex.quote(sys.executable)} {shlex.quote(str(path))} {{model}} {{n}} {{seed}} {{out}}"


def right_program(folder: Path, *, shift: int = 0, name: str = "X", wrong_rate: float = 1.0) -> str:
    """A program that writes exact samples of birth and death, or samples that are off."""
    body = f"""
import random
rng = random.Random(seed)
def poisson(mean):
    import math
    n, p, u = 0, math.exp(-mean), rng.random()
    while u > p and n < 500:
        u -= p; n += 1; p *= mean / n
    return n
import math
with open(out, "w") as file:
    file.write("trajectory,time,{name}\\n")
    for i in range(n):
        for t in {TIMES!r}:
            mean = {wrong_rate} * 10.0 * (1 - math.exp(-t))
            file.write(f"{{i}},{{t}},{{poisson(mean) + {shift}}}\\n")
"""
    return program(folder, body)


@pytest.fixture
def model(tmp_path):
    network = fsp.ReactionNetwork({"X": 0}, ["0 -> X @ k", "X -> 0 @ d"], {"k": 10.0, "d": 1.0})
    network.to_sbml(tmp_path / "model.xml")
    return str(tmp_path / "model.xml")


@pytest.mark.parametrize("name", BAD)
def test_a_bad_program_gets_a_clear_error(name, tmp_path, model, capsys):
    body, problem = BAD[name]
    command = program(tmp_path, body)
    begun = time.monotonic()
    with pytest.raises(SimulatorError) as caught:
        run_simulator(command, model, n=50, seed=1, timeout=2.0 if "2 seconds" in problem else 60.0)
    assert problem in str(caught.value)
    assert time.monotonic() - begun < 60.0
    code = main(["validate", model, "--simulator", command, "-n", "50", "--timeout", "2"])
    assert code == 2
    assert "fsp: error: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "problem"),
    [
        ("sim 'x {out}", "cannot be split"),
        ("python3 {model}", r"needs \{out\}"),
        ("python3 {output} {out}", r"has \{output\}"),
        ("no-such-program-anywhere {out}", "there is no program"),
        ("", "needs"),
    ],
)
def test_bad_commands_are_refused(command, problem):
    with pytest.raises(ArgumentError, match=problem):
        check_command(command)


def test_a_command_is_not_given_to_a_shell(tmp_path, model):
    mark = tmp_path / "mark"
    command = f"{program(tmp_path, 'sys.exit(3)')} ; touch {mark} $(touch {mark})"
    with pytest.raises(SimulatorError, match="exit code 3"):
        run_simulator(command, model, n=5, seed=1)
    assert not mark.exists()


def test_times_are_filled_in(tmp_path, model):
    body = """
rows = [f"{i},{t},0" for i in range(n) for t in sys.argv[5].split(",")]
open(out, "w").write("\\n".join(["trajectory,time,X", *rows]))
"""
    samples = run_simulator(program(tmp_path, body) + " {times}", model, n=3, seed=1, times=[0.0, 0.1, 2.5])
    assert samples.times == (0.0, 0.1, 2.5)
    assert samples.n == 3


# -- the command line ----------------------------------------------------------------------------------------


def test_exit_codes_say_the_verdict(tmp_path, model, capsys):
    right = right_program(tmp_path)
    assert main(["validate", model, "--simulator", right, "-n", "8000", "--seed", "3"]) == 0
    assert capsys.readouterr().out.startswith("CONSISTENT")
    assert main(["validate", model, "--simulator", right, "-n", "200"]) == 3
    assert capsys.readouterr().out.startswith("UNDECIDED")
    wrong = right_program(tmp_path, wrong_rate=2.0)
    assert main(["validate", model, "--simulator", wrong, "-n", "8000", "--json"]) == 1
    answer = strict_json(capsys.readouterr().out)
    assert answer["verdict"] == "inconsistent"
    assert answer["diagnosis"]["kind"] == "rate"
    assert "twice" in answer["diagnosis"]["explanation"]["text"]


def test_samples_from_files(tmp_path, model, capsys):
    law = fsp.solve_transient(fsp.load_model(model), TIMES, tolerance=1e-10)
    counts = np.stack([d.sample(9000, seed=k) for k, d in enumerate(law)], axis=1)
    rows = [f"{i},{t},{counts[i, k, 0]}" for i in range(len(counts)) for k, t in enumerate(TIMES)]
    (tmp_path / "runs.csv").write_text("trajectory,time,X\n" + "\n".join(rows) + "\n", encoding="utf-8")
    picture = str(tmp_path / "report.png")
    assert main(["validate", model, str(tmp_path / "runs.csv"), "--plot", picture]) == 0
    assert Path(picture).stat().st_size > 10_000
    table = [f"{t},{counts[:, k, 0].mean()},{counts[:, k, 0].std(ddof=1)}" for k, t in enumerate(TIMES)]
    (tmp_path / "m.csv").write_text("time,X-mean,X-sd\n" + "\n".join(table) + "\n", encoding="utf-8")
    assert main(["validate", model, str(tmp_path / "m.csv"), "-n", "9000"]) == 0
    capsys.readouterr()


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ([], "give MODEL"),
        (["{model}"], "give MODEL"),
        (["{model}", "no.csv"], "there is no file"),
        (["{model}", "{model}"], ".csv and .nc"),
        (["{model}", "a.csv", "--simulator", "x {{out}}"], "give MODEL"),
        (["{model}", "--simulator", "python3 {{out}} {{times}}"], "give them with --times"),
        (["no.xml", "a.csv"], "no.xml"),
        (["--suite", "nowhere"], "there is no folder"),
        (["--suite", "{folder}"], "holds no case"),
        (["{model}", "--suite", "{folder}"], "leave out MODEL"),
        (["{model}", "a.csv", "--alpha", "2"], "there is no file|alpha"),
        (["{model}", "a.csv", "--plot", "a.xyz"], "cannot draw"),
    ],
)
def test_wrong_arguments_have_exit_code_2(words, problem, tmp_path, model, capsys):
    filled = [word.format(model=model, folder=tmp_path) for word in words]
    assert main(["validate", *filled]) == 2
    error = capsys.readouterr().err
    assert any(part in error for part in problem.split("|")), error


def test_a_missing_species_is_named(tmp_path, model, capsys):
    command = right_program(tmp_path, name="Y")
    assert main(["validate", model, "--simulator", command, "-n", "50"]) == 2
    assert "no samples of 'X'" in capsys.readouterr().err


# -- suites --------------------------------------------------------------------------------------------------


@pytest.fixture
def suite(tmp_path, model):
    for name in ("00001", "00002"):
        folder = tmp_path / "suite" / name
        folder.mkdir(parents=True)
        (folder / f"{name}-sbml-l3v1.xml").write_bytes(Path(model).read_bytes())
        text = "start: 0.5\nduration: 1.5\nsteps: 1\nvariables: X\namount: X\n"
        (folder / f"{name}-settings.txt").write_text(text, encoding="utf-8")
    return tmp_path / "suite"


def test_a_suite_is_run_case_by_case(suite, tmp_path, capsys):
    (case, other) = find_cases(suite)
    assert (case.name, case.times, case.variables) == ("00001", (0.5, 2.0), ("X",))
    assert other.model.name == "00002-sbml-l3v1.xml"
    assert (
        main(["validate", "--suite", str(suite), "--simulator", right_program(tmp_path), "-n", "9000"]) == 0
    )
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines[1:3]] == [["00001", "consistent"], ["00002", "consistent"]]
    assert lines[-1].startswith("consistent: 2 cases, level 1e-06 in all (5e-07 for each)")
    wrong = right_program(tmp_path, shift=1)
    code = main(
        ["validate", "--suite", str(suite), "--simulator", wrong, "-n", "9000", "--json", "--no-diagnose"]
    )
    assert code == 1
    answer = strict_json(capsys.readouterr().out)
    assert [c["verdict"] for c in answer["cases"]] == ["inconsistent"] * 2


def test_an_error_in_one_case_does_not_hide_the_others(suite, tmp_path, capsys):
    (suite / "00001" / "00001-sbml-l3v1.xml").write_text("<sbml", encoding="utf-8")
    assert (
        main(["validate", "--suite", str(suite), "--simulator", right_program(tmp_path), "-n", "9000"]) == 2
    )
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split()[:2] == ["00001", "error"]
    assert lines[2].split()[:2] == ["00002", "consistent"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "start: 0\n",
        "start: 0\nduration: x\nsteps: 1\n",
        "start: 0\nduration: 1\nsteps: 0\nvariables: X\n",
        "start: 0\nduration: 1\nsteps: 1\nvariables:\n",
    ],
)
def test_incomplete_settings_are_refused(suite, text):
    (suite / "00001" / "00001-settings.txt").write_text(text, encoding="utf-8")
    with pytest.raises(ArgumentError, match="settings.txt"):
        find_cases(suite)


def test_a_case_without_a_model_is_refused(suite):
    (suite / "00001" / "00001-sbml-l3v1.xml").unlink()
    with pytest.raises(ArgumentError, match="no model file"):
        find_cases(suite)
