"""Larger test problems, and the comparison of distributions with references."""

from __future__ import annotations

from typing import Any

import pytest

import fsp

__all__ = ["LARGER", "check", "difference", "table"]


def table(distribution: Any) -> dict[tuple[int, ...], float]:
    return {
        tuple(s): p
        for s, p in zip(distribution.states.tolist(), distribution.probabilities.tolist(), strict=True)
        if p > 0
    }


def difference(a: dict[Any, float], b: dict[Any, float]) -> float:
    return sum(abs(a.get(s, 0.0) - b.get(s, 0.0)) for s in {*a, *b})


def check(distribution: Any, reference: dict[Any, float], tolerance: float, slack: float = 1e-12) -> None:
    """Compare with a reference that is a lower bound itself: what it lacks may be anywhere."""
    found = table(distribution)
    missing = max(0.0, 1.0 - sum(reference.values()))
    assert distribution.certified
    assert distribution.error_bound <= tolerance
    assert distribution.error_bound == pytest.approx(distribution.ledger.total)
    assert difference(found, reference) <= distribution.error_bound + missing + slack
    assert 1.0 - sum(found.values()) <= distribution.error_bound + slack
    for state, p in found.items():
        assert p <= reference.get(state, 0.0) + missing + slack


LARGER = {
    "toggle": (
        lambda: fsp.ReactionNetwork(
            {"U": 0, "V": 0}, ["0 -> U ; 30/(1 + (V/8)**2)", "0 -> V ; 25/(1 + (U/8)**3)", "U -> 0 @ 1", "V -> 0 @ 1"]
        ),
        (75, 70), 4.0, None,
    ),
    "gene expression": (
        lambda: fsp.ReactionNetwork({"M": 0, "P": 0}, ["0 -> M @ 2", "M -> 0 @ 1", "M -> M + P @ 10", "P -> 0 @ 0.5"]),
        (22, 230), 3.0, None,
    ),
    "epidemic": (
        lambda: fsp.ReactionNetwork({"S": 50, "I": 3, "R": 0}, ["S + I -> 2 I @ 0.04", "I -> R @ 1"]),
        (53, 53, 53), 2.0, lambda grid: grid.sum(axis=1) == 53,
    ),
    "cascade": (
        lambda: fsp.ReactionNetwork(
            {"A": 4, "B": 0, "C": 0},
            ["0 -> A @ 3", "A -> B @ 1", "B -> C ; 2*B/(3 + B)", "C -> 0 @ 1", "A + C -> C @ 0.1"],
        ),
        (24, 20, 17), 2.0, None,
    ),
}  # fmt: skip
