"""Products of small sets as lists of blocks: eight states, and for each reaction where they are fed from, without a branch.

On a set that fits into the second-level cache, with fibres of some ten states, a product spends its time on setting up loops
and on mispredicted ends of them. Here every block of every fibre is written out once: the state it starts at, and one
record for each reaction with coefficient, source, slice of the table, and a mask of the lanes that it feeds. A product goes
through this list from its beginning to its end. What a block is fed with by a second segment of the same reaction, which is
rare, stands in a list of its own. Sums and norms are formed while a block is in registers.

Here the lists are written; `fsp.generator.program_kernels` goes through them.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from fsp.generator.blocks import LANES

__all__ = ["cut_program", "extra_cuts", "write_program"]

#: Fewest blocks of a part: parts should stay in the first-level cache, and not be many.
LEAST_PART = 16

# A program is a tuple ``cuts, more, blocks``: the first block of each part (see `cut_program`), the first extra record of
# each part, and what the products take:
#
# exit             exit rate of each state
# tables           tables of the propensities, with eight ones at their end
# head             for each block ``state << 9 | more << 8 | lanes``: first state, whether it has extra records, its lanes
# records, weights the same memory as integers and as floats: for each block ``plain`` records ``c, source << 8 | lanes`` and
#                  then ``tabled`` records ``c, source << 8 | lanes, table``
# extra, extra_weights   records ``c, source << 9 | last << 8 | lanes, table`` in the order of the blocks that have them
# plain, tabled    how many records a block has


@njit(cache=True, nogil=True)
def _lanes(lo, hi, p):  # type: ignore[no-untyped-def]
    """Mask of the lanes of the block at ``p`` that lie in ``[lo, hi)``."""
    first = max(lo - p, 0)
    last = min(hi - p, LANES)
    return (1 << last) - (1 << first)


@njit(cache=True, nogil=True)
def _place(f, first_block, plain, tabled, with_table, seg, used, records, weights, extra, m):  # type: ignore[no-untyped-def]
    """Write the segments of one kind of fibre ``f``; return how many extra records there are now."""
    ptr, lo, hi, source, c, table = seg
    width = 2 * plain + 3 * tabled
    for k in range(ptr[f], ptr[f + 1]):
        p = lo[k] - lo[k] % LANES
        while p < hi[k]:
            b = first_block + p // LANES
            word = (source[k] + p) << 8 | _lanes(lo[k], hi[k], p)
            slot = used[b]
            used[b] += 1
            if slot < (tabled if with_table else plain):
                at = b * width + (2 * plain + 3 * slot if with_table else 2 * slot)
                weights[at] = c[k]
                records[at + 1] = word
                if with_table:
                    records[at + 2] = table[k] + p
            else:
                if m < extra.shape[0]:
                    extra[m, 0] = b
                    extra[m, 1] = k
                    extra[m, 2] = p
                    extra[m, 3] = with_table
                m += 1
            p += LANES
    return m


@njit(cache=True, nogil=True)
def write_program(offset, plain, tabled, ones, s, t):  # type: ignore[no-untyped-def]
    """Return ``head, records, extra`` of a program.

    ``s`` and ``t`` are tuples ``pointer, lo, hi, source, c, table`` as `inflow_segments` returns them; ``ones`` is the
    position of eight ones in the tables.
    """
    n = offset.size - 1
    blocks = 0
    for f in range(n):
        blocks += (offset[f + 1] - offset[f] + LANES - 1) // LANES
    head = np.empty(blocks, np.int64)
    records = np.zeros(blocks * (2 * plain + 3 * tabled), np.int64)
    weights = records.view(np.float64)
    found = np.empty((0, 4), np.int64)
    n_found = 0
    for _ in range(2):  # until there is room for what is extra
        found = np.empty((n_found, 4), np.int64)
        n_found = 0
        used = np.zeros(blocks, np.int64)
        used_t = np.zeros(blocks, np.int64)
        b = 0
        for f in range(n):
            n_found = _place(f, b, plain, tabled, False, s, used, records, weights, found, n_found)
            n_found = _place(f, b, plain, tabled, True, t, used_t, records, weights, found, n_found)
            for p in range(0, offset[f + 1] - offset[f], LANES):
                head[b] = (offset[f] + p) << 9 | _lanes(0, offset[f + 1] - offset[f], p)
                b += 1
        if n_found == found.shape[0]:
            break
    extra = np.empty((n_found, 3), np.int64)
    extra_weights = extra.view(np.float64)
    order = np.argsort(found[:, 0], kind="mergesort")
    for i in range(n_found):
        b, k, p, with_table = found[order[i]]
        last = i + 1 == n_found or found[order[i + 1], 0] != b
        lo, hi, source = (t[1][k], t[2][k], t[3][k]) if with_table else (s[1][k], s[2][k], s[3][k])
        extra_weights[i, 0] = t[4][k] if with_table else s[4][k]
        extra[i, 1] = (source + p) << 9 | last << 8 | _lanes(lo, hi, p)
        extra[i, 2] = t[5][k] + p if with_table else ones
        head[b] |= 1 << 8
    return head, records, extra.ravel()


@njit(cache=True, nogil=True)
def cut_program(prefix, offset, reach, head):  # type: ignore[no-untyped-def]
    """Cut a program into parts such that no reaction leads from one beyond its neighbours.

    ``reach`` is the largest change of the first coordinate by a reaction. Returns the first block of each part, and of what
    follows the last one.
    """
    cuts = np.zeros(head.size + 2, np.int64)
    n = 0
    b = 0
    begun = 0  # first coordinate at the beginning of the part
    for f in range(offset.size - 1):
        if prefix.shape[1] > 0 and (f == 0 or prefix[f, 0] != prefix[f - 1, 0]):
            if f > 0 and prefix[f, 0] - begun >= reach and b - cuts[n] >= LEAST_PART:
                n += 1
                cuts[n] = b
                begun = prefix[f, 0]
            elif f == 0:
                begun = prefix[f, 0]
        b += (offset[f + 1] - offset[f] + LANES - 1) // LANES
    cuts[n + 1] = b
    return cuts[: n + 2].copy()


@njit(cache=True, nogil=True)
def extra_cuts(cuts, head, extra):  # type: ignore[no-untyped-def]
    """Position of the first extra record of each part."""
    out = np.zeros(cuts.size, np.int64)
    at = 0
    for part in range(cuts.size - 1):
        out[part] = at
        for b in range(cuts[part], cuts[part + 1]):
            if head[b] >> 8 & 1:
                while not extra[at + 1] >> 8 & 1:
                    at += 3
                at += 3
    out[cuts.size - 1] = at
    return out
