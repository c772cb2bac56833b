"""The stationary law of a truncated chain, refined in extended precision."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fsp.errors import SolverError
from fsp.statespace.fibres import FibreSet
from fsp.stationary.chain import FiniteChain
from fsp.stationary.hitting import MakeSolver
from fsp.stationary.lattice import UNIT, Lattice
from fsp.stationary.protocol import ChainSolver
from fsp.stationary.residual import Residual, find_residual
from fsp.stationary.returning import comes_back

__all__ = ["TruncatedLaw", "truncated_law"]

IntArray = NDArray[np.int64]
LongArray = NDArray[np.longdouble]
FloatArray = NDArray[np.float64]

#: Corrections by the residual in extended precision; each one gains some ten digits.
_MOST_REFINEMENTS = 3


@dataclass(frozen=True, eq=False)
class TruncatedLaw:
    """A probability vector on a set, and its residual on the whole lattice.

    Attributes
    ----------
    p : ndarray of longdouble
        Non-negative, of mass one up to rounding.
    reference : int
        The position of the state at which what leaves the set comes back.
    exit : ndarray of float
        Total rate out of each state.
    method, info : str
        The name of the solver, and what it says of itself.
    weights : ndarray of float, optional
        If given, jumps out of the set come back nearby; see `fsp.stationary.returning`.
    chain : FiniteChain or None
        None when the rates were let go of, to make room for those of a larger set.
    solver : ChainSolver or None
        Of the chain without the reference state; None if there is no other, or if it was not needed yet.
    """

    lattice: Lattice
    space: FibreSet
    p: LongArray
    reference: int
    residual: Residual
    exit: FloatArray
    method: str
    info: str
    chain: FiniteChain | None
    solver: ChainSolver | None
    weights: FloatArray | None = None

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

    def way_back(self) -> IntArray:
        """Return where each flow out of the set comes back in it, if it comes back nearby."""
        r = self.residual
        assert self.weights is not None
        jumps = self.lattice.shifts[r.reaction]
        return comes_back(self.lattice, self.space, r.source, r.states, jumps, self.reference, self.weights)

    def defect(self) -> tuple[LongArray, LongArray]:
        """Return the residual of the truncated chain, but for what comes back at the reference, and its rounding."""
        r = self.residual
        if self.weights is None:
            return r.inside, r.margin
        back = np.zeros_like(r.inside)
        np.add.at(back, self.way_back(), r.flow)
        # The flows were rounded up by twice their relative error at most; then there are a few sums.
        rounding = 2.0 * self.lattice.rate_error + (6 * len(self.lattice.reactions) + 24) * UNIT
        rounding += UNIT * len(r.flow)  # as many flows may come back at one state
        return r.inside + back, r.margin + (np.abs(r.inside) + back) * np.longdouble(rounding)

    def light(self) -> TruncatedLaw:
        """Return the law without the rates and what the solver keeps."""
        return replace(self, chain=None, solver=None)

    def with_solver(self, make_solver: MakeSolver) -> TruncatedLaw:
        """Return the law with a solver of the chain without the reference state, as long as the rates are there."""
        if self.solver is not None or self.chain is None or self.space.n_states == 1:
            return self
        solver = make_solver(self.chain.restricted(self.others))
        return replace(self, solver=solver)

    def refined(self) -> TruncatedLaw:
        """Return the law corrected by its residual, in extended precision, as long as this makes it much smaller."""
        law, others = self, self.others
        for _ in range(_MOST_REFINEMENTS if self.solver is not None else 0):
            assert law.solver is not None
            residual, margin = (part[others] for part in law.defect())
            size = float(np.abs(residual).sum())
            if not size > float(margin.sum()):
                break
            better = law.p.copy()
            better[others] += law.solver.occupation(residual.astype(float))
            better = _normalised(better)
            found = find_residual(law.lattice, law.space, better)
            improved = replace(law, p=better, residual=found, info=law.solver.info)
            if not float(np.abs(improved.defect()[0][others]).sum()) < 0.5 * size:
                break
            law = improved
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
    lattice: Lattice, space: FibreSet, chain: FiniteChain, reference: int, make_solver: MakeSolver,
    *, crude: bool = False, weights: FloatArray | None = None,
) -> TruncatedLaw:  # fmt: skip
    """Return the stationary law of the chain in which all outflow comes back at the reference.

    With ``weights`` jumps out of the set come back nearby in the chain.

    It is a cycle: the expected times in the other states between leaving the reference and coming back to it, divided by
    their sum. If ``crude``, it is found as a law, with one copy of the rates, and a residual that is small only beside
    the flow through all states.

    Raises
    ------
    SolverError
        If the solver returns no finite numbers.
    """
    keep = np.ones(space.n_states, np.bool_)
    keep[reference] = False
    p = np.ones(space.n_states, np.longdouble)
    solver: ChainSolver | None = None
    method, info = "one", "one state"
    if crude:
        whole = make_solver(chain)
        p = _normalised(np.asarray(whole.stationary(reference), np.longdouble))
        method, info = getattr(whole, "name", "auto"), whole.info
    elif keep.any():
        solver = make_solver(chain.restricted(keep))
        source = chain.outgoing[[reference]].toarray().ravel()[keep]
        p[keep] = solver.occupation(source)
        p = _normalised(p)
        method, info = getattr(solver, "name", "auto"), solver.info
    return TruncatedLaw(
        lattice,
        space,
        p,
        reference,
        find_residual(lattice, space, p),
        chain.exit,
        method,
        info,
        chain,
        solver,
        weights,
    )
