"""The classes in which a chain may end, and how much of an initial law ends in each, on finite and infinite lattices.

A finite set of states grows along the flow of the initial law. Classes that are closed in it are closed. A class that is
left through the boundary of the set only may be an infinite closed class: it is one if a stationary law is proven from one
of its states. What leaves the set before it enters a class is not known: the set grows until that is little.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fsp.generator.growth import closure, grow_outflow
from fsp.generator.select import make_generator
from fsp.statespace.constraints import Constraints
from fsp.statespace.fibres import FibreSet
from fsp.stationary.ending import Ending, ExactChain
from fsp.stationary.lattice import Lattice
from fsp.stationary.truncation import start_set

__all__ = ["Branch", "ClassLaw", "Unsettled", "find_branches"]

IntArray = NDArray[np.int64]
LongArray = NDArray[np.longdouble]

#: How many states the set may have while mass leaves it.
_MOST_STATES = 200_000
#: A class that is left through the boundary is looked at if it has this part of the states, or of what leaves the set.
_SUBSTANTIAL = 0.02
#: How many classes without a proof are tried.
_MOST_FAILURES = 4
#: What leaves the set has to fall to this part until the set has four times the states.
_STAGNATION = 0.9


class ClassLaw(Protocol):
    """What is known of an infinite class: a proven law."""

    @property
    def reference_state(self) -> IntArray:
        """A state of the class, a row of coordinates."""

    @property
    def states(self) -> FibreSet:
        """States that have most of the mass."""

    def holds(self, state: IntArray) -> bool:
        """Say whether a state is proven to have a positive probability."""


@dataclass(eq=False)
class Branch:
    """A class of states that is never left, and the mass that ends in it.

    Attributes
    ----------
    members : FibreSet or None
        All of its states; None if it is infinite.
    law : ClassLaw or None
        Given for infinite classes.
    lower, upper : float
        Of the mass that enters the class without leaving the set; what leaves it may end here, too.
    proven : bool
        Whether it is sure that rates that vanish are zero.
    """

    members: FibreSet | None
    law: ClassLaw | None
    lower: float
    upper: float
    proven: bool


class Unsettled(Exception):
    """Mass keeps leaving every set that was looked at. Never leaves the package.

    Attributes
    ----------
    branches : list of Branch
        What was found.
    leak : float
    states : int
    stuck : bool
        Whether it did not become much less while the set grew.
    """

    def __init__(self, branches: list[Branch], leak: float, states: int, stuck: bool) -> None:
        super().__init__("mass leaves every set")
        self.branches = branches
        self.leak = leak
        self.states = states
        self.stuck = stuck


def find_branches(
    lattice: Lattice, weights: LongArray, constraints: Constraints, allowance: float,
    prove: Callable[[IntArray], ClassLaw | None], check_size: Callable[[FibreSet], None], whole: int,
) -> tuple[list[Branch], float]:  # fmt: skip
    """Return the classes in which an initial law ends, and a bound of the mass that may end elsewhere.

    Parameters
    ----------
    lattice : Lattice
        Its ``starts`` are the states of the initial law.
    weights : ndarray of longdouble
        Their probabilities, of any total.
    constraints : Constraints
        What the user limits the set to.
    allowance : float
        Mass that may leave the set.
    prove : callable
        Returns a proven law of the class in which the chain ends from a state; None if there is no proof.
    check_size : callable
        Raises if a set is too large.
    whole : int
        Up to so many states all that can be reached are taken, if they are shown to be few.

    Raises
    ------
    Unsettled
        If more than the allowance leaves every set that was looked at.
    """
    return _Search(lattice, weights, constraints, allowance, prove, check_size).run(whole)


@dataclass(eq=False)
class _Search:
    lattice: Lattice
    weights: LongArray
    constraints: Constraints
    allowance: float
    prove: Callable[[IntArray], ClassLaw | None]
    check_size: Callable[[FibreSet], None]
    #: Infinite classes, each with states from which the chain ends there for sure.
    infinite: list[tuple[ClassLaw, list[IntArray]]] = field(default_factory=list)
    failures: int = 0

    def run(self, whole: int) -> tuple[list[Branch], float]:
        space = self.first(whole)
        history: list[tuple[int, float]] = []
        while True:
            self.check_size(space)
            chain = ExactChain(self.lattice, space)
            labels, reached = self.labels(chain)
            initial = np.zeros(space.n_states, np.longdouble)
            np.add.at(initial, self.lattice.positions(space, self.lattice.starts), self.weights)
            count = int(labels.max(initial=-1)) + 1
            ending = chain.ending(initial, labels, count)
            if ending.leak <= self.allowance:
                break
            larger = self.explored(chain, labels, reached, ending)
            if larger is None:
                n, leak = space.n_states, ending.leak
                stuck = any(4 * size <= n and leak > _STAGNATION * before for size, before in history)
                history.append((n, leak))
                larger = self.grown(space, ending)
                if stuck or n > _MOST_STATES or larger.n_states == n:
                    raise Unsettled(self.branches(chain, labels, ending), leak, n, stuck)
            space = larger
        return self.branches(chain, labels, ending), ending.leak

    def first(self, whole: int) -> FibreSet:
        """Return all states that can be reached if they are shown to be few, else some around the initial ones."""
        lattice = self.lattice
        if float(np.prod(lattice.largest + 1.0)) <= whole:
            space = FibreSet.from_reduced(lattice.coordinates, lattice.starts)
            return closure(lattice.tables, space, Constraints(lattice.network), whole)
        return start_set(lattice, lattice.starts, self.constraints)

    def labels(self, chain: ExactChain) -> tuple[IntArray, NDArray[np.bool_]]:
        """Return the final class of each state, -1 where it is none, and which states can be reached.

        The infinite classes come first, then those that are closed in the set.
        """
        lattice, space, classes = self.lattice, chain.space, chain.classes
        reached = chain.reachable(lattice.positions(space, lattice.starts))
        found = np.full(space.n_states, -1, np.int64)
        for k, (_, roots) in enumerate(self.infinite):
            where = lattice.positions(space, np.array(roots))
            found[chain.reachable(where[where >= 0])] = k
        closed = np.full(int(classes.labels.max()) + 1, -1, np.int64)
        entered = np.unique(classes.labels[reached & (found < 0)])
        entered = classes.closed[np.isin(classes.closed, entered)]
        closed[entered] = len(self.infinite) + np.arange(entered.size)
        return np.where(found < 0, closed[classes.labels], found), reached

    def branches(self, chain: ExactChain, labels: IntArray, ending: Ending) -> list[Branch]:
        """Return the classes with a positive probability, the most probable one first."""
        order = np.argsort(labels, kind="stable")
        edges = np.searchsorted(labels[order], np.arange(ending.lower.size + 1))
        states = chain.space.reduced()
        found = []
        for k in range(ending.lower.size):
            law = self.infinite[k][0] if k < len(self.infinite) else None
            if law is None:
                members = FibreSet.from_reduced(
                    chain.space.coordinates, states[order[edges[k] : edges[k + 1]]]
                )
            lower, upper = float(ending.lower[k]), float(ending.upper[k])
            found.append(Branch(None if law else members, law, lower, upper, chain.exact))
        return sorted((b for b in found if b.upper > 0.0), key=lambda b: -b.lower)

    def grown(self, space: FibreSet, ending: Ending) -> FibreSet:
        """Return a larger set: along the flow that leaves it."""
        generator = make_generator(self.lattice.tables, space, threads=1)
        low, high = space.box()
        reach = max(2, int(0.12 * float(np.median(high - low + 1))))
        allowance = max(0.2 * self.allowance, 0.01 * ending.leak)
        return grow_outflow(generator, np.ascontiguousarray(ending.flow), self.constraints, allowance, reach)

    def explored(
        self, chain: ExactChain, labels: IntArray, reached: NDArray[np.bool_], ending: Ending
    ) -> FibreSet | None:
        """Look for an infinite class, and return the set with states of it if one is found."""
        classes = chain.classes
        lost = np.asarray(chain.outflow * ending.flow, float)
        for label in classes.open_ended:
            members = classes.members(int(label))
            members = members[reached[members] & (labels[members] < 0)]
            much = lost[members].sum() > _SUBSTANTIAL * lost.sum()
            if not (members.size >= _SUBSTANTIAL * reached.sum() or much) or self.failures >= _MOST_FAILURES:
                continue
            if not members.size:
                continue
            at = int(members[np.argmax(ending.flow[members])])
            root = chain.space.reduced(at, at + 1)[0]
            law = self.prove(root)
            if law is None:
                self.failures += 1
                continue
            known = [k for k, (other, _) in enumerate(self.infinite) if other.holds(law.reference_state)]
            if known:
                self.infinite[known[0]][1].append(root)
                return chain.space
            self.infinite.append((law, [root, law.reference_state]))
            return chain.space.union(law.states)
        return None
