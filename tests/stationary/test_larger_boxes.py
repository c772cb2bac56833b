"""Certified laws at 1e-8 against laws on boxes of several times as many states, from rates by hand, by another solver."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

from box_reference import BoxReference
from larger_boxes import CASES, Case, checked

import fsp
from fsp.statespace import Coordinates, FibreSet
from fsp.stationary.chain import FiniteChain

GENES = [("A", "B"), ("B", "C"), ("C", "A")]
#: What the benchmark does not have: the same networks with smaller numbers.
SMALL = {
    "repressilator": Case(
        "small repressilator",
        lambda: fsp.ReactionNetwork(
            {"A": 5, "B": 0, "C": 0},
            [f"0 -> {x} ; 10/(1 + 20*{y}^6)" for x, y in GENES] + [f"{x} -> 0 @ 1" for x, _ in GENES],
        ),
        [
            ((1, 0, 0), lambda a, b, c: 10.0 / (1.0 + 20.0 * b**6)), ((-1, 0, 0), lambda a, b, c: a),
            ((0, 1, 0), lambda a, b, c: 10.0 / (1.0 + 20.0 * c**6)), ((0, -1, 0), lambda a, b, c: b),
            ((0, 0, 1), lambda a, b, c: 10.0 / (1.0 + 20.0 * a**6)), ((0, 0, -1), lambda a, b, c: c),
        ],
        (48, 48, 48), (1, 5, 1), "multilevel",
    ),
    "gene_expression": Case(
        "small gene expression",
        lambda: fsp.ReactionNetwork(
            {"M": 0, "P": 0}, ["0 -> M @ 5", "M -> M + P @ 4", "M -> 0 @ 1", "P -> 0 @ 0.5"]
        ),
        [
            ((1, 0), lambda m, p: 5.0), ((0, 1), lambda m, p: 4.0 * m),
            ((-1, 0), lambda m, p: m), ((0, -1), lambda m, p: 0.5 * p),
        ],
        (50, 400), (4, 30),
    ),
}  # fmt: skip
ALL = {**{f"small {name}": case for name, case in SMALL.items()}, **CASES}


def check(law: fsp.Distribution, error_bound: float, box: BoxReference, p: np.ndarray) -> None:
    """Fail unless the law is within its bound of a good law on a box that is at least three times as large."""
    assert box.n_states >= 3 * law.n_states
    assert box.residual(p) <= 1e-14
    assert box.difference(law, p) <= error_bound


@pytest.mark.parametrize("name", ALL)
def test_rates_by_hand(name: str) -> None:
    """The reference has another matrix than the package makes, with the same numbers."""
    case = ALL[name]
    sides = (9, 7, 8)[: len(case.sides)]
    box = BoxReference.of(sides, case.reactions)
    network = case.network()
    space = FibreSet.from_states(Coordinates.of(network), np.argwhere(np.ones(sides, np.bool_)))
    chain = FiniteChain.of(network, space)
    order = space.index(np.argwhere(np.ones(sides, np.bool_)))
    np.testing.assert_allclose(box.inflow.toarray(), chain.inflow.toarray()[np.ix_(order, order)], rtol=4e-15)
    np.testing.assert_allclose(box.outflow, chain.outflow[order], rtol=4e-15)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["toggle_hill", "munsky_khammash", "small repressilator", "small gene_expression"]
)
def test_certified_laws(name: str) -> None:
    case = ALL[name]
    result = fsp.solve_stationary(case.network(), tolerance=1e-8)
    assert result.certified
    assert result.error_bound <= 1e-8
    box = BoxReference.of(case.sides, case.reactions)
    check(result.distribution, result.error_bound, box, box.law(case.back, case.solver))


@pytest.mark.slow
def test_moments_of_gene_expression() -> None:
    """Closed form: E M = 5, E P = 40, Var M = 5, Cov = 4*5/1.5, Var P = 40 + 4 Cov/0.5; also from probabilities alone."""
    case = SMALL["gene_expression"]
    law = fsp.solve_stationary(case.network(), tolerance=1e-8).distribution
    covariance = 4.0 * 5.0 / 1.5
    exact = np.array([[5.0, covariance], [covariance, 40.0 + 8.0 * covariance]])
    assert law.mean_bounds("P").lower <= 40.0 <= law.mean_bounds("P").upper
    assert law.variance_bounds("P").lower <= exact[1, 1] * (1 + 1e-14)
    assert law.variance_bounds("P").upper >= exact[1, 1] * (1 - 1e-14)
    assert law.variance_bounds("P").width <= 1e-10
    assert law.covariance("M", "P") == pytest.approx(covariance, rel=1e-8)
    p, away = law.probabilities, law.states - np.array([5.0, 40.0])
    assert p @ away == pytest.approx(0.0, abs=1e-6)
    assert (away.T * p) @ away == pytest.approx(exact, rel=1e-6)


# -- controls: each must fail ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cut_off() -> fsp.StationaryResult:
    """The best law on a set that is too small, with its true bound."""
    with pytest.raises(fsp.ToleranceError) as caught:
        fsp.solve_stationary(CASES["munsky_khammash"].network(), tolerance=1e-8, bounds={"U": 60, "V": 60})
    result: fsp.StationaryResult = caught.value.result
    return result


@pytest.fixture(scope="module")
def reference() -> tuple[BoxReference, np.ndarray]:
    case = CASES["munsky_khammash"]
    box = BoxReference.of(case.sides, case.reactions)
    return box, box.law(case.back, case.solver)


def test_a_set_that_is_too_small_is_noticed(cut_off, reference) -> None:
    check(cut_off.distribution, cut_off.error_bound, *reference)
    for shrunk in (1e-8, 0.01 * cut_off.error_bound):
        with pytest.raises(AssertionError):
            check(cut_off.distribution, shrunk, *reference)


def test_a_wrong_rate_is_noticed(reference) -> None:
    case = CASES["munsky_khammash"]
    other = fsp.ReactionNetwork(
        {"U": 0, "V": 0},
        ["0 -> U ; 50.00001/(1 + V^2.5)", "0 -> V ; 16/(1 + U)", "U -> 0 @ 1", "V -> 0 @ 1"],
    )
    for network, right in ((case.network(), True), (other, False)):
        result = fsp.solve_stationary(network, tolerance=1e-8)
        if right:
            check(result.distribution, result.error_bound, *reference)
            continue
        with pytest.raises(AssertionError):
            check(result.distribution, result.error_bound, *reference)


def test_a_bad_reference_is_noticed(cut_off, reference) -> None:
    box, p = reference
    with pytest.raises(AssertionError):
        check(
            cut_off.distribution,
            cut_off.error_bound,
            box,
            p * np.where(np.arange(p.size) % 2, 1.0, 1.0 + 1e-12),
        )
    small = BoxReference.of((50, 40), CASES["munsky_khammash"].reactions)
    assert small.residual(small.law((2, 2))) > 1e-14  # what flows out counts


@pytest.mark.parametrize(
    "wrong",
    [
        {"certified": False}, {"bound": 2e-8}, {"reference_states": 250}, {"residual": 1e-12}, {"difference": 4e-9},
        {"difference": float("nan")},
    ],
)  # fmt: skip
def test_the_benchmark_refuses_what_does_not_hold(wrong) -> None:
    good = {
        "certified": True, "bound": 3e-9, "states": 100, "reference_states": 400, "residual": 1e-16, "difference": 1e-9,
    }  # fmt: skip
    assert checked("good", good) == good
    with pytest.raises(AssertionError):
        checked("wrong", {**good, **wrong})
