"""What a reaction does, and its propensity at one state, in compiled code, without branches for what factors."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from fsp.ssa.layout import PLAN, RECORD
from fsp.ssa.memory import get, put
from fsp.ssa.stack import run_program

__all__ = ["change", "propensity"]


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def propensity(r, at, m):  # type: ignore[no-untyped-def]
    """Return the propensity of reaction ``r`` at the counts ``x[at:]``; NaN where it is negative or undefined.

    The factors are multiplied in the order of `Programs.add_product`, so that both ways give the same bits.
    """
    place = r * RECORD
    one = get(m.record, place)
    if one < 0:
        value = run_program(-1 - one, m.x, at, 0.0, m.code, m.numbers, m.stack)
        return get(m.constant, r) * value if value >= 0.0 else np.nan
    first = get(m.x, at + one) + get(m.record, place + 1)
    second = get(m.x, at + get(m.record, place + 2)) + get(m.record, place + 3)
    value = np.float64(first) * np.float64(second)
    if m.n_tables > 0:
        value *= get(m.tables, get(m.record, place + 4) + get(m.x, at + get(m.record, place + 5)))
        if m.n_tables > 1:
            value *= get(m.tables, get(m.record, place + 6) + get(m.x, at + get(m.record, place + 7)))
    return get(m.constant, r) * value


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def change(r, base, m):  # type: ignore[no-untyped-def]
    """Change the counts ``x[base:]`` by reaction ``r``; return whether one has become negative or has left the tables."""
    step = r * m.row + PLAN
    outside: Any = np.bool_(False)
    for _ in range(m.n_changes):
        species = base + get(m.plan, step)
        count = get(m.x, species) + get(m.plan, step + 1)
        put(m.x, species, count)
        outside |= np.uint64(count) >= np.uint64(get(m.plan, step + 2))
        step += 3
    return outside
