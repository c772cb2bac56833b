"""Metastable sets from slow left modes, and the rates of switching between them."""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np
from numpy.typing import NDArray

__all__ = ["coarse_rates", "core_states", "memberships", "simplex_vertices"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


def simplex_vertices(functions: FloatArray) -> IntArray:
    """Return the states whose rows of ``(1, functions)`` span the largest simplex: one more than functions.

    Slow left modes are nearly constant on metastable sets, so that the rows gather at the vertices of a simplex. The
    inner simplex algorithm (Weber and Galliat 2002; Deuflhard and Weber 2005) takes the row of largest norm, then again
    and again the row that is furthest from the span of those taken.

    Examples
    --------
    >>> import numpy as np
    >>> simplex_vertices(np.array([[-1.0], [-0.9], [0.2], [2.0]])).tolist()
    [3, 0]
    """
    rows = np.column_stack([np.ones(functions.shape[0]), functions])
    found = [int(np.argmax((functions**2).sum(axis=1)))]
    rest = rows - rows[found[0]]
    for _ in range(functions.shape[1]):
        norms = (rest**2).sum(axis=1)
        found.append(int(np.argmax(norms)))
        direction = rest[found[-1]] / np.sqrt(norms[found[-1]])
        rest = rest - np.outer(rest @ direction, direction)
    return np.array(found, np.int64)


def memberships(functions: FloatArray, vertices: IntArray) -> FloatArray:
    """Return to which degree each state belongs to each set: rows that sum to 1, 1 at the vertices.

    They are the linear combinations of the modes with these values; where a mode varies inside a set they can leave [0, 1]
    by a little, and are clipped.
    """
    rows = np.column_stack([np.ones(functions.shape[0]), functions])
    chi = np.clip(np.linalg.solve(rows[vertices].T, rows.T).T, 0.0, 1.0)
    total: FloatArray = chi / chi.sum(axis=1, keepdims=True)
    return total


def core_states(functions: FloatArray, law: FloatArray) -> IntArray:
    """Return for each metastable set its most probable state.

    Vertices of the simplex may be improbable states, which depend on where the set of states ends; these do not.
    """
    degree = memberships(functions, simplex_vertices(functions))
    label = degree.argmax(axis=1)
    return np.array(
        [int(np.argmax(np.where(label == s, law, -1.0))) for s in range(degree.shape[1])], np.int64
    )


def coarse_rates(functions: FloatArray, rates: FloatArray, vertices: IntArray) -> FloatArray:
    """Return the generator of the switching between sets: row: from, column: to; its eigenvalues are minus the slow rates.

    The membership functions span the same space as the slow modes, on which ``Q`` acts as the matrix ``V (-rates) V^-1``
    with the rows V of ``(1, functions)`` at the vertices. For two sets the two rates add up to the slow rate exactly.
    """
    rows = np.column_stack([np.ones(vertices.size), functions[vertices]])
    with mpmath.workdps(50):
        v = mpmath.matrix(rows.tolist())
        decay = mpmath.diag([mpmath.mpf(0), *(mpmath.mpf(-float(r)) for r in rates)])
        generator = v * decay * v**-1
        m = vertices.size
        found: Any = [[float(generator[i, j]) for j in range(m)] for i in range(m)]
    table = np.array(found)
    np.fill_diagonal(table, 0.0)
    np.fill_diagonal(table, -table.sum(axis=1))
    return table
