"""The two cases with events of the discrete stochastic model test suite that lie beside the repository, digit by digit.

They are calculated here a second time, without the package: in closed form, and with a dense matrix exponential. Where the
printed number is not the exact one rounded to its last digit, the answers agree with this calculation and not with the file.
"""

from __future__ import annotations

import csv
import json
import math
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from scipy.linalg import expm
from shared_files import need_folder

from fsp.cli import main

SUITE = Path(__file__).resolve().parents[3] / "shared" / "dsmts"
TIMES = np.arange(51)


@pytest.fixture(autouse=True)
def _suite() -> None:
    need_folder(SUITE, "the test suite is")


def immigration_and_reset() -> dict[str, np.ndarray]:
    """Rate 1, death 0.1 from 0; X = 20 at time 22.5: Poisson, later Poisson plus binomial."""
    mean, variance = [], []
    for t in TIMES.tolist():
        since = t if t < 22.5 else t - 22.5
        fresh, left = 10 * (1 - math.exp(-0.1 * since)), math.exp(-0.1 * since)
        old = 0 if t < 22.5 else 20
        mean.append(fresh + old * left)
        variance.append(fresh + old * left * (1 - left))
    return {"X-mean": np.array(mean), "X-sd": np.sqrt(variance)}


def dimers_and_reset() -> dict[str, np.ndarray]:
    """2 P <-> P2 from P = 100; the step from P2 = 30 to 31 leads to 0."""
    matrix = np.zeros((31, 31))
    for d in range(31):
        p = 100 - 2 * d
        for target, rate in ((d + 1 if d < 30 else 0, 0.001 * p * (p - 1) / 2), (d - 1, 0.01 * d)):
            if rate > 0:
                matrix[target, d] += rate
                matrix[d, d] -= rate
    step, law = expm(matrix), np.eye(31)[0]
    found: list[tuple[float, float]] = []
    for _ in TIMES:
        mean = float(np.arange(31) @ law)
        found.append((mean, math.sqrt(max(float((np.arange(31) - mean) ** 2 @ law), 0.0))))
        law = step @ law
    mean, deviation = np.array(found).T
    return {"P-mean": 100 - 2 * mean, "P2-mean": mean, "P-sd": 2 * deviation, "P2-sd": deviation}


CASES = {"00029": immigration_and_reset, "00033": dimers_and_reset}
#: How many printed numbers are more than half a unit of their last digit from the exact ones.
WRONG = {"00029": 22, "00033": 0}


@pytest.mark.parametrize("name", CASES)
def test_every_printed_number(name, capsys):
    model = str(SUITE / name / f"{name}-sbml-l3v1.xml")
    assert main(["transient", model, "-t", "0:50:1", "--tolerance", "1e-11", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    with open(SUITE / name / f"{name}-results.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    wrong = 0
    for column, exact in CASES[name]().items():
        species, statistic = column.rsplit("-", 1)
        found = np.array(answer[{"mean": "mean", "sd": "std"}[statistic]])[
            :, answer["species"].index(species)
        ]
        assert np.abs(found - exact).max() < 2e-7 * (statistic == "sd") + 1e-9, column
        for k, row in enumerate(rows):
            text = row[column].strip()
            half = 0.5 * 10.0 ** min(Decimal(text).as_tuple().exponent, 0)
            if abs(found[k] - float(text)) > half * (1 + 1e-9):
                wrong += 1
                assert abs(exact[k] - float(text)) > half * (1 - 1e-3), (column, k)  # the file is off
                assert abs(exact[k] - float(text)) < 1e-4
    assert wrong == WRONG[name]
