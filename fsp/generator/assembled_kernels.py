"""Compiled loops of the assembled generator: counting and filling runs, and the product, block by block."""

from __future__ import annotations

import numpy as np
from numba import njit

from fsp.generator.blocks import LANES
from fsp.generator.kernels import add_scaled
from fsp.generator.pointers import read, write
from fsp.generator.weighted import add_4_weighted, add_weighted, add_weighted_end

__all__ = ["BLOCK", "assembled_product", "count_runs", "fill_constant", "fill_weights", "no_weights"]

#: States that a run may bridge with zero weights, and states of a block that stays in the first-level cache.
_GAP, BLOCK = 32, 1024

_FAST = {"contract", "nsz", "arcp"}


@njit(cache=True, nogil=True)
def count_runs(ptr, lo, hi, source, reaction, weight, offset, end, delta, runs, flat, value):  # type: ignore[no-untyped-def]
    """Count runs of constant distance, and those (``flat``) whose weight is constant, too."""
    for f in range(offset.size - 1):
        for k in range(ptr[f], ptr[f + 1]):
            if weight[k] < 0.0:
                continue
            r = reaction[k]
            start = offset[f] + lo[k]
            distance = offset[f] - source[k]
            if runs[r] == 0 or delta[r] != distance or start - end[r] > _GAP:
                runs[r] += 1
                delta[r] = distance
                value[r] = np.nan
            if weight[k] != value[r] or start != end[r]:
                flat[r] += 1
                value[r] = weight[k]
            end[r] = offset[f] + hi[k]


@njit(cache=True, nogil=True)
def fill_constant(  # type: ignore[no-untyped-def]
    ptr, lo, hi, source, reaction, weight, offset, run_start, seen, run_lo, run_hi, run_delta, run_c
):
    """Write the runs of constant weight of the reactions that have room for them in ``run_start``."""
    for f in range(offset.size - 1):
        for k in range(ptr[f], ptr[f + 1]):
            r = reaction[k]
            if run_start[r + 1] == run_start[r]:
                continue
            start = offset[f] + lo[k]
            distance = offset[f] - source[k]
            last = run_start[r] + seen[r] - 1
            if (
                seen[r] == 0
                or run_delta[last] != distance
                or run_hi[last] != start
                or run_c[last] != weight[k]
            ):
                last += 1
                seen[r] += 1
                run_lo[last] = start
                run_delta[last] = distance
                run_c[last] = weight[k]
            run_hi[last] = offset[f] + hi[k]


@njit(cache=True, nogil=True)
def fill_weights(  # type: ignore[no-untyped-def]
    ptr, lo, hi, source, reaction, weight, table, plain, offset, tables, slot, sparse, run_start, run_lo, run_hi,
    run_delta, seen, weights, sources,
):  # fmt: skip
    """Write weights for each target state, and runs of constant distance or source positions."""
    n = offset[-1]
    for f in range(offset.size - 1):
        for k in range(ptr[f], ptr[f + 1]):
            r = reaction[k]
            if weight[k] < 0.0 or slot[r] < 0:
                continue
            base = slot[r] * n + offset[f]
            for i in range(lo[k], hi[k]):
                weights[base + i] = weight[k] if plain else weight[k] * tables[table[k] + i]
            if sparse[r] >= 0:
                base = sparse[r] * n + offset[f]
                for i in range(lo[k], hi[k]):
                    sources[base + i] = source[k] + i
                continue
            start = offset[f] + lo[k]
            distance = offset[f] - source[k]
            last = run_start[r] + seen[r] - 1
            if seen[r] == 0 or run_delta[last] != distance or start - run_hi[last] > _GAP:
                last += 1
                seen[r] += 1
                run_lo[last] = start
                run_delta[last] = distance
            run_hi[last] = offset[f] + hi[k]


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
def _add_weighted(y, o, n, x, w, beta, w1, x1):  # type: ignore[no-untyped-def]
    i = 0
    while i + LANES <= n:
        add_weighted(y, x, w, o + i, beta, w1 + i, x1 + i)
        i += LANES
    if i < n:
        add_weighted_end(y, x, w, o + i, n - i, beta, w1 + i, x1 + i)


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
def _add_4(y, o, n, x, w, beta, w1, x1, w2, x2, w3, x3, w4, x4):  # type: ignore[no-untyped-def]
    i = 0
    while i + LANES <= n:
        add_4_weighted(y, x, w, o + i, beta, w1 + i, x1 + i, w2 + i, x2 + i, w3 + i, x3 + i, w4 + i, x4 + i)
        i += LANES
    if i < n:
        add_weighted_end(y, x, w, o + i, n - i, beta, w1 + i, x1 + i)
        add_weighted_end(y, x, w, o + i, n - i, beta, w2 + i, x2 + i)
        add_weighted_end(y, x, w, o + i, n - i, beta, w3 + i, x3 + i)
        add_weighted_end(y, x, w, o + i, n - i, beta, w4 + i, x4 + i)


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
def _add_gathered(y, o, n, x, w, beta, w1, sources, s1):  # type: ignore[no-untyped-def]
    for i in range(n):
        write(y, o + i, read(y, o + i) + beta * (read(w, w1 + i) * read(x, np.int64(read(sources, s1 + i)))))


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
def _set_diagonal(y, o, n, x, alpha, beta, diagonal):  # type: ignore[no-untyped-def]
    for i in range(n):
        write(y, o + i, (alpha - beta * read(diagonal, o + i)) * read(x, o + i))


@njit(cache=True, nogil=True)
def _first_runs(run_start, run_hi, first):  # type: ignore[no-untyped-def]
    """For each list of runs, the first one that ends after the state ``first``."""
    cursor = np.empty(run_start.size - 1, np.int64)
    for b in range(cursor.size):
        lo = run_start[b]
        hi = run_start[b + 1]
        while lo < hi:
            mid = (lo + hi) // 2
            if run_hi[mid] <= first:
                lo = mid + 1
            else:
                hi = mid
        cursor[b] = lo
    return cursor


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
def assembled_product(  # type: ignore[no-untyped-def]
    first, last, x, y, alpha, beta, weight, total, diagonal, weights, bands, run_start, run_lo, run_hi, run_delta,
    gathers, sources, flat_start, flat_lo, flat_hi, flat_delta, flat_c,
):  # fmt: skip
    """``y = alpha x + beta A x`` for the states ``first`` to ``last``, block by block."""
    n = diagonal.size
    cursor = _first_runs(run_start, run_hi, first)
    flat_cursor = _first_runs(flat_start, flat_hi, first)
    group_w = np.zeros(4, np.int64)
    group_x = np.zeros(4, np.int64)
    for a in range(first, last, BLOCK):
        z = min(a + BLOCK, last)
        _set_diagonal(y, a, z - a, x, alpha, beta, diagonal)
        waiting = 0
        for b in range(bands.size):
            w = bands[b] * n
            k = cursor[b]
            while k < run_start[b + 1] and run_lo[k] < z:
                p = max(a, run_lo[k])
                q = min(z, run_hi[k])
                if p == a and q == z:
                    group_w[waiting] = w + a
                    group_x[waiting] = a - run_delta[k]
                    waiting += 1
                    if waiting == 4:
                        waiting = 0
                        _add_4(
                            y, a, z - a, x, weights, beta, group_w[0], group_x[0], group_w[1], group_x[1], group_w[2],
                            group_x[2], group_w[3], group_x[3],
                        )  # fmt: skip
                elif p < q:
                    _add_weighted(y, p, q - p, x, weights, beta, w + p, p - run_delta[k])
                if run_hi[k] > z:
                    break
                k += 1
            cursor[b] = k
        for j in range(waiting):
            _add_weighted(y, a, z - a, x, weights, beta, group_w[j], group_x[j])
        for b in range(flat_start.size - 1):
            k = flat_cursor[b]
            while k < flat_start[b + 1] and flat_lo[k] < z:
                p = max(a, flat_lo[k])
                q = min(z, flat_hi[k])
                if p < q:
                    add_scaled(y, p, q - p, x, p - flat_delta[k], beta * flat_c[k])
                if flat_hi[k] > z:
                    break
                k += 1
            flat_cursor[b] = k
        for g in range(gathers.size):
            _add_gathered(y, a, z - a, x, weights, beta, gathers[g] * n + a, sources, g * n + a)
        if weight > 0.0:
            add_scaled(total, a, z - a, y, a, weight)


def no_weights() -> tuple[object, ...]:
    """Return the arguments of `assembled_product` behind ``total`` for a generator that is not assembled."""
    i8, f8 = np.zeros(0, np.int64), np.zeros(0)
    return (f8, f8, i8, i8, i8, i8, i8, i8, np.zeros(0, np.int32), i8, i8, i8, i8, f8)
