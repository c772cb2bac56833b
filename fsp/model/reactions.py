"""The reactions of a network, from texts or from those of another network."""

from __future__ import annotations

import math
import numbers
from collections.abc import Iterable, Mapping

from fsp.errors import ModelError, PropensityError
from fsp.model.equations import Reaction, parse_equation
from fsp.model.names import close_matches

__all__ = ["read_reactions"]


def read_reactions(
    reactions: Iterable[str | Reaction], species: Mapping[str, int], parameters: Mapping[str, float]
) -> tuple[Reaction, ...]:
    """Return reactions with names of their own and propensities that are bound to the parameters.

    Parameters
    ----------
    reactions : iterable of str or Reaction
    species : mapping from str to int
        The species of the network, in order.
    parameters : mapping from str to float

    Raises
    ------
    ModelError
        If a reaction is not well formed; `fsp.errors.ExpressionError` for an expression,
        `fsp.errors.PropensityError` for a negative rate constant of mass action.

    Examples
    --------
    >>> [str(r) for r in read_reactions(["2 A -> 0 @ k"], {"A": 5}, {"k": 0.5})]
    ['R1: 2 A -> 0 @ k']
    """
    if isinstance(reactions, str) or not isinstance(reactions, Iterable):
        message = 'reactions must be a list of texts or Reaction objects, such as ["A -> B @ k"]'
        raise ModelError(message)
    given = list(reactions)
    if not given:
        message = "the network has no reactions: give at least one, such as 'A -> 0 @ k'"
        raise ModelError(message)
    names: set[str] = set()
    result = []
    for i, item in enumerate(given):
        default = f"R{i + 1}"
        if isinstance(item, Reaction):
            reaction = _adopt(item, default, species, parameters)
        else:
            reaction = _build(item, default, species, parameters)
        if reaction.name in names:
            message = f"two reactions are called '{reaction.name}': give each a name of its own"
            raise ModelError(message)
        names.add(reaction.name)
        result.append(reaction)
    return tuple(result)


def _build(text: str, default: str, species: Mapping[str, int], parameters: Mapping[str, float]) -> Reaction:
    """Return the reaction that a text describes."""
    from fsp.model.expressions import parse_expression
    from fsp.model.propensity import Propensity, mass_action

    equation = parse_equation(text, species, default)
    what = f"{'rate constant' if equation.mass_action else 'propensity'} of reaction '{equation.name}'"
    law = parse_expression(equation.law, (*species, *parameters, "time"), what=what)
    if equation.mass_action:
        found = sorted(s.name for s in law.free_symbols if s.name in species)
        if found:
            message = (
                f"the {what}, '{equation.law}', reads the species '{found[0]}': "
                f"write '{equation.text} ; expression' for a propensity that is not mass action"
            )
            raise ModelError(message)
        constant = Propensity(law, tuple(species), parameters)
        if not constant.depends_on_time:
            value = float(constant.evaluate({}))
            if not (math.isfinite(value) and value >= 0):
                message = f"the {what} is {equation.law} = {value}: it must be finite and not negative"
                raise PropensityError(message)
        law = mass_action(law, equation.reactants)
    return Reaction(
        equation.name,
        equation.text,
        equation.reactants,
        equation.products,
        Propensity(law, tuple(species), parameters),
        f"{'@' if equation.mass_action else ';'} {equation.law}",
    )


def _adopt(
    reaction: Reaction, default: str, species: Mapping[str, int], parameters: Mapping[str, float]
) -> Reaction:
    """Return a reaction of another network, bound to this one."""
    name = reaction.name or default
    for one, n in (*reaction.reactants.items(), *reaction.products.items()):
        if one not in species:
            message = f"reaction '{name}': unknown species '{one}'{close_matches(one, tuple(species))}"
            raise ModelError(message)
        if not isinstance(n, numbers.Integral) or n < 1:
            message = f"reaction '{name}': the coefficient of '{one}' is {n}, not a count"
            raise ModelError(message)
    propensity = reaction.propensity.bind(tuple(species), parameters)
    return Reaction(name, reaction.text, reaction.reactants, reaction.products, propensity, reaction.law)
