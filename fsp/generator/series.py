"""The inner loop of uniformisation in one compiled call, for sets on which a call from Python costs more than a product."""

from __future__ import annotations

import numpy as np
from numba import njit

from fsp.generator.kernels import boundary_outflow, product

__all__ = ["power_series"]


@njit(cache=True, nogil=True)
def power_series(  # type: ignore[no-untyped-def]
    v, scratch, total, k, weights, later, rate, allowance, start, stop, b_c, b_table, loss,
    first, offset, fibre_exit, diagonal_base, tables, fuse_lo, fuse_hi,
    s_ptr, s_lo, s_hi, s_source, s_c, t_ptr, t_lo, t_hi, t_source, t_c, t_table,
):  # fmt: skip
    """Products ``v <- v + A v / rate``, summed with ``weights``, until the outflow passes ``allowance``.

    Returns the number of products made so far, the leaked probability, and whether ``v`` ended in ``scratch``.
    """
    leaked = 0.0
    flows = np.empty(start.size, np.float64)
    swapped = False
    n = weights.size - 1
    while k < n:
        flow = boundary_outflow(v, start, stop, b_c, b_table, tables, flows)
        if flow * later[k + 1] > allowance:
            break
        felt = later[k + 1] / rate
        leaked += flow * felt
        for s in range(loss.size):
            loss[s] += flows[s] * felt
        k += 1
        product(
            0, first.size, v, scratch, 1.0, 1.0 / rate, weights[k], total, first, offset, fibre_exit, diagonal_base,
            tables, fuse_lo, fuse_hi, s_ptr, s_lo, s_hi, s_source, s_c, t_ptr, t_lo, t_hi, t_source, t_c, t_table,
        )  # fmt: skip
        v, scratch = scratch, v
        swapped = not swapped
    return k, leaked, swapped
