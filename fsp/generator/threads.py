"""Threads for large vectors: ranges of fibres of equal numbers of states, kernels that release the GIL."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["MIN_STATES_PER_THREAD", "run_threads", "split_evenly", "threads_for"]

#: Below this number of states for each thread, waking a thread costs more than it saves.
MIN_STATES_PER_THREAD = 200_000


def threads_for(n_states: int, limit: int | None = None) -> int:
    """Return how many threads to use for vectors of ``n_states``.

    ``limit`` defaults to the environment variable ``FSP_NUM_THREADS``, and to the cores that the process may use.
    """
    if limit is None:
        setting = os.environ.get("FSP_NUM_THREADS", "")
        affinity = getattr(os, "sched_getaffinity", None)
        limit = int(setting) if setting.isdigit() else len(affinity(0)) if affinity else (os.cpu_count() or 1)
    return max(1, min(limit, n_states // MIN_STATES_PER_THREAD))


def split_evenly(offset: NDArray[np.int64], parts: int) -> list[tuple[int, int]]:
    """Split fibres into ``parts`` ranges of about the same number of states (not of fibres)."""
    if parts == 1:
        return [(0, offset.size - 1)]
    n = int(offset[-1])
    cuts = np.searchsorted(offset, np.arange(1, parts) * n // parts)
    edges = [0, *(int(c) for c in cuts), offset.size - 1]
    return list(pairwise(edges))


@lru_cache(maxsize=4)
def _pool(workers: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(workers, thread_name_prefix="fsp")


def run_threads(
    kernel: Callable[..., Any], ranges: list[tuple[int, int]], arguments: tuple[Any, ...]
) -> list[Any]:
    """Return ``kernel(start, stop, *arguments)`` for all ranges, the first one run in this thread."""
    pool = _pool(len(ranges) - 1)
    rest = [pool.submit(kernel, start, stop, *arguments) for start, stop in ranges[1:]]
    return [kernel(*ranges[0], *arguments), *(job.result() for job in rest)]
