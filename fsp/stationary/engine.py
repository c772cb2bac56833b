"""From a network to a certified stationary law: start, rough law, bound of return times, growth, proof."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fsp.errors import StateSpaceLimitError
from fsp.stationary.certificate import WeightedResidual, weighted_residual
from fsp.stationary.chain import FiniteChain
from fsp.stationary.drift_function import DriftFunction
from fsp.stationary.drift_region import NoDrift
from fsp.stationary.drift_search import linear_candidates, quadratic_candidate, upward_drift
from fsp.stationary.hitting import HittingBound, MakeSolver, finite_hitting_bound, hitting_bound
from fsp.stationary.lattice import Lattice
from fsp.stationary.law import TruncatedLaw, truncated_law
from fsp.stationary.protocol import ChainSolver, find_solver
from fsp.stationary.reward import Reward
from fsp.stationary.start import likely_state
from fsp.stationary.truncation import grow, needed, start_set
from fsp.statespace.constraints import Constraints
from fsp.statespace.fibres import FibreSet

__all__ = ["Engine", "EngineResult", "solver_for"]

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]

_MOST_ROUNDS = 60
_ROUGH_STATES = 60_000
_WIDER_STATES = 20_000
#: How strongly V has to fall outside of the set of the linear systems, relative to the rate at which reactions raise it.
_SLACKS = (0.25, 0.05, 0.01)


def solver_for(method: str, tolerance: float) -> MakeSolver:
    """Return what makes a solver for a chain."""
    name = "lu" if method == "auto" else method

    def make(chain: FiniteChain) -> ChainSolver:
        return find_solver(name).load()(chain, tolerance)

    return make


@dataclass(eq=False)
class EngineResult:
    """What was found, and how.

    Attributes
    ----------
    law : TruncatedLaw
    bound : HittingBound or None
        None when no bound of the return time was proven; then the error is an estimate.
    weighted : WeightedResidual or None
    why : list of str
        The steps of the proof, or what failed.
    statistics : dict
    """

    law: TruncatedLaw
    bound: HittingBound | None
    weighted: WeightedResidual | None
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
    make_solver : callable
    check_size : callable
        Raises `StateSpaceLimitError` if a set exceeds the limits.
    note : callable
        Told the number of states and the present bound.
    """

    def __init__(
        self, lattice: Lattice, constraints: Constraints, tolerance: float, make_solver: MakeSolver,
        check_size: Callable[[FibreSet], None], note: Callable[[int, float], None],
    ) -> None:  # fmt: skip
        self.lattice = lattice
        self.constraints = constraints
        self.tolerance = tolerance
        self.make_solver = make_solver
        self.check_size = check_size
        self.note = note
        self.rounds = 0
        self.largest = 0

    # -- rough law -----------------------------------------------------------------------------------------

    def solve(self, space: FibreSet, reference: IntArray | None = None) -> TruncatedLaw:
        """Return the truncated law on a set; without a reference, the middle of the set comes first."""
        self.check_size(space)
        self.rounds += 1
        self.largest = max(self.largest, space.n_states)
        if reference is None:
            reference = space.reduced(space.n_states // 2, space.n_states // 2 + 1)[0]
        position = int(self.lattice.positions(space, reference[None, :])[0])
        return truncated_law(self.lattice, space, position, self.make_solver)

    def rough(self) -> TruncatedLaw:
        """Return a law on a set that loses little probability per jump, to see where the mass is."""
        centre = likely_state(self.lattice)
        space = start_set(self.lattice, centre, self.constraints)
        reference = centre
        law = self.solve(space, reference)
        for _ in range(_MOST_ROUNDS):
            jumps = float(law.p.astype(float) @ law.chain.exit)
            lost = float(law.residual.flow.sum())
            self.note(space.n_states, np.nan)
            if lost <= 1e-6 * jumps or space.n_states > _ROUGH_STATES:
                break
            keep = needed(law, np.ones(space.n_states), 1e-8 * jumps)
            smaller, p = space.where(keep), law.p[keep].astype(float)
            larger = grow(self.lattice, smaller, p, 0.3e-6 * jumps, self.constraints)
            if larger.n_states == smaller.n_states:
                break  # the user's bounds
            reference = law.space.reduced()[int(np.argmax(law.p))]
            space = larger
            law = self.solve(space, reference)
        return law

    # -- the bound of the return time ------------------------------------------------------------------------

    def candidates(self, law: TruncatedLaw) -> list[DriftFunction]:
        """Return drift functions worth trying."""
        p, states = law.p.astype(float), law.space.reduced().astype(float)
        mean = p @ states
        variance = p @ (states - mean) ** 2
        found = list(linear_candidates(self.lattice, mean))
        quadratic = quadratic_candidate(self.lattice, mean, variance)
        return found[:1] + ([quadratic] if quadratic is not None else []) + found[1:]

    def find_bound(self, law: TruncatedLaw, why: list[str]) -> HittingBound | None:
        """Return the first bound of the return time whose proof succeeds; the reasons of the others go to ``why``."""
        reference = law.space.reduced()[int(np.argmax(law.p))]
        wider = law.space if law.space.n_states <= _WIDER_STATES else None
        for drift in self.candidates(law):
            rise = upward_drift(self.lattice, drift, law.space.reduced(), law.p.astype(float))
            for slack in _SLACKS:
                if not rise > 0.0:
                    continue
                try:
                    bound = hitting_bound(
                        self.lattice, drift, slack * rise, Reward.time(self.lattice.n_axes), reference,
                        self.make_solver, wider,
                    )  # fmt: skip
                except NoDrift as reason:
                    failure = f"{drift.kind} drift function: {reason}"
                    if failure not in why:
                        why.append(failure)
                    continue
                return bound
        return None

    # -- the whole ---------------------------------------------------------------------------------------------

    def run(self) -> EngineResult:
        """Return the law with the best bound that was reached.

        Raises
        ------
        StateSpaceLimitError
            If the limits are hit; ``error.result`` is the `EngineResult` so far.
        """
        began = time.perf_counter()
        why: list[str] = []
        law = self.rough()
        rough_time = time.perf_counter() - began
        bound = self.find_bound(law, why)
        bound_time = time.perf_counter() - began - rough_time
        if bound is None:
            return EngineResult(law, None, None, why)
        result = self.refine(law, bound)
        result.statistics.update(
            seconds_rough=rough_time,
            seconds_bound=bound_time,
            seconds=time.perf_counter() - began,
            bound_states=bound.space.n_states,
        )
        return result

    def refine(self, law: TruncatedLaw, bound: HittingBound) -> EngineResult:
        """Grow the set until the bound is within the tolerance."""
        target = 0.49 * self.tolerance
        law = self.solve(law.space, bound.reference)
        result = EngineResult(law, bound, None, [])
        for _ in range(_MOST_ROUNDS):
            weighted = weighted_residual(law, bound.values)
            if max(weighted.above, weighted.below) > 0.1 * target:
                law = law.refined()
                weighted = weighted_residual(law, bound.values)
            result = EngineResult(law, bound, weighted, [])
            self.note(law.space.n_states, 2.0 * weighted.one_sided)
            if weighted.one_sided <= target or weighted.outside <= 0.05 * target:
                break
            score = law.p.astype(float) * self.weights(law, bound)
            larger = grow(self.lattice, law.space, score, 0.1 * target, self.constraints)
            if larger.n_states == law.space.n_states:
                break
            try:
                law = self.solve(larger, bound.reference)
            except StateSpaceLimitError as error:
                error.result = result
                raise
        return self.pruned(result, target)

    def weights(self, law: TruncatedLaw, bound: HittingBound) -> FloatArray:
        """Return the bound of the return time at the states of the set."""
        return bound.values(law.space.reduced()).astype(float)

    def pruned(self, result: EngineResult, target: float) -> EngineResult:
        """Return the law on a smaller set, if it holds the tolerance as well."""
        assert result.bound is not None
        assert result.weighted is not None
        room = target - result.weighted.one_sided
        if room <= 0.0:
            return result
        weights = self.weights(result.law, result.bound)
        keep = needed(result.law, weights, 0.5 * room)
        if keep.sum() > 0.97 * keep.size:
            return result
        law = self.solve(result.law.space.where(keep), result.bound.reference)
        weighted = weighted_residual(law, result.bound.values)
        if max(weighted.above, weighted.below) > 0.1 * target:
            law = law.refined()
            weighted = weighted_residual(law, result.bound.values)
        if weighted.one_sided > target:
            return result
        return EngineResult(law, result.bound, weighted, result.why)
