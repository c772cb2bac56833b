"""Random networks for hypothesis, and generators built from them state by state, the slow and obvious way."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st

import fsp

__all__ = [
    "Brute",
    "breadth_first",
    "brute_force",
    "lattice_points",
    "networks",
]

NAMES = ("A", "B", "C", "D")
RATES = (0.1, 0.3, 1.0, 2.5, 7.0)


@st.composite
def reaction_texts(draw: Any, names: tuple[str, ...]) -> str:
    kind = draw(st.sampled_from(["mass", "mass", "mass", "convert", "burst", "hill", "coupled", "piece"]))
    x, y = draw(st.sampled_from(names)), draw(st.sampled_from(names))
    k = draw(st.sampled_from(RATES))
    if kind == "convert" and x != y:
        return f"{x} -> {y} @ {k}"
    if kind == "burst":
        return f"0 -> {draw(st.integers(2, 3))} {x} @ {k}"
    if kind == "hill":
        power = draw(st.sampled_from([1, 2, 2.5]))
        return f"0 -> {x} ; {k}/(1 + ({y}/3)**{power})"
    if kind == "coupled":
        return f"{x} -> 0 ; {k}*{x}/(1 + {x} + 2*{y})"
    if kind == "piece":
        return f"{x} -> 0 ; {k}*piecewise({x}, {y} > 2, {x}*({x} + 1))"
    left = draw(st.lists(st.sampled_from(names), max_size=2))
    right = draw(st.lists(st.sampled_from(names), max_size=2))
    return f"{' + '.join(left) or '0'} -> {' + '.join(right) or '0'} @ {k}"


@st.composite
def networks(draw: Any, max_species: int = 4, max_reactions: int = 6) -> fsp.ReactionNetwork:
    """Draw a network: mass action up to second order, bursts, catalysis, Hill and coupled propensities."""
    names = NAMES[: draw(st.integers(1, max_species))]
    reactions = draw(st.lists(reaction_texts(names), min_size=1, max_size=max_reactions))
    initial = {name: draw(st.integers(0, 4)) for name in names}
    network = fsp.ReactionNetwork(initial, reactions)
    assume(network.stoichiometry.any())
    return network


@st.composite
def lattice_points(draw: Any, coordinates: Any, largest: int = 6, max_size: int = 60) -> np.ndarray:
    """Draw states that the coordinates can express: counts of all species, not negative, at least one."""
    axes = coordinates.n_axes
    low = np.zeros(axes, np.int64)
    grid = np.array(list(itertools.product(*(range(n, n + largest + 1) for n in low))), np.int64)
    counts = coordinates.to_counts(grid.reshape(-1, axes))
    counts = counts[(counts >= 0).all(axis=1)]
    assume(len(counts))
    seed = draw(st.integers(0, 2**32 - 1))
    random = np.random.default_rng(seed)
    if draw(st.booleans()):  # a solid block with a few holes, or scattered states
        keep = random.random(len(counts)) < 0.85
        keep[random.integers(len(counts))] = True
        return counts[keep]
    return random.permutation(counts)[: draw(st.integers(1, max_size))]


class Brute:
    """The generator on a list of states as a dense matrix, from `ReactionNetwork.evaluate_propensities`."""

    def __init__(self, network: fsp.ReactionNetwork, states: np.ndarray) -> None:
        self.states = np.asarray(states, np.int64)
        where = {tuple(state): i for i, state in enumerate(self.states.tolist())}
        n, n_reactions = len(where), network.n_reactions
        rates = network.evaluate_propensities(self.states)
        self.matrix = np.zeros((n, n))
        self.exit = np.zeros(n)
        #: Outflow rate of each state by each reaction.
        self.leaving = np.zeros((n, n_reactions))
        for r, change in enumerate(network.stoichiometry):
            if not change.any():
                continue
            for i, state in enumerate(self.states):
                rate = rates[i, r]
                self.exit[i] += rate
                self.matrix[i, i] -= rate
                j = where.get(tuple((state + change).tolist()))
                if j is None:
                    self.leaving[i, r] += rate
                else:
                    self.matrix[j, i] += rate


def brute_force(network: fsp.ReactionNetwork, space: Any) -> Brute:
    """Return the dense generator on the states of a set, in its order."""
    return Brute(network, space.states())


def breadth_first(
    network: fsp.ReactionNetwork,
    start: Iterable[Sequence[int]],
    steps: int,
    allowed: Any = lambda state: True,
    most: int = 100_000,
) -> set[tuple[int, ...]]:
    """Return the states that up to ``steps`` firings reach through allowed states."""
    seen = {tuple(int(c) for c in state) for state in start}
    layer = list(seen)
    for _ in range(steps):
        fresh: set[tuple[int, ...]] = set()
        if not layer:
            break
        rates = network.evaluate_propensities(np.array(layer, np.int64))
        for state, row in zip(layer, rates, strict=True):
            for rate, change in zip(row, network.stoichiometry, strict=True):
                target = tuple(int(a + b) for a, b in zip(state, change, strict=True))
                if rate > 0 and target not in seen and allowed(target):
                    fresh.add(target)
        seen |= fresh
        if len(seen) > most:
            message = f"more than {most} states"
            raise OverflowError(message)
        layer = list(fresh)
    return seen
