"""Detailed balance: the law along a tree of the states, in logarithms, and whether all other rates agree with it."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from fsp.stationary.chain import FiniteChain

__all__ = ["AGREEMENT", "log_symmetriser"]

#: How far the logarithms of the two flows between a pair of states may be apart.
AGREEMENT = 1e-10


@njit(cache=True, nogil=True)
def _walk(indptr, indices, rate, agreement, log_law):  # type: ignore[no-untyped-def]
    n = log_law.size
    met = np.zeros(n, np.uint8)
    stack = np.empty(n, np.int64)
    for start in range(n):
        if met[start]:
            continue
        met[start] = 1
        log_law[start] = 0.0
        stack[0] = start
        depth = 1
        while depth > 0:
            depth -= 1
            i = stack[depth]
            for k in range(indptr[i], indptr[i + 1]):
                j = indices[k]
                if rate[k] == 0.0:
                    continue
                back = 0.0
                for m in range(indptr[j], indptr[j + 1]):
                    if indices[m] == i:
                        back += rate[m]
                if back == 0.0:
                    return False
                step = np.log(rate[k] / back)
                if met[j]:
                    if abs(log_law[i] + step - log_law[j]) > agreement * max(1.0, 1e-3 * abs(log_law[j])):
                        return False
                else:
                    met[j] = 1
                    log_law[j] = log_law[i] + step
                    stack[depth] = j
                    depth += 1
    return True


def log_symmetriser(chain: FiniteChain) -> NDArray[np.float64] | None:
    """Return the logarithm of the law that balances every pair of states, or None if there is none (Kolmogorov 1936).

    Found along a spanning tree, then checked for every pair of states to a relative `AGREEMENT` of the two flows. It is a
    test in floating point, good for choosing a method, not a proof. Outflow is not looked at.
    """
    rates = chain.outgoing
    log_law = np.empty(chain.n_states)
    balanced = _walk(rates.indptr, rates.indices, rates.data, AGREEMENT, log_law)
    return log_law if balanced else None
