"""`AssembledGenerator`: stored weights without column indices, for sets whose fibres are short.

With few states to a fibre the matrix-free product spends its time on setting up loops. But neighbouring fibres shift
alike: along long stretches of the numbering, a reaction moves probability by a constant distance. So each reaction is
stored as one weight for each target state, and as runs of constant distance; a product streams through weights and
vector with unit stride, as with a matrix stored by diagonals. Where the weight is constant as well, one number for the
run will do; where the distance changes all the time, the source positions are stored.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fsp.generator.assembled_kernels import BLOCK, assembled_product, count_runs, fill_constant, fill_weights
from fsp.generator.fibre_generator import FibreGenerator
from fsp.generator.segments import NO_TABLE
from fsp.generator.tables import FactorTables
from fsp.generator.threads import run_threads
from fsp.statespace.fibres import FibreSet

__all__ = ["AssembledGenerator"]

FloatArray = NDArray[np.float64]

#: Mean length of a run from which its weight is one number, and below which source positions are stored.
_CONSTANT_RUN, _SHORT_RUN = 32, 8


class AssembledGenerator(FibreGenerator):
    """The generator with stored weights: the same interface, faster where fibres are short.

    Takes ``8 (n_reactions + 1)`` bytes for each state, and 4 more for each reaction whose source positions are stored.
    """

    kind = "assembled"

    def __init__(self, tables: FactorTables, space: FibreSet, *, threads: int | None = None) -> None:
        super().__init__(tables, space, threads=threads)
        n, n_reactions = space.n_states, len(self.reactions)
        lists = self._segment_lists
        groups = [
            (lists.s[:4], lists.s_reaction, lists.s[4], lists.s[1], True),
            (lists.t[:4], lists.t_reaction, lists.t[4], lists.t[5], False),
        ]
        runs, flat, end, delta = (np.zeros(n_reactions, np.int64) for _ in range(4))
        value = np.full(n_reactions, np.nan)
        for segments, reaction, c, _, _ in groups:
            count_runs(*segments, reaction, c, space.offset, end, delta, runs, flat, value)
        used = runs > 0
        plain = self.factors.along_base == NO_TABLE
        constant = used & plain & (n >= _CONSTANT_RUN * flat)
        gathered = used & ~constant & (n < _SHORT_RUN * runs) & (n < 2**31)
        banded = used & ~constant & ~gathered
        stored = banded | gathered
        slot = np.where(stored, np.cumsum(stored) - 1, -1)
        sparse = np.where(gathered, np.cumsum(gathered) - 1, -1)
        self._weights = np.zeros(int(stored.sum()) * n)
        self._sources = np.zeros(int(gathered.sum()) * n, np.int32)
        first = np.concatenate([[0], np.cumsum(np.where(banded, runs, 0))]).astype(np.int64)
        run_lo, run_hi, run_delta = (np.zeros(int(first[-1]), np.int64) for _ in range(3))
        seen = np.zeros(n_reactions, np.int64)
        for segments, reaction, c, table, is_plain in groups:
            fill_weights(
                *segments, reaction, c, table, is_plain, space.offset, self.tables, slot, sparse, first, run_lo,
                run_hi, run_delta, seen, self._weights, self._sources,
            )  # fmt: skip
        bands = np.flatnonzero(banded)
        flats = np.concatenate([[0], np.cumsum(np.where(constant, flat, 0))]).astype(np.int64)
        flat_lo, flat_hi, flat_delta = (np.zeros(int(flats[-1]), np.int64) for _ in range(3))
        flat_c = np.zeros(int(flats[-1]))
        segments, reaction, c, _, _ = groups[0]
        seen[:] = 0
        fill_constant(*segments, reaction, c, space.offset, flats, seen, flat_lo, flat_hi, flat_delta, flat_c)
        starts = np.append(flats[np.flatnonzero(constant)], flats[-1])
        self._exit = super().exit_rates()
        self._assembled = (
            self._exit, self._weights, slot[bands], np.append(first[bands], first[-1]), run_lo, run_hi, run_delta,
            slot[gathered], self._sources, starts, flat_lo, flat_hi, flat_delta, flat_c,
        )  # fmt: skip
        cuts = np.linspace(0, n, self.threads + 1).astype(np.int64)
        cuts[1:-1] -= cuts[1:-1] % BLOCK  # the same blocks, and so the same bits, for any number of threads
        self._parts = [(int(a), int(b)) for a, b in pairwise(cuts)]

    @property
    def nbytes(self) -> int:
        """Memory of the generator, without the state set and the vectors."""
        return super().nbytes + self._weights.nbytes + self._sources.nbytes + self._exit.nbytes

    def product(
        self, x: FloatArray, out: FloatArray, alpha: float, beta: float,
        weight: float = 0.0, total: FloatArray | None = None,
    ) -> None:  # fmt: skip
        """Set ``out = alpha x + beta A x``, then add ``weight * out`` to ``total``."""
        arguments = (x, out, alpha, beta, float(weight), out if total is None else total, *self._assembled)
        self._on_ranges(assembled_product, arguments)

    def _on_ranges(self, kernel: Any, arguments: tuple[Any, ...]) -> list[Any]:
        """Return what a kernel on ranges of states returns for each thread."""
        if self.threads == 1:
            return [kernel(0, self.n_states, *arguments)]
        return run_threads(kernel, self._parts, arguments)

    def exit_rates(self) -> FloatArray:
        """Return the total propensity of each state, outflow from the set included."""
        return self._exit.copy()

    def max_exit_rate(self) -> float:
        """Return the largest exit rate on the set."""
        return float(self._exit.max())
