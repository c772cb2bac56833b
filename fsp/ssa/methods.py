"""The registry of simulation methods. All that are here now are exact; approximations have a place for later."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fsp.errors import ArgumentError
from fsp.model.names import close_matches
from fsp.ssa import composition_rejection
from fsp.ssa.advance import COMPOSITION_REJECTION, DIRECT, NEXT_REACTION
from fsp.ssa.direct import leaves_for

__all__ = ["METHODS", "Method", "choose_method"]

#: Reactions from which on composition and rejection is the fastest.
MANY = 1500


@dataclass(frozen=True)
class Method:
    """How the next reaction is found.

    Attributes
    ----------
    name : str
    number : int
        What kernels call it.
    exact : bool
        Whether its trajectories have the law of the network, but for rounding.
    lanes : int
        Trajectories that take turns in one thread.
    sizes : callable
        Numbers and links that a lane needs, as a function of the number of reactions.
    source : str
        Where it is published.
    """

    name: str
    number: int
    exact: bool
    lanes: int
    sizes: Callable[[int], tuple[int, int]]
    source: str


#: The methods by name. An approximate one (tau-leaping, chemical Langevin) is to be entered with ``exact=False``.
METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        Method(
            "direct", DIRECT, True, 4, lambda n: (2 * int(leaves_for(n)), 1),
            "Gillespie 1976, with a tree of partial sums",
        ),
        Method("next-reaction", NEXT_REACTION, True, 4, lambda n: (3 * n, 2 * n), "Gibson and Bruck 2000"),
        Method(
            "composition-rejection", COMPOSITION_REJECTION, True, 1,
            lambda n: (n, composition_rejection.links_for(n)), "Slepoy, Thompson and Plimpton 2008",
        ),
    )
}  # fmt: skip


def choose_method(name: str, n_reactions: int, timed: bool) -> tuple[Method, str]:
    """Return a method and why it is used.

    Raises
    ------
    ArgumentError
        If there is no such method, with close matches.
    """
    if name != "auto" and name not in METHODS:
        message = (
            f"there is no method {name!r}; known: auto, {', '.join(METHODS)}{close_matches(name, METHODS)}"
        )
        raise ArgumentError(message)
    if timed:
        if name not in ("auto", "direct"):
            message = (
                f"method {name!r} cannot do rates that depend on time; use 'auto' or 'direct', which thins"
            )
            raise ArgumentError(message)
        return METHODS["direct"], "rates depend on time: candidates at proven upper bounds, thinned"
    if name != "auto":
        return METHODS[name], "as asked for"
    if n_reactions >= MANY:
        return METHODS[
            "composition-rejection"
        ], f"{n_reactions:,} reactions: a step costs the same however many there are"
    return METHODS["direct"], f"{n_reactions} reactions: a tree of partial sums is the fastest"
