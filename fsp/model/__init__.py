"""Networks: species, parameters, reactions; their propensities, conservation laws and files.

Importing the package is cheap: SymPy and the file readers are loaded when they are first needed.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from fsp.model import gallery
from fsp.model.conservation import ConservationLaws
from fsp.model.equations import Reaction
from fsp.model.loader import load_model
from fsp.model.network import ReactionNetwork

if TYPE_CHECKING:
    from fsp.model.expressions import parse_condition, parse_expression
    from fsp.model.propensity import Factor, Predicate, Propensity

__all__ = [
    "ConservationLaws",
    "Factor",
    "Predicate",
    "Propensity",
    "Reaction",
    "ReactionNetwork",
    "gallery",
    "load_model",
    "parse_condition",
    "parse_expression",
]

_LAZY = {
    "Factor": "fsp.model.propensity",
    "Predicate": "fsp.model.propensity",
    "Propensity": "fsp.model.propensity",
    "parse_condition": "fsp.model.expressions",
    "parse_expression": "fsp.model.expressions",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        message = f"module 'fsp.model' has no attribute '{name}'"
        raise AttributeError(message)
    return getattr(importlib.import_module(_LAZY[name]), name)
