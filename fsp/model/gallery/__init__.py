"""Shipped networks, each with its source and what is known about it in closed form.

Every function returns a `ReactionNetwork` and takes rates and initial counts as keyword arguments.
"""

from __future__ import annotations

from collections.abc import Callable

from fsp.errors import ArgumentError
from fsp.model.gallery.chemistry import (
    dimerisation,
    enzymatic_futile_cycle,
    isomerisation,
    michaelis_menten,
    schloegl,
)
from fsp.model.gallery.genes import gene_expression, goutsias, repressilator, telegraph, toggle_switch
from fsp.model.gallery.populations import birth_death, immigration_death, lotka_volterra, sir
from fsp.model.names import close_matches
from fsp.model.network import ReactionNetwork

__all__ = [
    "birth_death",
    "build",
    "dimerisation",
    "enzymatic_futile_cycle",
    "gene_expression",
    "goutsias",
    "immigration_death",
    "isomerisation",
    "lotka_volterra",
    "michaelis_menten",
    "names",
    "repressilator",
    "schloegl",
    "sir",
    "telegraph",
    "toggle_switch",
]

_MODELS: dict[str, Callable[[], ReactionNetwork]] = {
    "birth_death": birth_death,
    "immigration_death": immigration_death,
    "telegraph": telegraph,
    "gene_expression": gene_expression,
    "dimerisation": dimerisation,
    "isomerisation": isomerisation,
    "michaelis_menten": michaelis_menten,
    "toggle_switch": toggle_switch,
    "schloegl": schloegl,
    "lotka_volterra": lotka_volterra,
    "repressilator": repressilator,
    "goutsias": goutsias,
    "sir": sir,
    "enzymatic_futile_cycle": enzymatic_futile_cycle,
}


def names() -> tuple[str, ...]:
    """Return the names of all models.

    Examples
    --------
    >>> "telegraph" in names()
    True
    """
    return tuple(_MODELS)


def build(name: str) -> ReactionNetwork:
    """Return a model by its name, at its default parameters.

    Raises
    ------
    ArgumentError
        If there is no such model, with close matches.
    """
    if name not in _MODELS:
        message = f"the gallery has no model '{name}'{close_matches(name, _MODELS)}"
        raise ArgumentError(message)
    return _MODELS[name]()
