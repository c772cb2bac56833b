"""The choice between the matrix-free generator and an assembled one."""

from __future__ import annotations

from fsp.generator.fibre_generator import FibreGenerator
from fsp.generator.tables import FactorTables
from fsp.statespace.fibres import FibreSet

__all__ = ["make_generator"]


def make_generator(tables: FactorTables, space: FibreSet, *, threads: int | None = None) -> FibreGenerator:
    """Return the generator on a set, in the form that is faster for it."""
    return FibreGenerator(tables, space, threads=threads)
