"""The stationary law of a truncated chain, refined in extended precision."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import cast

import numpy as np
from numpy.typing import NDArray

from fsp.errors import SolverError
from fsp.statespace.fibres import FibreSet
from fsp.stationary.chain import FiniteChain
from fsp.stationary.hitting import MakeSolver
from fsp.stationary.lattice import Lattice
from fsp.stationary.protocol import ChainSolver
from fsp.stationary.residual import Residual, find_residual

__all__ = ["TruncatedLaw", "truncated_law"]

IntArray = NDArray[np.int64]
LongArray = NDArray[np.longdouble]

#: Corrections by the residual in extended precision; each one gains some ten digits.
_MOST_REFINEMENTS = 3


@dataclass(frozen=True)
class Spent:
    """What is left of a solver that is no longer needed: what it says of itself."""

    info: str
    name: str


@dataclass(frozen=True, eq=False)
class TruncatedLaw:
    """A probability vector on a set, and its residual on the whole lattice.

    Attributes
    ----------
    p : ndarray of longdouble
        Non-negative, of mass one up to rounding.
    reference : int
        The position of the state at which what leaves the set comes back.
    chain : FiniteChain
    solver : ChainSolver or None
        Of the chain without the reference state; None if there is no other.
    """

    lattice: Lattice
    space: FibreSet
    p: LongArray
    reference: int
    residual: Residual
    chain: FiniteChain
    solver: ChainSolver | None

    @property
    def info(self) -> str:
        """What the solver says of itself."""
        return "one state" if self.solver is None else self.solver.info

    @property
    def reference_state(self) -> IntArray:
        """The reference state, a row of coordinates."""
        return np.asarray(self.space.reduced(self.reference, self.reference + 1)[0])

    @property
    def most_likely(self) -> IntArray:
        """The most probable state."""
        best = int(np.argmax(self.p))
        return np.asarray(self.space.reduced(best, best + 1)[0])

    @property
    def others(self) -> NDArray[np.bool_]:
        """Every state but the reference."""
        others = np.ones(self.space.n_states, np.bool_)
        others[self.reference] = False
        return others

    def without_solver(self) -> TruncatedLaw:
        """Return the law without what its solver holds, which may be many times as large: for laws that give way."""
        if self.solver is None:
            return self
        spent = Spent(self.solver.info, getattr(self.solver, "name", "auto"))
        return replace(self, solver=cast("ChainSolver", spent))

    def refined(self) -> TruncatedLaw:
        """Return the law corrected by its residual, in extended precision, as long as this makes it much smaller."""
        law, others = self, self.others
        for _ in range(_MOST_REFINEMENTS if self.solver is not None else 0):
            assert law.solver is not None
            residual = law.residual.inside[others]
            size = float(np.abs(residual).sum())
            if not size > float(law.residual.margin[others].sum()):
                break
            better = law.p.copy()
            better[others] += law.solver.occupation(residual.astype(float))
            better = _normalised(better)
            found = find_residual(law.lattice, law.space, better)
            if not float(np.abs(found.inside[others]).sum()) < 0.5 * size:
                break
            law = replace(law, p=better, residual=found)
        return law


def _normalised(p: LongArray) -> LongArray:
    """Return the vector without negative entries, divided by its sum."""
    p = np.maximum(p, 0.0)
    total = p.sum()
    if not (np.isfinite(float(total)) and total > 0.0):
        message = (
            "the linear system of the stationary law has no accurate solution in double precision; "
            "take another method, see method="
        )
        raise SolverError(message)
    return np.asarray(p / total)


def truncated_law(
    lattice: Lattice, space: FibreSet, chain: FiniteChain, reference: int, make_solver: MakeSolver
) -> TruncatedLaw:
    """Return the stationary law of the chain in which all outflow comes back at the reference.

    It is a cycle: the expected times in the other states between leaving the reference and coming back to it, divided by
    their sum.

    Raises
    ------
    SolverError
        If the solver returns no finite numbers.
    """
    keep = np.ones(space.n_states, np.bool_)
    keep[reference] = False
    p = np.ones(space.n_states, np.longdouble)
    solver: ChainSolver | None = None
    if keep.any():
        solver = make_solver(chain.restricted(keep))
        source = chain.outgoing[[reference]].toarray().ravel()[keep]
        p[keep] = solver.occupation(source)
        p = _normalised(p)
    return TruncatedLaw(lattice, space, p, reference, find_residual(lattice, space, p), chain, solver)
