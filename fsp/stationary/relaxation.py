"""Relaxation of a finite chain: its class, its law, its slow modes, and what is known about their error."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.csgraph import breadth_first_order

from fsp.errors import ArgumentError, SolverError
from fsp.stationary.balance import Balance, check_balance
from fsp.stationary.censored import censored_modes
from fsp.stationary.chain import FiniteChain
from fsp.stationary.classes import communicating_classes
from fsp.stationary.enclosure import enclose_rates, upper_bounds_beyond
from fsp.stationary.metastable import core_states
from fsp.stationary.protocol import ChainSolver
from fsp.stationary.spectrum import Modes, normalised, slow_spectrum

__all__ = ["Relaxation", "relaxation", "single_class", "stationary_law"]

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
Solvers = Callable[[FiniteChain], ChainSolver]

#: Rates below this part of the largest exit rate are computed by censoring: eigensolvers have lost half of their digits.
TINY = 1e-7
#: The least factor between rates that are computed by censoring and the next one.
GAP = 20.0
#: Modes that are computed beyond those that are asked for, to find a gap behind them.
EXTRA = 4


@dataclass(frozen=True)
class Relaxation:
    """Slow modes of a chain on a set from which nothing leaves (its outflow is left out).

    Attributes
    ----------
    modes : Modes
    law : ndarray
        The stationary law of the chain without outflow.
    balance : Balance or None
        None if the chain has transient states.
    lower, upper : ndarray, shape (k,)
        Proven enclosures of the rates of the chain on the set; NaN where there is no proof.
    error : ndarray, shape (k,)
        Bound on the error of each rate for the chain on the set, or an estimate where there is no proof.
    shift : ndarray, shape (k,)
        Estimate of what the states outside of the set would change.
    upper_beyond : ndarray, shape (k,)
        With detailed balance: upper bounds for the chain on all states; infinite otherwise.
    notes : tuple of str
    """

    modes: Modes
    law: FloatArray
    balance: Balance | None
    lower: FloatArray
    upper: FloatArray
    error: FloatArray
    shift: FloatArray
    upper_beyond: FloatArray
    notes: tuple[str, ...]


def single_class(chain: FiniteChain) -> BoolArray:
    """Return the states to keep so that all lead to one closed class when nothing leaves the set.

    Where no class is closed, the largest one is taken, with the states that lead to it: what leaves it goes through the
    boundary of the set, or to states from which the truncation has taken the way back.

    Raises
    ------
    ArgumentError
        If there are several classes from which nothing leads out: then there are several stationary laws.
    """
    keep = np.ones(chain.n_states, bool)
    while True:
        part = chain if keep.all() else chain.restricted(keep)
        classes = communicating_classes(part)
        if classes.closed.size > 1:
            message = (
                f"there are {classes.closed.size} closed classes of states, with a stationary law each: the relaxation to "
                "them has no single slowest rate; give initial counts and parameters that select one, or bounds="
            )
            raise ArgumentError(message)
        final = [*classes.closed, *classes.open_ended]
        stays = classes.closed[0] if classes.closed.size else int(np.argmax(np.bincount(classes.labels)))
        if final == [stays]:
            return keep
        first = int(np.argmax(classes.labels == stays))
        reach, _ = breadth_first_order(part.inflow, first, directed=True)  # against the transitions
        leads = np.zeros(part.n_states, bool)
        leads[reach] = True
        keep[np.flatnonzero(keep)[~leads]] = False


def stationary_law(chain: FiniteChain, balance: Balance | None, make_solver: Solvers) -> FloatArray:
    """Return the stationary law of a chain without outflow that has one closed class."""
    if balance is not None and balance.holds:
        law = np.exp(balance.log_law)
        positive: FloatArray = np.maximum(law / law.sum(), 1e-290)
        return positive
    classes = communicating_classes(chain)
    inside = classes.members(int(classes.closed[0]))
    part = chain if inside.size == chain.n_states else chain.restricted(classes.labels == classes.closed[0])
    solver = make_solver(part)
    found = solver.stationary(0)
    found = solver.stationary(int(np.argmax(found)))  # from a probable state the solve is harmless
    law = np.zeros(chain.n_states)
    found = np.maximum(found, 1e-290 * found.max())
    law[inside] = found / found.sum()
    return law


def relaxation(chain: FiniteChain, k: int, make_solver: Solvers) -> Relaxation:
    """Return the slow modes of a chain; see `fsp.slow_modes`.

    Parameters
    ----------
    chain : FiniteChain
        All of its states lead to one closed class, see `single_class`.
    k : int
    make_solver : callable
        Makes the solver for stationary laws and for the chain without its core states.
    """
    inside = FiniteChain(chain.inflow, np.zeros(chain.n_states), chain.space)
    classes = communicating_classes(inside)
    irreducible = int(classes.labels.max()) == 0
    balance = check_balance(inside) if irreducible else None
    law = stationary_law(inside, balance, make_solver)
    symmetric = balance is not None and balance.holds
    wanted = min(k, chain.n_states - 1)
    modes = slow_spectrum(inside, law, wanted + EXTRA, symmetric=symmetric)
    notes: tuple[str, ...] = ()
    digits = np.zeros(modes.rates.size)
    if irreducible and np.abs(modes.rates[:1]) < TINY * inside.exit.max():
        modes, law, digits, notes = _with_tiny_rates(inside, law, modes, make_solver)
    rate = modes.rates[:wanted]
    shift = _last_layer(chain, modes)[:wanted]
    nothing = np.full(wanted, np.nan)
    lower, upper, beyond = nothing, nothing, np.full(wanted, np.inf)
    size = float(inside.exit.max(initial=0.0))
    error = modes.condition * (modes.residual + 4e-16 * size)
    error = np.where(digits > 0.0, digits * np.abs(modes.rates), error)[:wanted]
    if symmetric and balance is not None:
        found = enclose_rates(inside, balance.log_law, modes.left.real, wanted)
        # Rates that obey detailed balance exactly differ from those that were computed by rounding, and so do weights.
        rounding = 2.0 * balance.margin
        lower, upper = found.lower * (1.0 - rounding), found.upper * (1.0 + rounding)
        notes += (found.reason,) if found.reason else ()
        proven = np.isfinite(lower)
        rate = np.where(proven, np.clip(rate, found.lower, found.upper), rate)
        error = np.where(proven, np.maximum(upper - rate, rate - lower), error)
        if chain.outflow.any():
            beyond = upper_bounds_beyond(inside, balance.log_law, modes.left.real, chain.outflow)[:wanted]
            beyond = beyond * (1.0 + rounding)
        else:
            beyond = np.where(proven, upper, np.inf)
    left, right = modes.left[:, :wanted], modes.right[:, :wanted]
    if not rate.imag.any():
        rate, left, right = rate.real, left.real, right.real
    if (rate.real < 0.0).any():  # rounding: no rate is negative
        rate = np.where(rate.real < 0.0, rate - rate.real, rate)
        notes += (
            "rates given as 0 are positive, but too small to be told from rounding of the largest ones",
        )
    modes = Modes(rate, left, right, modes.residual[:wanted], modes.condition[:wanted])
    return Relaxation(modes, law, balance, lower, upper, error, shift, beyond, notes)


def _with_tiny_rates(
    chain: FiniteChain, law: FloatArray, modes: Modes, make_solver: Solvers
) -> tuple[Modes, FloatArray, FloatArray, tuple[str, ...]]:
    """Compute tiny rates anew by censoring; also return the law, and estimates of relative errors (0 for others)."""
    digits = np.zeros(modes.rates.size)
    tiny = _set_apart(np.abs(modes.rates), float(chain.exit.max()))
    m = int(np.count_nonzero(tiny))
    if not m:
        return (
            modes,
            law,
            digits,
            ("slow rates are not set apart from others: their error is relative to the largest",),
        )
    cores = core_states(_real_span(modes.left[:, tiny], law, m), law)
    try:
        found = censored_modes(chain, cores, make_solver)
    except SolverError as error:
        return modes, law, digits, (f"slow rates could not be refined: {error}",)
    law = np.maximum(found.law, 1e-290)
    left, right = normalised(law, *(np.column_stack(pair) for pair in (
        (found.left, modes.left[:, ~tiny]), (found.right, modes.right[:, ~tiny])
    )))  # fmt: skip
    rates = np.concatenate([found.rates, modes.rates[~tiny]])
    slow = left[:, :m]
    image = chain.outgoing @ slow - chain.exit[:, None] * slow + found.rates * slow
    residual = np.concatenate([np.sqrt(law @ np.abs(image) ** 2), modes.residual[~tiny]])
    sizes = np.sqrt((np.abs(right[:, :m]) ** 2 / law[:, None]).sum(axis=0))
    condition = np.concatenate([sizes, modes.condition[~tiny]])
    digits[:m] = found.disagreement + 1e-13
    note = f"rates below {TINY:g} of the largest: from the chain watched at {m + 1} states"
    return Modes(rates, left, right, residual, condition), law, digits, (note,)


def _set_apart(sizes: FloatArray, largest: float) -> BoolArray:
    """Say which rates, among those that are tiny, lie below the largest gap; none if it is less than a factor ``GAP``."""
    order = np.argsort(sizes)
    known = np.maximum(sizes[order], 1e-15 * largest)  # below this there is only rounding
    after = np.append(known[1:], largest)
    ratios = np.where(known < TINY * largest, after / known, 0.0)
    chosen = np.zeros(sizes.size, bool)
    if ratios.max() >= GAP:
        chosen[order[: int(np.argmax(ratios)) + 1]] = True
    return chosen


def _last_layer(chain: FiniteChain, modes: Modes) -> FloatArray:
    """Return what lies outside of the set may change the rates by: an estimate by a geometric series.

    Its first term is the first-order change of the rates when the states at the boundary are taken out as well, and what
    their weight in the norm is to the rate; its ratio is that of the weights of a mode there and one jump further inside.
    """
    edge = chain.outflow > 0.0
    if not edge.any() or edge.all():
        return np.zeros(modes.rates.size) if not edge.any() else np.full(modes.rates.size, np.inf)
    steps = chain.outgoing[np.flatnonzero(~edge)][:, np.flatnonzero(edge)].tocoo()
    x, y = np.flatnonzero(~edge)[steps.coords[0]], np.flatnonzero(edge)[steps.coords[1]]
    step = modes.left[x] - modes.left[y]
    step[np.abs(step) < 1e-14 * np.abs(modes.left[x])] = 0.0  # rounding
    change = modes.right[x] * steps.data[:, None] * step
    weight = np.abs(modes.right * modes.left)
    ratio = weight[edge].sum(axis=0) / np.maximum(weight[np.unique(x)].sum(axis=0), 1e-290)
    # Twice, because the modes grow towards the outside.
    first = np.abs(change.sum(axis=0)) + np.abs(modes.rates) * weight[edge].sum(axis=0)
    total: FloatArray = 2.0 * first / np.maximum(1.0 - ratio, 1e-3)
    return total


def _real_span(functions: NDArray[Any], law: FloatArray, m: int) -> FloatArray:
    """Return ``m`` real functions that span the same space as some that rounding may have made complex."""
    parts = np.column_stack([functions.real, functions.imag])
    parts = parts - law @ parts
    if not np.iscomplexobj(functions):
        return np.asarray(parts[:, :m], np.float64)
    root = np.sqrt(law)[:, None]
    _, _, mix = np.linalg.svd(root * parts, full_matrices=False)
    return np.asarray(parts @ mix[:m].T, np.float64)
