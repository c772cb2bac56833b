"""State sets: sorted runs of the lattice (fibres), truncation, growth and pruning."""

from fsp.statespace.coordinates import Coordinates
from fsp.statespace.fibres import FibreSet

__all__ = ["Coordinates", "FibreSet"]
