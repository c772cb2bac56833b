"""The inner loop of uniformisation in one compiled call, for sets on which a call from Python costs more than a product."""

from __future__ import annotations

import numpy as np
from numba import njit

from fsp.generator.assembled_kernels import assembled_product
from fsp.generator.kernels import add_scaled, boundary_flow, product

__all__ = ["power_series"]


@njit(cache=True, nogil=True)
def power_series(  # type: ignore[no-untyped-def]
    v, scratch, total, k, weights, later, beta, allowance, positions, rates, residence, fibres, assembled
):
    """Products ``v <- v + beta A v``, summed with ``weights``, until the outflow passes ``allowance``.

    ``fibres`` and ``assembled`` are the last arguments of `product` and `assembled_product`; the latter is used if it
    holds exit rates. The expected time in each boundary state is added to ``residence``. Returns the number of products
    made so far, the leaked probability, and whether ``v`` ended in ``scratch``.
    """
    leaked = 0.0
    dense = rates.size == v.size
    here = np.empty(0 if dense else rates.size, np.float64)
    swapped = False
    n = weights.size - 1
    n_fibres = fibres[0].size
    while k < n:
        flow = boundary_flow(v, positions, rates, here)
        if flow * later[k + 1] > allowance:
            break
        felt = later[k + 1] * beta
        leaked += flow * felt
        add_scaled(residence, 0, rates.size, v if dense else here, 0, felt)
        k += 1
        if assembled[0].size > 0:
            assembled_product(0, v.size, v, scratch, 1.0, beta, weights[k], total, *assembled)
        else:
            product(0, n_fibres, v, scratch, 1.0, beta, weights[k], total, *fibres)
        v, scratch = scratch, v
        swapped = not swapped
    return k, leaked, swapped
