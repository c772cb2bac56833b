"""Stationary laws: a switch that forgets slowly, a check in closed form, and a network that has none.

Run it with ``python examples/stationary.py``.
"""

from __future__ import annotations

import math

import fsp


def main() -> None:
    # Every probability is an interval that holds the true one: the infinite lattice and rounding are part of the bound.
    switch = fsp.solve_stationary(fsp.gallery.toggle_switch(), tolerance=1e-8)
    print(switch)
    print(switch.ledger)
    assert switch.certified
    assert switch.error_bound <= 1e-8
    left, right = switch.probability("U > V"), switch.probability("V > U")
    print(f"P(U > V) in {left}, P(V > U) in {right}")
    assert abs(left.midpoint - right.midpoint) <= left.width + right.width

    # Pairs that annihilate: P(0) in closed form, by Bessel functions.
    pairs = fsp.ReactionNetwork({"A": 0}, ["0 -> A @ 20", "2 A -> 0 @ 0.5"])
    law = fsp.solve_stationary(pairs, tolerance=1e-10).distribution
    bessel = [sum((z / 2) ** (2 * k + 1) / math.factorial(k) / math.factorial(k + 1) for k in range(60))
              for z in (2 * math.sqrt(80), 2 * math.sqrt(160))]  # fmt: skip
    exact = bessel[0] / (math.sqrt(2) * bessel[1])
    print(f"P(A = 0) in {law.pmf(A=0)}; in closed form {exact}")
    assert abs(law.pmf(A=0).midpoint - exact) <= 1e-10
    print(f"E[A] in {law.mean_bounds('A')}")
    assert law.mean_bounds("A").width < 1e-6

    try:
        fsp.solve_stationary(fsp.ReactionNetwork({"X": 1}, ["X -> 2 X @ 1"]))
    except fsp.NoStationaryLawError as error:
        print(error)
    else:
        message = "a pure birth process has no stationary law"
        raise AssertionError(message)


if __name__ == "__main__":
    main()
