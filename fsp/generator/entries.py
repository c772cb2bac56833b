"""Compiled lists of the entries of the generator: its diagonal in parts, and all others as triplets."""

from __future__ import annotations

import numpy as np
from numba import njit

from fsp.generator import segments

__all__ = ["add_diagonal", "diagonal_parts", "triplets"]


@njit(cache=True, nogil=True)
def diagonal_parts(first, coefficient, start, along_base, pure):  # type: ignore[no-untyped-def]
    """Exit rates in parts: what does not vary along a fibre, and what is a number times its own slice of a table.

    Returns the first part for each fibre, and the number and the start of the slice for each reaction of the second kind
    and each fibre. Reactions whose table is the same on all fibres (``pure``) are in neither.
    """
    n = first.size
    n_mixed = 0
    for r in range(pure.size):
        if along_base[r] != segments.NO_TABLE and not pure[r]:
            n_mixed += 1
    constant = np.zeros(n, np.float64)
    c = np.zeros((n_mixed, n), np.float64)
    table = np.zeros((n_mixed, n), np.int64)
    m = 0
    for r in range(pure.size):
        if along_base[r] == segments.NO_TABLE:
            for f in range(n):
                constant[f] += coefficient[r, f]
        elif not pure[r]:
            for f in range(n):
                if coefficient[r, f] > 0.0:
                    c[m, f] = coefficient[r, f]
                    table[m, f] = start[r, f] + first[f]
            m += 1
    return constant, c, table


@njit(cache=True, nogil=True)
def add_diagonal(  # type: ignore[no-untyped-def]
    length, offset, along_base, pure, c, table, t_ptr, t_lo, t_hi, t_source, t_c, t_table, t_reaction
):
    """Return the segments with the second part of the exit rates added, as negative segments of the states themselves."""
    n = length.size
    size = t_ptr[n] + c.shape[0] * n
    ptr = np.zeros(n + 1, np.int64)
    lo = np.empty(size, np.int64)
    hi = np.empty(size, np.int64)
    source = np.empty(size, np.int64)
    value = np.empty(size, np.float64)
    where = np.empty(size, np.int64)
    reaction = np.empty(size, np.int64)
    m = 0
    for f in range(n):
        for k in range(t_ptr[f], t_ptr[f + 1]):
            lo[m] = t_lo[k]
            hi[m] = t_hi[k]
            source[m] = t_source[k]
            value[m] = t_c[k]
            where[m] = t_table[k]
            reaction[m] = t_reaction[k]
            m += 1
        row = -1
        for r in range(pure.size):
            if along_base[r] == segments.NO_TABLE or pure[r]:
                continue
            row += 1
            if c[row, f] > 0.0:
                lo[m] = 0
                hi[m] = length[f]
                source[m] = offset[f]
                value[m] = -c[row, f]
                where[m] = table[row, f]
                reaction[m] = r
                m += 1
        ptr[f + 1] = m
    return ptr, lo[:m], hi[:m], source[:m], value[:m], where[:m], reaction[:m]


@njit(cache=True, nogil=True)
def triplets(ptr, lo, hi, source, c, table, reaction, offset, tables, plain, rows, columns, values, kinds):  # type: ignore[no-untyped-def]
    """Write the segments as (row, column, value) triplets."""
    m = 0
    for f in range(offset.size - 1):
        for k in range(ptr[f], ptr[f + 1]):
            for i in range(lo[k], hi[k]):
                rows[m] = offset[f] + i
                columns[m] = source[k] + i
                values[m] = c[k] if plain else c[k] * tables[table[k] + i]
                kinds[m] = reaction[k]
                m += 1
    return m
