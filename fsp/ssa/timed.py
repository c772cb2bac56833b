"""Rates that depend on time: terms, windows of time, and the bounds of the functions of time over them."""

from __future__ import annotations

import heapq
import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from fsp.errors import UnsupportedError
from fsp.model.equations import Reaction
from fsp.model.network import ReactionNetwork
from fsp.model.propensity import Propensity
from fsp.ssa.layout import FloatArray, IntArray, Network
from fsp.ssa.tables import KernelTables
from fsp.timed.rates import TimeRates
from fsp.timed.separation import separate_network

if TYPE_CHECKING:
    from fsp.timed.jets import TimeTree

__all__ = ["TimedTables"]

#: Windows are halved until the bounds exceed the largest of some values by no more than this, or there are so many windows.
_TIGHT, _MOST_WINDOWS = 1.1, 2000
_SAMPLES = 8


class TimedTables(KernelTables):
    """The terms of a network whose rates depend on time, over a stretch of time.

    Parameters
    ----------
    network : ReactionNetwork
    start, end : float
    triggers, watch_all
        See `KernelTables`.

    Attributes
    ----------
    rows : ndarray of int64
        The reaction of the network that each term belongs to.
    edges : list of float
        Of the windows.

    Raises
    ------
    UnsupportedError
        If a propensity is no sum of products f(time) g(counts), or a function of time cannot be bounded.
    PropensityError
        If a function of time is negative or not finite.
    """

    def __init__(
        self, network: ReactionNetwork, start: float, end: float,
        triggers: Sequence[tuple[Any, Mapping[Any, float]]] = (), *, watch_all: bool = False,
    ) -> None:  # fmt: skip
        terms = separate_network(network)
        self.rows: IntArray = np.array([t.reaction for t in terms], np.int64)
        self._functions = list(dict.fromkeys(t.of_time for t in terms if t.of_time != 1))
        self._function_of = [-1 if t.of_time == 1 else self._functions.index(t.of_time) for t in terms]
        names = [
            f"reaction '{network.reactions[self.rows[self._function_of.index(i)]]}'"
            for i in range(len(self._functions))
        ]
        rates = TimeRates(self._functions, network.parameters, names)
        rates.check(end, start)
        self.edges, self._upper = _windows(rates, start, end, names)
        reactions = []
        for i, term in enumerate(terms):
            old = network.reactions[term.reaction]
            law = Propensity(term.of_state, network.species_names, network.parameters)
            reactions.append(
                Reaction(f"{old.name} term {i}", old.text, old.reactants, old.products, law, f"; {law}")
            )
        counts = dict(zip(network.species_names, network.initial_state.tolist(), strict=True))
        super().__init__(
            ReactionNetwork(counts, reactions, network.parameters), triggers, watch_all=watch_all
        )

    def in_window(self, w: int) -> Network:
        """Return what kernels get for one window of time."""
        upper = np.array([1.0 if i < 0 else self._upper[w][i] for i in self._function_of])
        return self.kernel._replace(constant=self.kernel.constant * upper, upper=upper)

    def _more_programs(self, add: Any) -> IntArray:
        return np.array([-1 if i < 0 else add(self._functions[i]) for i in self._function_of], np.int64)


def _windows(
    rates: TimeRates, start: float, end: float, names: Sequence[str]
) -> tuple[list[float], list[FloatArray]]:
    """Return the edges of windows and the upper bounds of all functions over each of them.

    The window with the most candidates to spare is halved first: a short pulse gets the windows that it needs.
    """
    edges = [start, *(t for t in rates.break_points(end) if t > start), end]
    pairs = [pair for pair in pairwise(edges) if pair[0] < pair[1]]
    first = [_bounds(rates.functions, a, b) for a, b in pairs]
    scale = [
        max((u for u in column if 0.0 < u < math.inf), default=1.0) for column in zip(*first, strict=True)
    ]
    heap = [
        (-_excess(rates.functions, *pair, u, scale), *pair, u.tolist())
        for pair, u in zip(pairs, first, strict=True)
    ]
    heapq.heapify(heap)
    done: list[tuple[float, float, list[float]]] = []
    while heap:
        excess, a, b, upper = heapq.heappop(heap)
        middle = a + 0.5 * (b - a)
        if excess < 0.0 and a < middle < b and len(heap) + len(done) < _MOST_WINDOWS:
            for c, d in ((a, middle), (middle, b)):
                bounds = _bounds(rates.functions, c, d)
                heapq.heappush(heap, (-_excess(rates.functions, c, d, bounds, scale), c, d, bounds.tolist()))
            continue
        if not np.isfinite(upper).all():
            name = names[int(np.argmin(np.isfinite(upper)))]
            message = f"the propensity of {name} cannot be bounded from time {a:g} to {b:g}: simulate shorter stretches"
            raise UnsupportedError(message)
        done.append((a, b, upper))
    done.sort(key=lambda window: window[0])
    return [start, *(b for _, b, _ in done)], [np.maximum(upper, 0.0) for _, _, upper in done]


def _bounds(functions: Sequence[TimeTree], a: float, b: float) -> FloatArray:
    return np.array([function.jet((a, b), 0)[0][1] for function in functions])


def _excess(
    functions: Sequence[TimeTree], a: float, b: float, upper: FloatArray, scale: Sequence[float]
) -> float:
    """Return how many candidates are rejected in a window, in units of the scales; 0 if all bounds are tight."""
    if not np.isfinite(upper).all():
        return math.inf
    times = [min(b, a + (b - a) * k / (_SAMPLES - 1)) for k in range(_SAMPLES)]
    excess = 0.0
    for function, bound, unit in zip(functions, upper.tolist(), scale, strict=True):
        # The mean counts, because it says how many candidates are accepted.
        mean = math.fsum(function.jet((t, t), 0)[0][1] for t in times) / _SAMPLES
        if bound > _TIGHT * mean:
            excess = max(excess, (bound - mean) / unit * (b - a))
    return excess
