"""Certified laws at 1e-8 against boxes of several times as many states, with another solver and no certificate."""

from __future__ import annotations

import numpy as np
import pytest

import fsp
from fsp import gallery
from fsp.statespace import Coordinates, FibreSet
from fsp.stationary.chain import FiniteChain
from fsp.stationary.protocol import find_solver


def on_a_larger_box(result: fsp.StationaryResult, factor: float, solver: str) -> tuple[float, int]:
    """Return the 1-norm of the difference from the law on a box whose sides are ``factor`` times as long."""
    law, network = result.distribution, result.network
    high = (factor * law.states.max(axis=0)).astype(int) + 1
    coordinates = Coordinates.of(network)
    box = FibreSet.from_states(coordinates, np.argwhere(np.ones(high + 1, np.bool_)))
    chain = FiniteChain.of(network, box)
    # Another state than the most likely one, which the certificate refers to.
    reference = int(box.index(law.states[np.argsort(-law.probabilities)[20:21]])[0])
    p = find_solver(solver).load()(chain, 1e-13).stationary(reference)
    mine = np.zeros(box.n_states)
    mine[box.index(law.states)] = law.probabilities
    return float(np.abs(mine - p).sum()), box.n_states


@pytest.mark.slow
def test_toggle_hill() -> None:
    result = fsp.solve_stationary(gallery.toggle_switch(), tolerance=1e-8)
    assert result.certified
    difference, states = on_a_larger_box(result, 1.7, "lu")
    assert states > 4 * result.n_states
    assert difference <= result.error_bound + 1e-10


def test_toggle_of_munsky_and_khammash() -> None:
    network = fsp.ReactionNetwork(
        {"U": 0, "V": 0}, ["0 -> U ; 50/(1 + V^2.5)", "0 -> V ; 16/(1 + U)", "U -> 0 @ 1", "V -> 0 @ 1"]
    )
    result = fsp.solve_stationary(network, tolerance=1e-8)
    assert result.certified
    difference, states = on_a_larger_box(result, 2.0, "lu")
    assert states > 4 * result.n_states
    assert difference <= result.error_bound + 1e-10


@pytest.mark.slow
def test_small_repressilator() -> None:
    genes = [("A", "B"), ("B", "C"), ("C", "A")]
    network = fsp.ReactionNetwork(
        {"A": 5, "B": 0, "C": 0},
        [f"0 -> {x} ; 10/(1 + 20*{y}^6)" for x, y in genes] + [f"{x} -> 0 @ 1" for x, _ in genes],
    )
    result = fsp.solve_stationary(network, tolerance=1e-8)
    assert result.certified
    difference, states = on_a_larger_box(result, 1.2, "multilevel")
    assert states > 4 * result.n_states
    assert difference <= result.error_bound + 1e-10


def test_a_set_that_is_too_small_is_noticed() -> None:
    """The control: a law cut off by ``bounds=`` is further away than what is allowed above, and its bound says so."""
    with pytest.raises(fsp.ToleranceError) as caught:
        fsp.solve_stationary(gallery.toggle_switch(), tolerance=1e-8, bounds={"U": 110, "V": 110})
    result = caught.value.result
    difference, _ = on_a_larger_box(result, 1.5, "lu")
    assert 1e-8 < difference <= result.error_bound
