"""Laws that are written for concentrations where the master equation counts pairs of molecules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fsp.model import trees
from fsp.model.signs import constant_value, factors_of

if TYPE_CHECKING:
    from fsp.model.equations import Reaction
    from fsp.model.network import ReactionNetwork

__all__ = ["find_squares"]

_MOST = 16  # molecules of one species that may react with one another


def find_squares(network: ReactionNetwork) -> list[str]:
    """Return a warning for each mass-action law with a power of a reactant, such as ``k*A*A`` or ``k*A^2``.

    Among n molecules there are n (n - 1)/2 pairs (Gillespie 1976); the square is the limit of many molecules.
    """
    found = []
    for reaction in network.reactions:
        powers = _powers(reaction.propensity.expression, network)
        squares = {s: p for s, p in powers.items() if p >= 2 and reaction.reactants.get(s, 0) >= 1}
        if squares and not reaction.propensity.depends_on_time:
            found.append(_warning(network, reaction, squares))
    return found


def _powers(law: Any, network: ReactionNetwork) -> dict[str, int]:
    """Return the powers of species in a product of constants and powers of species; empty for other laws."""
    powers: dict[str, int] = {}
    for factor in factors_of(law):
        if constant_value(factor, network.parameters) is not None:
            continue
        base, power = (factor.base, factor.exp) if factor.is_Pow else (factor, trees.ONE)
        if not base.is_Symbol or not power.is_Integer or not 1 <= power <= _MOST:
            return {}
        powers[base.name] = powers.get(base.name, 0) + int(power)
    return powers if all(power <= _MOST for power in powers.values()) else {}


def _warning(network: ReactionNetwork, reaction: Reaction, squares: dict[str, int]) -> str:
    counts = dict(zip(network.species_names, network.initial_state.tolist(), strict=True))
    law = float(reaction.propensity.evaluate({s: np.int64(n) for s, n in counts.items()}))
    ordered, share, pairs, places = law, 1, [], []
    for species, power in squares.items():
        n = counts[species]
        for i in range(power):
            ordered *= (n - i) / n if n else 0.0
            share *= i + 1
        pairs.append("*".join([species, *(f"({species} - {i})" for i in range(1, power))]))
        if -reaction.change(species) >= 2:
            places.append(f"{species} = 1")
    fraction = {2: "half", 6: "a sixth"}.get(share, f"1/{share}")
    powers = " and ".join(f"{s}^{p}" for s, p in squares.items())
    start = ", ".join(f"{s} = {counts[s]}" for s in squares)
    text = (
        f"reaction '{reaction.name}': its law {reaction.propensity} has {powers}, but molecules do not react with "
        f"themselves: the propensity is usually written with {' and '.join(pairs)}, or {fraction} of it; at the "
        f"initial state ({start}) the law gives {law:g}, the others {ordered:g} and {ordered / share:g}. The law "
        "is kept as it is written"
    )
    if places:
        text += f"; where it is positive with too few molecules ({', '.join(places)}), a run is refused"
    return text
