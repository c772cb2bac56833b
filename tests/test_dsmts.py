"""The discrete stochastic model test suite, through the command line.

T. W. Evans, C. S. Gillespie and D. J. Wilkinson, Bioinformatics 24:285-286, 2008. The suite lies beside the repository.

The expected means are right to the printed digits. The standard deviations are roots of variances that were
rounded to the seventh digit of the largest one, so that their own last digits are not all those of the exact value:
closed forms at the end of this file show it. They are compared to half a unit of the last printed digit and what one
unit of that seventh digit makes.
"""

from __future__ import annotations

import csv
import json
import math
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from shared_files import need_folder

import fsp
from fsp.cli import main
from fsp.errors import UnsupportedError

SUITE = Path(__file__).resolve().parents[2] / "shared" / "dsmts"
REQUIRED = ["00001", "00003", "00021", "00027", "00031", "00037"]
CASES = [f"{n:05d}" for n in range(1, 40, 2)]

#: What these models need beyond reactions and rules.
REFUSED: dict[str, str] = {}

#: For values that end in exactly half a unit of the last digit.
TIE = 1e-9


@pytest.fixture(autouse=True)
def _suite() -> None:
    need_folder(SUITE, "the test suite is")


def model(name: str) -> str:
    return str(SUITE / name / f"{name}-sbml-l3v1.xml")


def expected(name: str) -> tuple[list[str], list[dict[str, str]]]:
    with open(SUITE / name / f"{name}-results.csv", newline="") as file:
        rows = [{k.strip(): v.strip() for k, v in row.items()} for row in csv.DictReader(file)]
    return [c for c in rows[0] if c != "time"], rows


def decimals(text: str) -> int:
    exponent = Decimal(text).as_tuple().exponent
    assert isinstance(exponent, int)
    return max(-exponent, 0)


def seventh(value: float) -> float:
    """Return the unit of the seventh significant digit."""
    return 10.0 ** (math.floor(math.log10(value)) - 6) if value > 0 else 0.0


def allowed(name: str, statistic: str, text: str, largest: float) -> float:
    """Return by how much an answer may differ from a printed number; ``largest`` is that of its column."""
    printed = float(text)
    unit = 10.0 ** -decimals(text)
    if name not in REQUIRED:  # some have zeros after the seventh digit
        unit = max(unit, seventh(printed))
    room = 0.5 * unit + TIE
    if statistic == "sd" and printed > 0:
        room += seventh(largest**2) / (2.0 * printed)
    return room


def compare(name: str, answer: dict[str, Any]) -> int:
    """Check every number of a case; return how many there were."""
    columns, rows = expected(name)
    assert answer["times"] == [float(row["time"]) for row in rows] == [float(t) for t in range(51)]
    checked = 0
    for column in columns:
        species, statistic = column.rsplit("-", 1)
        at = answer["species"].index(species)
        values = [row[at] for row in answer[{"mean": "mean", "sd": "std"}[statistic]]]
        largest = max(float(row[column]) for row in rows)
        for row, value in zip(rows, values, strict=True):
            assert math.isfinite(value)
            text = row[column]
            assert abs(value - float(text)) <= allowed(name, statistic, text, largest), (column, row["time"])
            checked += 1
    return checked


@pytest.mark.parametrize("name", REQUIRED)
def test_printed_digits_through_the_command_line(name, tmp_path):
    command = [
        sys.executable,
        "-m",
        "fsp",
        "transient",
        model(name),
        "-t",
        "0:50:1",
        "--tolerance",
        "1e-10",
        "--json",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    columns, _ = expected(name)
    assert compare(name, answer) == 51 * len(columns) >= 102
    assert all(bound <= 1e-10 for bound in answer["error_bound"])


@pytest.mark.parametrize("name", [name for name in CASES if name not in REQUIRED])
def test_every_case_matches_or_is_refused(name, capsys):
    code = main(["transient", model(name), "-t", "0:50:1", "--json"])
    printed = capsys.readouterr()
    if name in REFUSED:
        assert code == 2
        assert printed.out == ""
        assert REFUSED[name] in printed.err
        assert "Traceback" not in printed.err
        with pytest.raises(UnsupportedError, match=REFUSED[name]):
            fsp.load_model(model(name))
        return
    assert code == 0
    columns, _ = expected(name)
    assert compare(name, json.loads(printed.out)) == 51 * len(columns)


def test_every_case_is_there():
    assert sorted(path.name for path in SUITE.iterdir() if path.is_dir()) == CASES


@pytest.mark.parametrize(("index", "change"), [(0, 1e-5), (17, -1e-5), (50, 1e-5)])
def test_control_one_digit_is_off(index, change, capsys):
    """The comparison notices a difference in the last printed digit at any time."""
    assert main(["transient", model("00001"), "-t", "0:50:1", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    compare("00001", answer)
    answer["mean"][index][0] += change
    with pytest.raises(AssertionError, match="X-mean"):
        compare("00001", answer)


def half_units(name: str, column: str, exact: Any) -> list[float]:
    """Return the differences between printed and exact numbers in half units of the last printed digit."""
    _, rows = expected(name)
    return [
        2.0 * abs(exact(float(row["time"])) - float(row[column])) * 10.0 ** decimals(row[column])
        for row in rows
    ]


def test_printed_deviations_are_not_all_exact():
    """Closed forms: birth and death from 100 (Kendall 1948), immigration and death from 0 (Poisson)."""

    def kendall(t: float) -> float:
        growth = math.exp((0.1 - 0.11) * t)
        return math.sqrt(100 * (0.1 + 0.11) / (0.1 - 0.11) * growth * (growth - 1))

    def poisson(t: float) -> float:
        return math.sqrt(100 * (1 - math.exp(-0.1 * t)))

    off = half_units("00001", "X-sd", kendall)
    assert sum(o > 1.0 for o in off) == 2
    assert max(off) < 1.2
    assert max(half_units("00001", "X-mean", lambda t: 100 * math.exp(-0.01 * t))) <= 1.0
    off = half_units("00021", "X-sd", poisson)
    assert max(off) > 1000
    assert max(half_units("00021", "X-mean", lambda t: poisson(t) ** 2)) <= 1.0
    _, rows = expected("00021")
    for row in rows[1:]:
        assert float(row["X-sd"]) == pytest.approx(math.sqrt(float(row["X-mean"])), rel=1e-6)
