"""Proven enclosures of moments, without a truncated state set."""

from fsp.moments.bounds import MomentBounds, excludes_explosion, moment_bounds, tail_bound
from fsp.moments.initial import InitialMoments

__all__ = ["InitialMoments", "MomentBounds", "excludes_explosion", "moment_bounds", "tail_bound"]
