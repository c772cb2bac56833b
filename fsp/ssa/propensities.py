"""The propensity of one reaction at one state, in compiled code, without branches for what factors."""

from __future__ import annotations

import numpy as np
from numba import njit

from fsp.ssa.layout import RECORD
from fsp.ssa.memory import get
from fsp.ssa.stack import run_program

__all__ = ["propensity"]


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def propensity(r, x, at, constant, record, tables, n_tables, code, numbers, stack):  # type: ignore[no-untyped-def]
    """Return the propensity of reaction ``r`` at the counts ``x[at:]``; NaN where it is negative or undefined."""
    place = r * RECORD
    one = get(record, place)
    if one < 0:
        value = run_program(-1 - one, x, at, 0.0, code, numbers, stack)
        return get(constant, r) * value if value >= 0.0 else np.nan
    first = get(x, at + one) + get(record, place + 1)
    second = get(x, at + get(record, place + 2)) + get(record, place + 3)
    value = get(constant, r) * np.float64(first) * np.float64(second)
    if n_tables > 0:
        value *= get(tables, get(record, place + 4) + get(x, at + get(record, place + 5)))
        if n_tables > 1:
            value *= get(tables, get(record, place + 6) + get(x, at + get(record, place + 7)))
    return value
