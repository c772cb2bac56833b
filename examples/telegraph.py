"""The telegraph model of a gene against its closed form.

A gene switches on and off at the rates ``a`` and ``b``, is transcribed at the rate ``k`` while it is on, and
the RNA decays at the rate 1. In the stationary state the count of RNA is Poisson with a random mean ``k B``,
where B has the beta distribution with parameters a and b (Peccoud and Ycart, Theor. Popul. Biol. 48:222-234,
1995):

    P(n) = k^n/n! (a)_n/(a + b)_n  1F1(a + n; a + b + n; -k).

Run it with ``python examples/telegraph.py``.
"""

from __future__ import annotations

import math

import mpmath

import fsp


def stationary_law(a: float, b: float, k: float, most: int) -> list[float]:
    """Return P(0), ..., P(most) to all digits of a float."""
    with mpmath.workdps(50):
        return [
            float(
                mpmath.mpf(k) ** n
                / mpmath.factorial(n)
                * mpmath.rf(a, n)
                / mpmath.rf(a + b, n)
                * mpmath.hyp1f1(a + n, a + b + n, -k)
            )
            for n in range(most + 1)
        ]


def main() -> None:
    a, b, k, tolerance = 0.5, 0.75, 30.0, 1e-10
    network = fsp.gallery.telegraph(on=a, off=b, transcription=k, decay=1.0)
    result = fsp.solve_transient(network, times=[1.0, 40.0], tolerance=tolerance)
    print(result)

    # At any time, P(gene on) = a/(a + b) (1 - exp(-(a + b) t)) from the state off.
    exact = a / (a + b) * (1.0 - math.exp(-(a + b)))
    on = result.at(1.0).probability("ON == 1")
    print(f"P(on) at t = 1 is {exact:.12f}, enclosed by {on}")
    assert exact in on
    assert on.width <= 2 * tolerance

    # The slowest mode decays like exp(-t): at t = 40 less than 1e-14 remains of the start.
    law = stationary_law(a, b, k, 120)
    stationary = fsp.Distribution.from_dict(dict(enumerate(law)), ["M"], error_bound=1e-14)
    distance = result[-1].marginal("M").tv_distance(stationary)
    print(f"total variation distance from the closed form at t = 40: {distance}")
    assert distance.lower <= 1e-14
    assert distance.upper <= tolerance

    # The network is linear: the moment equations are closed, and the enclosure of the mean is sharp.
    mean = result[-1].mean_bounds("M")
    print(f"E[M] at t = 40 in {mean}, closed form {k * a / (a + b):.12f}")
    assert abs(mean.midpoint - k * a / (a + b)) <= 1e-12
    assert mean.width <= 1e-12


if __name__ == "__main__":
    main()
