"""From a network to a certified stationary law: start, rough law, bound of return times, growth, proof."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

import numpy as np
from numpy.typing import NDArray

from fsp.errors import SolverError
from fsp.generator.growth import closure
from fsp.statespace.constraints import Constraints
from fsp.statespace.fibres import FibreSet
from fsp.stationary.bound_search import BoundSearch
from fsp.stationary.certificate import WeightedResidual
from fsp.stationary.chain import FiniteChain
from fsp.stationary.classes import Classes, communicating_classes
from fsp.stationary.contraction import Contraction, find_contraction
from fsp.stationary.hitting import HittingBound, MakeSolver
from fsp.stationary.lattice import Lattice
from fsp.stationary.law import TruncatedLaw, truncated_law
from fsp.stationary.protocol import ChainSolver, find_solver
from fsp.stationary.selection import SelectedSolver
from fsp.stationary.start import likely_state
from fsp.stationary.transport import reflected
from fsp.stationary.truncation import grow, needed, start_set
from fsp.stationary.weighing import ByDistance, ByEstimate, ByReturns, Weighing

__all__ = ["CRUDE", "Divided", "Engine", "EngineResult", "solver_for"]

IntArray = NDArray[np.int64]

_MOST_ROUNDS = 60
#: Part of the jumps that may leave the first set, and its largest size.
_ROUGH, _ROUGH_STATES = 1e-6, 60_000
#: Part of the states of a set that a class left through its boundary has at least, if it counts as one.
_SUBSTANTIAL = 0.02
#: The same for networks of many unbounded counts, where it takes more states to hold the mass.
_ROUGH_STATES_MANY = 300_000
#: From so many states on laws are computed crudely, as long as the bound is that many times the tolerance.
_COARSE_STATES, _FAR = 50_000, 5.0
#: The largest relative error of propensities.
_MOST_CANCELLED = 1e-3
#: The accuracy of crude solvers.
CRUDE = 1e-6
#: Up to so many states a finite class is taken whole.
_WHOLE_STATES = 200_000
#: Part of the outflow that growth leaves aside where what leaves a set stays near it.
_IGNORED_BY_DISTANCE = 0.03
#: From so many unbounded counts on the volume outside of which V falls decides which function is tried first.
_MANY_COUNTS = 4


class Divided(Exception):
    """The states that were looked at have several final classes, or a final one and others. Never leaves the package.

    Attributes
    ----------
    space : FibreSet
        The states.
    """

    def __init__(self, space: FibreSet, why: list[str]) -> None:
        super().__init__("; ".join(why))
        self.space = space
        self.why = why


def solver_for(method: str, tolerance: float, memory: float | None = None) -> MakeSolver:
    """Return what makes a solver for a chain: chosen by cost, with checked results, or the one that is named."""
    if method != "auto":
        find_solver(method)  # refuses unknown names before any work

    def make(chain: FiniteChain) -> ChainSolver:
        return cast("ChainSolver", SelectedSolver(chain, tolerance, method=method, memory=memory))

    return make


@dataclass(eq=False)
class EngineResult:
    """What was found, and how.

    Attributes
    ----------
    law : TruncatedLaw
    bound : HittingBound, Contraction or None
        What the proof stands on. None when there is none; then the error is an estimate.
    weighted : WeightedResidual
    why : list of str
        What failed, if something did.
    statistics : dict
    """

    law: TruncatedLaw
    bound: HittingBound | Contraction | None
    weighted: WeightedResidual
    why: list[str]
    statistics: dict[str, float | int] = field(default_factory=dict)


class Engine:
    """One run of the stationary solver on one class of states.

    Parameters
    ----------
    lattice : Lattice
    constraints : Constraints
        What the user limits the set to.
    tolerance : float
        Of the 1-norm.
    make_solver, make_crude : callable
        Accurate solvers, and such as do for first laws of large sets and for bounds, which are verified.
    check_size : callable
        Raises `StateSpaceLimitError` if a set exceeds the limits.
    note : callable
        Told the number of states and the present bound.
    members_of_class : FibreSet, optional
        All states of the class, if it is known to be finite.
    """

    def __init__(
        self, lattice: Lattice, constraints: Constraints, tolerance: float, make_solver: MakeSolver,
        make_crude: MakeSolver, check_size: Callable[[FibreSet], None], note: Callable[[int, float], None],
        members_of_class: FibreSet | None = None,
    ) -> None:  # fmt: skip
        self.lattice = lattice
        self.constraints = constraints
        self.target = 0.49 * tolerance  # of the total variation
        self.make_solver, self.make_crude = make_solver, make_crude
        self.many = int(np.count_nonzero(~np.isfinite(lattice.largest))) >= _MANY_COUNTS
        self.check_size = check_size
        self.note = note
        self.members_of_class = members_of_class
        #: Part of the outflow that growth leaves aside, and part by which it may rise when states are dropped.
        self.ignored = 0.1 if self.many else 0.0
        self.rounds = 0
        self.best: EngineResult | None = None
        #: If there is one, what leaves a set stays where it is.
        self.contraction: Contraction | None = None
        #: A set with states outside of its closed class.
        self.divided: FibreSet | None = None

    def run(self, unproven: str = "divide") -> EngineResult:
        """Return the law with the best bound that was reached.

        Parameters
        ----------
        unproven : str
            What to do if no bound is proven: ``"estimate"`` it; ``"divide"``: do so unless there may be several classes;
            or ``"refuse"``.

        Raises
        ------
        Divided
            If there are several closed classes, or if no bound is proven and none is to be estimated.
        StateSpaceLimitError
            If the limits are hit. ``self.best`` is what was reached.
        """
        began = time.perf_counter()
        why: list[str] = []
        whole = self.whole_class() if self.members_of_class is None else self.members_of_class
        contraction = find_contraction(self.lattice) if whole is None else None
        if contraction is not None:
            result = self.contracted(contraction)
            result.statistics.update(rounds=self.rounds, seconds=time.perf_counter() - began)
            return result
        if whole is None and unproven != "estimate":
            self.look_for_classes()
        law = self.likely_law(unproven) if whole is None else self.solve(whole)
        rough_time = time.perf_counter() - began
        patient = unproven != "refuse"
        search = self.bound_search()
        bound = search.find(law, whole, why, patient)
        if bound is None and search.trap is not None:
            law = self.solve(FibreSet.from_reduced(self.lattice.coordinates, search.trap))
            bound = search.find(law, whole, why, patient)
        if bound is None and (unproven == "refuse" or (unproven == "divide" and self.divided is not None)):
            raise Divided(self.divided or law.space, why)
        bound_time = time.perf_counter() - began - rough_time
        result = self.estimated(law, why) if bound is None else self.certified(law, bound)
        result.statistics.update(
            rounds=self.rounds,
            bound_states=0 if bound is None else bound.space.n_states,
            seconds_first_law=rough_time,
            seconds_bound=bound_time,
            seconds=time.perf_counter() - began,
        )
        return result

    def bound_search(self) -> BoundSearch:
        """Return a search for bounds of the return time."""
        return BoundSearch(self.lattice, self.many, self.make_solver, self.make_crude)

    # -- laws of truncated chains ----------------------------------------------------------------------------

    def whole_class(self) -> FibreSet | None:
        """Return all reachable states if they are shown to be few, else None."""
        size = float(np.prod(self.lattice.largest + 1.0))
        if not size <= _WHOLE_STATES:
            return None
        start = FibreSet.from_reduced(self.lattice.coordinates, self.lattice.starts)
        return closure(self.lattice.tables, start, Constraints(self.lattice.network), _WHOLE_STATES)

    def look_for_classes(self) -> None:
        """Raise `Divided` if there are several final classes around the initial states."""
        space = start_set(self.lattice, self.lattice.starts, self.constraints)
        classes = communicating_classes(FiniteChain.of(self.lattice.network, space, self.lattice.tables))
        sizes = np.bincount(classes.labels)[classes.open_ended]
        if classes.closed.size + int((sizes >= _SUBSTANTIAL * space.n_states).sum()) > 1:
            raise Divided(space, [])

    def solve(
        self, space: FibreSet, reference: IntArray | None = None, *, crude: bool = False
    ) -> TruncatedLaw:
        """Return the truncated law on a set; on its closed class alone if it has one.

        Raises
        ------
        Divided
            If there are several closed classes, and the initial state is in none of them.
        """
        self.check_size(space)
        self.rounds += 1
        self.check_digits(space)
        chain = FiniteChain.of(self.lattice.network, space, self.lattice.tables)
        classes = communicating_classes(chain)
        if classes.closed.size:
            members = self.members(space, classes)
            if members.size < space.n_states:
                self.divided = space
                return self.solve(
                    space.where(np.isin(np.arange(space.n_states), members)), reference, crude=crude
                )
        position = -1
        if reference is not None:
            position = int(self.lattice.positions(space, reference[None, :])[0])
        crude = crude and space.n_states > _COARSE_STATES
        make = self.make_crude if crude else self.make_solver
        position, weights = max(position, 0), None
        if self.contraction is not None:
            weights = self.contraction.weights
            connected = int(classes.labels.max()) == 0
            chain = reflected(self.lattice, chain, space, position, self.contraction, connected)
        return truncated_law(self.lattice, space, chain, position, make, crude=crude, weights=weights)

    def check_digits(self, space: FibreSet) -> None:
        """Raise if so many digits cancel in a propensity that its values say nothing.

        Raises
        ------
        SolverError
            If the relative error of a propensity on the box of the set may exceed a thousandth.
        """
        low, high = space.box()
        self.lattice.rates(np.array([low, high]))
        if not self.lattice.rate_error < _MOST_CANCELLED:
            message = (
                "so many digits cancel in a propensity that its values cannot be trusted, even in extended precision; write "
                "it without differences of numbers that are far larger than the result"
            )
            raise SolverError(message)

    def members(self, space: FibreSet, classes: Classes) -> IntArray:
        """Return the positions of the states of the closed class that counts."""
        if classes.closed.size == 1:
            return classes.members(int(classes.closed[0]))
        starts = self.lattice.positions(space, self.lattice.starts)
        own = np.unique(classes.labels[starts]) if (starts >= 0).all() else starts
        if own.size == 1 and own[0] in classes.closed:
            return classes.members(int(own[0]))
        raise Divided(space, [])

    def likely_law(self, unproven: str) -> TruncatedLaw:
        """Return a rough law around the end of the rate equations, or around the initial state if classes are near."""
        try:
            law = self.rough(likely_state(self.lattice))
            if not (unproven == "refuse" and self.divided is not None):
                return law
        except Divided:
            pass
        # The classes may be out of reach: there are not several around the initial states.
        self.divided = None
        return self.rough(self.lattice.start)

    def rough(self, reference: IntArray) -> TruncatedLaw:
        """Return a law on a set that loses little probability per jump, to see where the mass is."""
        space = start_set(self.lattice, reference, self.constraints)
        law = self.solve(space, reference)
        for _ in range(_MOST_ROUNDS):
            jumps, flow = float(law.p.astype(float) @ law.exit), float(law.residual.flow.sum())
            self.note(law.space.n_states, np.nan)
            most = _ROUGH_STATES_MANY if self.many else _ROUGH_STATES
            if flow <= _ROUGH * jumps or law.space.n_states > most:
                break
            ignored = self.ignored * flow
            keep = needed(law, np.ones(law.space.n_states), max(0.03 * _ROUGH * jumps, ignored))
            smaller, p = law.space.where(keep), law.p[keep].astype(float)
            larger = grow(self.lattice, smaller, p, max(0.3 * _ROUGH * jumps, ignored), self.constraints)
            if larger.n_states == smaller.n_states:
                break  # the user's bounds
            law = law.light()  # room for the rates of the larger set
            law = self.solve(larger, law.most_likely, crude=True)
        return law

    # -- growth to the tolerance -----------------------------------------------------------------------------

    def certified(self, law: TruncatedLaw, bound: HittingBound) -> EngineResult:
        """Grow the set until the proven bound is within the tolerance, then drop what is not needed."""
        if (law.most_likely != law.reference_state).any():
            law = self.solve(law.space, bound.reference, crude=True)
        return self.pruned(self.grown(law, ByReturns(bound)), ByReturns(bound))

    def contracted(self, contraction: Contraction) -> EngineResult:
        """Do the same for a network whose copies meet; what leaves a set stays where it is."""
        self.contraction = contraction
        self.ignored = min(self.ignored, _IGNORED_BY_DISTANCE)
        centre = likely_state(self.lattice)
        law = self.solve(start_set(self.lattice, centre, self.constraints), centre)
        weighing = ByDistance(self.lattice, contraction)
        return self.pruned(self.grown(law, weighing), weighing)

    def estimated(self, law: TruncatedLaw, why: list[str]) -> EngineResult:
        """Grow the set until an estimate of the error is within the tolerance, by the return times inside the set."""
        result = self.grown(law, ByEstimate(self.make_crude))
        result.why = why
        return result

    def weigh(self, law: TruncatedLaw, weighing: Weighing) -> tuple[TruncatedLaw, WeightedResidual]:
        """Return the law, corrected if its residual matters, and the weighted sums."""
        law = weighing.prepared(law)
        weighted = weighing.weigh(law)
        matters = weighing.bound is not None and max(weighted.above, weighted.below) > 0.05 * self.target
        if matters and weighted.outside <= _FAR * self.target:
            law = law.with_solver(self.make_solver).refined()
            weighted = weighing.weigh(law)
        return law, weighted

    def pruned(self, result: EngineResult, weighing: Weighing) -> EngineResult:
        """Drop the states that the tolerance does not need, if these are more than a few."""
        room = self.target - result.weighted.one_sided
        if room <= 0.0:
            return result
        keep = needed(result.law, weighing.worth(result.law), 0.5 * room)
        if keep.sum() > 0.97 * keep.size:
            return result
        law = result.law = result.law.light()
        smaller, weighted = self.weigh(
            self.solve(law.space.where(keep), law.reference_state, crude=self.many), weighing
        )
        if weighted.one_sided > self.target:
            return result
        return EngineResult(smaller, weighing.bound, weighted, [])

    def grown(self, law: TruncatedLaw, weighing: Weighing) -> EngineResult:
        """Grow the set where the flow out of it costs, until the sum is within the tolerance or nothing is gained."""
        law, weighted = self.weigh(law, weighing)
        result = EngineResult(law, weighing.bound, weighted, [])
        for _ in range(_MOST_ROUNDS):
            self.best = result
            self.note(law.space.n_states, 2.0 * weighted.one_sided)
            if weighted.one_sided <= self.target or weighted.outside <= 0.02 * self.target:
                break
            # The largest flows first: far from the tolerance small ones would only make the set wide.
            allowance = max(0.1 * self.target, 1e-3 * weighted.outside, self.ignored * weighted.outside)
            worth = weighing.worth(law)
            keep = needed(law, worth, allowance if self.many else 0.1 * allowance)
            tight, p = law.space.where(keep), law.p.astype(float)
            score = (p if weighing.costs is not None else p * worth)[keep]
            larger = grow(self.lattice, tight, score, allowance, self.constraints, weighing.costs)
            if larger.n_states == tight.n_states:
                break
            crude = self.many or weighted.outside > _FAR * self.target
            # Room for the rates of the larger set.
            law = law.light()
            self.best = result = EngineResult(law, weighing.bound, weighted, [])
            law, weighted = self.weigh(self.solve(larger, law.reference_state, crude=crude), weighing)
            result = EngineResult(law, weighing.bound, weighted, [])
        return result
