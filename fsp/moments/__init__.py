"""Proven enclosures of moments, without a truncated state set."""

from fsp.moments.bounds import excludes_explosion, moment_bounds
from fsp.moments.initial import InitialMoments
from fsp.moments.proven import MomentBounds, tail_bound

__all__ = ["InitialMoments", "MomentBounds", "excludes_explosion", "moment_bounds", "tail_bound"]
