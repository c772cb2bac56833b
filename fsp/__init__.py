"""Probability distributions of biochemical reaction networks, exactly, with a proven bound on the error.

>>> import fsp
>>> network = fsp.gallery.toggle_switch()
>>> result = fsp.solve_transient(network, times=[1.0], tolerance=1e-6)
>>> result[-1].error_bound <= 1e-6
True
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from fsp.errors import (
    ArgumentError,
    CheckpointError,
    ExplosionError,
    ExpressionError,
    FSPError,
    ModelError,
    NoStationaryLawError,
    PropensityError,
    SampleError,
    SimulatorError,
    SolverError,
    StateSpaceLimitError,
    StorageError,
    ToleranceError,
    UnsupportedError,
)
from fsp.version import __version__

if TYPE_CHECKING:
    from fsp.analysis.first_passage import first_passage
    from fsp.analysis.passage_result import FirstPassageResult
    from fsp.analysis.rewards import expected_reward
    from fsp.analysis.thermodynamics import Thermodynamics, thermodynamics
    from fsp.distribution import Distribution
    from fsp.ensemble import Ensemble
    from fsp.export import ExportedChain, export_chain
    from fsp.interval import Interval
    from fsp.ledger import Ledger
    from fsp.load import load_result
    from fsp.model import gallery
    from fsp.model.equations import Reaction
    from fsp.model.events import Event
    from fsp.model.loader import load_model
    from fsp.model.network import ReactionNetwork
    from fsp.modes import SlowModes, slow_modes
    from fsp.results import TransientResult
    from fsp.simulation import simulate
    from fsp.solve import solve_transient
    from fsp.stationary_classes import StationaryClass
    from fsp.stationary_result import StationaryResult
    from fsp.stationary_solve import solve_stationary
    from fsp.validation.front import validate
    from fsp.validation.report import ValidationReport

__all__ = [
    "ArgumentError",
    "CheckpointError",
    "Distribution",
    "Ensemble",
    "Event",
    "ExplosionError",
    "ExportedChain",
    "ExpressionError",
    "FSPError",
    "FirstPassageResult",
    "Interval",
    "Ledger",
    "ModelError",
    "NoStationaryLawError",
    "PropensityError",
    "Reaction",
    "ReactionNetwork",
    "SampleError",
    "SimulatorError",
    "SlowModes",
    "SolverError",
    "StateSpaceLimitError",
    "StationaryClass",
    "StationaryResult",
    "StorageError",
    "Thermodynamics",
    "ToleranceError",
    "TransientResult",
    "UnsupportedError",
    "ValidationReport",
    "__version__",
    "expected_reward",
    "export_chain",
    "first_passage",
    "gallery",
    "load_model",
    "load_result",
    "simulate",
    "slow_modes",
    "solve_stationary",
    "solve_transient",
    "thermodynamics",
    "validate",
]

#: Where the names live that are imported when they are first used, so that ``import fsp`` is quick.
_LAZY = {
    "Distribution": "fsp.distribution",
    "Ensemble": "fsp.ensemble",
    "Event": "fsp.model.events",
    "ExportedChain": "fsp.export",
    "FirstPassageResult": "fsp.analysis.passage_result",
    "Interval": "fsp.interval",
    "Ledger": "fsp.ledger",
    "Reaction": "fsp.model.equations",
    "ReactionNetwork": "fsp.model.network",
    "SlowModes": "fsp.modes",
    "StationaryClass": "fsp.stationary_classes",
    "StationaryResult": "fsp.stationary_result",
    "Thermodynamics": "fsp.analysis.thermodynamics",
    "TransientResult": "fsp.results",
    "ValidationReport": "fsp.validation.report",
    "expected_reward": "fsp.analysis.rewards",
    "export_chain": "fsp.export",
    "first_passage": "fsp.analysis.first_passage",
    "load_model": "fsp.model.loader",
    "load_result": "fsp.load",
    "simulate": "fsp.simulation",
    "slow_modes": "fsp.modes",
    "solve_stationary": "fsp.stationary_solve",
    "solve_transient": "fsp.solve",
    "thermodynamics": "fsp.analysis.thermodynamics",
    "validate": "fsp.validation.front",
}


def __getattr__(name: str) -> Any:
    if name == "gallery":
        return import_module("fsp.model.gallery")
    if name in _LAZY:
        value = getattr(import_module(_LAZY[name]), name)
        globals()[name] = value
        return value
    message = f"module 'fsp' has no attribute {name!r}"
    raise AttributeError(message)


def __dir__() -> list[str]:
    return sorted(__all__)
