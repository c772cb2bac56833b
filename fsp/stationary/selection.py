"""Which solver for which chain: a choice by estimated cost, checked results, and the next solver where a check fails."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fsp.errors import FSPError, SolverError
from fsp.stationary.balance import log_symmetriser
from fsp.stationary.chain import FiniteChain
from fsp.stationary.checked import defect_of_expectation, defect_of_law, defect_of_occupation
from fsp.stationary.protocol import SOLVERS, ChainSolver, find_solver

__all__ = ["Choice", "Purpose", "SelectedSolver", "choose", "estimates"]

FloatArray = NDArray[np.float64]
Purpose = Literal["stationary", "occupation", "expectation"]

#: Share of the memory that is free now which a factorisation may take.
MEMORY_SHARE = 0.5

#: How many times as long a solver may take that is accurate in every entry.
PATIENCE = 4.0

#: From so many states on, nothing is factorised on lattices of three and more dimensions.
MANY = 1_000_000

#: From so many bytes on, elimination might not fit into memory.
LARGE = 2.0**31

#: What passes the checks: ten times the tolerance, but not less than rounding allows.
LOOSEST, TIGHTEST = 1e-2, 1e-11


@dataclass(frozen=True)
class Estimate:
    """What a solver would take, roughly."""

    name: str
    seconds: float
    memory: float  #: bytes


@dataclass(frozen=True)
class Choice:
    """The solver that was chosen, why, and which come next if its result does not pass the checks."""

    name: str
    reason: str
    others: tuple[str, ...] = ()


def available_memory() -> float:
    """Return the bytes of memory that are free, or infinity if the system does not say."""
    try:
        with open("/proc/meminfo", encoding="ascii") as lines:
            for line in lines:
                if line.startswith("MemAvailable:"):
                    return 1024.0 * int(line.split()[1])
        return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES"))
    except (OSError, ValueError, AttributeError):
        return float("inf")


def estimates(chain: FiniteChain, purpose: Purpose = "stationary") -> dict[str, Estimate]:
    """Return rough costs of the solvers on a present-day core.

    The work of elimination is known once the states are ordered; that of the others is estimated from it. A band as wide as
    ``b`` is the size of a separator, so a minimum degree ordering of a lattice of any dimension costs about ``b^3`` for each
    of the ``n / b^2`` pieces that are as long as they are wide.
    """
    n = chain.n_states
    cycles = 1.5 if purpose == "expectation" else 1.0  # weights first, then the expectations
    multilevel = Estimate("multilevel", 1.2e-5 * cycles * n, 150.0 * n + 40.0 * chain.inflow.nnz)
    if n > MANY and chain.space is not None and chain.space.coordinates.n_axes > 2:
        return {"multilevel": multilevel}  # every separator is too large, and even the orders take gigabytes
    order = chain.elimination_order
    width = chain.band.width
    pieces = max(1.0, n / width**2)
    fill = 6.0 * width**2 * pieces ** (0.5 if pieces > 1 else 0.0) + 3.0 * n * np.log2(min(n, width**2) + 1.0)
    elimination = Estimate("gth", order.seconds, 8.0 * order.entries + 80.0 * n)
    found = [
        elimination,
        multilevel,
        Estimate("lu", 30.0 * width**3 * pieces / 1.5e9 + 1e-6 * n, 24.0 * fill),
    ]
    cholesky = Estimate("cholmod", 10.0 * width**3 * pieces / 5e9 + 1e-6 * n, 12.0 * fill)
    # Detailed balance is looked for only where it would be of use.
    useful = PATIENCE * cholesky.seconds < elimination.seconds or elimination.memory > LARGE
    if useful and SOLVERS["cholmod"].available and log_symmetriser(chain) is not None:
        found.append(cholesky)
    return {e.name: e for e in found}


def choose(chain: FiniteChain, purpose: Purpose = "stationary", memory: float | None = None) -> Choice:
    """Choose a solver for a chain.

    Parameters
    ----------
    chain : FiniteChain
    purpose : {"stationary", "occupation", "expectation"}
    memory : float, optional
        Bytes that it may take; half of what is free by default.

    Returns
    -------
    Choice
        Name, a sentence that says why, and the solvers to try next.

    Examples
    --------
    >>> import fsp
    >>> from fsp.statespace import Coordinates, FibreSet
    >>> network = fsp.gallery.birth_death()
    >>> space = FibreSet.from_states(Coordinates.of(network), [[x] for x in range(8)])
    >>> choose(FiniteChain.of(network, space)).name
    'gth'
    """
    limit = MEMORY_SHARE * available_memory() if memory is None else memory
    costs = estimates(chain, purpose)
    fitting = [e for e in costs.values() if e.memory <= limit]
    if not fitting:
        smallest = min(costs.values(), key=lambda e: e.memory)
        message = (
            f"no solver for the {chain.n_states:,} states of this chain fits into {limit / 2**20:,.0f} MiB; the smallest, "
            f"{smallest.name!r}, takes about {smallest.memory / 2**20:,.0f} MiB. Give more memory or solve on fewer states"
        )
        raise SolverError(message)
    rated = sorted(fitting, key=lambda e: e.seconds / (PATIENCE if SOLVERS[e.name].accurate else 1.0))
    best = rated[0]
    reason = (
        f"{SOLVERS[best.name].summary}: about {best.seconds:.2g} s and {best.memory / 2**20:.3g} MiB foreseen"
    )
    if SOLVERS[best.name].accurate:
        reason += ", accurate in every entry"
    elif "gth" not in costs:
        reason += "; a factorisation of so many states in more than two dimensions does not fit into memory"
    elif "gth" not in {e.name for e in fitting}:
        reason += "; elimination without subtractions does not fit into memory"
    else:
        reason += f"; elimination without subtractions would take {costs['gth'].seconds:.2g} s"
    return Choice(best.name, reason, tuple(e.name for e in rated[1:]))


class SelectedSolver:
    """A solver that is chosen, whose results are checked, and that gives way to the next one where a check fails.

    It offers what every solver offers. ``info`` says what was chosen, why, and what was tried in vain. A result that
    passes is still an approximation: a small residual says little about a chain that is slow to leave its parts.

    Parameters
    ----------
    chain : FiniteChain
    tolerance : float
        Relative accuracy that is wanted.
    purpose : {"stationary", "occupation", "expectation"}
    method : str
        ``"auto"``, or the name of a solver, which then is the only one that is tried.

    Raises
    ------
    ArgumentError
        If there is no such method.
    SolverError
        From its methods: if no solver gives a result that passes the checks.
    """

    def __init__(
        self,
        chain: FiniteChain,
        tolerance: float = 1e-12,
        purpose: Purpose = "stationary",
        method: str = "auto",
        memory: float | None = None,
    ) -> None:
        self.chain = chain
        self.tolerance = tolerance
        if str(method).lower() == "auto":
            self.choice = choose(chain, purpose, memory)
        else:
            self.choice = Choice(find_solver(method).name, "asked for")
        self._names = [self.choice.name, *self.choice.others]
        self._solver: ChainSolver | None = None
        self._failures: list[str] = []

    @property
    def name(self) -> str:
        """The solver in use."""
        return self._names[0]

    @property
    def info(self) -> str:
        """What was chosen, why, what it did, and what was tried before."""
        done = self._solver.info if self._solver is not None else self.name
        return "; ".join([f"{done} ({self.choice.reason})", *self._failures])

    def occupation(self, source: FloatArray) -> FloatArray:
        """Return ``(-A)^-1 source``, checked."""
        return self._checked(
            lambda solver: solver.occupation(source),
            lambda x, accurate: defect_of_occupation(self.chain, source, x, accurate),
        )

    def expectation(self, reward: FloatArray) -> FloatArray:
        """Return ``(-A)^-T reward``, checked."""
        return self._checked(
            lambda solver: solver.expectation(reward),
            lambda x, accurate: defect_of_expectation(self.chain, reward, x, accurate),
        )

    def stationary(self, reference: int) -> FloatArray:
        """Return the stationary law with all outflow led to the reference state, checked."""
        return self._checked(
            lambda solver: solver.stationary(reference),
            lambda x, _: defect_of_law(self.chain, reference, x),
        )

    def _checked(
        self, solve: Callable[[ChainSolver], FloatArray], defect: Callable[[FloatArray, bool], float]
    ) -> FloatArray:
        allowed = min(LOOSEST, max(10.0 * self.tolerance, TIGHTEST))
        while self._names:
            name = self._names[0]
            info = SOLVERS[name]
            try:
                if self._solver is None:
                    self._solver = info.load()(self.chain, self.tolerance)
                solution = solve(self._solver)
                found = defect(solution, info.accurate)
                if found <= allowed:
                    return solution
                failure = f"{name}: defect {found:.2g}, allowed {allowed:.2g}"
            except FSPError as error:
                failure = f"{name}: {error}"
            self._failures.append(f"before that, {failure}")
            self._solver = None
            if len(self._names) == 1:
                break
            self._names.pop(0)
        message = (
            "no solver gave a result that passes the checks: "
            + "; ".join(f.removeprefix("before that, ") for f in self._failures)
            + ". Choose another truncation or reference state, or a larger tolerance"
        )
        raise SolverError(message)
