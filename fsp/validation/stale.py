"""Trajectories of a simulator that misses a dependency: after one reaction, the rate of another is not updated.

Such a process is not Markov in the counts (the rate that is remembered belongs to its state), so that it is simulated and
not solved: the direct method (Gillespie 1977), many trajectories in step.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fsp.model.network import ReactionNetwork

__all__ = ["Edge", "missed_edges", "simulate_stale"]


class Edge(NamedTuple):
    """Reaction ``fired`` changes what the rate of reaction ``reads`` depends on."""

    fired: int
    reads: int


def dependencies(network: ReactionNetwork) -> NDArray[np.bool_]:
    """Return which rates (columns) have to be updated after which reactions (rows)."""
    reads = np.array([[name in p.species for name in network.species_names] for p in network.propensities])
    return np.asarray((network.stoichiometry != 0).astype(int) @ reads.astype(int).T > 0)


def missed_edges(network: ReactionNetwork) -> Iterator[Edge]:
    """Yield all dependencies that can be missed."""
    for fired, reads in np.argwhere(dependencies(network)).tolist():
        yield Edge(fired, reads)


def simulate_stale(
    network: ReactionNetwork,
    times: Sequence[float],
    n: int,
    seed: int,
    missed: Edge | None = None,
    *,
    most_steps: int = 1_000_000,
) -> NDArray[np.int64] | None:
    """Return counts (n, n_times, n_species) of trajectories, or None if they take too many steps.

    A reaction whose remembered rate is positive but whose molecules are gone does not fire.

    Parameters
    ----------
    network : ReactionNetwork
        Without events, and with rates that do not depend on time.
    times : sequence of float
        Ascending.
    n, seed : int
    missed : Edge, optional
        The dependency that is missing; None for a right simulator.
    most_steps : int
        Of reactions in one trajectory times the number of trajectories.
    """
    rng = np.random.default_rng(seed)
    update = dependencies(network)
    if missed is not None:
        update[missed] = False
    change = network.stoichiometry
    states = np.tile(network.initial_state, (n, 1))
    found = np.empty((n, len(times), network.n_species), dtype=np.int64)
    rates = _rates(network, states)
    clock = np.zeros(n)
    at = np.zeros(n, dtype=np.int64)  # the next output of each trajectory
    grid = np.append(np.asarray(times, dtype=float), np.inf)
    active = np.arange(n)
    steps = 0
    while active.size:
        steps += active.size
        if steps > most_steps:
            return None
        running = np.cumsum(rates[active], axis=1)
        total = running[:, -1]
        waits = np.full(active.size, np.inf)
        moving = total > 0.0
        waits[moving] = rng.standard_exponential(int(moving.sum())) / total[moving]
        clock[active] += waits
        while True:
            due = active[clock[active] > grid[at[active]]]
            due = due[at[due] < len(times)]
            if not due.size:
                break
            found[due, at[due]] = states[due]
            at[due] += 1
        going = at[active] < len(times)
        active, running, total = active[going], running[going], total[going]
        if not active.size:
            break
        chosen = (running < (rng.random(active.size) * total)[:, np.newaxis]).sum(axis=1)
        chosen = np.minimum(chosen, network.n_reactions - 1)
        after = states[active] + change[chosen]
        possible = np.all(after >= 0, axis=1)
        states[active[possible]] = after[possible]
        fresh = _rates(network, states[active])
        rates[active] = np.where(update[chosen], fresh, rates[active])
    return found


def _rates(network: ReactionNetwork, states: NDArray[np.int64]) -> NDArray[np.float64]:
    counts = {name: states[:, k] for k, name in enumerate(network.species_names)}
    return np.stack([np.maximum(p.evaluate(counts), 0.0) for p in network.propensities], axis=1)
