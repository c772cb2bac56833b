"""What a solver with the generator of a finite chain offers, and the registry by which solvers are found."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from fsp.errors import ArgumentError

if TYPE_CHECKING:
    from fsp.stationary.chain import FiniteChain

__all__ = ["SOLVERS", "ChainSolver", "SolverInfo", "find_solver"]

FloatArray = NDArray[np.float64]


class ChainSolver(Protocol):
    """Solves with the generator ``A`` of a chain; made once for a chain, then used for several right-hand sides.

    What it returns is an approximation: bounds are proven from it afterwards, never taken from a solver's word.

    Attributes
    ----------
    info : str
        One line about what was done (sizes, iterations, fill), for the result.
    """

    @property
    def info(self) -> str:
        """One line about what was done."""
        ...

    def __init__(self, chain: FiniteChain, tolerance: float = 1e-12) -> None: ...

    def occupation(self, source: FloatArray) -> FloatArray:
        """Return ``(-A)^-1 source``: expected time in each state before the set is left, from an initial law."""
        ...

    def expectation(self, reward: FloatArray) -> FloatArray:
        """Return ``(-A)^-T reward``: expected reward (per time in a state) before the set is left, by initial state."""
        ...

    def stationary(self, reference: int) -> FloatArray:
        """Return the stationary law of the chain in which all outflow comes back at the state ``reference``."""
        ...


@dataclass(frozen=True)
class SolverInfo:
    """An entry of the registry.

    Attributes
    ----------
    accurate : bool
        No subtraction: small entries, and times far beyond 1e16, keep their digits.
    symmetric : bool
        For chains with detailed balance only.
    needs : str
        A module that is not among the dependencies of the package.
    """

    name: str
    where: str
    summary: str
    accurate: bool = False
    symmetric: bool = False
    needs: str = ""

    @property
    def available(self) -> bool:
        """Whether what it needs is installed."""
        return not self.needs or find_spec(self.needs) is not None

    def load(self) -> type[ChainSolver]:
        """Import and return the class."""
        module, _, attribute = self.where.partition(":")
        cls: type[ChainSolver] = getattr(import_module(module), attribute)
        return cls


#: Every solver, by name; imported when used.
SOLVERS = {
    info.name: info
    for info in (
        SolverInfo("gth", "fsp.stationary.gth:GTH", "elimination without subtractions", accurate=True),
        SolverInfo("multilevel", "fsp.stationary.multilevel:Multilevel", "multilevel aggregation"),
        SolverInfo("lu", "fsp.stationary.sparse_lu:SparseLU", "sparse LU factorisation (SuperLU)"),
        SolverInfo(
            "cholmod",
            "fsp.stationary.cholesky:Cholesky",
            "sparse Cholesky factorisation (CHOLMOD)",
            symmetric=True,
            needs="sksparse",
        ),
        SolverInfo("gmres", "fsp.stationary.krylov:GMRES", "GMRES with an incomplete LU factorisation"),
        SolverInfo(
            "bicgstab", "fsp.stationary.krylov:BiCGSTAB", "BiCGSTAB with an incomplete LU factorisation"
        ),
        SolverInfo("arnoldi", "fsp.stationary.arnoldi:Arnoldi", "shift-invert Arnoldi (ARPACK)"),
    )
}


def find_solver(name: str) -> SolverInfo:
    """Return the registry entry.

    Raises
    ------
    ArgumentError
        If there is no such method; the message lists the known ones.
    """
    known = SOLVERS.get(str(name).lower())
    if known is None:
        message = f"unknown method {name!r}; known are 'auto', {', '.join(map(repr, SOLVERS))}"
        raise ArgumentError(message)
    return known
