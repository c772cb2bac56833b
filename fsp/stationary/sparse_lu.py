"""Sparse LU factorisation of the generator of a chain that leaks."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.linalg import splu

from fsp.stationary.chain import FiniteChain
from fsp.stationary.cycles import law_of_cycles

__all__ = ["SparseLU"]

FloatArray = NDArray[np.float64]


class SparseLU:
    """SuperLU on ``-A``; for stationary laws with the reference state taken out.

    Its error is relative to the largest entry of a solution, and grows with the exit time of the set: past times of
    about 1e12 its digits go, and a solver without subtractions is wanted.
    """

    def __init__(self, chain: FiniteChain, tolerance: float = 1e-12) -> None:
        self.chain = chain
        self.info = f"sparse LU of {chain.n_states:,} states"

    @cached_property
    def _factors(self) -> Any:
        # Diagonal pivots are stable for an M-matrix, and keep the fill that the ordering foresees.
        options = {"SymmetricMode": True}
        matrix = -self.chain.generator().tocsc()
        return splu(matrix, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options=options)

    def occupation(self, source: FloatArray) -> FloatArray:
        """Return ``(-A)^-1 source``."""
        solution: FloatArray = self._factors.solve(source)
        return solution

    def expectation(self, reward: FloatArray) -> FloatArray:
        """Return ``(-A)^-T reward``."""
        solution: FloatArray = self._factors.solve(reward, trans="T")
        return solution

    def stationary(self, reference: int) -> FloatArray:
        """Return the stationary law with all outflow led to the reference state: one cycle from there and back."""
        return law_of_cycles(self.chain, reference, SparseLU(self.chain.until(reference)).occupation)
