"""From a network to what kernels get: linear factors, tables of one-species factors, programs, and plans.

A propensity is a product of factors that read one species each, where it can be written so (`fsp.model.factors`). A
factor ``X + m`` with a whole number ``m`` is computed; another one is tabulated. Tables begin small and are made
longer when a count comes to their end: kernels stop before they read outside. What has more factors than there is
room for, reads several species in one factor, or has factors that can be negative, is left to a program.

Tables hold the values of the programs of their factors, bit by bit. So it does not matter to a trajectory when a
propensity changes from tables to a program, which may be because of the states that other trajectories have reached.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fsp.ssa.dependencies import dependents, padded
from fsp.ssa.layout import PLAN, RECORD, FloatArray, IntArray, Network
from fsp.ssa.programs import Programs
from fsp.ssa.stack import tabulate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from fsp.model.network import ReactionNetwork
    from fsp.model.propensity import Factor

__all__ = ["KernelTables"]

#: Length of tables at first, and at most: a propensity that needs a longer one becomes a program.
FIRST_LENGTH, LONGEST = 256, 2**20
#: Counts up to here are exact in floating-point numbers.
LARGEST = 2**53
#: The largest number of linear factors and of tables in one propensity.
_LINEAR, _TABLES = 2, 2


class _Product:
    """A propensity as constant, linear factors (species, offset), and tabulated factors."""

    def __init__(
        self, factors: Sequence[Factor], species: tuple[str, ...], values: Mapping[str, float]
    ) -> None:
        self.constant = 1.0
        self.linear: list[tuple[int, int]] = []
        self.tabulated: list[tuple[int, Factor]] = []
        self.fits = True
        for factor in factors:
            if not factor.species:
                self.constant *= float(factor.evaluate({}))
                continue
            if len(factor.species) > 1:
                self.fits = False
                continue
            s = species.index(factor.species[0])
            offsets = _linear_parts(factor.expression, factor.species[0], values)
            if offsets is not None and len(self.linear) + len(offsets[1]) <= _LINEAR:
                self.constant *= offsets[0]
                self.linear += [(s, m) for m in offsets[1]]
            else:
                self.tabulated.append((s, factor))
        #: Whether it is a product of this form, and whether it is computed from tables.
        self.factors = self.fits and len(self.tabulated) <= _TABLES and 0.0 <= self.constant < np.inf
        self.fits = self.factors

    @property
    def trees(self) -> list[Any]:
        """The tabulated factors as expressions."""
        return [factor.expression for _, factor in self.tabulated]


def _linear_parts(tree: Any, name: str, values: Mapping[str, float]) -> tuple[float, list[int]] | None:
    """Return the constant and the whole numbers ``m`` of a product of factors ``X - m`` whose value is never negative.

    Such are ``X`` and ``X (X - 1)``; None for what is none of them.
    """
    from fsp.model.evaluation import evaluate_tree

    constant = 1.0
    offsets: list[int] = []
    for part in tree.args if tree.is_Mul else (tree,):
        read = {s.name for s in part.free_symbols}
        if name not in read:
            constant *= float(evaluate_tree(part, dict(values)))
        elif part.is_Symbol:
            offsets.append(0)
        elif (
            part.is_Add
            and len(part.args) == 2
            and any(a.is_Symbol for a in part.args)
            and any(a.is_Integer for a in part.args)
        ):
            offsets.append(next(int(a) for a in part.args if a.is_Integer))
        else:
            return None
    return (constant, offsets) if sorted(offsets) in ([0], [-1, 0]) else None


class KernelTables:
    """A network for kernels, whose tables grow.

    Parameters
    ----------
    network : ReactionNetwork
        Its propensities must not depend on time.
    triggers : sequence of (tree, given)
        Conditions of events that reactions can fire, with the values of comparisons with time.
    watch_all : bool
        Whether each reaction is to be reported.
    """

    def __init__(
        self, network: ReactionNetwork, triggers: Sequence[tuple[Any, Mapping[Any, float]]] = (), *, watch_all: bool = False,
    ) -> None:  # fmt: skip
        self.network = network
        self.triggers = list(triggers)
        self.watch_all = watch_all
        self._products = [
            _Product(p.factors, network.species_names, network.parameters) for p in network.propensities
        ]
        self._length = np.full(network.n_species, FIRST_LENGTH, np.int64)
        self._length = np.maximum(self._length, 2 * network.initial_state + 2)
        # Kernels keep their stack while propensities become programs.
        every = Programs(network.species_names, network.parameters)
        for propensity, found in zip(network.propensities, self._products, strict=True):
            every.add(propensity.expression)
            every.add_product(found.linear, found.trees)
        self._depth = every.depth
        self.kernel = self._build()

    def cover(self, counts: IntArray) -> None:
        """Make the tables reach beyond the given counts, shape (n_species,)."""
        self._length = np.where(counts >= self._length, 2 * counts + 2, self._length)
        self.kernel = self._build()

    def covers(self, counts: IntArray) -> bool:
        """Tell whether the tables reach beyond the given counts, shape (n_species,)."""
        return bool((counts < self._length).all())

    def use_programs(self, reactions: Sequence[int]) -> bool:
        """Compute propensities by programs; return whether this changes anything."""
        changed = [r for r in reactions if self._products[r].factors]
        for r in changed:
            self._products[r].fits = self._products[r].factors = False
        if changed:
            self.kernel = self._build()
        return bool(changed)

    def _build(self) -> Network:
        network = self.network
        n, n_reactions = network.n_species, network.n_reactions
        constant = np.zeros(n_reactions)
        record = np.zeros((n_reactions, RECORD), np.int64)
        record[:, [0, 2, 5, 7]] = n  # the entry that is 1; tables of one number begin at -1
        record[:, [4, 6]] = -1
        pieces: list[FloatArray] = [np.ones(1)]
        size = 1
        limit = np.full(n, LARGEST, np.int64)
        programs = Programs(network.species_names, network.parameters)
        n_tables = 0
        for r, found in enumerate(self._products):
            tables = [self._table(s, factor) for s, factor in found.tabulated] if found.fits else []
            if not found.fits or any(table is None for table in tables):
                found.fits = False
                constant[r] = found.constant if found.factors else 1.0
                start = (
                    programs.add_product(found.linear, found.trees)
                    if found.factors
                    else programs.add(network.propensities[r].expression)
                )
                record[r, 0] = -1 - start
                continue
            constant[r] = found.constant
            for k, (s, m) in enumerate(found.linear):
                record[r, 2 * k : 2 * k + 2] = s, m
            for k, ((s, _), table) in enumerate(zip(found.tabulated, tables, strict=True)):
                assert table is not None
                record[r, 4 + 2 * k : 6 + 2 * k] = size, s
                limit[s] = min(int(limit[s]), table.size)
                pieces.append(table)
                size += table.size
            n_tables = max(n_tables, len(tables))
        starts = [programs.add(tree, given) for tree, given in self.triggers]
        timed = self._more_programs(programs.add)
        code, numbers = programs.arrays()
        n_changes, row, plan = self._plan(limit)
        return Network(
            n, n_reactions, n_tables, constant, record.ravel(), np.concatenate(pieces), n_changes, row, plan, code, numbers,
            max(self._depth, programs.depth), np.array(starts, np.int64), timed, np.ones(n_reactions),
        )  # fmt: skip

    def _more_programs(self, add: Callable[[Any], int]) -> IntArray:
        """Return where the programs of functions of time begin; -1 where there is none."""
        return np.full(self.network.n_reactions, -1, np.int64)

    def _table(self, s: int, factor: Factor) -> FloatArray | None:
        """Return the values of a factor, NaN where it is no number; None if it can be negative or is too long."""
        length = int(self._length[s])
        if length > LONGEST:
            return None
        programs = Programs(self.network.species_names, self.network.parameters)
        start = programs.add(factor.expression)
        room = np.zeros(self.network.n_species + 2, np.int64)
        table: FloatArray = tabulate(start, s, room, *programs.arrays(), programs.depth, length)
        if (table < 0.0).any():
            return None
        table[~np.isfinite(table)] = np.nan
        return table

    def _plan(self, limit: IntArray) -> tuple[int, int, IntArray]:
        network = self.network
        n = network.n_species
        changes = [np.flatnonzero(row).tolist() for row in network.stoichiometry]
        n_changes = max(1, max(map(len, changes), default=1))
        place = {name: i for i, name in enumerate(network.species_names)}
        reads = [[place[name] for name in p.species] for p in network.propensities]
        lists = dependents(network.stoichiometry, reads)
        room, lengths, entries = padded(lists, range(len(lists)))
        row = PLAN + 3 * n_changes + room
        plan = np.zeros((len(lists), row), np.int64)
        plan[:, 0] = lengths
        watched = {place[s.name] for tree, _ in self.triggers for s in tree.free_symbols if s.name in place}
        for r, species in enumerate(changes):
            plan[r, 1] = self.watch_all or not watched.isdisjoint(species)
            for k in range(n_changes):
                # What is not there changes a place that nobody reads, by 0.
                triple = (n + 1, 0, 1)
                if k < len(species):
                    s = species[k]
                    triple = (s, int(network.stoichiometry[r, s]), int(limit[s]))
                plan[r, PLAN + 3 * k : PLAN + 3 * k + 3] = triple
        plan[:, PLAN + 3 * n_changes :] = entries.reshape(len(lists), room)
        return n_changes, row, plan.ravel()
