"""Where the chain on a finite set goes on when a jump would lead out of it: nearby, so that little has to be moved."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fsp.statespace.fibres import FibreSet
from fsp.stationary.lattice import Lattice

__all__ = ["comes_back"]

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]

#: Parts of the way from a state outside to the reference at which the set is looked for.
_PARTS = (1 / 64, 1 / 32, 1 / 16, 1 / 8, 1 / 4, 1 / 2)


def comes_back(
    lattice: Lattice, space: FibreSet, source: IntArray, targets: IntArray, jumps: IntArray, reference: int,
    weights: FloatArray,
) -> IntArray:  # fmt: skip
    """Return the positions at which jumps out of a set come back.

    A jump that leads away from the reference, in a weighted distance, is left out: it comes back at its source. One that
    leads nearer to it, where the set has a hole or a bend, comes back on the straight way to the reference. So nothing is
    shut in where hardly any probability belongs.

    Parameters
    ----------
    source : ndarray of int64, shape (m,)
        Positions in the set.
    targets, jumps : ndarray of int64, shape (m, n_axes)
        States outside, and how they were reached.
    reference : int
        A position in the set.
    """
    centre = space.reduced(reference, reference + 1)[0]
    away = targets - centre
    after, before = np.abs(away) @ weights, np.abs(away - jumps) @ weights
    back = np.where(after >= before * (1.0 - 1e-12), source, -1)
    for part_of_way in _PARTS:
        lost = np.flatnonzero(back < 0)
        if not lost.size:
            return back
        way = np.round(-part_of_way * away[lost]).astype(np.int64)
        back[lost] = lattice.positions(space, targets[lost] + way)
    return np.where(back < 0, reference, back)
