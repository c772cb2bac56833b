"""Truncated chains as linear algebra: their classes, solvers with the generator, certificates, spectra."""

from fsp.stationary.chain import FiniteChain

__all__ = ["FiniteChain"]
