"""Candidates for drift functions: linear ones from a linear program, quadratic ones from a Lyapunov equation."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from fsp.interval import Interval
from fsp.moments.majorants import bounded_rate
from fsp.moments.ranges import Box
from fsp.stationary.drift_function import Drift, DriftFunction
from fsp.stationary.lattice import Lattice

__all__ = ["affine_bounds", "drift_scale", "linear_candidates", "quadratic_candidate", "squared_candidates"]

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]


def linear_candidates(lattice: Lattice, typical: FloatArray) -> Iterator[DriftFunction]:
    """Yield linear functions that affine bounds of the propensities lower far out, the most promising first.

    Parameters
    ----------
    lattice : Lattice
    typical : ndarray, shape (n_axes,)
        Counts of a usual size, which set the scales.
    """
    free = ~np.isfinite(lattice.largest)
    seen: list[FloatArray] = []
    for scale in (np.ones(lattice.n_axes), 1.0 / (1.0 + typical)):
        slope = _program(lattice, free, scale)
        if slope is not None and not any(np.allclose(slope, s) for s in seen):
            seen.append(slope)
            yield DriftFunction.linear(slope)
    for slope in (free.astype(float), free / (1.0 + typical)):
        if not any(np.allclose(slope, s) for s in seen):
            seen.append(slope)
            yield DriftFunction.linear(slope)


def squared_candidates(lattice: Lattice, typical: FloatArray) -> Iterator[DriftFunction]:
    """Yield functions ``(s . y)^2 + t . y`` for networks whose reactions between molecules no linear function bears.

    These reactions do not raise ``s . y``, though not every count may be pulled back by it; ``t . y`` pulls at all of them,
    and where such a reaction raises it, the square falls faster.
    """
    free = ~np.isfinite(lattice.largest)
    scale = np.ones(lattice.n_axes)
    square = _program(lattice, free, scale, relaxed=True)
    linear = _program(lattice, free, scale, steep=True)
    if square is None or linear is None:
        return
    size = 1.0 + float(square @ typical)
    for factor in (0.3, 3.0, 0.03, 30.0):
        slope = 2.0 ** np.round(np.log2(factor * size)) * linear
        yield DriftFunction(slope, np.outer(square, square), np.zeros(lattice.n_axes, np.int64), "squared")


def _program(
    lattice: Lattice,
    free: NDArray[np.bool_],
    scale: FloatArray,
    *,
    relaxed: bool = False,
    steep: bool = False,
) -> FloatArray | None:
    """Minimise the constant part of the drift, with slopes of at most ``-scale`` in every unbounded count.

    If ``relaxed``, the slopes need only not be positive, and as many as possible are to be negative. If ``steep``, reactions
    that are faster than linear may raise the function.

    Each propensity lies between affine functions; which one counts depends on the sign of the change of V, so that a bound
    of ``coefficient * change`` is a variable with two inequalities.
    """
    from scipy.optimize import linprog

    upper, lower = affine_bounds(lattice)
    n, reactions = lattice.n_axes, lattice.reactions
    # Slopes; then for each reaction the constant and the slopes of its term; then the part of the pull on each count.
    size = n + len(reactions) * (n + 1) + n
    rows: list[FloatArray] = []
    limits: list[float] = []

    def add(entries: dict[int, float], shift: FloatArray, factor: float, limit: float) -> None:
        row = np.zeros(size)
        row[:n] = factor * shift
        for column, value in entries.items():
            row[column] += value
        rows.append(row)
        limits.append(limit)

    for i, r in enumerate(reactions):
        shift = lattice.shifts[r].astype(float)
        if upper[i] is None and not steep:
            add({}, shift, 1.0, 0.0)
        for j in range(n + 1):
            column = n + i * (n + 1) + j
            high = upper[i]
            if high is not None:
                add({column: -1.0}, shift, float(high[j]), 0.0)
            add({column: -1.0}, shift, float(lower[i][j]), 0.0)
    for k in np.flatnonzero(free):
        row = np.zeros(size)
        row[n + 1 + k : size - n : n + 1] = 1.0
        row[size - n + k] = float(scale[k])
        rows.append(row)
        limits.append(0.0)
    cost = np.zeros(size)
    cost[n : size - n : n + 1] = 0.0 if relaxed else 1.0
    cost[:n] = 1e-6
    cost[size - n :] = -1.0
    bounded = [k for k in range(n) if not free[k]]
    limits_of: list[tuple[float | None, float | None]]
    limits_of = [(0.0, 0.0) if k in bounded else (1.0 if relaxed else 1e-9, None) for k in range(n)]
    limits_of += [(None, None)] * (size - 2 * n) + [(0.0 if relaxed else 1.0, 1.0)] * n
    answer = linprog(cost, A_ub=np.array(rows), b_ub=np.array(limits), bounds=limits_of, method="highs")
    if not answer.success:
        return None
    slope = np.where(free, answer.x[:n], 0.0)
    # Few binary digits, so that slopes which cancel do so exactly.
    steep_rows = [lattice.shifts[r] for i, r in enumerate(reactions) if upper[i] is None]
    level = [row for row in steep_rows if abs(float(row @ slope)) < 1e-7 * float(np.abs(row) @ slope)]
    basis = _null_space(level, n)
    unit = slope[free].min() if free.any() else 1.0
    if not unit > 0.0:
        return None
    rounded = np.zeros(n)
    for axis, vector in basis:
        rounded += np.round(slope[axis] / unit / vector[axis] * 256.0) / 256.0 * vector
    return rounded if (rounded[free] > 0.0).all() and (rounded >= 0.0).all() else None


def _null_space(rows: list[IntArray], n: int) -> list[tuple[int, FloatArray]]:
    """Return vectors of whole numbers that span what is orthogonal to the rows, each with the axis that it stands for."""
    reduced: dict[int, list[Fraction]] = {}
    for row in rows:
        rest = [Fraction(int(x)) for x in row]
        for pivot, other in reduced.items():
            rest = [x - rest[pivot] * y for x, y in zip(rest, other, strict=True)]
        pivots = [k for k in range(n) if rest[k]]
        if not pivots:
            continue
        pivot = pivots[-1]
        rest = [x / rest[pivot] for x in rest]
        for key, other in reduced.items():
            reduced[key] = [x - other[pivot] * y for x, y in zip(other, rest, strict=True)]
        reduced[pivot] = rest
    found = []
    for axis in (k for k in range(n) if k not in reduced):
        vector = [Fraction(int(k == axis)) - (reduced[k][axis] if k in reduced else 0) for k in range(n)]
        unit = math.lcm(*(x.denominator for x in vector))
        found.append((axis, np.array([float(x * unit) for x in vector])))
    return found


def affine_bounds(
    lattice: Lattice, within: dict[int, Interval] | None = None
) -> tuple[list[FloatArray | None], list[FloatArray]]:
    """Return upper and lower affine bounds of the propensities on the axes: constant, then slopes.

    ``within`` narrows the ranges of some axes.
    """
    network, c = lattice.network, lattice.coordinates
    names = list(c.species_names)
    limits = network.conservation_laws().upper_bounds
    ranges = {name: Interval(0.0, float(b)) for name, b in zip(names, limits, strict=True)}
    for axis, species in enumerate(c.axes):
        ranges[names[species]] = (within or {}).get(axis, Interval(0.0, float(lattice.largest[axis])))
    box = Box(ranges, {name: Fraction(v) for name, v in network.parameters.items()})
    upper: list[FloatArray | None] = []
    lower: list[FloatArray] = []
    for r in lattice.reactions:
        tree = network.propensities[r].expression
        found = bounded_rate(tree, box, names)
        below = np.zeros(lattice.n_axes + 1)
        for name, slope in found.lower.items():
            below[1:] += float(slope) * c.matrix[names.index(name)]
            below[0] += float(slope) * c.offset[names.index(name)]
        if not below.any() and found.upper is None:
            # Faster than linear: any slope, as a guess. The proof comes later.
            for name in network.propensities[r].species:
                below[1:] += 10.0 * np.maximum(c.matrix[names.index(name)], 0)
        above: FloatArray | None = None
        if found.upper is not None:
            above = np.zeros(lattice.n_axes + 1)
            above[0] = float(found.upper[0])
            for name, slope in found.upper[1].items():
                above[1:] += float(slope) * c.matrix[names.index(name)]
                above[0] += float(slope) * c.offset[names.index(name)]
        upper.append(above)
        lower.append(below)
    return upper, lower


def quadratic_candidate(lattice: Lattice, mean: FloatArray, variance: FloatArray) -> DriftFunction | None:
    """Return ``d' P d`` with ``A' P + P A = -diag(1 / variance)``, A the Jacobian of the drift; None if it is unstable."""
    from scipy.linalg import solve_continuous_lyapunov

    free = np.flatnonzero(~np.isfinite(lattice.largest) | (variance > 4.0))
    if not free.size:
        return None
    centre = np.maximum(np.round(mean), 0).astype(np.int64)
    states = np.concatenate([centre[None, :], centre + np.eye(lattice.n_axes, dtype=np.int64)[free]])
    rates = lattice.rates(states).astype(float)
    if not np.isfinite(rates).all():
        return None
    velocity = rates @ lattice.shifts.astype(float)
    jacobian = (velocity[1:] - velocity[0])[:, free].T
    if np.linalg.eigvals(jacobian).real.max() >= 0.0:
        return None
    form = solve_continuous_lyapunov(jacobian.T, -np.diag(1.0 / np.maximum(variance[free], 0.25)))
    form = (form + form.T) / 2.0
    if not np.isfinite(form).all() or np.linalg.eigvalsh(form).min() <= 0.0:
        return None
    # Few binary digits, so that the exact arithmetic of the proof stays short.
    digits = math.ldexp(1.0, max(-900, min(900, 30 - math.floor(math.log2(np.abs(form).max())))))
    curvature = np.zeros((lattice.n_axes, lattice.n_axes))
    curvature[np.ix_(free, free)] = np.round(form * digits) / digits
    return DriftFunction.quadratic(curvature, centre)


def drift_scale(lattice: Lattice, drift: Drift, states: IntArray, p: FloatArray) -> float:
    """Return a rate at which reactions raise V: the scale for how far it has to fall elsewhere.

    It is that of a law, or at the centre of a quadratic function, or at the initial state; 1 where all of them are zero.
    """
    start = lattice.start[None, :], np.ones(1)
    first = (
        (drift.centre[None, :], np.ones(1))
        if isinstance(drift, DriftFunction) and drift.kind == "quadratic"
        else (states, p)
    )
    return _rise(lattice, drift, *first) or _rise(lattice, drift, *start) or 1.0


def _rise(lattice: Lattice, drift: Drift, states: IntArray, p: FloatArray) -> float:
    rates = lattice.rates(states).astype(float)
    total = 0.0
    for r in lattice.reactions:
        rise = np.maximum(drift.change(states, lattice.shifts[r])[0].astype(float), 0.0)
        total += float(p @ (rates[:, r] * rise))
    return total
