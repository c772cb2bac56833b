"""Two independent certificates agree: return times with a drift function, and the hull of the rows of an inverse."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import fsp
from fsp import gallery
from fsp.statespace import Coordinates, FibreSet
from fsp.stationary.hull import ConditionalHull, conditional_hull
from fsp.stationary.lattice import Lattice

CASES: dict[str, tuple[Callable[[], fsp.ReactionNetwork], tuple[int, ...]]] = {
    "toggle": (lambda: gallery.toggle_switch(a=6.0, K=3.0), (9, 9)),
    "gene expression": (lambda: gallery.gene_expression(), (5, 70)),
    "pairs": (
        lambda: fsp.ReactionNetwork({"A": 0}, ["0 -> A @ 20", "2 A -> 0 @ 0.5", "A -> 0 @ 0.1"]),
        (14,),
    ),
    "bursts": (
        lambda: fsp.ReactionNetwork({"A": 0}, ["0 -> 3 A @ 2", "A -> 0 @ 1", "2 A -> 0 @ 0.05"]),
        (14,),
    ),
}


def box(case: str) -> tuple[fsp.ReactionNetwork, FibreSet, ConditionalHull]:
    build, shape = CASES[case]
    network = build()
    coordinates = Coordinates.of(network)
    space = FibreSet.from_states(coordinates, np.argwhere(np.ones(shape, bool)))
    return network, space, conditional_hull(Lattice(network, coordinates), space)


def conditional(network: fsp.ReactionNetwork, space: FibreSet, tolerance: float) -> tuple[np.ndarray, float]:
    """Return the certified law under the condition of being in the set, and a bound of its error."""
    result = fsp.solve_stationary(network, tolerance=tolerance, method="gth")
    assert result.certified
    law = result.distribution
    known = {tuple(x): p for x, p in zip(law.states.tolist(), law.probabilities.tolist(), strict=True)}
    p = np.array([known.get(tuple(x), 0.0) for x in space.states().tolist()])
    # |p/p(S) - pi/pi(S)| <= (|p - pi|_S + |p(S) - pi(S)|) / p(S).
    return p / p.sum(), 2.0 * result.error_bound / float(p.sum())


@pytest.mark.parametrize("tolerance", [1e-4, 1e-10])
@pytest.mark.parametrize("case", CASES)
def test_certified_law_lies_in_the_hull(case: str, tolerance: float) -> None:
    network, space, hull = box(case)
    p, error = conditional(network, space, tolerance)
    assert hull.corners.sum(axis=1) == pytest.approx(1.0)
    slack = error + 1e-13
    assert (hull.lower - slack <= p).all()
    assert (p <= hull.upper + slack).all()
    assert hull.distance(p) <= slack + 1e-9  # of the linear program


@pytest.mark.parametrize("case", CASES)
def test_hull_bounds_the_error_of_a_truncated_law(case: str) -> None:
    """Any corner is a law of the truncated chain: its true error is at most the distance of the farthest corner."""
    network, space, hull = box(case)
    p, error = conditional(network, space, 1e-10)
    for corner in hull.corners:
        assert np.abs(corner - p).sum() <= hull.distance_bound(corner) + error


@pytest.mark.parametrize("case", ["toggle", "gene expression"])
def test_disturbed_laws_are_outside(case: str) -> None:
    """The control: a law that is wrong by a per cent at its mode is told from a mixture of the corners."""
    network, space, hull = box(case)
    p, _ = conditional(network, space, 1e-10)
    wrong = p.copy()
    wrong[np.argmax(p)] *= 1.01
    assert hull.distance(wrong / wrong.sum()) > 1e-4


def test_states_that_are_left_out_are_missed() -> None:
    """The control: with the corner of a state that is not entered instead of those that are, the law is not enclosed."""
    network, space, hull = box("bursts")
    p, error = conditional(network, space, 1e-10)
    few = ConditionalHull(hull.entries[:1], hull.corners[:1])
    assert few.distance(p) > 10.0 * error
