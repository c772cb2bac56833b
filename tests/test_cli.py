"""The command line, with a double in the place of the solver where only the command line is on trial."""

from __future__ import annotations

import errno
import math
import os
import subprocess
import sys

import numpy as np
import pytest
from scipy import stats
from strict_json import strict_json

from fsp import cli, cli_output
from fsp.cli_arguments import check_picture, parse_bounds, parse_memory, parse_times
from fsp.distribution import Distribution
from fsp.errors import ArgumentError, StateSpaceLimitError
from fsp.ledger import Ledger
from fsp.model import ReactionNetwork
from fsp.results import TransientResult

NETWORK = ReactionNetwork(
    {"protein": 0, "gene": 1},
    ["0 -> protein ; k*gene", "protein -> 0 @ g", "gene -> gene + protein ; k*gene/(1 + protein)"],
    {"k": 10.0, "g": 1.0, "unused": 2.0},
    name="test model",
)


def solve(network, times, **options):
    solve.calls.append(options)
    laws = []
    for t in times:
        p = stats.poisson.pmf(np.arange(80), 10.0 * -math.expm1(-t))
        states = [[n, 1] for n in range(80)]
        laws.append(
            Distribution.from_states(
                states,
                p * (1 - 1e-10),
                network.species_names,
                error_bound=2e-10,
                time=t,
                support_bounds={"gene": 1},
            )
        )
    ledger = Ledger()
    ledger.book("leaked", 2e-10)
    run = {"products": 1234, "seconds": 0.5}
    return TransientResult(
        network, times, laws, ledger, "uniformisation", "small rates", run, tolerance=options["tolerance"]
    )


@pytest.fixture
def fsp(monkeypatch, capsys):
    """Run a command in this process; returns exit code, standard output and standard error."""
    solve.calls = []
    monkeypatch.setattr(cli, "_load", lambda model: NETWORK)
    monkeypatch.setattr(cli, "_solve", lambda network, times, options: solve(network, times, **options))

    def run(*words):
        code = cli.main(words)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


# -- arguments ---------------------------------------------------------------------------------------------


def test_times_are_the_numbers_that_were_written():
    assert parse_times("0:50:1") == [float(k) for k in range(51)]
    assert parse_times("0:1:0.1") == [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]
    assert parse_times("1e-3") == [0.001]
    assert parse_times("3:3:1") == [3.0]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "not a number"),
        ("abc", "not a number"),
        ("nan", "not a number"),
        ("0:inf:1", "not a number"),
        ("0:10", "start:stop:step"),
        ("0:10:0", "step above 0"),
        ("0:10:-1", "step above 0"),
        ("10:0:1", "start <= stop"),
        ("0:10:3", "reach 9 and 12, but not 10"),
        ("-1:3:1", "negative"),
        ("3,2", "must ascend"),
        ("1,1", "must ascend"),
        ("0:1:1e-9", "more than 1,000,000"),
        ("1e400", "too large"),
    ],
)
def test_wrong_times_are_refused(text, problem):
    with pytest.raises(ArgumentError, match=problem):
        parse_times(text)


def test_bounds():
    assert parse_bounds([]) is None
    assert parse_bounds(["U=300", "V=2, W=3"]) == {"U": 300, "V": 2, "W": 3}
    assert parse_bounds(["max(U, V) <= 3", "U=3"]) == ["U <= 3", "max(U, V) <= 3"]
    for text, problem in [
        ("U", "NAME=COUNT"),
        ("U=x", "whole number"),
        ("U=-1", "whole number"),
        ("U=1,U=2", "twice"),
    ]:
        with pytest.raises(ArgumentError, match=problem):
            parse_bounds([text])


def test_memory():
    assert [parse_memory(t) for t in ("4GiB", "1.5g", "2000000", "3 MiB")] == [
        2**32,
        1_500_000_000,
        2_000_000,
        3 * 2**20,
    ]
    for text in ("much", "4 GiBs", "-3G", "10", "1i"):
        with pytest.raises(ArgumentError, match="memory limit"):
            parse_memory(text)


def test_pictures_have_a_known_ending():
    assert check_picture("a.PNG").suffix == ".PNG"
    with pytest.raises(ArgumentError, match="ending"):
        check_picture("a.xyz")


# -- output ------------------------------------------------------------------------------------------------


def test_the_table_prints_five_decimals_and_the_error(fsp):
    code, out, err = fsp("transient", "model.xml", "-t", "0:2:1")
    assert (code, err) == (0, "")
    rows = {line.split()[0]: line.split() for line in out.splitlines()[1:4]}
    assert out.splitlines()[0].split() == [
        "time",
        "protein",
        "mean",
        "protein",
        "sd",
        "gene",
        "mean",
        "gene",
        "sd",
        "error",
        "bound",
    ]
    assert rows["1"][1] == f"{10 * (1 - math.exp(-1)):.5f}"
    assert rows["1"][2] == f"{math.sqrt(10 * (1 - math.exp(-1))):.5f}"
    assert float(rows["2"][-1]) == pytest.approx(2e-10)
    for piece in ("uniformisation", "1,234", "proven", "leaked", "gene: mean within", "without a proof"):
        assert piece in out


def test_small_numbers_keep_their_digits():
    assert cli_output._column("x", [1.23456e-7, 2e-7])[1].strip() == "1.23456000e-07"
    assert cli_output._column("x", [0.00123456, 0.5])[1].strip() == "0.0012346"
    assert cli_output._column("x", [0.0, 0.0])[1].strip() == "0.00000"
    assert cli_output._column("x", [1e-17, 12.5])[2].strip() == "12.50000"


def test_tables_break_into_blocks_on_narrow_terminals():
    first, last = ["time", "   1"], ["error", " 1e-9"]
    columns = [[f"column{k}", "      7"] for k in range(6)]
    lines = cli_output._table(first, columns, last, 40)
    assert max(map(len, lines)) <= 40
    assert sum(line.startswith("time") for line in lines) == 2
    assert len(cli_output._table(first, columns, last, None)) == 2


def test_json_is_one_object_without_nan(fsp):
    code, out, err = fsp(
        "transient", "model.xml", "-t", "0,1", "--json", "--species", "protein", "--tolerance", "1e-6"
    )
    assert (code, err) == (0, "")
    data = strict_json(out)
    assert data["times"] == [0.0, 1.0]
    assert data["species"] == ["protein"]
    assert data["mean"][1][0] == pytest.approx(10 * (1 - math.exp(-1)), rel=1e-9)
    assert data["mean_upper"] == [[None], [None]]
    assert data["mean_lower"][1][0] <= data["mean"][1][0]
    assert data["error_bound"] == [2e-10, 2e-10]
    assert data["certified"] is True
    assert data["tolerance"] == 1e-6
    assert data["ledger"]["leaked"] == 2e-10
    assert {"model", "std", "method", "explanation", "statistics", "version", "leaks"} <= set(data)


def test_the_check_of_json_can_fail():
    with pytest.raises(AssertionError, match="Infinity"):
        strict_json('{"a": Infinity}')


def test_options_reach_the_solver(fsp):
    words = [
        "--bounds",
        "protein=300",
        "--max-states",
        "1000",
        "--memory-limit",
        "1GiB",
        "--method",
        "uniformisation",
    ]
    assert fsp("transient", "m", "-t", "1", "--no-progress", *words)[0] == 0
    assert solve.calls == [
        {
            "tolerance": 1e-8,
            "method": "uniformisation",
            "progress": False,
            "bounds": {"protein": 300},
            "max_states": 1000,
            "memory_limit": 2**30,
            "save": "distributions",
        }
    ]


def test_files_are_written(fsp, tmp_path):
    out, picture = tmp_path / "run.nc", tmp_path / "run.png"
    assert fsp("transient", "m", "-t", "0,1", "-o", str(out), "--plot", str(picture))[0] == 0
    from fsp.load import load_result

    assert load_result(out).times.tolist() == [0.0, 1.0]
    assert picture.read_bytes()[:4] == b"\x89PNG"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["run.nc", "run.png"]


def test_info(fsp):
    code, out, _ = fsp("info", "model.xml")
    assert code == 0
    for piece in (
        "test model",
        "protein = 0",
        "gene = 1",
        "k = 10",
        "f(protein)",
        "gene <= 1",
        "unused",
        "do not depend",
    ):
        assert piece in out
    data = strict_json(fsp("info", "model.xml", "--json")[1])
    assert data["reactions"][2]["reads"] == ["protein", "gene"]
    assert data["reactions"][0]["change"] == {"protein": 1}
    assert data["species"][0]["largest"] is None
    assert data["conservation_laws"] == ["gene = 1"]


def test_help_has_an_example(fsp):
    assert "transient" in fsp()[1]
    for command in ("info", "transient", "report"):
        code, out, _ = fsp(command, "--help")
        assert code == 0
        assert f"Example: fsp {command}" in " ".join(out.split())
    assert fsp("--version")[0] == 0


# -- errors ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["transient", "m"], "Missing option"),
        (["transient", "m", "-t", "2,1"], "ascend"),
        (["transient", "m", "-t", "1", "--tolerance", "0"], "tolerance"),
        (["transient", "m", "-t", "1", "--tolerance", "nan"], "tolerance"),
        (["transient", "m", "-t", "1", "--tolerance", "x"], "not a valid float"),
        (["transient", "m", "-t", "1", "--species", "protien"], "did you mean 'protein'"),
        (["transient", "m", "-t", "1", "--max-states", "0"], "max-states"),
        (["transient", "m", "-t", "1", "--memory-limit", "x"], "memory limit"),
        (["transient", "m", "-t", "1", "--plot", "a.xyz"], "ending"),
        (["transient", "m", "-t", "1", "--plot", "a.png", "--plot-kind", "cake"], "plot-kind"),
        (["transient", "m", "-t", "1", "--plot", "a.png", "--plot-kind", "heatmap"], "several times"),
        (
            ["transient", "m", "-t", "1,2", "--plot", "a.png", "--plot-kind", "heatmap", "--save", "moments"],
            "needs marginals",
        ),
        (["transient", "m", "-t", "1", "--save", "all"], "--save"),
        (["transient", "m", "-t", "1", "-o", "/no/such/folder/a.nc"], "no folder"),
        (["transient", "m", "-t", "1", "-o", "/"], "it is a folder"),
        (["transient", "m", "-t", "1", "--bounds", "U"], "NAME=COUNT"),
        (["transiant", "m"], "transiant"),
        (["info"], "MODEL"),
    ],
)
def test_wrong_input_is_code_2_and_no_traceback(fsp, words, problem):
    code, out, err = fsp(*words)
    assert (code, out) == (2, "")
    assert err.startswith("fsp: error: ")
    assert problem in err
    assert "Traceback" not in err
    assert solve.calls == []


def test_a_solver_that_gives_up_is_code_1_with_what_it_had(fsp, monkeypatch):
    def give_up(network, times, options):
        message = "the state set would outgrow max_states = 10"
        raise StateSpaceLimitError(message, solve(network, times[:1], **options))

    monkeypatch.setattr(cli, "_solve", give_up)
    code, out, err = fsp("transient", "m", "-t", "1,2")
    assert (code, out) == (1, "")
    assert "max_states = 10" in err
    assert "finished up to t = 1 (1 times)" in err
    code, out, _ = fsp("transient", "m", "-t", "1,2", "--json")
    data = strict_json(out)
    assert code == 1
    assert data["error"]["type"] == "StateSpaceLimitError"
    assert data["partial"]["times"] == [1.0]


def test_interruption_is_code_130(fsp, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "_solve", interrupt)
    assert fsp("transient", "m", "-t", "1") == (130, "", "fsp: error: interrupted\n")


def test_a_full_disk_is_code_1_the_numbers_are_printed_all_the_same(fsp, monkeypatch, tmp_path):
    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("fsp.storage.os.fsync", full)
    code, out, err = fsp("transient", "m", "-t", "1", "-o", str(tmp_path / "run.nc"))
    assert code == 1
    assert "No space left" in err
    assert "protein mean" in out
    assert os.listdir(tmp_path) == []


def test_a_reader_that_goes_away_is_no_error():
    """``fsp ... | head -1``: no traceback, no complaint."""
    script = "import sys; from fsp.cli import main; sys.exit(main(['transient', '--help']))"
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.close()
    complaints = process.stderr.read().decode()
    process.stderr.close()
    assert process.wait(timeout=60) == 141
    assert complaints == ""
