"""Vectors that grow in place, so that a set that grows step by step needs no second copy of them.

A large vector is the beginning of a longer block of memory. Pages of the block that were never written to take no memory,
and a block this large is mapped by the allocator on its own and given back as soon as it is released, while vectors that
grow a little each time would leave behind holes into which the next ones do not fit.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fsp.generator.heap import LARGE
from fsp.statespace.fibres import FibreSet

__all__ = [
    "add_to",
    "copy_with_room",
    "empty_like",
    "grow",
    "has_room",
    "lengthened",
    "transfer",
]

FloatArray = NDArray[np.float64]

#: Fewest entries of a block: 32 MiB and more, which allocators map on their own.
LEAST_ROOM = 2**22 + 2**12

#: Entries that are done at a time.
PIECE = 2**16


class _Block(np.ndarray[Any, np.dtype[np.float64]]):
    """Memory for a vector and what it may grow to; nothing else lies in it."""


def _block(vector: FloatArray) -> _Block | None:
    """Return the block that a vector lies in."""
    base = vector.base
    if isinstance(base, _Block):
        return base.base if isinstance(base.base, _Block) else base
    return None


def _with_room(size: int) -> FloatArray:
    try:
        block = _Block(max(2 * size, LEAST_ROOM))
    except MemoryError:  # where memory is counted when it is asked for
        return np.empty(size)
    return block[:size].view(np.ndarray)


def copy_with_room(p: FloatArray) -> FloatArray:
    """Return a copy; if it is large, one that can grow in place."""
    if p.ndim > 1 or p.size < LARGE:
        return p.copy()
    vector = _with_room(p.size)
    vector[:] = p
    return vector


def empty_like(x: FloatArray) -> FloatArray:
    """Return a vector of any entries that can grow if ``x`` can."""
    return np.empty_like(x) if _block(x) is None else _with_room(x.size)


def add_to(total: FloatArray, factor: float, x: FloatArray) -> None:
    """Add ``factor x`` to ``total``, without another vector for the product."""
    for start in range(0, x.size, PIECE):
        total[start : start + PIECE] += factor * x[start : start + PIECE]


def has_room(x: FloatArray) -> bool:
    """Tell whether a vector can become a quarter longer where it is."""
    block = _block(x)
    return block is not None and block.size >= 1.25 * x.size


def lengthened(x: FloatArray, size: int) -> FloatArray | None:
    """Return a vector of any entries that takes the memory of ``x``, if there is room."""
    block = _block(x)
    return None if block is None or block.size < size else block[:size].view(np.ndarray)


def grow(space: FibreSet, vector: FloatArray, target: FibreSet) -> FloatArray:
    """Return a vector on a larger set, in its own memory if there is room; then the vector that was given is gone."""
    longer = lengthened(vector, target.n_states)
    if longer is None:
        return transfer(space, vector, target)[0]
    space.spread(longer, target)
    return longer


def transfer(space: FibreSet, vector: FloatArray, target: FibreSet) -> tuple[FloatArray, float]:
    """Return a vector of either precision on another set, and the probability that has no place there.

    The vector that was given is left as it is.
    """
    if vector.ndim == 1:
        room = _with_room(target.n_states) if target.n_states >= LARGE else None
        return space.transfer(vector, target, room)
    parts = [space.transfer(part, target) for part in vector]
    return np.stack([part for part, _ in parts]), abs(sum(lost for _, lost in parts))
