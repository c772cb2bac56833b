"""The generator of the truncated chain: factor tables, compiled products, assembled forms."""

from fsp.generator.boundary import Boundary
from fsp.generator.fibre_generator import FibreGenerator
from fsp.generator.tables import FactorTables

__all__ = ["Boundary", "FactorTables", "FibreGenerator"]
