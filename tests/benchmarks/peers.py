"""What others make of the same chains: SciPy's `expm_multiply`, and the model checker Storm."""

from __future__ import annotations

import time
from typing import Any, NamedTuple

import numpy as np
from common import lattice
from storm_settings import set_precision

import fsp
from fsp.generator.fibre_generator import FibreGenerator
from fsp.statespace.fibres import FibreSet

__all__ = ["Box", "StormCheck", "expm_multiply_time", "storm_check"]


class Box(NamedTuple):
    """A network on a box of states, as other tools take it."""

    network: fsp.ReactionNetwork
    bounds: tuple[int, ...]

    def leaked(self, until: float) -> float:
        """Return what leaves the box until a time: the error of a method that is exact on the box."""
        bounds = dict(zip(self.network.species_names, self.bounds, strict=True))
        result = fsp.solve_transient(self.network, [until], tolerance=0.5, bounds=bounds)
        return result.ledger.entries["leaked"]

    def smaller(self) -> Box:
        """Return the box with one count less for every species."""
        return Box(self.network, tuple(b - 1 for b in self.bounds))

    def build(self) -> tuple[FibreSet, FibreGenerator]:
        """Return states and generator."""
        tables, space = lattice(self.network, *(b + 1 for b in self.bounds))
        return space, FibreGenerator(tables, space, threads=1)

    @property
    def n_states(self) -> int:
        return int(np.prod([b + 1 for b in self.bounds]))


def expm_multiply_time(box: Box, until: float) -> float:
    """Return the seconds that `expm_multiply` takes on a box; building the matrix is not counted."""
    from scipy.sparse.linalg import expm_multiply

    space, generator = box.build()
    matrix = generator.to_scipy() * until
    start_state = space.index([box.network.initial_state])
    del generator
    p = np.zeros(space.n_states)
    p[start_state] = 1.0
    start = time.perf_counter()
    expm_multiply(matrix, p)
    return time.perf_counter() - start


class StormCheck(NamedTuple):
    """One model checking run with Storm."""

    value: float
    checking: list[float]
    building: float
    n_states: int


def storm_check(box: Box, condition: Any, until: float, precision: float, repeats: int) -> StormCheck | None:
    """Check ``P=? [ F[t,t] "high" ]`` with Storm on a box whose outflow goes to an absorbing state.

    ``condition`` takes the counts, shape (n_states, n_species), and tells which states are high. None if stormpy is not
    installed.
    """
    try:
        import stormpy
        from stormpy import datastructures, environments, models
    except ImportError:
        return None
    space, generator = box.build()
    n = space.n_states
    target, source, rate, _ = generator.triplets()
    outflow = generator.outflow_rates()
    edge = np.flatnonzero(outflow)
    source = np.concatenate([source, edge, [n]])
    target = np.concatenate([target, np.full(edge.size, n), [n]])
    rate = np.concatenate([rate, outflow[edge], [0.0]])
    order = np.lexsort([target, source])
    entries = (source[order].tolist(), target[order].tolist(), rate[order].tolist())
    high = np.flatnonzero(condition(space.states())).tolist()
    start_state = int(space.index([box.network.initial_state])[0])
    start = time.perf_counter()
    builder = datastructures.SparseMatrixBuilder[float](rows=n + 1, columns=n + 1, entries=len(entries[0]))
    builder.add_next_values(*entries)
    labels = models.StateLabeling(n + 1)
    labels.add_label("init")
    labels.add_label_to_state("init", start_state)
    labels.add_label("high")
    labels.set_states("high", datastructures.BitVector(n + 1, high))
    components = models.SparseModelComponents[float](
        transition_matrix=builder.build(), state_labeling=labels, rate_transitions=True
    )
    chain = models.SparseCtmc[float](components)
    building = time.perf_counter() - start
    set_precision(precision)
    formula = stormpy.parse_property(f'P=? [ F[{until:g},{until:g}] "high" ]')
    checking = []
    for _ in range(repeats):  # in the settings that were found fastest
        environment = environments.Environment()
        start = time.perf_counter()
        result = stormpy.model_checking(chain, formula, only_initial_states=True, environment=environment)
        checking.append(time.perf_counter() - start)
    return StormCheck(float(result.get_value(start_state)), checking, building, n)
