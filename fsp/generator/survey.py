"""Propensities on the fibres of a set: of all reactions at once, or of one after the other, which takes less memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fsp.errors import PropensityError
from fsp.generator import segments
from fsp.generator.heap import LARGE
from fsp.generator.tables import FactorTables
from fsp.statespace.fibres import FibreSet

__all__ = ["Survey", "check_propensities"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class Survey:
    """What `fsp.generator.segments` needs to know of the propensities, from tables that may be extended later.

    Attributes
    ----------
    space : FibreSet
    shifts, const, factor_pointer, factor_base, factor_stride, along_base, along_stride, flagged, pure, tables : ndarray
        Those of `FactorTables`.
    """

    space: FibreSet
    shifts: IntArray
    const: FloatArray
    factor_pointer: IntArray
    factor_base: IntArray
    factor_stride: IntArray
    along_base: IntArray
    along_stride: IntArray
    flagged: NDArray[np.bool_]
    pure: NDArray[np.bool_]
    tables: FloatArray

    @classmethod
    def of(cls, tables: FactorTables, space: FibreSet) -> Survey:
        """Return the survey of a set with the present tables."""
        return cls(
            space, tables.shifts, tables.const, tables.factor_pointer, tables.factor_base, tables.factor_stride,
            tables.along_base, tables.along_stride, tables.flagged, tables.pure, tables.tables,
        )  # fmt: skip

    @property
    def everything(self) -> slice:
        """All reactions."""
        return slice(0, self.const.size)

    def parts(self) -> Iterator[slice]:
        """Yield which reactions to survey at a time: on large sets one after the other."""
        if self.space.n_states < LARGE or self.const.size < 2:
            yield self.everything
        else:
            yield from (slice(r, r + 1) for r in range(self.const.size))

    def on_fibres(self, part: slice) -> tuple[FloatArray, IntArray, IntArray]:
        """Return the results of `fsp.generator.segments.survey` for some of the reactions."""
        space = self.space
        found = segments.survey(
            space.prefix, space.first, space.length, self.const[part], self.factor_pointer[part.start : part.stop + 1],
            self.factor_base, self.factor_stride, self.along_base[part], self.along_stride[part], self.flagged[part],
            self.tables,
        )  # fmt: skip
        c, start, error = found
        error[1] += part.start
        return c, start, error


def check_propensities(error: IntArray, tables: FactorTables, space: FibreSet) -> None:
    """Raise if the last result of a survey, or of `fsp.generator.segments.boundary_segments`, says that one is wrong."""
    code, local, fibre, v = (int(e) for e in error)
    if code == 0:
        return
    reduced = np.append(space.prefix[fibre], v)[None, :]
    counts = space.coordinates.to_counts(reduced)
    network = tables.network
    network.evaluate_propensities(counts)  # raises with the reaction, the state and the value
    reaction = network.reactions[tables.reactions[local]]
    state = dict(zip(space.species_names, counts[0].tolist(), strict=True))
    message = (
        f"the propensity of reaction '{reaction}' is a product with a factor that is negative or not finite at the "
        f"state {state}, although the product is not: write it as max(0, ...), which is not taken apart into factors"
    )
    raise PropensityError(message)
