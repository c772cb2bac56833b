"""The fibre axis of a set: the longer the fibres, the fewer there are, and the faster are products."""

from __future__ import annotations

import numpy as np

from fsp.statespace.coordinates import Coordinates
from fsp.statespace.fibres import FibreSet

__all__ = ["PIECE", "along_longest_axis", "enumerated_by"]

#: States above which a set is left as it is: to enumerate them anew takes long.
MOST_STATES = 2_000_000

#: States that are listed at a time: a list of them takes several times the memory of a vector.
PIECE = 2**17


def enumerated_by(coordinates: Coordinates, space: FibreSet) -> FibreSet:
    """Return the same states in other coordinates."""
    parts = [
        FibreSet.from_reduced(coordinates, coordinates.to_reduced(space.states(start, start + PIECE)))
        for start in range(0, max(space.n_states, 1), PIECE)
    ]
    if len(parts) == 1:
        return parts[0]
    prefix, first = (np.concatenate([getattr(part, name) for part in parts]) for name in ("prefix", "first"))
    last = np.concatenate([part.first + part.length for part in parts])
    return FibreSet.from_intervals(coordinates, prefix, first, last)


def along_longest_axis(space: FibreSet) -> FibreSet:
    """Return the set with its longest axis as the fibre axis if that makes fewer fibres, else the set itself.

    Examples
    --------
    >>> from fsp.statespace.coordinates import Coordinates
    >>> import fsp
    >>> coordinates = Coordinates.of(fsp.gallery.toggle_switch())
    >>> space = FibreSet.from_states(coordinates, [[u, v] for u in range(9) for v in range(2)])
    >>> space.n_fibres, along_longest_axis(space).n_fibres
    (9, 2)
    """
    low, high = space.box()
    extent = high - low + 1
    best = int(np.argmax(extent))
    if best == extent.size - 1 or extent[best] < 1.5 * extent[-1] or space.n_states > MOST_STATES:
        return space
    coordinates = space.coordinates.with_fibre_axis(best)
    other = enumerated_by(coordinates, space)
    return space if other.n_fibres >= 0.8 * space.n_fibres else other
