"""Networks that are shown to have no stationary law."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

from fsp.errors import NoStationaryLawError
from fsp.interval import Interval
from fsp.moments.polynomial import polynomial
from fsp.moments.ranges import Box, value_range
from fsp.stationary.lattice import Lattice

__all__ = ["refuse_without_law"]

_MOST_COUNTS = 100_000


def refuse_without_law(lattice: Lattice) -> None:
    """Raise if an argument shows that no stationary law exists on the states that can be reached.

    A combination of counts that no reaction lowers, and that a reaction raises which can fire in every state, never comes
    back to an earlier value. And a chain of one count with steps of one has a stationary law only if the products of the
    ratios of its rates have a finite sum; if 0 is never left, it is reached for sure only if those of the inverse have none.

    Raises
    ------
    NoStationaryLawError
        With the reason.
    """
    _refuse_growth(lattice)
    _refuse_divergent_weights(lattice)


def _refuse_growth(lattice: Lattice) -> None:
    weights = _never_lowered(lattice)
    if weights is None:
        return
    network, names = lattice.network, lattice.coordinates.species_names
    box = _reachable_box(lattice)
    for r in lattice.reactions:
        rise = sum(w * int(v) for w, v in zip(weights, lattice.shifts[r], strict=True))
        if rise > 0 and value_range(network.propensities[r].expression, box).lower > 0.0:
            shown = [names[s] for s in lattice.coordinates.axes]
            terms = " + ".join(n if w == 1 else f"{w} {n}" for w, n in zip(weights, shown, strict=True) if w)
            message = (
                f"the network has no stationary law: no reaction lowers {terms.replace('+ -', '- ')}, and reaction "
                f"'{network.reactions[r].name}', which can fire in every state, raises it"
            )
            raise NoStationaryLawError(message)


def _never_lowered(lattice: Lattice) -> list[Fraction] | None:
    """Return weights of the axes whose sum no reaction lowers and as many reactions as possible raise, or None."""
    from scipy.optimize import linprog

    shifts = lattice.shifts[lattice.reactions].astype(float)
    m, n = shifts.shape
    if not m:
        return None
    # Variables: weights, then how much each reaction raises the sum, at most 1.
    rows = np.hstack([-shifts, np.eye(m)])
    cost = np.concatenate([np.zeros(n), -np.ones(m)])
    answer = linprog(
        cost, A_ub=rows, b_ub=np.zeros(m), bounds=[(-1e3, 1e3)] * n + [(0.0, 1.0)] * m, method="highs"
    )
    if not answer.success or answer.fun > -0.5:
        return None
    weights = [Fraction(float(x)).limit_denominator(1000) for x in answer.x[:n]]
    unit = Fraction(
        math.gcd(*(w.numerator for w in weights)) or 1, math.lcm(*(w.denominator for w in weights))
    )
    weights = [w / unit for w in weights]
    for r in lattice.reactions:
        if sum(w * int(v) for w, v in zip(weights, lattice.shifts[r], strict=True)) < 0:
            return None
    return weights


def _reachable_box(lattice: Lattice) -> Box:
    """Return ranges of all counts: never below the lowest initial count where no reaction lowers it."""
    network = lattice.network
    limits = np.asarray(network.conservation_laws().upper_bounds, float).copy()
    limits[list(lattice.coordinates.axes)] = lattice.largest
    falling = (network.stoichiometry < 0).any(axis=0)
    counts = lattice.coordinates.to_counts(lattice.starts)
    lowest = np.where(falling, 0, counts.min(axis=0))
    ranges = {
        name: Interval(float(low), float(high))
        for name, low, high in zip(network.species_names, lowest, limits, strict=True)
    }
    return Box(ranges, {name: Fraction(value) for name, value in network.parameters.items()})


def _refuse_divergent_weights(lattice: Lattice) -> None:
    if lattice.n_axes != 1 or np.isfinite(lattice.largest[0]):
        return
    if any(abs(int(lattice.shifts[r, 0])) != 1 for r in lattice.reactions):
        return
    found = _birth_and_death(lattice)
    if found is not None:
        birth, death = found
        _refuse_escape(lattice, birth, death)
        # birth(n) - death(n + 1) >= 0 from some n on: then the weights do not fall.
        start = _signed_from(_add(birth, _shifted(death, 1), -1))
        if start is None or not (_positive_from(birth, 0) and _positive_from(death, 1)):
            return
    else:
        start = _outweighed_from(lattice)
        if start is None:
            return
    name = lattice.coordinates.species_names[lattice.coordinates.axes[0]]
    message = (
        f"the network has no stationary law: from {name} = {start} on births at n are at least as fast as deaths at n + 1, "
        "so that the stationary weights, products of the ratios of these rates, have no finite sum"
    )
    raise NoStationaryLawError(message)


Coefficients = dict[int, Fraction]


def _refuse_escape(lattice: Lattice, birth: Coefficients, death: Coefficients) -> None:
    """Raise if deaths are a part of births from some count on, so that 0 is not reached for sure, and 0 is never left.

    The probability of never reaching 0 is positive if and only if the products of death(n) / birth(n) have a finite sum.
    """
    if birth.get(0, Fraction(0)) or not lattice.starts.max() > 0 or not _positive_from(birth, 1):
        return
    for ratio in (Fraction(1, 2), Fraction(9, 10), Fraction(99, 100), Fraction(999, 1000)):
        start = _signed_from(_add({k: ratio * v for k, v in birth.items()}, death, -1))
        if start is not None:
            name = lattice.coordinates.species_names[lattice.coordinates.axes[0]]
            message = (
                f"the network has no stationary law that it settles to for sure: from {name} = {start} on deaths are at "
                f"most {float(ratio):g} times as fast as births, so that {name} grows for ever with a positive probability, "
                f"and reaches 0, which it never leaves, with the rest. fsp.first_passage gives the probability of reaching 0"
            )
            raise NoStationaryLawError(message)


def _birth_and_death(lattice: Lattice) -> tuple[Coefficients, Coefficients] | None:
    network, c = lattice.network, lattice.coordinates
    name = c.species_names[c.axes[0]]
    values = {n: Fraction(v) for n, v in network.parameters.items()}
    for s, other in enumerate(c.species_names):
        if other != name and not c.matrix[s].any():
            values[other] = Fraction(int(c.offset[s]))
    totals: tuple[Coefficients, Coefficients] = ({}, {})
    for r in lattice.reactions:
        terms = polynomial(network.propensities[r].expression, {name: 0}, values)
        if terms is None:
            return None
        total = totals[0] if lattice.shifts[r, 0] > 0 else totals[1]
        for monomial, value in terms.items():
            power = monomial[0][1] if monomial else 0
            total[power] = total.get(power, Fraction(0)) + value
    return totals


def _outweighed_from(lattice: Lattice) -> int | None:
    """Return a count from which on ranges show that births outweigh deaths, if all states communicate; else None."""
    network, box = lattice.network, _reachable_box(lattice)
    name = lattice.coordinates.species_names[lattice.coordinates.axes[0]]
    for start in (1, 10, 100, 1000):
        beyond = box.within(name, Interval(float(start), math.inf))
        ranges = [
            (int(lattice.shifts[r, 0]), value_range(network.propensities[r].expression, beyond))
            for r in lattice.reactions
        ]
        nothing = Interval(0.0, 0.0)
        birth = sum((x for shift, x in ranges if shift > 0), nothing)
        death = sum((x for shift, x in ranges if shift < 0), nothing)
        if birth.lower > 0.0 and death.lower > 0.0 and birth.lower >= death.upper:
            rates = lattice.rates(np.arange(start + 1)[:, None])
            rising = [r for r in lattice.reactions if lattice.shifts[r, 0] > 0]
            falling = [r for r in lattice.reactions if lattice.shifts[r, 0] < 0]
            up, down = rates[:, rising].sum(axis=1), rates[:, falling].sum(axis=1)
            if (up > 0).all() and (down[1:] > 0).all():
                return start
    return None


def _add(a: Coefficients, b: Coefficients, factor: int) -> Coefficients:
    return {k: a.get(k, Fraction(0)) + factor * b.get(k, Fraction(0)) for k in {*a, *b}}


def _shifted(a: Coefficients, shift: int) -> Coefficients:
    """Return the coefficients of ``a(n + shift)``."""
    total: Coefficients = {}
    for power, value in a.items():
        for j in range(power + 1):
            total[j] = total.get(j, Fraction(0)) + value * math.comb(power, j) * Fraction(shift) ** (
                power - j
            )
    return total


def _signed_from(a: Coefficients) -> int | None:
    """Return a count from which on the polynomial is shown not to be negative, or None."""
    start = 0
    while start <= _MOST_COUNTS:
        if all(value >= 0 for value in _shifted(a, start).values()):
            return start
        start = 2 * start + 1
    return None


def _positive_from(a: Coefficients, first: int) -> bool:
    """Say whether a polynomial is shown to be positive at all counts from the first on."""
    start = _signed_from(_add(a, {0: Fraction(1, 10**9)}, -1))
    if start is None:
        return False
    return all(sum(v * Fraction(n) ** k for k, v in a.items()) > 0 for n in range(first, start))
