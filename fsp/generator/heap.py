"""Memory that the C library keeps free, returned to the system where that is much."""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

__all__ = ["LARGE", "give_back"]

#: From so many states on memory counts: vectors have room to grow, and what is needed for a short time is not kept.
LARGE = 200_000


@cache
def _trim() -> Any:
    try:
        return ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):  # not the C library of GNU
        return None


def give_back(size: int) -> None:
    """Let the allocator return what it keeps free to the system, if vectors have so many entries that it may be much.

    What a set of this size needs for a short time leaves free memory behind, into which the next vector may not fit.
    """
    if size >= LARGE and _trim() is not None:
        _trim()(0)
