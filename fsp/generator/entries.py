"""Compiled lists of the entries of the generator: its diagonal in parts, and all others as triplets."""

from __future__ import annotations

import numpy as np
from numba import njit

from fsp.generator import segments

__all__ = ["diagonal_parts", "triplets"]


@njit(cache=True, nogil=True)
def diagonal_parts(  # type: ignore[no-untyped-def]
    prefix, first, length, offset, const, pointer, base, stride, along_base, along_stride, pure, tables,
    t_ptr, t_lo, t_hi, t_source, t_c, t_table, t_reaction,
):  # fmt: skip
    """Exit rates that do not vary along a fibre, and the table segments with the others added as negative ones."""
    n = first.size
    fibre_exit = np.zeros(n, np.float64)
    mixed = 0
    for r in range(const.size):
        if along_base[r] != segments.NO_TABLE and not pure[r]:
            mixed += 1
    size = t_ptr[n] + mixed * n
    ptr = np.zeros(n + 1, np.int64)
    lo = np.empty(size, np.int64)
    hi = np.empty(size, np.int64)
    source = np.empty(size, np.int64)
    c = np.empty(size, np.float64)
    table = np.empty(size, np.int64)
    reaction = np.empty(size, np.int64)
    m = 0
    for f in range(n):
        for k in range(t_ptr[f], t_ptr[f + 1]):
            lo[m] = t_lo[k]
            hi[m] = t_hi[k]
            source[m] = t_source[k]
            c[m] = t_c[k]
            table[m] = t_table[k]
            reaction[m] = t_reaction[k]
            m += 1
        for r in range(const.size):
            if along_base[r] != segments.NO_TABLE and pure[r]:
                continue
            rate = segments.coefficient(r, prefix[f], const, pointer, base, stride, tables)
            if along_base[r] == segments.NO_TABLE:
                fibre_exit[f] += rate
            elif rate != 0.0 and not np.isnan(rate):
                lo[m] = 0
                hi[m] = length[f]
                source[m] = offset[f]
                c[m] = -rate
                table[m] = segments.table_start(r, prefix[f], along_base, along_stride) + first[f]
                reaction[m] = r
                m += 1
        ptr[f + 1] = m
    return fibre_exit, ptr, lo[:m], hi[:m], source[:m], c[:m], table[:m], reaction[:m]


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
