"""The generator of the truncated chain: factor tables, compiled products, assembled forms."""

from fsp.generator.fibre_generator import Boundary, FibreGenerator
from fsp.generator.tables import FactorTables

__all__ = ["Boundary", "FactorTables", "FibreGenerator"]
