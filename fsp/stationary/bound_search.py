"""Which drift functions are tried, and how, until one gives a proven bound of the return time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from fsp.errors import PropensityError, SolverError
from fsp.statespace.fibres import FibreSet
from fsp.stationary.drift_compact import compact_candidate
from fsp.stationary.drift_function import Drift
from fsp.stationary.drift_module_search import modular_candidates
from fsp.stationary.drift_region import NoDrift
from fsp.stationary.drift_search import (
    drift_scale,
    linear_candidates,
    quadratic_candidate,
    squared_candidates,
)
from fsp.stationary.hitting import HittingBound, MakeSolver, finite_hitting_bound, hitting_bound
from fsp.stationary.lattice import Lattice
from fsp.stationary.law import TruncatedLaw
from fsp.stationary.reward import Reward

__all__ = ["BoundSearch"]

IntArray = NDArray[np.int64]

#: Up to so many states the first set takes part in the bound of the return time.
_WIDER_STATES = 100_000
#: Most states of the linear systems for this bound; many counts make them slow.
_MOST_FOR_BOUND, _MOST_FOR_BOUND_MANY = 400_000, 150_000
#: How many times steeper than need be the bound rises outside, for many counts.
_STEEPER_MANY = 4.0
#: How strongly V has to fall outside of the set of the linear systems, relative to the rate at which reactions raise it.
_SLACKS = (0.25, 0.05, 0.01)
#: What is asked of functions that were made to fall by one, so that rounding does not matter.
_NEARLY_ALL = 0.95


class BoundSearch:
    """A search for bounds of the mean time to the most probable state.

    Parameters
    ----------
    lattice : Lattice
    many : bool
        Whether there are so many unbounded counts that the volume outside of which V falls decides what is tried first.
    make_solver, make_crude : callable
        Accurate solvers for whole classes, and such as do for bounds, which are verified.

    Attributes
    ----------
    trap : ndarray of int64 or None
        States from which the reference is never reached, if such were in the way.
    """

    def __init__(self, lattice: Lattice, many: bool, make_solver: MakeSolver, make_crude: MakeSolver) -> None:
        self._lattice, self._many = lattice, many
        self._make_solver, self._make_crude = make_solver, make_crude
        self.trap: IntArray | None = None

    def find(
        self,
        law: TruncatedLaw,
        whole: FibreSet | None,
        why: list[str],
        patient: bool,
        most: int | None = None,
    ) -> HittingBound | None:
        """Return the first bound of the return time whose proof succeeds; the reasons of the others go to ``why``.

        Without patience systems without a solution, a sign that the reference is not reached, are the end of it. Linear
        systems have up to ``most`` states, if that is given.
        """
        reward = Reward.time(self._lattice.n_axes)
        if whole is not None:
            try:
                return finite_hitting_bound(self._lattice, whole, reward, law.most_likely, self._make_solver)
            except (NoDrift, SolverError) as reason:
                why.append(str(reason))
                return None
        wider = law.space if law.space.n_states <= _WIDER_STATES else None
        for drift in self._candidates(law):
            modular = drift.kind == "modular"
            rise = (
                1.0
                if modular
                else drift_scale(self._lattice, drift, law.space.reduced(), law.p.astype(float))
            )
            for slack in (_NEARLY_ALL,) if modular else _SLACKS:
                try:
                    return hitting_bound(
                        self._lattice, drift, slack * rise, reward, law.most_likely, self._make_crude,
                        law.space if modular else wider,
                        most or (_MOST_FOR_BOUND_MANY if self._many and not modular else _MOST_FOR_BOUND),
                        _STEEPER_MANY if self._many and not modular else 1.0,
                    )  # fmt: skip
                except (NoDrift, PropensityError, SolverError) as reason:
                    # Where no law reaches, propensities need not make sense, and tables may grow without end.
                    failure = f"{drift.kind} drift function: {reason}"
                    if failure not in why:
                        why.append(failure)
                    if isinstance(reason, SolverError) and not patient:
                        return None
                    if isinstance(reason, NoDrift) and reason.trap is not None and self.trap is None:
                        self.trap = reason.trap
                        return None
        return None

    def _candidates(self, law: TruncatedLaw) -> Iterator[Drift]:
        """Yield drift functions worth trying."""
        p, states = law.p.astype(float), law.space.reduced().astype(float)
        mean = p @ states
        variance = p @ (states - mean) ** 2
        found = list(linear_candidates(self._lattice, mean))
        quadratic = quadratic_candidate(self._lattice, mean, variance)
        found = found[:1] + ([quadratic] if quadratic is not None else []) + found[1:]
        compact = [drift for drift in [compact_candidate(self._lattice)] if drift is not None]
        falling = [drift.slope for drift in (*compact, *found) if drift.kind == "linear"]
        if self._many:
            if compact:
                found = found[:2]  # more would take long to fail where these do
            yield from modular_candidates(self._lattice, falling)
            yield from (*compact, *found)
        else:
            yield from (*found, *squared_candidates(self._lattice, mean), *compact)
            yield from modular_candidates(self._lattice, falling)
