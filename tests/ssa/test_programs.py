"""Programs of the stack machine have the values of the trees they were written from."""

from __future__ import annotations

import numpy as np
import pytest
from numba import njit

from fsp.model.evaluation import evaluate_tree
from fsp.model.expressions import parse_expression
from fsp.ssa.memory import pointer
from fsp.ssa.programs import Programs
from fsp.ssa.stack import run_program

VALUES = {"k": 0.7, "m": -2.0}


@njit
def _run(start, x, time, code, numbers, stack):
    return run_program(start, pointer(x), 0, time, pointer(code), pointer(numbers), pointer(stack))


@pytest.mark.parametrize(
    "text",
    [
        "X", "k*X*Y/(3 + X)", "X - Y", "-X", "X^2", "X^-3", "X^20", "X^Y", "X^0.5", "X^k", "k^X", "2^m", "1/(X - 3)",
        "exp(-k*X)", "log(X)", "log10(X + 1)", "sqrt(X - 2)", "abs(X - Y)", "floor(X/2)", "ceil(X/2)", "min(X, Y, 2)",
        "max(X - Y, 0)", "sin(X) + cos(X) + tan(X)", "sinh(X/5) - cosh(X/5)*tanh(X)", "asin(X/7) + acos(X/7) + atan(X)",
        "asinh(X) + acosh(X + 1) + atanh(X/9)", "factorial(X)", "binomial(X, 2)", "binomial(X, Y)", "X > Y", 
        "X >= 3 and Y < 2",
        "X > 3 or 1/(X - 2) > 0", "X < 3 and 1/(X - 2) > 0", "not X == Y", "X != Y", "piecewise(X, X > 2, Y, Y > 1, 5)",
        "piecewise(1/X, X > 0, 0)", "X if Y > 1 else k", "k*X*exp(-time/3)", "pi*X + time", "X/X", "(X + Y)^3*(X - Y)/Y",
    ],
)  # fmt: skip
def test_values(text: str) -> None:
    tree = parse_expression(text, ["X", "Y", "k", "m", "time"])
    programs = Programs(["X", "Y"], VALUES)
    programs.add(parse_expression("X + 1", ["X"]))
    start = programs.add(tree)
    code, numbers = programs.arrays()
    stack = np.full(programs.depth + 1, np.nan)
    for x in range(7):
        for y in range(4):
            found = _run(start, np.array([x, y, 1, 0]), 1.5, code, numbers, stack)
            wanted = float(evaluate_tree(tree, {**VALUES, "X": np.array(x), "Y": np.array(y), "time": 1.5}))
            if np.isfinite(wanted):
                assert found == pytest.approx(wanted, rel=1e-13, abs=1e-13), (x, y)
            else:
                assert np.isnan(found) or found == wanted, (x, y)


def test_parts_that_are_given() -> None:
    tree = parse_expression("X + (time > 3)*2", ["X", "time"])
    clock = next(
        node for node in tree.atoms(type(parse_expression("piecewise(1, time > 3, 0)", ["time"]).args[0][1]))
    )
    programs = Programs(["X"], {})
    start = programs.add(tree, {clock: 1.0})
    code, numbers = programs.arrays()
    assert _run(start, np.array([4, 1, 0]), np.nan, code, numbers, np.zeros(programs.depth + 1)) == 6.0
