"""A state set and a vector in two parts, as two ranks would hold them; each part runs the stepper in its own thread."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.sparse as sp

import fsp
from fsp.statespace import FibreSet

__all__ = ["Exchange", "Part", "run_in_two_parts", "split"]


class Exchange:
    """What two ranks share: a place for each vector, sums and maxima over both, and a barrier."""

    def __init__(self) -> None:
        self.barrier = threading.Barrier(2, timeout=60)
        self.vectors: list[Any] = [None, None]
        self.numbers = [0.0, 0.0]

    def reduce(self, rank: int, value: float, function: Callable[[list[float]], float]) -> float:
        """Return the sum or the maximum over both parts, in the same order on both."""
        self.numbers[rank] = value
        self.barrier.wait()
        result = function(list(self.numbers))
        self.barrier.wait()
        return float(result)


class Part:
    """The rows of the generator that belong to one part; implements the `Operator` protocol.

    Only the other part's entries that are needed, the ghosts, are copied before a product.
    """

    def __init__(self, network: fsp.ReactionNetwork, mine: FibreSet, other: FibreSet, rank: int,
                 exchange: Exchange, *, forget_ghosts: bool = False) -> None:  # fmt: skip
        self.rank, self.exchange, self.forget = rank, exchange, forget_ghosts
        self.n_states = mine.n_states
        states = mine.states()
        rates = network.evaluate_propensities(states)
        acting = [r for r, change in enumerate(network.stoichiometry) if change.any()]
        self._exit = rates[:, acting].sum(axis=1)
        self._leaving = np.zeros((mine.n_states, network.n_reactions))
        entries: list[tuple[Any, Any, Any]] = []
        ghost_entries: list[tuple[Any, Any, Any]] = []
        for r in acting:
            change = network.stoichiometry[r]
            ahead = states + change
            gone = (mine.index(ahead) < 0) & (other.index(ahead) < 0)
            self._leaving[gone, r] = rates[gone, r]
            source = states - change
            valid = (source >= 0).all(axis=1)
            for space, where in ((mine, entries), (other, ghost_entries)):
                position = np.where(valid, space.index(np.maximum(source, 0)), -1)
                rows = np.flatnonzero(position >= 0)
                if rows.size:
                    flow = network.evaluate_propensities(source[rows])[:, r]
                    where.append((rows, position[rows], flow))
        self._local = self._matrix(entries, self.n_states)
        needed = sorted({int(j) for _, columns, _ in ghost_entries for j in columns})
        self.ghosts = np.array(needed, np.int64)
        place = {j: k for k, j in enumerate(needed)}
        moved = [(i, np.array([place[int(k)] for k in j]), v) for i, j, v in ghost_entries]
        self._ghost = self._matrix(moved, len(needed))
        self.boundary = np.flatnonzero(self._leaving.any(axis=1))

    def _matrix(self, entries: list[tuple[Any, Any, Any]], columns: int) -> sp.csr_array:
        i, j, v = (np.concatenate([e[k] for e in entries] or [np.zeros(0)]) for k in range(3))
        return sp.coo_array((v, (i.astype(int), j.astype(int))), shape=(self.n_states, columns)).tocsr()

    vector_error = 2.0**-53

    @property
    def product_error(self) -> float:
        return 1e-14

    @property
    def signed_terms(self) -> int:
        return 2 * self._leaving.shape[1] + 4

    def recurrence(self, x: Any, previous: Any, beta: float, weight: float, total: Any) -> Any:
        image = np.empty_like(x)
        self.product(x, image, 2.0, 2.0 * beta)
        previous[:] = image - previous
        total += weight * previous
        return self.norms(previous)[:2]

    def norms(self, x: Any) -> tuple[float, float, float]:
        values = (float(np.abs(x).sum()), float(np.abs(x).max(initial=0.0)), float(x.max(initial=-1e300)))
        length, magnitude, largest = (
            self.exchange.reduce(self.rank, value, function)
            for value, function in zip(values, (sum, max, max), strict=True)
        )
        return length, magnitude, largest

    def clip(self, x: Any, eta: float) -> float:
        before = x.copy()
        np.maximum((x - eta) * (1.0 - 2.0**-51), 0.0, out=x)
        return self.exchange.reduce(self.rank, float(np.abs(before - x).sum()), sum)

    def max_exit_rate(self) -> float:
        return self.exchange.reduce(self.rank, float(self._exit.max(initial=0.0)), max)

    def product(
        self, x: Any, out: Any, alpha: float, beta: float, weight: float = 0.0, total: Any = None
    ) -> None:
        self.exchange.vectors[self.rank] = x
        self.exchange.barrier.wait()
        ghosts = self.exchange.vectors[1 - self.rank][self.ghosts].copy()
        self.exchange.barrier.wait()  # from here on the other part may write to its vector
        out[:] = (alpha - beta * self._exit) * x + beta * (self._local @ x)
        if not self.forget:
            out += beta * (self._ghost @ ghosts)
        if weight > 0.0:
            total += weight * out

    def outflow(self, x: Any) -> tuple[float, Any]:
        here = x[self.boundary].copy()
        flow = float(here @ self._leaving[self.boundary].sum(axis=1))
        return self.exchange.reduce(self.rank, flow, sum), here

    def on_boundary(self, values: Any, shape: Any) -> Any:
        everywhere = np.zeros(self.n_states)
        everywhere[self.boundary] = values
        return everywhere

    def boundary_vector(self) -> Any:
        return np.zeros(self.boundary.size)

    def new_vector(self, p: Any) -> Any:
        return p

    def leading(self, x: Any) -> Any:
        return x

    def leaks(self, residence: Any) -> Any:
        local = residence @ self._leaving[self.boundary]
        return np.array([self.exchange.reduce(self.rank, float(v), sum) for v in local])


def split(space: FibreSet, cut: int) -> tuple[FibreSet, FibreSet]:
    """Return the states before a position and from it on."""
    before = np.arange(space.n_states) < cut
    return space.where(before), space.where(~before)


def run_in_two_parts(
    network: fsp.ReactionNetwork, space: FibreSet, cut: int, work: Callable[[Part, int], Any], **options: Any
) -> tuple[Any, Any]:
    """Call ``work(part, rank)`` for both parts at the same time and return both answers."""
    exchange = Exchange()
    spaces = split(space, cut)
    answers: list[Any] = [None, None]
    errors: list[BaseException] = []

    def run(rank: int) -> None:
        try:
            part = Part(network, spaces[rank], spaces[1 - rank], rank, exchange, **options)
            answers[rank] = work(part, rank)
        except BaseException as error:
            errors.append(error)
            exchange.barrier.abort()

    other = threading.Thread(target=run, args=(1,))
    other.start()
    run(0)
    other.join()
    if errors:
        raise next((e for e in errors if not isinstance(e, threading.BrokenBarrierError)), errors[0])
    return answers[0], answers[1]
