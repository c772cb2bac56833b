"""Rates that depend on time: terms, windows of time, and the bounds of the functions of time over them."""

from __future__ import annotations

import heapq
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from fsp.errors import UnsupportedError
from fsp.model.equations import Reaction
from fsp.model.evaluation import evaluate_tree
from fsp.model.network import ReactionNetwork
from fsp.model.propensity import Propensity
from fsp.ssa.layout import FloatArray, IntArray, Network
from fsp.ssa.tables import KernelTables
from fsp.timed.rates import TimeRates
from fsp.timed.separation import separate_network

__all__ = ["TimedTables"]

#: Windows are halved until the bounds exceed the means by no more than this, or there are so many windows.
_TIGHT, _MOST_WINDOWS = 1.1, 2000
#: Whether they do on the average is looked at after so many halvings.
_LOOK = 16
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
        self.edges, self._upper = _windows(rates, network.parameters, start, end, names)
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
    rates: TimeRates, parameters: Mapping[str, float], start: float, end: float, names: Sequence[str]
) -> tuple[list[float], list[FloatArray]]:
    """Return the edges of windows and the upper bounds of all functions over each of them.

    The window with the most candidates to reject is halved first: a short pulse gets the windows that it needs.
    """
    edges = [start, *(t for t in rates.break_points(end) if t > start), end]
    windows = [_Window.over(rates, parameters, a, b) for a, b in pairwise(edges) if a < b]
    scale = [
        max((u for u in column if 0.0 < u < math.inf), default=1.0)
        for column in zip(*(w.upper for w in windows), strict=True)
    ]
    # Windows of the same cost are taken in the order of time.
    heap = [(-w.cost(scale), w.start, w) for w in windows]
    heapq.heapify(heap)
    done: list[_Window] = []  # those that are too short to be halved
    while heap and heap[0][0] < 0.0 and len(heap) + len(done) < _MOST_WINDOWS:
        if len(heap) % _LOOK == 0 and _are_tight([w for *_, w in heap]):
            break
        _, _, window = heapq.heappop(heap)
        a, b = window.start, window.end
        middle = a + 0.5 * (b - a)
        if not a < middle < b:
            done.append(window)
            continue
        for c, d in ((a, middle), (middle, b)):
            half = _Window.over(rates, parameters, c, d)
            heapq.heappush(heap, (-half.cost(scale), c, half))
    done += [w for *_, w in heap]
    done.sort(key=lambda w: w.start)
    for w in done:
        if not np.isfinite(w.upper).all():
            name = names[int(np.argmin(np.isfinite(w.upper)))]
            message = f"the propensity of {name} cannot be bounded from {w.start:g} to {w.end:g}: simulate shorter stretches"
            raise UnsupportedError(message)
    return [start, *(w.end for w in done)], [np.maximum(w.upper, 0.0) for w in done]


@dataclass(frozen=True)
class _Window:
    """A stretch of time with upper bounds and estimated means of all functions."""

    start: float
    end: float
    upper: FloatArray
    mean: FloatArray

    @classmethod
    def over(cls, rates: TimeRates, parameters: Mapping[str, float], a: float, b: float) -> _Window:
        upper = np.array([function.jet((a, b), 0)[0][1] for function in rates.functions])
        values = {**parameters, "time": np.linspace(a, b, _SAMPLES)}
        # Nothing depends on the means but how long a simulation takes.
        mean = np.array([np.mean(evaluate_tree(function.tree, values)) for function in rates.functions])
        return cls(a, b, upper, np.where(np.isfinite(mean), mean, 0.0))

    def cost(self, scale: Sequence[float]) -> float:
        """Return how many candidates are rejected, in units of the scales; 0 if all bounds are tight."""
        if not np.isfinite(self.upper).all():
            return math.inf
        excess = np.where(self.upper > _TIGHT * self.mean, (self.upper - self.mean) / scale, 0.0)
        return float(excess.max(initial=0.0)) * (self.end - self.start)


def _are_tight(windows: Sequence[_Window]) -> bool:
    """Tell whether the bounds are tight on the average over all windows."""
    lengths = np.array([w.end - w.start for w in windows])
    upper, mean = (lengths @ np.array([getattr(w, key) for w in windows]) for key in ("upper", "mean"))
    return bool((upper <= _TIGHT * mean).all())
