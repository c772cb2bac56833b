"""Where the stationary law is likely to be: the end of the rate equations, as a state of the lattice."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fsp.stationary.lattice import Lattice

__all__ = ["likely_state"]

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]

_LARGEST = 1e7
#: Time spans, each three times the one before, after which oscillations are no longer followed.
_SPANS = 9
_MOST_CALLS = 500


class _EnoughError(Exception):
    """The rate equations take too long. Never leaves this module."""


def likely_state(lattice: Lattice) -> IntArray:
    """Return a state of the initial state's coset near which the rate equations end; the initial state if they do not.

    It is only where the search for states begins: nothing that is proven depends on it.
    """
    from scipy.integrate import solve_ivp

    shifts = lattice.shifts[lattice.reactions].astype(float)

    calls = 0

    def velocity(_: float, y: FloatArray) -> FloatArray:
        nonlocal calls
        calls += 1
        if calls > _MOST_CALLS:
            raise _EnoughError
        return np.asarray(_rates(lattice, y) @ shifts)

    def far(_: float, y: FloatArray) -> float:
        return _LARGEST - float(np.abs(y).max())

    far.terminal = True  # type: ignore[attr-defined]
    y = lattice.start.astype(float)
    rate = float(_rates(lattice, y).sum())
    with np.errstate(all="ignore"):
        for _ in range(_SPANS):
            span = 50.0 / max(rate, 1e-12)
            try:
                answer = solve_ivp(velocity, (0.0, span), y, method="LSODA", rtol=1e-3, atol=1e-2, events=far)
            except _EnoughError:  # it oscillates
                break
            if not answer.success or not np.isfinite(answer.y).all() or answer.t_events[0].size:
                return np.array(lattice.start)
            moved = np.abs(answer.y[:, -1] - y)
            y = np.clip(answer.y[:, -1], 0.0, lattice.largest)
            if (moved <= 0.02 + 0.01 * y).all():
                break
            rate /= 3.0
    return _nearby(lattice, y)


def _rates(lattice: Lattice, y: FloatArray) -> FloatArray:
    c = lattice.coordinates
    counts = np.maximum(c.offset + c.matrix @ np.maximum(y, 0.0), 0.0)
    named = dict(zip(c.species_names, counts, strict=True))
    values = [float(lattice.network.propensities[r].evaluate(named)) for r in lattice.reactions]
    return np.where(np.isfinite(values), np.maximum(values, 0.0), 0.0)


def _nearby(lattice: Lattice, y: FloatArray) -> IntArray:
    """Return a valid state of the coset close to a point."""
    rest = np.round(y).astype(np.int64) - lattice.start
    state = lattice.start.copy()
    for axis, row in lattice.basis:
        times = int(np.rint(rest[axis] / row[axis]))
        state = state + times * row
        rest = rest - times * row
    if (
        lattice.outside_lattice(state[None, :])[0]
        or not np.isfinite(lattice.rates(state[None, :]).astype(float)).all()
    ):
        return np.array(lattice.start)
    return np.asarray(state)
