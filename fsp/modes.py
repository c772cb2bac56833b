"""`slow_modes`: decay rates next to zero, their modes, metastable sets and the rates of switching between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from fsp.errors import ArgumentError
from fsp.interval import Interval
from fsp.statespace.constraints import Bounds
from fsp.stationary.chain import FiniteChain
from fsp.stationary.metastable import coarse_rates, core_states, memberships
from fsp.stationary.protocol import ChainSolver, find_solver
from fsp.stationary.relaxation import Relaxation, relaxation
from fsp.stationary.selection import SelectedSolver
from fsp.truncated import Truncation, truncation_for

if TYPE_CHECKING:
    from fsp.model.network import ReactionNetwork

__all__ = ["MetastableSets", "SlowModes", "Solvers", "slow_modes"]

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class MetastableSets:
    """Sets of states that are left rarely, and how often they are left.

    Attributes
    ----------
    label : ndarray of int64, shape (n_states,)
        The set of each state, the one to which it belongs most; sets are ordered by probability, the largest first.
    membership : ndarray, shape (n_states, n_sets)
        To which degree each state belongs to each set, 1 at its most probable state: for rare switching, the probability
        of getting there before getting to the others.
    probabilities : ndarray, shape (n_sets,)
        Stationary probability of each set, by degrees.
    rates : ndarray, shape (n_sets, n_sets)
        Rates of switching (row: from, column: to; each row sums to zero). The eigenvalues are minus the slow rates.
    peaks : ndarray of int64, shape (n_sets, n_species)
        The most probable state of each set.
    """

    label: NDArray[np.int64]
    membership: FloatArray
    probabilities: FloatArray
    rates: FloatArray
    peaks: NDArray[np.int64]


class SlowModes:
    r"""The slow end of the spectrum of a network: what is left of a perturbation after long times.

    From an initial law ``p0`` the distribution is ``law + sum_j exp(-rates[j] t) (left[:, j] . p0) right[:, j]`` and faster
    terms.

    Attributes
    ----------
    network : ReactionNetwork
    states : ndarray of int, shape (n_states, n_species)
    rates : ndarray, shape (k,)
        Decay rates without the stationary 0, slow ones first (1/time); complex ones belong to damped oscillations, and
        are those nearest to 0 in the plane.
    left : ndarray, shape (n_states, k)
        Functions of the state that decay on average: ``E[f(X_t)] = exp(-rate t) f(x)``. Stationary mean 0, variance 1.
    right : ndarray, shape (n_states, k)
        Deviations from the stationary law; each sums to 0.
    law : ndarray, shape (n_states,)
        Stationary law of the chain on the set.
    error_bounds : ndarray, shape (k,)
        Bounds on the errors of the rates if ``certified``, else estimates: of the numerical error, and of what the
        boundary of the set changes.
    residuals : ndarray, shape (k,)
        What is left of the equation of each left mode, in the norm weighted with the law (1/time).
    certified : bool
        The error bounds are proven for the network: detailed balance holds and the set is complete.
    certified_on_set : bool
        They are proven for the chain on this set, with a boundary that reflects.
    detailed_balance : bool
        Whether the chain on the set obeys detailed balance.
    complete : bool
        The set holds all states that can be reached.
    method, notes : str, tuple of str
        What was done.
    """

    def __init__(self, truncation: Truncation, found: Relaxation, method: str, tolerance: float) -> None:
        self.network = truncation.network
        self.space = truncation.space
        self.chain = truncation.chain
        self.complete = truncation.complete
        self.law = found.law
        self.tolerance = tolerance
        self.rates: NDArray[Any] = found.modes.rates
        self.left: NDArray[Any] = found.modes.left
        self.right: NDArray[Any] = found.modes.right
        self.residuals = found.modes.residual
        self.condition = found.modes.condition
        self.error_bounds: FloatArray = found.error + found.shift
        self._found = found
        self.detailed_balance = found.balance is not None and found.balance.holds
        self.certified_on_set = bool(np.isfinite(found.lower).all()) and self.rates.size > 0
        self.certified = self.certified_on_set and self.complete
        self.method = method
        self.notes = found.notes

    @property
    def inside(self) -> FiniteChain:
        """The chain on the set without the transitions that leave it: the one whose modes these are."""
        return FiniteChain(self.chain.inflow, np.zeros(self.chain.n_states), self.space)

    @cached_property
    def states(self) -> NDArray[np.int64]:
        """The states, counts of all species."""
        return self.space.states()

    @property
    def n_states(self) -> int:
        """The number of states."""
        return self.chain.n_states

    @property
    def relaxation_time(self) -> float:
        """The time in which the slowest mode falls by a factor e."""
        return float(self.relaxation_times[0])

    @property
    def relaxation_times(self) -> FloatArray:
        """``1/Re(rate)`` of each mode; infinite where the rate cannot be told from 0."""
        with np.errstate(divide="ignore"):
            return np.asarray(1.0 / self.rates.real, np.float64)

    def _check_number(self, j: Any) -> None:
        k = self.rates.size
        if isinstance(j, bool) or not isinstance(j, int | np.integer) or not -k <= j < k:
            message = f"the modes are numbered from 0 to {k - 1}; there is no mode {j!r}"
            raise ArgumentError(message)

    def rate_bounds(self, j: int = 0) -> Interval:
        """Return an enclosure of a rate: proven if detailed balance holds and the set is complete, else an estimate.

        Raises
        ------
        ArgumentError
            If there is no such mode, or its rate is not real.
        """
        self._check_number(j)
        if np.iscomplexobj(self.rates) and self.rates[j].imag != 0.0:
            message = (
                f"the rate {self.rates[j]} is not real: its error is at most error_bounds[{j}] in the plane"
            )
            raise ArgumentError(message)
        rate, error = float(self.rates[j].real), float(self.error_bounds[j])
        if self.certified:
            return Interval(float(self._found.lower[j]), float(self._found.upper[j]))
        return Interval(max(rate - error, 0.0), rate + error, certified=False)

    def upper_bound(self, j: int = 0) -> float:
        """Return an upper bound of a rate of the whole network, whatever lies outside of the set.

        With detailed balance, on the set and beyond it, the chain that is killed where it leaves the set decays faster in
        each mode (Courant and Fischer). Infinite where detailed balance does not hold.
        """
        self._check_number(j)
        return float(self._found.upper_beyond[j])

    def metastable_sets(self, n: int | None = None) -> MetastableSets:
        """Return metastable sets from the slowest left modes (Deuflhard and Weber 2005, Linear Algebra Appl. 398).

        Parameters
        ----------
        n : int, optional
            How many; by default one more than there are rates before the largest gap, which has to be a factor of ten.

        Raises
        ------
        ArgumentError
            If there is no such gap, or a mode that would be needed is not real.
        """
        rates = self.rates.real
        if n is None:
            # A rate within its error may be anything below it.
            ratios = rates[1:] / np.maximum(np.maximum(rates, self._found.error)[:-1], 1e-300)
            if not ratios.size or ratios.max() < 10.0:
                largest = f"{ratios.max():.3g}" if ratios.size else "unknown"
                message = (
                    f"no metastable sets: the largest ratio of neighbouring rates is {largest}, and 10 would set slow ones "
                    "apart; say how many sets you want with n="
                )
                raise ArgumentError(message)
            n = int(np.argmax(ratios)) + 2
        if isinstance(n, bool) or not isinstance(n, int | np.integer) or not 2 <= n <= rates.size + 1:
            message = f"between 2 and {rates.size + 1} sets can be had from {rates.size} modes, not {n!r}"
            raise ArgumentError(message)
        if np.iscomplexobj(self.rates) and self.rates[: n - 1].imag.any():
            message = f"{n} sets need {n - 1} real modes, but the rates are {self.rates[: n - 1]}"
            raise ArgumentError(message)
        functions = np.ascontiguousarray(self.left[:, : n - 1].real)
        vertices = core_states(functions, self.law)
        degree = memberships(functions, vertices)
        order = np.argsort(-(self.law @ degree), kind="stable")
        degree, vertices = degree[:, order], vertices[order]
        label = degree.argmax(axis=1).astype(np.int64)
        peaks = [int(np.argmax(np.where(label == s, self.law, -1.0))) for s in range(n)]
        table = coarse_rates(functions, rates[: n - 1], vertices)
        return MetastableSets(label, degree, self.law @ degree, table, self.states[peaks])

    def plot(self, names: str | Sequence[str] | None = None, *, modes: int | None = None) -> Any:
        """Draw the spectrum, and left and right modes over one or two species; returns the matplotlib Figure.

        Parameters
        ----------
        names : str or sequence of str, optional
            One or two species; by default the first two that vary. Right modes are summed over the others, left modes
            averaged over them with the stationary law.
        modes : int, optional
            How many modes to draw; by default up to three.

        Raises
        ------
        ArgumentError
            For an unknown species, or more than two.
        """
        from fsp.plot_modes import draw_modes

        return draw_modes(self, names, modes)

    def __repr__(self) -> str:
        balance = "detailed balance" if self.detailed_balance else "no detailed balance"
        proof = (
            "proven"
            if self.certified
            else "proven on this set only"
            if self.certified_on_set
            else "estimated"
        )
        lines = [f"SlowModes: {self.rates.size} modes on {self.n_states:,} states, {balance}; errors {proof}"]
        lines.append(f"{'':>4}{'rate':>24}{'time':>14}{'error bound':>14}{'residual':>12}")
        for j, rate in enumerate(self.rates):
            shown = f"{rate:.12g}" if np.isreal(rate) else f"{rate:.6g}"
            row = f"{j + 1:>4}{shown:>24}{self.relaxation_times[j]:>14.6g}"
            lines.append(row + f"{self.error_bounds[j]:>14.2e}{self.residuals[j]:>12.1e}")
        return "\n".join(lines)


def slow_modes(
    network: ReactionNetwork,
    k: int = 4,
    *,
    tolerance: float = 1e-8,
    bounds: Bounds | None = None,
    initial: Any = None,
    method: str = "auto",
    max_states: int = 1_000_000,
) -> SlowModes:
    """Compute the slowest modes in which a network relaxes to its stationary law.

    Parameters
    ----------
    network : ReactionNetwork
        With rates that do not depend on time, without events.
    k : int
        How many modes, without the stationary one; fewer if the chain has no more.
    tolerance : float
        Stationary probability that may lie outside of the set, where the set is chosen by it.
    bounds : dict, str, or a sequence of these, optional
        Keep to these states, as for `solve_transient`; transitions that would leave them are left out.
    initial : optional
        As for `solve_transient`: it selects the conserved totals.
    method : str
        The solver for linear systems, ``"auto"`` or a name. What it gives is checked by residuals.
    max_states : int
        Largest number of states.

    Returns
    -------
    SlowModes

    Raises
    ------
    ArgumentError
        If an argument is out of range, or there are several closed classes of states.
    UnsupportedError
        For events, or rates that depend on time.
    StateSpaceLimitError
        If more than ``max_states`` states are needed.
    SolverError
        If the iteration does not converge.

    Notes
    -----
    Eigenpairs come from shift-invert Lanczos or Arnoldi iteration on the generator, scaled with the stationary law. Rates
    far below the others come from the chain watched at one state of each metastable set, without any cancellation. With
    detailed balance every rate is enclosed by two proven bounds (Courant and Fischer; Temple, Lehmann), and an inertia
    count proves that no slower rate was missed.

    Examples
    --------
    >>> import fsp
    >>> network = fsp.ReactionNetwork({"A": 20, "B": 0}, ["A -> B @ 1", "B -> A @ 3"])
    >>> modes = fsp.slow_modes(network, k=3)
    >>> modes.rates.round(9).tolist(), modes.certified, 4.0 in modes.rate_bounds(0)
    ([4.0, 8.0, 12.0], True, True)
    >>> round(modes.relaxation_time, 9)
    0.25
    """
    if not isinstance(k, int | np.integer) or isinstance(k, bool) or k < 1:
        message = f"k, the number of modes, must be a whole number of at least 1, not {k!r}"
        raise ArgumentError(message)
    solvers = Solvers(method)
    truncation = truncation_for(network, tolerance, bounds=bounds, initial=initial, max_states=max_states)
    if truncation.chain.n_states < 2:
        message = "the network has a single state that can be reached: nothing relaxes"
        raise ArgumentError(message)
    found = relaxation(truncation.chain, int(k), solvers)
    used = f"; linear solves by {', '.join(solvers.used)}" if solvers.used else ""
    return SlowModes(truncation, found, truncation.description + used, tolerance)


class Solvers:
    """Makes solvers for chains, and remembers which were used."""

    def __init__(self, method: str = "auto") -> None:
        self.method = method if method == "auto" else find_solver(method).name
        self.used: list[str] = []

    def __call__(self, chain: FiniteChain) -> ChainSolver:
        """Return a solver for a chain."""
        solver = SelectedSolver(chain, purpose="occupation", method=self.method)
        if solver.name not in self.used:
            self.used.append(solver.name)
        return cast("ChainSolver", solver)
