"""Closed classes of a truncated chain: sets that it does not leave, and in which all states lead to all others."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components

from fsp.stationary.chain import FiniteChain

__all__ = ["closed_classes"]


def closed_classes(chain: FiniteChain) -> list[NDArray[np.int64]]:
    """Return the positions of the states of each closed class that lies in the set; O(n_states + rates)."""
    count, label = connected_components(sp.csr_matrix(chain.outgoing), directed=True, connection="strong")
    closed = np.ones(count, np.bool_)
    closed[label[chain.outflow > 0]] = False
    edges = chain.outgoing.tocoo()
    source, target = label[edges.coords[0]], label[edges.coords[1]]
    closed[source[source != target]] = False
    return [np.flatnonzero(label == c) for c in np.flatnonzero(closed)]
