"""Reading reactions: ``"name: A + 2 B -> C @ k"`` (mass action) and ``"A -> B ; expression"``."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, NoReturn

from fsp.errors import ModelError
from fsp.model.names import close_matches

if TYPE_CHECKING:
    from fsp.model.propensity import Propensity

__all__ = ["Equation", "Reaction", "format_equation", "parse_equation"]

_TERM = re.compile(r"^(?:(?P<coefficient>[0-9]+)\s*\*?\s*)?(?P<name>[^\W\d]\w*)$")
_EMPTY = ("", "0", "∅")
_FORM = "write 'A + 2 B -> C @ k' (mass action) or 'A + 2 B -> C ; expression'"
_MAX_COEFFICIENT = 1_000_000


@dataclass(frozen=True)
class Equation:
    """What a reaction's text says, before its propensity is built."""

    name: str
    text: str
    reactants: dict[str, int]
    products: dict[str, int]
    law: str
    mass_action: bool


@dataclass(frozen=True)
class Reaction:
    """A reaction of a network.

    Parameters
    ----------
    name : str
        Its name (``"R1"``, ``"R2"``, ... when none was given).
    text : str
        The equation as it was written, without the propensity: ``"2 A + B -> C"``.
    reactants, products : mapping from str to int
        Molecules on either side, catalysts on both.
    propensity : Propensity
        Bound to the parameter values of the network.
    law : str
        What follows the equation, as it was written (``"@ k"`` or ``"; k*A"``); may be empty.
    """

    name: str
    text: str = field(compare=False)
    reactants: Mapping[str, int]
    products: Mapping[str, int]
    propensity: Propensity
    law: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "reactants", MappingProxyType(dict(self.reactants)))
        object.__setattr__(self, "products", MappingProxyType(dict(self.products)))

    def change(self, species: str) -> int:
        """Return by how much one firing changes the count of a species."""
        return self.products.get(species, 0) - self.reactants.get(species, 0)

    def __hash__(self) -> int:
        return hash((self.name, frozenset(self.reactants.items()), frozenset(self.products.items())))

    def __str__(self) -> str:
        return f"{self.name}: {self.text} {self.law or f'; {self.propensity}'}"


def parse_equation(text: str, species: Collection[str], default_name: str) -> Equation:
    """Read one reaction.

    Parameters
    ----------
    text : str
        Optionally a name and a colon; reactants; ``->``; products; ``@`` and a rate constant, or ``;`` and a
        propensity. A side without molecules is empty, ``0`` or ``∅``.
    species : collection of str
        The known species.
    default_name : str
        The reaction's name if the text has none.

    Raises
    ------
    ModelError
        Naming the reaction and what is wrong with it.

    Examples
    --------
    >>> equation = parse_equation("bind: A + 2 B -> C @ k", ["A", "B", "C"], "R1")
    >>> equation.name, equation.reactants, equation.products, equation.law
    ('bind', {'A': 1, 'B': 2}, {'C': 1}, 'k')
    """
    if not isinstance(text, str):
        message = f"reaction {default_name} must be a text or a Reaction, not {type(text).__name__}: {_FORM}"
        raise ModelError(message)

    def fail(problem: str) -> NoReturn:
        message = f"reaction '{' '.join(text.split())[:120]}': {problem}"
        raise ModelError(message)

    places = [(text.find(mark), mark) for mark in "@;" if mark in text]
    if not places:
        fail(f"it has no propensity ({_FORM})")
    position, mark = min(places)
    equation, law = text[:position], text[position + 1 :].strip()
    if "@" in law or ";" in law:
        fail(f"it has more than one '@' or ';' ({_FORM})")
    if not law:
        fail(f"there is nothing after '{mark}' ({_FORM})")
    name, colon, rest = equation.rpartition(":")
    equation = rest if colon else equation
    name = name.strip() if colon else default_name
    if not name or ":" in name:
        fail("the name before ':' is empty or holds a ':'")
    for arrow in ("<->", "<=>", "<-", "=>", "→"):
        if arrow in equation:
            advice = (
                "write a reversible reaction as two reactions, one for each direction"
                if arrow in ("<->", "<=>")
                else "write '->'"
            )
            fail(f"the arrow '{arrow}' is not supported: {advice}")
    sides = equation.split("->")
    if len(sides) != 2:
        fail(f"there must be one '->' ({_FORM})")
    reactants, products = (_parse_side(side, species, fail) for side in sides)
    return Equation(name, equation.strip(), reactants, products, law, mark == "@")


def format_equation(reactants: Mapping[str, int], products: Mapping[str, int]) -> str:
    """Return the text of an equation.

    Examples
    --------
    >>> format_equation({"A": 2}, {})
    '2 A -> 0'
    """

    def side(molecules: Mapping[str, int]) -> str:
        return " + ".join(name if n == 1 else f"{n} {name}" for name, n in molecules.items()) or "0"

    return f"{side(reactants)} -> {side(products)}"


def _parse_side(side: str, species: Collection[str], fail: Callable[[str], NoReturn]) -> dict[str, int]:
    if side.strip() in _EMPTY:
        return {}
    found: dict[str, int] = {}
    for term in side.split("+"):
        match = _TERM.match(term.strip())
        if match is None:
            fail(f"'{term.strip()}' is not a species with a whole number before it, such as '2 A'")
        name, digits = match["name"], match["coefficient"] or "1"
        if name not in species:
            fail(f"unknown species '{name}'{close_matches(name, species)}")
        coefficient = int(digits) if len(digits) < 8 else _MAX_COEFFICIENT + 1
        if not 1 <= coefficient <= _MAX_COEFFICIENT:
            fail(f"the coefficient of '{name}' must be between 1 and {_MAX_COEFFICIENT}")
        found[name] = found.get(name, 0) + coefficient
    return found
