"""First passages by dense linear algebra, the slow and obvious way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath as mp
import numpy as np
import scipy.linalg
from random_networks import breadth_first

import fsp

__all__ = ["Dense", "birth_death_cdf", "birth_death_mean", "birth_death_moments_down"]


class Dense:
    """The chain on the states that are reachable before an end, with columns that sum to zero.

    The last three states stand for the target, for what is avoided, and for what lies outside of the box.
    """

    def __init__(
        self,
        network: fsp.ReactionNetwork,
        target: Callable[..., bool],
        avoid: Callable[..., bool],
        largest: int,
    ) -> None:
        names = network.species_names

        def kind(state: Any) -> int:
            counts = dict(zip(names, state, strict=True))
            if target(**counts):
                return 1
            return 2 if avoid(**counts) else 0 if max(state) <= largest else 3

        self.start_kind = kind(network.initial_state.tolist())
        self.states = sorted(
            breadth_first(network, [network.initial_state], 10_000, lambda s: kind(s) == 0, most=3_000)
        )
        where = {state: i for i, state in enumerate(self.states)}
        n = self.n = len(self.states)
        self.matrix = np.zeros((n + 3, n + 3))
        rates = network.evaluate_propensities(np.array(self.states, np.int64).reshape(n, -1))
        for i, state in enumerate(self.states):
            for rate, change in zip(rates[i], network.stoichiometry, strict=True):
                if rate > 0 and change.any():
                    arrival = tuple((np.array(state) + change).tolist())
                    j = where[arrival] if kind(arrival) == 0 else n + kind(arrival) - 1
                    self.matrix[j, i] += rate
                    self.matrix[i, i] -= rate
        self.start = where[tuple(network.initial_state.tolist())]

    def ends(self, time: float) -> np.ndarray:
        """Return the probabilities of target, avoided and outside by initial state: shape (3, n)."""
        return scipy.linalg.expm(self.matrix * time)[self.n :, : self.n]

    def occupation(self, time: float) -> np.ndarray:
        """Return the expected time in each state until a time, from the initial state."""
        n = self.n
        wide = np.zeros((2 * n, 2 * n))
        wide[:n, :n] = self.matrix[:n, :n]
        wide[n:, :n] = np.eye(n)
        return scipy.linalg.expm(wide * time)[n:, self.start]


def birth_death_cdf(
    birth: Callable[[int], Any], death: Callable[[int], Any], start: int, top: int, time: Any
) -> Any:
    """Return the probability that a birth-death chain has hit ``top`` by a time: Taylor's series in many digits."""
    with mp.workdps(150):
        t = mp.mpf(time)
        term = [mp.mpf(i == start) for i in range(top + 1)]
        total = mp.mpf(0)
        for k in range(1, 3_000):
            flow = [birth(i) * term[i] for i in range(top)]
            back = [death(i) * term[i] if i else mp.mpf(0) for i in range(top)]
            change = [
                (flow[i - 1] if i else 0)
                + (back[i + 1] if i + 1 < top else 0)
                - (flow[i] + back[i] if i < top else 0)
                for i in range(top + 1)
            ]
            term = [c * t / k for c in change]
            total += term[top]
            if k > 100 and max(abs(x) for x in term) < mp.mpf(10) ** -100:
                return total
    message = "the series did not converge"
    raise ArithmeticError(message)


def birth_death_mean(birth: Callable[[int], Any], death: Callable[[int], Any], start: int, top: int) -> Any:
    """Return the mean time to hit ``top``: sums of products of rates (Karlin and McGregor 1957)."""
    with mp.workdps(60):
        total = mp.mpf(0)
        step = mp.mpf(0)  # mean time from i to i + 1
        for i in range(top):
            step = (1 + death(i) * step) / birth(i)
            total += step if i >= start else 0
        return total


def birth_death_moments_down(
    birth: Callable[[int], Any], death: Callable[[int], Any], start: int, last: int = 1500
) -> tuple[Any, Any]:
    """Return mean and variance of the time to hit 0, of a chain with no births from ``last`` on.

    From n the next jump is up, with probability p, and the way back to n is made before that to n - 1; the times that these
    ways take are independent of each other.
    """
    with mp.workdps(60):
        first = second = mp.mpf(0)  # moments of the time from n + 1 to n
        mean = variance = mp.mpf(0)
        for n in range(last, 0, -1):
            up, down = (birth(n) if n < last else mp.mpf(0)), death(n)
            rate = up + down
            p, q = up / rate, down / rate
            one = (1 + up * first) / down
            second = (2 / rate**2 + 2 * p * (first + one) / rate + p * (second + 2 * first * one)) / q
            first = one
            if n <= start:
                mean += first
                variance += second - first**2
        return mean, variance
