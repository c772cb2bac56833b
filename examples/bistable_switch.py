"""A bistable switch that relaxes in more than 1e12 units of time, and its slow rate with a proof.

Schloegl's model in twelve times the usual volume has two stable states; noise takes it from one to the other once in
1e13 units of time. Ordinary eigensolvers lose such a rate in rounding. For a chain that goes up and down by one, the
mean time from one state to a higher one is a sum over products of rates (van Kampen, Stochastic Processes in Physics and
Chemistry, 3rd edition, 2007, section XII.2); it is evaluated here in 40 digits:

    T(a -> b) = sum over a <= n < b of (w_0 + ... + w_n)/(w_n up_n),   w_n = product of up_(m-1)/down_m, m <= n.

Run it with ``python examples/bistable_switch.py [picture.png]``.
"""

from __future__ import annotations

import sys

import mpmath

import fsp


def mean_time_up(births: list[float], deaths: list[float], a: int, b: int) -> float:
    """Return the mean time from the count ``a`` to the higher count ``b``."""
    with mpmath.workdps(40):
        weight, below, total = mpmath.mpf(1), mpmath.mpf(0), mpmath.mpf(0)
        for n in range(b):
            below += weight
            if n >= a:
                total += below / (weight * mpmath.mpf(births[n]))
            weight *= mpmath.mpf(births[n]) / mpmath.mpf(deaths[n + 1])
        return float(total)


def main(picture: str | None = None) -> None:
    volume = 12
    network = fsp.ReactionNetwork(
        species={"X": 0},
        parameters={"k1": 0.18 / volume, "k2": 2.5e-4 / volume**2, "k3": 2200.0 * volume, "k4": 37.5},
        reactions=[
            "2 X -> 3 X ; k1*X*(X - 1)",
            "3 X -> 2 X ; k2*X*(X - 1)*(X - 2)",
            "0 -> X @ k3",
            "X -> 0 @ k4",
        ],
    )
    modes = fsp.slow_modes(network, k=3, bounds={"X": 700 * volume})
    print(modes)
    print(f"relaxation time {modes.relaxation_time:.9g}, rate at most {modes.upper_bound(0):.12g} (proven)")
    assert modes.relaxation_time > 1e12
    assert modes.certified_on_set
    assert modes.error_bounds[0] <= 1e-6 * modes.rates[0]

    sets = modes.metastable_sets()
    low, high = sorted(sets.peaks[:, 0].tolist())
    up = sets.rates[0, 1] if sets.peaks[0, 0] == low else sets.rates[1, 0]
    print(f"from X = {low} to X = {high} at the rate {up:.9g}")
    births, deaths = (
        network.evaluate_propensities([[n] for n in range(high + 1)])[:, columns].sum(axis=1).tolist()
        for columns in ([0, 2], [1, 3])
    )
    time = mean_time_up(births, deaths, low, high)
    print(f"the mean time of that passage is {time:.9g}, its inverse {1.0 / time:.9g}")
    assert abs(up * time - 1.0) <= 1e-6

    if picture is not None:
        modes.plot().savefig(picture, dpi=200)


if __name__ == "__main__":
    main(*sys.argv[1:2])
