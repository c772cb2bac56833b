"""Enclosures of stationary means and second moments: through bounds of returns, and from closed equations."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

import numpy as np

from fsp.errors import PropensityError, SolverError
from fsp.interval import Interval
from fsp.moments.closure import autonomous_species, components, moment_equations
from fsp.moments.exponential import outward
from fsp.moments.polynomial import Affine, affine, polynomial
from fsp.stationary.certificate import WeightedResidual, weighted_residual
from fsp.stationary.drift_function import Drift, DriftFunction
from fsp.stationary.drift_region import NoDrift
from fsp.stationary.drift_search import drift_scale
from fsp.stationary.hitting import HittingBound, MakeSolver, hitting_bound
from fsp.stationary.lattice import UNIT, Lattice
from fsp.stationary.law import TruncatedLaw
from fsp.stationary.reward import Reward

__all__ = ["AxisMoments", "closed_moments", "means_by_contraction", "moments_by_return_times"]

#: Species of one linear part whose moments are computed exactly.
_MOST_IN_PART = 6
#: Larger sets are left alone: each power of a count takes several solves.
_MOST_STATES = 300_000
_SLACKS = (0.2, 0.05, 0.01, 0.002)

#: Moments by the positions of the species in them: ``(i,)`` and ``(i, j)``.
AxisMoments = dict[tuple[int, ...], Interval]


def moments_by_return_times(
    law: TruncatedLaw, bound: HittingBound, weighted: WeightedResidual, make_solver: MakeSolver
) -> AxisMoments:
    """Return enclosures of ``E[y_k]`` and ``E[y_k^2]`` for the axes without a largest count, as far as they are proven.

    With ``Q W_f <= -f`` away from the reference, and R as in `fsp.stationary.certificate`,
    ``(p f - R_f-) / (1 + R+) <= pi f <= (p f + R_f+) / (1 - R-)`` for the sums of the residual weighted by W_f and by W.
    """
    found: AxisMoments = {}
    if bound.drift is None or not weighted.one_sided < 0.5 or bound.space.n_states > _MOST_STATES:
        return found
    lattice = bound.lattice
    p, states = law.p.astype(float), law.space.reduced()
    mean = p @ states.astype(float)
    for power in (1, 2):
        free = ~np.isfinite(lattice.largest)
        spread = np.sqrt(p @ (states - mean) ** 2)
        reward = Reward.counts(power, np.where(free, 1.0 + mean + spread, np.inf))
        drift = _raised(bound.drift, power)
        returns = _bound(law, bound, drift, reward, make_solver)
        if returns is None:
            continue
        moment = weighted_residual(law, returns.values)
        above, below = moment.outside + moment.above + moment.rounding, moment.below + moment.rounding
        up, down = weighted.outside + weighted.above + weighted.rounding, weighted.below + weighted.rounding
        for axis in np.flatnonzero(free):
            terms = law.p * states[:, axis].astype(np.longdouble) ** power
            # The sum of p is one up to its own rounding.
            value = float(terms.sum())
            slack = 2.0**-50 + 4.0 * (law.space.n_states + 8) * UNIT
            value_range = Interval(value * (1.0 - slack), value * (1.0 + slack))
            weight = float(reward.weights[axis])
            lower = (value_range.lower - below / weight * (1.0 + 1e-12)) / (1.0 + up) * (1.0 - 1e-15)
            upper = (value_range.upper + above / weight * (1.0 + 1e-12)) / (1.0 - down) * (1.0 + 1e-15)
            key = (int(axis),) * power
            found[key] = Interval(max(0.0, lower), upper)
    return found


def means_by_contraction(law: TruncatedLaw, cost: WeightedResidual) -> AxisMoments:
    """Return enclosures of ``E[y_k]`` for the axes without a largest count, where copies of the chain meet.

    The mean of ``|x_k - y_k|``, integrated over time, is at most their distance, as its drift is at most minus that; so the
    argument for functions with values in [0, 1] holds for a count as well.
    """
    states = law.space.reduced()
    found: AxisMoments = {}
    for axis in np.flatnonzero(~np.isfinite(law.lattice.largest)):
        value = float((law.p * states[:, axis].astype(np.longdouble)).sum())
        # The sum of p is one up to its own rounding.
        slack = cost.total * (1.0 + 1e-12) + value * (2.0**-50 + 4.0 * (law.space.n_states + 8) * UNIT)
        found[(int(axis),)] = Interval(max(0.0, value - slack), value + slack)
    return found


def _raised(drift: Drift, power: int) -> Drift:
    """Return a drift function that falls fast enough for a power of the counts: the square of a linear one."""
    if not isinstance(drift, DriftFunction) or drift.kind != "linear" or power == 1:
        return drift
    slope = drift.slope
    n = len(slope)
    return DriftFunction(np.zeros(n), np.outer(slope, slope), np.zeros(n, np.int64), "squared")


def _bound(
    law: TruncatedLaw, bound: HittingBound, drift: Drift, reward: Reward, make_solver: MakeSolver
) -> HittingBound | None:
    lattice = bound.lattice
    p, states = law.p.astype(float), law.space.reduced()
    rise = drift_scale(lattice, drift, states, p) / float(p @ reward.values(states).astype(float))
    for slack in _SLACKS:
        try:
            return hitting_bound(
                lattice, drift, slack * rise, reward, bound.reference, make_solver, bound.space
            )
        except (NoDrift, PropensityError, SolverError):
            continue
    return None


# -- closed equations ----------------------------------------------------------------------------------------


def closed_moments(lattice: Lattice) -> AxisMoments:
    """Return moments of the species of linear parts, from the equations that are closed for them: exact but for rounding.

    Where a positive combination V of the unbounded counts of such a part obeys ``QV <= c - lambda V``, all its moments are
    finite under the stationary law, because ``Q V^k <= c_k - lambda k V^k / 2`` for every k, and the moments obey the
    stationary moment equations (Glynn and Zeevi 2008). Positions are those of species, not of axes.
    """
    network = lattice.network
    values = {name: Fraction(value) for name, value in network.parameters.items()}
    position = {name: k for k, name in enumerate(network.species_names)}
    rates = [affine(polynomial(p.expression, position, values)) for p in network.propensities]
    species = autonomous_species(network.stoichiometry, rates)
    found: AxisMoments = {}
    for part in components(network.stoichiometry, rates, species):
        if len(part) <= _MOST_IN_PART and _pulled_back(lattice, rates, part):
            found.update(_solve(lattice, rates, part))
    return found


def _pulled_back(lattice: Lattice, rates: list[Affine | None], part: list[int]) -> bool:
    """Say whether the mean drift of some sum of the unbounded species, with positive weights, falls in each of them."""
    limits = np.array(lattice.network.conservation_laws().upper_bounds, float)
    for axis, species in enumerate(lattice.coordinates.axes):
        limits[species] = min(limits[species], lattice.largest[axis])
    free = [i for i in part if not np.isfinite(limits[i])]
    if not free:
        return True
    matrix = [
        [Fraction(0)] * len(free) for _ in free
    ]  # column k: what a molecule of k adds to the drift of each
    for row, rate in zip(lattice.network.stoichiometry, rates, strict=True):
        if rate is None:
            continue
        for a, i in enumerate(free):
            for b, k in enumerate(free):
                matrix[a][b] += int(row[i]) * rate[1].get(k, Fraction(0))
    try:
        weights = np.linalg.solve(np.array(matrix, float).T, -np.ones(len(free)))
    except np.linalg.LinAlgError:
        return False
    if not (np.isfinite(weights).all() and (weights > 0).all()):
        return False
    exact = [Fraction(float(w)) for w in weights]
    return all(sum(exact[a] * matrix[a][b] for a in range(len(free))) < 0 for b in range(len(free)))


def _solve(lattice: Lattice, rates: list[Affine | None], part: list[int]) -> AxisMoments:
    """Solve the stationary moment equations, with the conservation laws of the part, in exact arithmetic."""
    entries, place = moment_equations(lattice.network.stoichiometry, rates, part, second=True)
    n = len(place)
    rows: list[dict[int, Fraction]] = [{} for _ in range(n)]
    for (i, j), value in entries.items():
        rows[i][j] = value
    laws = lattice.network.conservation_laws()
    for coefficients, total in zip(laws.coefficients.tolist(), laws.totals.tolist(), strict=True):
        if any(c and k not in part for k, c in enumerate(coefficients)):
            continue
        terms = {k: Fraction(c) for k, c in enumerate(coefficients) if c}
        rows.append({**{place[(k,)]: c for k, c in terms.items()}, place[()]: -Fraction(total)})
        for j in part:
            row = {place[min(k, j), max(k, j)]: c for k, c in terms.items()}
            row[place[(j,)]] = row.get(place[(j,)], Fraction(0)) - total
            rows.append(row)
    solution = _null_vector(rows, n, place[()])
    if solution is None:
        return {}
    return {key: outward(solution[k], solution[k]) for key, k in place.items() if key}


def _null_vector(rows: list[dict[int, Fraction]], n: int, one: int) -> Mapping[int, Fraction] | None:
    """Return the solution of ``rows . z = 0`` with ``z[one] = 1``, or None when it is not unique."""
    pivots: dict[int, dict[int, Fraction]] = {}
    for row in rows:
        rest = {k: v for k, v in row.items() if v}
        for column in sorted(rest, key=lambda k: k == one):
            if column in pivots and column in rest:
                factor = rest[column]
                for k, v in pivots[column].items():
                    rest[k] = rest.get(k, Fraction(0)) - factor * v
                rest = {k: v for k, v in rest.items() if v}
        columns = [k for k in rest if k != one]
        if not columns:
            continue
        pivot = columns[0]
        scaled = {k: v / rest[pivot] for k, v in rest.items()}
        for other in pivots.values():
            factor = other.pop(pivot, Fraction(0))
            if factor:
                for k, v in scaled.items():
                    if k != pivot:
                        other[k] = other.get(k, Fraction(0)) - factor * v
        pivots[pivot] = scaled
    solution = {one: Fraction(1)}
    for column, row in pivots.items():
        rest = {k: v for k, v in row.items() if k != column and v}
        if set(rest) - {one}:
            return None
        solution[column] = -rest.get(one, Fraction(0))
    return solution if len(solution) == n else None
