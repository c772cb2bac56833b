"""Separated terms add up to the propensity, at every state and time; what cannot be separated is refused by name."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import fsp
from fsp.errors import UnsupportedError
from fsp.model.evaluation import evaluate_tree
from fsp.model.expressions import parse_expression
from fsp.timed.separation import separate

VALUES = {"k": 1.5, "b": 0.25}

#: Propensities and the most terms that they should need.
SEPARABLE = {
    "k*X*exp(-time)": 1,
    "k*X*(1 + b*sin(time))": 1,
    "k*X + b*X*sin(time)": 1,
    "k*X + X*Y*sin(time)^2": 2,
    "(X + time)^2": 3,
    "X/(1 + time)/(1 + Y)": 1,
    "exp(-time - b*X)": 1,
    "-X*(cos(time) - 2)": 1,
    "0.012/(6*2^(time/2100))*X*Y": 1,
    "piecewise(max(0, 2 - time), X == 1, k, X == 2, b, X == 3, 0)": 2,
    "piecewise(k*X, time < 1, 2*k*Y)": 2,
    "piecewise(k*X, time < 1 and X > 1, Y*(2 + sin(time)), Y == 2, X)": 5,
    "piecewise(X, time < 1 or Y > 1, X*time)": 3,
    "piecewise(1, not (time > 1) and X > 1 and time > 0.5, X)": 4,
    "k*piecewise(X, Y > 2, X*time)*piecewise(1, time < 1, 2)": 4,
    "floor(time)*X + ceil(b*time)": 2,
}


@pytest.mark.parametrize("text", SEPARABLE)
def test_the_terms_add_up(text):
    tree = parse_expression(text, ["k", "b", "X", "Y", "time"])
    terms = separate(tree, ["X", "Y"], VALUES)
    assert terms is not None
    assert len(terms) <= SEPARABLE[text]
    x, y = (g.ravel() for g in np.meshgrid(np.arange(5), np.arange(4)))
    for time in (0.0, 0.3, 0.75, 1.0, 1.7, 4.0):
        counts = {**VALUES, "X": x, "Y": y}
        expected = np.broadcast_to(evaluate_tree(tree, {**counts, "time": time}), x.shape)
        total = np.zeros(x.size)
        for of_time, of_state in terms:
            assert "time" not in {s.name for s in of_state.free_symbols}
            assert not {"X", "Y"} & {s.name for s in of_time.free_symbols}
            total += float(evaluate_tree(of_time, {**VALUES, "time": time})) * evaluate_tree(of_state, counts)
        assert total == pytest.approx(expected, rel=1e-13, abs=1e-13)


@pytest.mark.parametrize(
    "text",
    ["1/(X + time)", "max(X, time)", "piecewise(1, X > time, 2)", "X^time", "sin(X*time)^2", "floor(X*time)"],
)
def test_refused_by_name(text):
    tree = parse_expression(text, ["k", "b", "X", "Y", "time"])
    assert separate(tree, ["X", "Y"], VALUES) is None
    network = fsp.ReactionNetwork({"X": 1}, [f"odd: 0 -> X ; {text}", "X -> 0 @ 1"])
    with pytest.raises(UnsupportedError, match=r"reaction 'odd.*mixes time and counts"):
        fsp.solve_transient(network, [1.0])


def test_too_many_conditions_are_refused():
    tests = ", ".join(f"{i}, time < {i} and X > {i}" for i in range(1, 8))
    tree = parse_expression(f"piecewise({tests}, 0)", ["X", "time"])
    assert separate(tree, ["X"], {}) is None


def test_one_function_of_time_is_one_part():
    """Three reactions with the volume of a growing cell share one function."""
    from fsp.timed.modulated import TimedNetwork

    network = fsp.ReactionNetwork(
        {"A": 5, "B": 0},
        ["A -> B ; 0.1*A/2^(time/9)", "B -> A ; 0.3*B/2^(time/9)", "A -> 0 @ 1", "0 -> A ; time"],
    )
    timed = TimedNetwork(network)
    assert len(timed.rates.functions) == 2
    assert [piece[1].tolist() for piece in timed.pieces if piece] == [[2], [0, 1], [3]]
    for piece, rows in [p for p in timed.pieces if p]:
        assert list(itertools.chain(piece.stoichiometry.tolist())) == network.stoichiometry[rows].tolist()
