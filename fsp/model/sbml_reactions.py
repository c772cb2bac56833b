"""Reactions of an SBML model: what they change, and their laws as propensities in counts.

A kinetic law is the rate of the reaction's extent. One event is one molecule's worth of extent, so that the
propensity is the law times the number of events in one unit of extent, and a species changes by its
stoichiometry, times its conversion factor, in molecules per event.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

from fsp.errors import ModelError
from fsp.model import trees
from fsp.model.equations import Reaction, format_equation
from fsp.model.export_checks import element_name
from fsp.model.names import close_matches, shorten
from fsp.model.propensity import Propensity
from fsp.model.reversible import Sides, read_reversible
from fsp.model.sbml_document import elements
from fsp.model.sbml_symbols import Symbols

__all__ = ["ReactionReader"]

Counts = dict[str, int]
_MOST = 1_000_000  # molecules of one species in one reaction


class ReactionReader:
    """Reads the reactions of one model.

    Parameters
    ----------
    symbols : Symbols
        What its identifiers stand for. The rates of reactions, which formulas may read, and the local
        parameters are added to them.
    """

    def __init__(self, symbols: Symbols) -> None:
        self.symbols = symbols
        self.model = symbols.model
        self.source = symbols.source
        self.sides: dict[str, tuple[Counts, Counts]] = {}
        self.locals: dict[str, Mapping[str, Callable[[], Any]]] = {}
        for reaction in elements(self.model.getListOfReactions()):
            self._enter(reaction)

    def read(self) -> list[Reaction]:
        """Return the reactions, those that were split behind one another."""
        listed = list(elements(self.model.getListOfReactions()))
        for reaction in listed:
            self.sides[reaction.getId()] = self._read_sides(reaction)
        return [part for reaction in listed for part in self._read(reaction)]

    # -- names ---------------------------------------------------------------------------------------------

    def _enter(self, reaction: Any) -> None:
        name = reaction.getId()
        self.symbols.names[name] = lambda: self._law(reaction)
        for reference in (*elements(reaction.getListOfReactants()), *elements(reaction.getListOfProducts())):
            identifier = reference.getId()
            if identifier:
                if identifier in self.symbols.names:
                    self.symbols.fail(f"the id '{shorten(identifier)}' is used twice; rename one")
                self.symbols.names[identifier] = functools.partial(self._stoichiometry_tree, name, reference)

    def _law(self, reaction: Any) -> Any:
        """Return the kinetic law as a tree: extent per time, in the units of the file."""
        name = reaction.getId()
        law = reaction.getKineticLaw()
        if law is None or not law.isSetMath():
            self.symbols.fail(f"reaction '{name}' has no kinetic law; give it one")
        if name not in self.locals:
            self.locals[name] = self._local_parameters(name, law)
        what = f"the kinetic law of reaction '{name}'"
        where = f"{self.source}, kinetic law of reaction '{name}'"
        return self.symbols.read_once(f"law {name}", law.getMath(), where, what, self.locals[name])

    def _local_parameters(self, reaction: str, law: Any) -> Mapping[str, Callable[[], Any]]:
        """Enter the local parameters of a law as ``reaction_name``, and return what they stand for."""
        symbols = self.symbols
        local: dict[str, Callable[[], Any]] = {}
        listed = law.getListOfLocalParameters() if self.model.getLevel() > 2 else law.getListOfParameters()
        for parameter in elements(listed):
            identifier = parameter.getId()
            if identifier in local:
                symbols.fail(
                    f"reaction '{reaction}' has two local parameters '{shorten(identifier)}'; rename one"
                )
            name = f"{reaction}_{identifier}"
            while name in symbols.names or name in symbols.parameters or name in symbols.counts:
                name += "_"
            if not parameter.isSetValue() or math.isnan(parameter.getValue()):
                what = f"local parameter '{identifier}' of reaction '{reaction}'"
                local[identifier] = symbols.missing(what)
                continue
            symbols.parameters[name] = parameter.getValue()
            local[identifier] = functools.partial(trees.symbol, name)
        return local

    # -- what a reaction changes ---------------------------------------------------------------------------

    def _read_sides(self, reaction: Any) -> tuple[Counts, Counts]:
        name = reaction.getId()
        extent = self.symbols.units.of_extent(reaction)
        reactants = self._side(name, reaction.getListOfReactants(), extent)
        products = self._side(name, reaction.getListOfProducts(), extent)
        for identifier in {*reactants, *products}:
            species = self.model.getSpecies(identifier)
            if species.getBoundaryCondition() or species.getConstant():
                if not species.getBoundaryCondition() and reactants.get(identifier) != products.get(
                    identifier
                ):
                    self.symbols.fail(
                        f"reaction '{name}' changes the constant species '{identifier}'; set "
                        'boundaryCondition="true" if it is a reservoir'
                    )
                self._hold(identifier, reactants, products)
            elif identifier in self.symbols.rules:
                self.symbols.fail(
                    f"reaction '{name}' changes species '{identifier}', which an assignment rule determines; "
                    'set boundaryCondition="true", or remove one of the two'
                )
        own = self.symbols.own_name
        return {own(s): n for s, n in reactants.items()}, {own(s): n for s, n in products.items()}

    def _hold(self, identifier: str, reactants: Counts, products: Counts) -> None:
        """Make a species that reactions do not change a catalyst: it stands on the left, and stays."""
        if self.symbols.own_name(identifier) in self.symbols.counts and identifier in reactants:
            products[identifier] = reactants[identifier]
        else:
            reactants.pop(identifier, None)
            products.pop(identifier, None)

    def _side(self, reaction: str, references: Any, extent: Fraction) -> Counts:
        found: Counts = {}
        for reference in elements(references):
            identifier = reference.getSpecies()
            species = self.model.getSpecies(identifier)
            if species is None:
                known = [s.getId() for s in elements(self.model.getListOfSpecies())]
                advice = close_matches(identifier, known)
                self.symbols.fail(f"reaction '{reaction}': unknown species '{shorten(identifier)}'{advice}")
            value: float = self._stoichiometry(reaction, reference)
            if not species.getBoundaryCondition() and not species.getConstant():
                value = self._in_molecules(reaction, species, value, extent)
            if value > _MOST:
                self.symbols.refuse(
                    f"the change by {float(value):g} molecules of '{identifier}' in one event of reaction "
                    f"'{reaction}'",
                    'the unit of extent is that of one event: set extentUnits and substanceUnits to "item"',
                )
            if value:
                found[identifier] = found.get(identifier, 0) + int(value)
        return found

    def _in_molecules(self, reaction: str, species: Any, value: float, extent: Fraction) -> float:
        """Return the number of molecules that one event changes."""
        symbols = self.symbols
        scale = symbols.units.of_species(species) / extent
        identifier = species.getConversionFactor() or self.model.getConversionFactor()
        if identifier:
            tree = symbols.names.get(identifier, symbols.missing(f"conversion factor '{identifier}'"))()
            if symbols.kinds.get(identifier) != "parameter" or identifier in symbols.rules:
                symbols.refuse(
                    f"the conversion factor '{shorten(identifier)}'", "make it a constant parameter"
                )
            change = value * float(symbols.value_at_start(tree)) * float(scale)
        elif self.model.getLevel() == 2 and scale != 1:
            symbols.refuse(
                f"the unit of amount of species '{species.getId()}', which is not that of reaction '{reaction}',",
                "use one unit of amount in all the model",
            )
        else:
            change = float(Fraction(value) * scale)
        whole = math.isfinite(change) and change >= 0 and abs(change - round(change)) <= 1e-6 * abs(change)
        if not whole:
            cause = f" (conversion factor '{identifier}')" if identifier else ""
            symbols.refuse(
                f"the change by {change:g} molecules of '{species.getId()}' in one event of reaction "
                f"'{reaction}'{cause}",
                "stoichiometry, conversion factor and units must make a whole number",
            )
        return round(change)

    def _stoichiometry_tree(self, reaction: str, reference: Any) -> Any:
        return trees.number(self._stoichiometry(reaction, reference))

    def _stoichiometry(self, reaction: str, reference: Any) -> int:
        symbols = self.symbols
        name, identifier = reference.getSpecies(), reference.getId()
        what = f"'{shorten(name)}' in reaction '{reaction}'"
        if identifier and identifier in symbols.assignments:
            value = float(symbols.start(identifier, lambda: symbols.assigned(identifier)))
        elif reference.isSetStoichiometryMath():
            where = f"{self.source}, stoichiometry of {what}"
            node = reference.getStoichiometryMath()
            if not node.isSetMath():
                symbols.fail(f"the stoichiometry of {what} is empty; write it as a number")
            tree = symbols.math.read(node.getMath(), symbols.names, where)
            if {s.name for s in tree.free_symbols} - symbols.fixed_parameters():
                symbols.refuse(f"the changing stoichiometry of {what}", "write it as a whole number")
            value = float(symbols.value_at_start(trees.numeric(tree)))
        else:
            value = reference.getStoichiometry()
            if reference.getDenominator() > 1:
                value /= reference.getDenominator()
            if math.isnan(value):
                symbols.fail(f"{what} has no stoichiometry; write it as a whole number")
        if not math.isfinite(value) or value != int(value) or value < 0:
            symbols.refuse(
                f"the stoichiometry {value:g} of {what}",
                "it must be a whole number, because molecules are counted",
            )
        return int(value)

    # -- propensities --------------------------------------------------------------------------------------

    def _read(self, reaction: Any) -> list[Reaction]:
        name = reaction.getId()
        if reaction.isSetFast() and reaction.getFast():
            self.symbols.refuse(f"the fast reaction '{name}'", 'set fast="false" and give it a finite rate')
        law = self._law(reaction)
        events = self.symbols.units.of_extent(reaction)
        if events != 1:
            law = trees.multiply([trees.number(events), law])
        reactants, products = self.sides[name]
        if not reaction.getReversible():
            own = element_name(name, reaction.getName())
            own = own if own not in self.sides else name  # another reaction has that identifier
            return [self._reaction(own, reactants, products, law)]
        sides = Sides(
            _more(reactants, products),
            _more(products, reactants),
            {s for n, (left, right) in self.sides.items() if n != name for s in _more(left, right)},
            set(reactants) & set(products),
        )
        reading = read_reversible(law, sides, self.symbols.parameters)
        if reading.problem:
            self.symbols.refuse(
                f"the reversible reaction '{name}', because {reading.problem},",
                "write it as two irreversible reactions; if it is one irreversible reaction, say so with "
                'reversible="false" (in Antimony: "=>" instead of "->")',
            )
        if reading.remark:
            self.symbols.remarks.append(
                f"reaction '{name}' is marked reversible: {shorten(reading.remark, 300)}"
            )
        forward = self._reaction(name, reactants, products, reading.forward)
        if reading.backward is None:
            return [forward]
        back = f"{name}_reverse"
        while back in self.sides:
            back += "_"
        backward = self._reaction(back, products, reactants, reading.backward)
        self.symbols.remarks.append(
            f"the reversible reaction '{name}' was split into '{shorten(forward, 200)}' and "
            f"'{shorten(backward, 200)}'"
        )
        return [forward, backward]

    def _reaction(self, name: str, reactants: Counts, products: Counts, law: Any) -> Reaction:
        text = format_equation(reactants, products)
        law = trees.collect_numbers(law)
        try:
            trees.check_depth(law)
            trees.check_size(law)
            propensity = Propensity(law, tuple(self.symbols.counts), self.symbols.parameters)
        except ModelError as error:
            message = f"{self.source}, reaction '{name}': {error}"
            raise type(error)(message) from None
        return Reaction(name, text, reactants, products, propensity)


def _more(left: Mapping[str, int], right: Mapping[str, int]) -> set[str]:
    """Return the species of which there are more on the left."""
    return {s for s in left if left[s] > right.get(s, 0)}
