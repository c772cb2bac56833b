"""Thermodynamics of the stationary regime: detailed balance, currents, affinities, entropy production, free energy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.special import gammaln

from fsp.analysis.pairs import ReactionPair, find_pairs, stoichiometric_cycles
from fsp.errors import ArgumentError
from fsp.generator.select import make_generator
from fsp.generator.tables import FactorTables
from fsp.modes import SlowModes, Solvers
from fsp.statespace.constraints import Bounds
from fsp.stationary.balance import Balance, check_balance
from fsp.stationary.chain import FiniteChain
from fsp.stationary.classes import communicating_classes
from fsp.stationary.relaxation import stationary_law
from fsp.stationary_result import StationaryResult
from fsp.truncated import Truncation, truncation_for, truncation_of

if TYPE_CHECKING:
    from fsp.results import TransientResult

__all__ = ["AffinityCycle", "DetailedBalance", "Thermodynamics", "thermodynamics"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class DetailedBalance:
    """The answer of Kolmogorov's test, for the chain on counts.

    Attributes
    ----------
    holds : bool
    cycle : ndarray of int64, shape (length + 1, n_species)
        States of a cycle along which the products of rates differ, the first one repeated at the end; empty if balance
        holds.
    reactions : tuple of str
        What fires from each state of the cycle to the next; several where several lead there.
    affinity : float
        ``ln(product of rates forward / backward)`` along it; infinite if a transition has no reverse.
    mismatch : float
        The largest such logarithm that was found, also if it is within rounding.
    """

    holds: bool
    cycle: IntArray
    reactions: tuple[str, ...]
    affinity: float
    mismatch: float

    def __str__(self) -> str:
        if self.holds:
            return f"detailed balance holds (cycles balance to {self.mismatch:.1e})"
        steps = [
            f"{tuple(x)} -[{name}]->" for x, name in zip(self.cycle.tolist(), self.reactions, strict=False)
        ]
        return f"no detailed balance: affinity {self.affinity:.6g} along {' '.join(steps)} {tuple(self.cycle[-1].tolist())}"


@dataclass(frozen=True)
class AffinityCycle:
    """A combination of reactions that restores all counts, and the force that drives it.

    Attributes
    ----------
    pairs : dict from str to int
        How often each pair runs forward.
    affinity : float
        Sum of ``ln(forward / backward)`` along the cycle, in units of kT; NaN if it depends on the counts.
    lower, upper : float
        Its range over the states of the set.
    """

    pairs: dict[str, int]
    affinity: float
    lower: float
    upper: float


class Thermodynamics:
    """What the stationary regime of a network costs; energies in units of kT, entropies in units of k.

    All numbers are those of the chain on the set of states with a boundary that reflects; if the set is not ``complete``
    they are estimates for the network.

    Attributes
    ----------
    network : ReactionNetwork
    law : ndarray, shape (n_states,)
        Stationary law on the set.
    states : ndarray, shape (n_states, n_species)
    pairs : tuple of ReactionPair
    complete : bool
        The set holds all states that can be reached.
    boundary_probability : float
        Stationary probability of the states from which the set can be left; 0 if it is complete.
    """

    def __init__(self, truncation: Truncation, law: FloatArray, pairs: tuple[ReactionPair, ...]) -> None:
        self.network = truncation.network
        self.space = truncation.space
        self.complete = truncation.complete
        self.law = law
        self.pairs = pairs
        chain = truncation.chain
        self.boundary_probability = float(law[chain.outflow > 0.0].sum())
        self._chain = FiniteChain(chain.inflow, np.zeros(chain.n_states), chain.space)
        generator = make_generator(FactorTables(self.network, self.space.coordinates), self.space, threads=1)
        self._target, self._source, self._rate, self._reaction = generator.triplets()

    @cached_property
    def states(self) -> IntArray:
        """The states, counts of all species."""
        return self.space.states()

    # -- detailed balance ----------------------------------------------------------------------------------

    @cached_property
    def detailed_balance(self) -> DetailedBalance:
        """Kolmogorov's test: along each cycle of states the products of rates, forward and backward, agree.

        Whether several reactions make the same change of counts is not seen by it: Schloegl's model, as any chain that goes
        up and down by one, has detailed balance on counts even where its reactions do not (see ``entropy_production``).
        """
        found: Balance = check_balance(self._chain)
        steps = list(zip(found.cycle[:-1], found.cycle[1:], strict=True))
        names = [" or ".join(self._between(int(x), int(y))) for x, y in steps]
        return DetailedBalance(
            found.holds, self.states[found.cycle], tuple(names), found.affinity, found.mismatch
        )

    def _between(self, x: int, y: int) -> list[str]:
        there = (self._source == x) & (self._target == y) & (self._rate > 0.0)
        return [self.network.reactions[r].name for r in np.unique(self._reaction[there])]

    # -- currents and entropy ------------------------------------------------------------------------------

    def _rates_of(self, reactions: Sequence[int]) -> sp.csr_array:
        """Return the rates from ``x`` (row) to ``y`` (column) by some reactions."""
        chosen = np.isin(self._reaction, reactions) & (self._rate > 0.0)
        entries = self._rate[chosen], (self._source[chosen], self._target[chosen])
        return sp.coo_array(entries, shape=(self.law.size, self.law.size)).tocsr()

    @cached_property
    def _edges(self) -> dict[str, tuple[IntArray, IntArray, FloatArray, FloatArray]]:
        """For each pair: states ``x`` and ``y``, rates from ``x`` to ``y`` by its reactions, and back by their reverses."""
        found = {}
        n = self.law.size
        for pair in self.pairs:
            there, back = self._rates_of(pair.forward).tocoo(), self._rates_of(pair.backward).T.tocoo()
            keys = [m.coords[0].astype(np.int64) * n + m.coords[1] for m in (there, back)]
            every = np.unique(np.concatenate(keys))
            forward, backward = np.zeros(every.size), np.zeros(every.size)
            forward[np.searchsorted(every, keys[0])] = there.data
            backward[np.searchsorted(every, keys[1])] = back.data
            x, y = every // n, every % n
            seen = (self.law[x] > 0.0) | (self.law[y] > 0.0)
            found[pair.name] = (x[seen], y[seen], forward[seen], backward[seen])
        return found

    def _edges_of(self, pair: str) -> tuple[IntArray, IntArray, FloatArray, FloatArray]:
        if pair not in self._edges:
            message = f"there is no pair of reactions {pair!r}; there are {', '.join(map(repr, self._edges))}"
            raise ArgumentError(message)
        return self._edges[pair]

    def currents(self, pair: str) -> tuple[IntArray, IntArray, FloatArray]:
        """Return the net probability currents of a pair of reactions, transition by transition (Schnakenberg 1976).

        Returns
        -------
        source, target : ndarray of int64, shape (m, n_species)
        current : ndarray, shape (m,)
            Probability per time that flows from ``source`` to ``target``, less what flows back.
        """
        x, y, forward, backward = self._edges_of(pair)
        return self.states[x], self.states[y], forward * self.law[x] - backward * self.law[y]

    @cached_property
    def net_fluxes(self) -> dict[str, float]:
        """How often each pair runs forward less backward per time, in the stationary regime."""
        return {pair.name: float(self.currents(pair.name)[2].sum()) for pair in self.pairs}

    @cached_property
    def entropy_production_by_pair(self) -> dict[str, float]:
        """Entropy production of each pair of reactions (k/time); infinite if a transition has no reverse."""
        return {pair.name: self._production(pair.name) for pair in self.pairs}

    def _production(self, pair: str) -> float:
        x, y, forward, backward = self._edges[pair]
        there, back = (forward > 0.0) & (self.law[x] > 0.0), (backward > 0.0) & (self.law[y] > 0.0)
        if (there != back).any():
            return math.inf
        x, y, forward, backward = (
            x[there],
            y[there],
            forward[there],
            backward[there],
        )  # the others carry no current
        # Rates and probabilities apart: their products may underflow where their quotient does not.
        force = np.log(forward) - np.log(backward) + np.log(self.law[x]) - np.log(self.law[y])
        return float(((forward * self.law[x] - backward * self.law[y]) * force).sum())

    @property
    def entropy_production(self) -> float:
        """Total entropy production rate (k/time): at least 0, and 0 only in thermodynamic equilibrium.

        Infinite if a transition has no reverse, see ``irreversible``. Where reactions with the same equation are taken
        together it is a lower bound (log-sum inequality): name ``pairs`` to take them apart.
        """
        return float(sum(self.entropy_production_by_pair.values()))

    @cached_property
    def irreversible(self) -> tuple[str, ...]:
        """Reactions that happen in the stationary regime and are not undone by a reverse at some state."""
        found: set[int] = set()
        for pair in self.pairs:
            x, y, forward, backward = self._edges[pair.name]
            if ((forward > 0.0) & (backward == 0.0) & (self.law[x] > 0.0)).any():
                found.update(pair.forward)
            if ((backward > 0.0) & (forward == 0.0) & (self.law[y] > 0.0)).any():
                found.update(pair.backward)
        return tuple(self.network.reactions[r].name for r in sorted(found))

    # -- affinities ----------------------------------------------------------------------------------------

    @cached_property
    def affinities(self) -> tuple[AffinityCycle, ...]:
        """Independent cycles of reversible pairs of reactions that restore all counts, and their affinities.

        With mass action ``ln(forward(x)/backward(x + change))`` is a constant of the pair plus a difference of a function of
        the state, so that the affinity of a cycle does not depend on the state: ``ln`` of the rate constants, one way over
        the other. Otherwise its range over the states of the set is given.
        """
        reversible = [pair for pair in self.pairs if pair.backward]
        if not reversible:
            return ()
        ranges = np.array([self._constant(pair) for pair in reversible])
        found = []
        for cycle in stoichiometric_cycles(np.array([pair.change for pair in reversible])):
            c = np.array(cycle, float)
            ends = np.sort(c[:, None] * ranges, axis=1).sum(axis=0)
            used = ranges[c != 0.0]
            constant = bool((used[:, 1] - used[:, 0] <= 1e-9 * (1.0 + np.abs(used).max())).all())
            affinity = float(ends.mean()) if constant else math.nan
            names = {pair.name: n for pair, n in zip(reversible, cycle, strict=True) if n}
            found.append(AffinityCycle(names, affinity, float(ends[0]), float(ends[1])))
        return tuple(found)

    def _constant(self, pair: ReactionPair) -> tuple[float, float]:
        """Return the range of ``ln(forward/backward)`` without its difference of ``ln(counts!)``."""
        x, y, forward, backward = self._edges[pair.name]
        both = (forward > 0.0) & (backward > 0.0)
        if not both.any():
            return -math.inf, math.inf
        height = gammaln(self.states + 1.0).sum(axis=1)
        values = np.log(forward[both] / backward[both]) + height[y[both]] - height[x[both]]
        return float(values.min()), float(values.max())

    # -- free energy ---------------------------------------------------------------------------------------

    def free_energy(self, result: TransientResult) -> FloatArray:
        """Return the free energy along a transient relative to the stationary law, in units of kT.

        It is the relative entropy ``sum p ln(p/law)`` of the law at each time, which never increases (and is 0 at the end).
        An estimate: probability that the transient solver did not keep, or that lies outside of the set, is left out.

        Raises
        ------
        ArgumentError
            If the result holds no distributions, is of other species, or lies outside of the set for the most part.
        """
        if not hasattr(result, "kept"):
            message = f"give the result of fsp.solve_transient, not {type(result).__name__}"
            raise ArgumentError(message)
        if result.kept != "distributions":
            message = f"the result keeps {result.kept} only: solve with save='distributions'"
            raise ArgumentError(message)
        if result.species_names != self.network.species_names:
            message = f"the result is about {', '.join(result.species_names)}, not {', '.join(self.network.species_names)}"
            raise ArgumentError(message)
        with np.errstate(divide="ignore"):
            log_law = np.log(self.law)
        found = np.zeros(len(result))
        for k, law in enumerate(result):
            place = self.space.index(law.states)
            inside = (place >= 0) & (law.probabilities > 0.0)
            p = law.probabilities[inside]
            if p.sum() < 0.5:
                message = (
                    f"the law at time {law.time:g} lies outside of the states: widen bounds=, or check totals"
                )
                raise ArgumentError(message)
            p = p / p.sum()
            found[k] = float(p @ (np.log(p) - log_law[place[inside]]))
        return found

    def __repr__(self) -> str:
        kind = "all states" if self.complete else f"boundary probability {self.boundary_probability:.1e}"
        lines = [f"Thermodynamics on {self.law.size:,} states ({kind})", f"  {self.detailed_balance}"]
        lines.append(f"  entropy production {self.entropy_production:.6g} per time")
        lines += [f"    {name}: {value:.6g}" for name, value in self.entropy_production_by_pair.items()]
        if self.irreversible:
            lines.append(f"  irreversible: {', '.join(self.irreversible)}")
        for cycle in self.affinities:
            text = " ".join(f"{n:+d} ({name})" for name, n in cycle.pairs.items())
            value = (
                f"{cycle.affinity:.6g}"
                if not math.isnan(cycle.affinity)
                else f"{cycle.lower:.4g} to {cycle.upper:.4g}"
            )
            lines.append(f"  affinity of {text}: {value}")
        return "\n".join(lines)


def thermodynamics(
    source: Any,
    *,
    pairs: Sequence[tuple[str, str]] | None = None,
    tolerance: float = 1e-8,
    bounds: Bounds | None = None,
    initial: Any = None,
    max_states: int = 1_000_000,
) -> Thermodynamics:
    """Return the thermodynamics of the stationary regime of a network (Schnakenberg 1976, Rev. Mod. Phys. 48:571-585).

    Parameters
    ----------
    source : ReactionNetwork, StationaryResult or SlowModes
        What to examine; from a result of `solve_stationary` or `slow_modes` its states are taken.
    pairs : sequence of (str, str), optional
        Names of reactions and of their reverses. The others are paired by their equations, and those with the same
        equation are taken together.
    tolerance, bounds, initial, max_states : optional
        As for `slow_modes`; for a network.

    Returns
    -------
    Thermodynamics

    Raises
    ------
    ArgumentError
        For pairs that do not undo each other, or arguments out of range.
    UnsupportedError
        For events, or rates that depend on time.

    Examples
    --------
    >>> import fsp
    >>> ring = fsp.ReactionNetwork(
    ...     {"A": 1, "B": 0, "C": 0},
    ...     ["A -> B @ 2", "B -> A @ 1", "B -> C @ 2", "C -> B @ 1", "C -> A @ 2", "A -> C @ 1"],
    ... )
    >>> found = fsp.thermodynamics(ring)
    >>> round(found.affinities[0].affinity, 9), round(found.entropy_production, 9)  # 3 ln 2, and ln 2
    (2.079441542, 0.693147181)
    >>> found.detailed_balance.holds
    False
    """
    if isinstance(source, SlowModes):
        described = Truncation(source.network, source.space, source.chain, source.complete, source.method)
        return Thermodynamics(described, source.law, find_pairs(source.network, pairs))
    if isinstance(source, StationaryResult):
        truncation = truncation_of(source)
    else:
        options: dict[str, Any] = {"bounds": bounds, "initial": initial, "max_states": max_states}
        truncation = truncation_for(source, tolerance, **options)
    return Thermodynamics(truncation, _law(truncation), find_pairs(truncation.network, pairs))


def _law(truncation: Truncation) -> FloatArray:
    chain = FiniteChain(truncation.chain.inflow, np.zeros(truncation.chain.n_states), truncation.space)
    irreducible = int(communicating_classes(chain).labels.max()) == 0
    return stationary_law(chain, check_balance(chain) if irreducible else None, Solvers())
