"""How long a switch takes to flip: mean time, rare events, and who wins.

Run: python examples/first_passage.py
"""

from __future__ import annotations

import fsp

NETWORK = fsp.gallery.toggle_switch()
BIRTH_DEATH = fsp.ReactionNetwork(
    {"X": 10}, ["birth: 0 -> X @ k", "death: X -> 0 @ d"], {"k": 10.0, "d": 1.0}
)


def mean_time_up(k: float, d: float, start: int, top: int) -> float:
    """Return the mean time of a birth-death chain from ``start`` to ``top``, by the classical recursion."""
    total = step = 0.0
    for i in range(top):
        step = (1.0 + d * i * step) / k  # mean time from i to i + 1
        total += step if i >= start else 0.0
    return total


def main() -> None:
    race = fsp.first_passage(NETWORK, "U >= 60", times=[1.0, 5.0, 20.0], avoid="V >= 60")
    print(race)
    print("U wins with probability", race.hit_probability, "after a mean time of", race.conditional_mean)
    assert 0.5 in race.hit_probability  # by symmetry

    up = fsp.first_passage(BIRTH_DEATH, "X >= 30", times=[1.0, 1000.0])
    print("from 10 to 30 molecules: mean time", up.mean)
    assert abs(up.mean.midpoint / mean_time_up(10.0, 1.0, 10, 30) - 1.0) < 1e-9

    rare = fsp.first_passage(BIRTH_DEATH, "X >= 45", times=[1.0], relative=True)
    print("45 molecules within one unit of time:", rare.cdf[0])
    assert rare.cdf[0].upper < 1e-17
    assert rare.cdf[0].width <= 1e-6 * rare.cdf[0].lower

    made = fsp.expected_reward(BIRTH_DEATH, [10.0], firings="birth")
    print("births until t = 10:", made[0])
    assert 100.0 in made[0]


if __name__ == "__main__":
    main()
