"""Time-bounded until against the model checker Storm, where it is installed."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

pytest.importorskip("stormpy")
sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

from until import CASES, box_for_storm, solve, storm_until

PRECISION = 1e-9
QUICK = [case for case in CASES if case.name != "schloegl"]  # which needs extended precision


def test_there_are_enough_models():
    assert len(QUICK) >= 6


@pytest.mark.parametrize("case", QUICK, ids=lambda case: case.name)
def test_until_agrees_with_storm(case):
    interval, _ = solve(case, case.bounds)
    value, _ = storm_until(case, box_for_storm(case))
    assert interval.width <= 1e-9
    assert interval.lower - PRECISION <= value <= interval.upper + PRECISION
    assert 1e-12 < value < 1.0 - 1e-9  # a question that has an answer


def test_control_another_time_is_noticed():
    case = QUICK[0]
    interval, _ = solve(case._replace(time=1.01 * case.time), case.bounds)
    value, _ = storm_until(case, box_for_storm(case))
    assert not interval.lower - PRECISION <= value <= interval.upper + PRECISION
