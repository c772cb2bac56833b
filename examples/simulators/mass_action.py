"""What simulators that read no SBML, or by hand, need of a network: which reactions are mass action, with which constant."""

from __future__ import annotations

from math import factorial, prod

import fsp
from fsp.stationary.complexes import ComplexGraph


def rate_constant(network: fsp.ReactionNetwork, reaction: fsp.Reaction) -> float | None:
    """Return k where the propensity is k times the ways to choose the reactants, ``k*A*(A - 1)/2`` for two A."""
    initial = dict(zip(network.species_names, network.initial_state.tolist(), strict=True))
    alone = fsp.ReactionNetwork(initial, [reaction], dict(network.parameters))
    graph = ComplexGraph.of(alone)
    if graph is None or len(graph.rates) != 1:
        return None
    ((pair, rate),) = graph.rates.items()
    reactants = tuple(reaction.reactants.get(s, 0) for s in network.species_names)
    if graph.complexes[pair[0]] != reactants:
        return None
    return float(rate) * permutations(reaction)  # the graph's constants are those of A*(A - 1)


def permutations(reaction: fsp.Reaction) -> int:
    """Return how often each choice of reactants is counted in ``A*(A - 1)`` and the like: 2 for two A."""
    return prod(factorial(m) for m in reaction.reactants.values())


def expression(network: fsp.ReactionNetwork, reaction: fsp.Reaction) -> str:
    """Return the propensity with numbers in the place of parameters."""
    values = {name: float(v) for name, v in network.parameters.items()}
    return str(reaction.propensity.expression.subs(values))
