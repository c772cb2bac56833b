"""`ListedGenerator`: products of small sets as a list of blocks; see `fsp.generator.programs`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fsp.generator import segments
from fsp.generator.blocks import LANES
from fsp.generator.fibre_generator import FibreGenerator
from fsp.generator.program_kernels import chebyshev_program, power_program, product_program
from fsp.generator.programs import cut_program, extra_cuts, write_program
from fsp.generator.tables import FactorTables
from fsp.statespace.fibres import FibreSet

__all__ = ["ListedGenerator", "list_bytes"]

FloatArray = NDArray[np.float64]


def list_bytes(n_reactions: int, space: FibreSet) -> int:
    """Return about how much memory the list of a set takes."""
    return 8 * (3 * n_reactions + 1) * (space.n_states // LANES + space.n_fibres)


class ListedGenerator(FibreGenerator):
    """The generator of a small set: the same interface, and faster as long as the list stays in the cache.

    The list takes about ``2 n_reactions + 1`` bytes for each state, more where fibres are shorter than a block. One thread.
    """

    kind = "listed"

    def __init__(self, tables: FactorTables, space: FibreSet, *, threads: int | None = None) -> None:
        super().__init__(tables, space, threads=1)
        self._exit = super().exit_rates()
        self._ones = tables.ones
        self._listed: tuple[Any, ...] | None = None
        self._for_list = self._survey

    @property
    def _program(self) -> tuple[Any, ...]:
        """The list, made for the first product: some sets are only asked for their boundary."""
        if self._listed is None:
            shifts, c, start, along_base, _ = self._for_list or self._surveyed()
            space = self.space
            common = (space.prefix, space.first, space.length, space.offset, shifts, c, start, along_base)
            s, t = (segments.inflow_segments(*common, along)[:6] for along in (False, True))
            tabled = int((along_base != segments.NO_TABLE).sum())
            plain = along_base.size - tabled
            head, records, extra = write_program(space.offset, plain, tabled, self._ones, s, t)
            self._for_list = ()
            reach = int(np.abs(shifts[:, 0]).max(initial=0))
            cuts = cut_program(space.prefix, space.offset, reach, head)
            blocks = (
                self._exit, self.tables, head, records, records.view(np.float64), extra, extra.view(np.float64), plain,
                tabled,
            )  # fmt: skip
            self._listed = (cuts, extra_cuts(cuts, head, extra), blocks)
        return self._listed

    @property
    def nbytes(self) -> int:
        """Memory of the generator, without the state set and the vectors."""
        return list_bytes(len(self.reactions), self.space) + self._exit.nbytes + super().nbytes

    def product(
        self, x: FloatArray, out: FloatArray, alpha: float, beta: float,
        weight: float = 0.0, total: FloatArray | None = None,
    ) -> None:  # fmt: skip
        """Set ``out = alpha x + beta A x``, then add ``weight * out`` to ``total``."""
        target = out if total is None else total
        product_program(x, out, target, alpha, beta, float(weight), self._program)

    def exit_rates(self) -> FloatArray:
        """Return the total propensity of each state, outflow from the set included."""
        return self._exit.copy()

    def max_exit_rate(self) -> float:
        """Return the largest exit rate on the set."""
        if self._largest is None:
            self._largest = float(self._exit.max())
        return self._largest

    def run_series(
        self, v: FloatArray, scratch: FloatArray, total: FloatArray, k: int, weights: FloatArray, later: FloatArray,
        beta: float, allowance: float, residence: FloatArray,
    ) -> tuple[int, float, bool] | None:  # fmt: skip
        """Make the products of a uniformisation series; see `FibreGenerator.run_series`."""
        if self.by_segment:
            return None
        k, leaked, swapped = power_program(
            v, scratch, total, k, weights, later, beta, allowance, self.boundary.positions, self.boundary.rates,
            residence, self._program,
        )  # fmt: skip
        return int(k), float(leaked), bool(swapped)

    def run_recurrence(
        self, previous: FloatArray, v: FloatArray, total: FloatArray, weights: FloatArray,
        integrals: FloatArray, beta: float, per_column: float, lengths: FloatArray, magnitudes: FloatArray,
        wanted: float, refuse: float, residence: FloatArray,
    ) -> tuple[int, float] | None:  # fmt: skip
        """Make all terms of a Chebyshev series; see `fsp.generator.recurrence.chebyshev_series`."""
        if self.by_segment:
            return None
        k, leaked = chebyshev_program(
            previous, v, total, 1, weights, integrals, beta, per_column, lengths, magnitudes, wanted, refuse,
            self.boundary.positions, self.boundary.rates, residence, self._program,
        )  # fmt: skip
        return int(k), float(leaked)
