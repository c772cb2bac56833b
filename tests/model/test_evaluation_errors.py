"""A running analysis of rounding: bounds that hold, and that see what cancels."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
import sympy

import fsp
from fsp.model.evaluation import evaluate_tree
from fsp.model.evaluation_errors import evaluation_errors
from fsp.model.expressions import parse_expression

TEXTS = [
    "k*X/(1 + X)", "1 - exp(-k*X)", "(X + 0.1)**2.5 - X**2.5", "sqrt(X + 1e12) - 1e6", "(X - 3)*(X - 5) + 100",
    "X**0.5 + k*log(1 + X)", "max(0, 7.3 - k*X) + 1", "piecewise(k*X, X < 5, 1/X)", "k**X/(1 + k**X)",
    "((1e25 + X)*k - 1e25*k) + 1", "1/(0.1*X - 0.3*k)",
]  # fmt: skip


@pytest.mark.parametrize("text", TEXTS)
def test_errors_are_bounded(text: str) -> None:
    tree = parse_expression(text, ["X", "k"])
    x = np.arange(1.0, 60.0)
    k = 0.7310585786300049
    value = np.broadcast_to(evaluate_tree(tree, {"X": x, "k": k}, dtype=np.longdouble), x.shape)
    bound = np.broadcast_to(evaluation_errors(tree, {"X": x, "k": k}), x.shape)
    exact = sympy.lambdify([sympy.Symbol("X"), sympy.Symbol("k")], tree, "mpmath")
    with mpmath.workdps(60):
        for i, count in enumerate(x):
            truth = exact(mpmath.mpf(float(count)), mpmath.mpf(k))
            high = float(value[i])
            whole = mpmath.mpf(high) + mpmath.mpf(float(value[i] - np.longdouble(high)))
            assert (
                abs(whole - truth)
                <= mpmath.mpf(float(bound[i])) * (1 + mpmath.mpf(1e-9)) + mpmath.mpf(2) ** -1000
            )


def test_bounds_are_near_where_nothing_cancels() -> None:
    tree = parse_expression("k*X/(1 + X**2)", ["X", "k"])
    x = np.arange(1.0, 60.0)
    value = evaluate_tree(tree, {"X": x, "k": 0.3}, dtype=np.longdouble)
    assert (evaluation_errors(tree, {"X": x, "k": 0.3}) <= 20 * np.finfo(np.longdouble).eps * value).all()
    assert evaluation_errors(parse_expression("7 - X", ["X"]), {"X": x}).max() == 0.0


@pytest.mark.parametrize(
    "reactions",
    [
        ["-> Y ; 3/(1 + Y)", "Y -> @ 1", "X -> @ 1", "-> X ; 1 + ((1e25 + Y)*k - 1e25*k)"],
        ["-> Y ; 3/(1 + Y)", "Y -> @ 1", "X -> @ 1", "-> X ; (1e25 + Y)*k - 1e25*k"],
        ["-> X @ 5", "X -> @ 1", "X -> ; 1e21*(sqrt(X + 1e40) - 1e20)", "-> Y @ 1", "Y -> @ 1"],
    ],
)
def test_laws_of_rates_that_lost_their_digits_are_refused(reactions: list[str]) -> None:
    # Double and extended precision agree on these values, and both are wrong.
    network = fsp.ReactionNetwork({"X": 0, "Y": 0}, reactions, {"k": 2.0})
    with pytest.raises(fsp.SolverError, match="digits"):
        fsp.solve_stationary(network, tolerance=1e-6)
    with pytest.raises(fsp.SolverError):
        fsp.solve_transient(network, [1.0], tolerance=1e-6)
