"""Constants of propensities as exact fractions."""

from fractions import Fraction

import pytest
import sympy

import fsp
from fsp.moments.polynomial import constant


def test_numbers_beyond_doubles_are_exact_and_what_is_no_number_is_none():
    assert 0 < constant(sympy.Float("1e-6000"), {}) < Fraction(1, 10**5999)
    assert constant(sympy.Float(0.1), {}) == Fraction(0.1)
    assert constant(sympy.Float("nan"), {}) is None
    assert constant(sympy.Float("inf"), {}) is None


@pytest.mark.parametrize("rate", ["exp(-12000)", "3 + exp(-12000)"])
def test_rates_that_vanish_in_doubles_are_solved(rate):
    network = fsp.ReactionNetwork({"X": 2}, [f"0 -> X ; {rate}", "X -> 0 @ 1"], {})
    law = fsp.solve_transient(network, [1.0])[-1]
    assert law.certified
    assert 1.0 - 1e-6 <= law.probabilities.sum() <= 1.0
    assert fsp.solve_stationary(network).certified
