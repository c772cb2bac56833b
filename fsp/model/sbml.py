"""Reading SBML (levels 2 and 3) into a network of counts.

Supported: species in amounts (or in concentrations where the compartment has size 1), global and local
parameters, constant compartments, kinetic laws, function definitions and assignment rules of parameters (both
inlined), boundary and constant species. Everything else is refused by name, because a model that is read in
part would give wrong answers without a word.

A reaction marked ``reversible="true"`` is read as irreversible when its law cannot be the difference of a
forward and a backward rate: the mark alone changes nothing in the semantics of SBML, but a net rate is no
propensity.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NoReturn

import libsbml

from fsp.errors import ModelError, UnsupportedError
from fsp.model import trees
from fsp.model.equations import Reaction, format_equation
from fsp.model.mathml import MathReader
from fsp.model.names import close_matches
from fsp.model.network import ReactionNetwork
from fsp.model.propensity import Propensity

__all__ = ["read_sbml"]

_BUILT_IN = frozenset({"l3v2extendedmath"})  # how libsbml names the mathematics of level 3 version 2


def read_sbml(text: str, *, source: str = "") -> ReactionNetwork:
    """Read the text of an SBML file.

    Parameters
    ----------
    text : str
        SBML of level 2 or 3.
    source : str, optional
        Where the text comes from, for error messages and the network's ``source``.

    Raises
    ------
    ModelError
        If the text is no well-formed model.
    UnsupportedError
        Naming the element that is not supported, and what to do.
    """
    if "<!DOCTYPE" in text:
        message = f"{source or 'SBML'}: document type definitions are not allowed in SBML"
        raise ModelError(message)
    document = libsbml.readSBMLFromString(text)
    # libsbml puts a declaration in front where there is none, and counts its line
    added = 0 if text.lstrip().startswith("<?xml") else 1
    _check_document(document, source, added)
    return _Reader(document.getModel(), source).network()


def _check_document(document: Any, source: str, added: int) -> None:
    for i in range(document.getNumErrors()):
        error = document.getError(i)
        if error.isError() or error.isFatal():
            what = " ".join(error.getMessage().split())
            message = f"{source or 'SBML'}, line {error.getLine() - added}: {what}"
            raise ModelError(message)
    if document.getModel() is None:
        message = f"{source or 'SBML'} holds no model"
        raise ModelError(message)
    if document.getLevel() < 2:
        message = f"{source or 'SBML'}: SBML level 1 is not supported; convert the file to level 3"
        raise UnsupportedError(message)
    for i in range(document.getNumPlugins() if document.getLevel() > 2 else 0):
        package = document.getPlugin(i).getPackageName()
        if package not in _BUILT_IN and document.getPackageRequired(package):
            message = (
                f"{source or 'SBML'}: the model needs the SBML package '{package}', which is not supported; "
                "flatten or export the model to core SBML"
            )
            raise UnsupportedError(message)


def _list(elements: Any) -> Iterable[Any]:
    return (elements.get(i) for i in range(elements.size()))


class _Reader:
    def __init__(self, model: Any, source: str) -> None:
        self.model = model
        self.source = source
        self.math = MathReader({f.getId(): f for f in _list(model.getListOfFunctionDefinitions())})
        self.counts: dict[str, int] = {}
        self.parameters: dict[str, float] = {}
        self.rules: dict[str, Any] = {}
        self.inlined: dict[str, Any] = {}
        self.names: dict[str, Callable[[], Any]] = {}

    def refuse(self, what: str, advice: str) -> NoReturn:
        message = f"{self.source or 'SBML'}: {what} is not supported; {advice}"
        raise UnsupportedError(message)

    def network(self) -> ReactionNetwork:
        self.refuse_unsupported()
        self.read_rules()
        self.read_compartments()
        self.read_species()
        self.read_parameters()
        reactions = [self.read_reaction(reaction) for reaction in _list(self.model.getListOfReactions())]
        try:
            return ReactionNetwork(
                self.counts,
                reactions,
                self.parameters,
                name=self.model.getName() or self.model.getId(),
                source=self.source,
            )
        except ModelError as error:
            message = f"{self.source}: {error}" if self.source else str(error)
            raise type(error)(message) from None

    def refuse_unsupported(self) -> None:
        model = self.model
        for event in _list(model.getListOfEvents()):
            self.refuse(f"event '{event.getId()}'", "remove it, or solve up to and after it in two runs")
        for assignment in _list(model.getListOfInitialAssignments()):
            self.refuse(f"initial assignment of '{assignment.getSymbol()}'", "write the value as a number")
        for constraint in _list(model.getListOfConstraints()):
            self.refuse(f"constraint '{constraint.getId() or constraint.getMetaId()}'", "remove it")
        for units in (model.getSubstanceUnits(), model.getExtentUnits()):
            self.refuse_moles(units, "the model")
        if model.isSetConversionFactor():
            self.refuse(
                f"conversion factor '{model.getConversionFactor()}' of the model", "express all in items"
            )

    def refuse_moles(self, units: str, what: str) -> None:
        definition = self.model.getUnitDefinition(units) if units else None
        kinds = (
            [unit.getKind() for unit in _list(definition.getListOfUnits())] if definition is not None else []
        )
        if units == "mole" or libsbml.UNIT_KIND_MOLE in kinds:
            self.refuse(
                f"the unit of amount '{units}' of {what}", 'give amounts as numbers of molecules ("item")'
            )

    def read_rules(self) -> None:
        parameters = {p.getId() for p in _list(self.model.getListOfParameters())}
        for rule in _list(self.model.getListOfRules()):
            variable = rule.getVariable()
            if rule.isRate():
                self.refuse(f"rate rule of '{variable}'", "write it as reactions")
            if rule.isAlgebraic():
                self.refuse(f"algebraic rule '{rule.getFormula()}'", "solve it for one of its names")
            if variable not in parameters:
                kind = "species" if self.model.getSpecies(variable) is not None else "element"
                self.refuse(
                    f"assignment rule of the {kind} '{variable}'", "remove it and compute it from the result"
                )
            if not rule.isSetMath():
                message = f"{self.source or 'SBML'}: the assignment rule of '{variable}' is empty"
                raise ModelError(message)
            self.rules[variable] = rule.getMath()

    def read_compartments(self) -> None:
        for compartment in _list(self.model.getListOfCompartments()):
            self.names[compartment.getId()] = self.compartment_size(compartment)

    def compartment_size(self, compartment: Any) -> Callable[[], Any]:
        def size() -> Any:
            if not compartment.isSetSize() or math.isnan(compartment.getSize()):
                message = (
                    f"{self.source or 'SBML'}: the size of compartment '{compartment.getId()}' is used but "
                    'has no value; set size="1"'
                )
                raise ModelError(message)
            return trees.number(compartment.getSize())

        return size

    def read_species(self) -> None:
        for species in _list(self.model.getListOfSpecies()):
            name = species.getId()
            if species.isSetConversionFactor():
                self.refuse(f"conversion factor of species '{name}'", "express all in items")
            self.refuse_moles(species.getSubstanceUnits(), f"species '{name}'")
            amount = self.initial_amount(species)
            fixed = species.getConstant() or species.getBoundaryCondition()
            if fixed and amount != int(amount):
                self.parameters[name] = amount  # nothing changes it, so it need not be a count
            else:
                self.counts[name] = amount  # type: ignore[assignment]  # the network checks that it is whole
            self.names[name] = self.species_value(species)

    def species_value(self, species: Any) -> Callable[[], Any]:
        def value() -> Any:
            compartment = self.model.getCompartment(species.getCompartment())
            flat = compartment is not None and compartment.getSpatialDimensionsAsDouble() == 0
            if not species.getHasOnlySubstanceUnits() and not flat:
                known = compartment is not None and compartment.isSetSize()
                size = compartment.getSize() if known else math.nan
                if size != 1:
                    self.refuse(
                        f"the concentration of species '{species.getId()}' in the compartment "
                        f"'{species.getCompartment()}', whose size is {size if known else 'unknown'},",
                        'set size="1", or hasOnlySubstanceUnits="true" if the laws are meant for amounts',
                    )
            return trees.symbol(species.getId())

        return value

    def initial_amount(self, species: Any) -> float:
        name = species.getId()
        if species.isSetInitialAmount():
            amount = float(species.getInitialAmount())
        elif species.isSetInitialConcentration():
            size = self.names[species.getCompartment()]() if species.getCompartment() in self.names else None
            if size is None:
                message = f"{self.source or 'SBML'}: the compartment of species '{name}' does not exist"
                raise ModelError(message)
            amount = float(species.getInitialConcentration()) * float(size)
        else:
            amount = math.nan
        if not math.isfinite(amount):
            message = f"{self.source or 'SBML'}: species '{name}' has no initial amount; set initialAmount"
            raise ModelError(message)
        return amount

    def read_parameters(self) -> None:
        for parameter in _list(self.model.getListOfParameters()):
            name = parameter.getId()
            if name in self.rules:
                self.names[name] = self.rule_value(name)
                continue
            value = parameter.getValue() if parameter.isSetValue() else math.nan
            if math.isnan(value):
                self.names[name] = self.missing(f"parameter '{name}'")
                continue
            self.parameters[name] = value
            self.names[name] = self.symbol(name)

    def symbol(self, name: str) -> Callable[[], Any]:
        return lambda: trees.symbol(name)

    def missing(self, what: str) -> Callable[[], NoReturn]:
        def fail() -> NoReturn:
            message = f"{self.source or 'SBML'}: {what} is used but has no value; give it one"
            raise ModelError(message)

        return fail

    def rule_value(self, name: str) -> Callable[[], Any]:
        """Return what inlines an assignment rule (a rule that needs itself is an error of the model)."""

        def value() -> Any:
            if name in self.inlined:
                if self.inlined[name] is None:
                    message = f"{self.source or 'SBML'}: the assignment rule of '{name}' depends on itself"
                    raise ModelError(message)
                return self.inlined[name]
            self.inlined[name] = None
            self.inlined[name] = self.math.read(
                self.rules[name], self.names, f"{self.source or 'SBML'}, assignment rule of '{name}'"
            )
            return self.inlined[name]

        return value

    def read_reaction(self, reaction: Any) -> Reaction:
        name = reaction.getId()
        if reaction.isSetFast() and reaction.getFast():
            self.refuse(f"the fast reaction '{name}'", 'set fast="false" and give it a finite rate')
        law = reaction.getKineticLaw()
        if law is None or not law.isSetMath():
            message = f"{self.source or 'SBML'}: reaction '{name}' has no kinetic law; give it one"
            raise ModelError(message)
        reactants = self.side(name, reaction.getListOfReactants())
        products = self.side(name, reaction.getListOfProducts())
        text = format_equation(reactants, products)
        for species in {*reactants, *products}:
            element = self.model.getSpecies(species)
            if element.getBoundaryCondition():
                self.hold(species, reactants, products)
            elif element.getConstant() and reactants.get(species, 0) != products.get(species, 0):
                message = (
                    f"{self.source or 'SBML'}: reaction '{name}' changes the constant species '{species}'; "
                    'set boundaryCondition="true" if it is a reservoir'
                )
                raise ModelError(message)
        names = {**self.names, **self.local_parameters(name, law)}
        tree = self.math.read(
            law.getMath(), names, f"{self.source or 'SBML'}, kinetic law of reaction '{name}'"
        )
        tree = trees.numeric(tree)
        if reaction.getReversible() and _may_be_net_rate(tree, reactants, products):
            self.refuse(
                f"the reversible reaction '{name}' with the rate {tree}, which seems to be a difference of a "
                "forward and a backward rate,",
                "write it as two irreversible reactions; if it is one irreversible reaction, say so with "
                'reversible="false" (in Antimony: "=>" instead of "->")',
            )
        propensity = Propensity(tree, tuple(self.counts), self.parameters)
        return Reaction(name, text, reactants, products, propensity)

    def hold(self, species: str, reactants: dict[str, int], products: dict[str, int]) -> None:
        """Make a boundary species a catalyst: it stands on the left as written, and is not changed."""
        if species in self.parameters or species not in reactants:
            reactants.pop(species, None)
            products.pop(species, None)
        else:
            products[species] = reactants[species]

    def side(self, reaction: str, references: Any) -> dict[str, int]:
        found: dict[str, int] = {}
        for reference in _list(references):
            name = reference.getSpecies()
            known = {*self.counts, *self.parameters}
            if self.model.getSpecies(name) is None:
                advice = close_matches(name, known)
                message = f"{self.source or 'SBML'}: reaction '{reaction}': unknown species '{name}'{advice}"
                raise ModelError(message)
            if reference.isSetStoichiometryMath():
                self.refuse(
                    f"the computed stoichiometry of '{name}' in reaction '{reaction}'", "write it as a number"
                )
            value = reference.getStoichiometry()
            if not math.isfinite(value) or value != int(value) or value < 0:
                self.refuse(
                    f"the stoichiometry {value:g} of '{name}' in reaction '{reaction}'",
                    "it must be a whole number, because molecules are counted",
                )
            if value:
                found[name] = found.get(name, 0) + int(value)
        return found

    def local_parameters(self, reaction: str, law: Any) -> Mapping[str, Callable[[], Any]]:
        """Enter the local parameters of a law as ``reaction_name``, and return what they stand for."""
        local: dict[str, Callable[[], Any]] = {}
        listed = law.getListOfLocalParameters() if self.model.getLevel() > 2 else law.getListOfParameters()
        for parameter in _list(listed):
            name = f"{reaction}_{parameter.getId()}"
            while name in self.names or name in self.parameters:
                name += "_"
            if not parameter.isSetValue() or math.isnan(parameter.getValue()):
                what = f"local parameter '{parameter.getId()}' of reaction '{reaction}'"
                local[parameter.getId()] = self.missing(what)
                continue
            self.parameters[name] = parameter.getValue()
            local[parameter.getId()] = self.symbol(name)
        return local


def _may_be_net_rate(tree: Any, reactants: Mapping[str, int], products: Mapping[str, int]) -> bool:
    """Return True for a law that looks like a forward rate minus a backward rate.

    A negative term of a sum is harmless when it vanishes with a reactant (``k*M*M - k*M``); inside a product,
    a difference is suspicious when what is produced counts against what is consumed (``v*(S - P/K)``), which
    leaves ``M*(M - 1)`` and ``k*(1 - G)`` alone.
    """
    consumed = {s for s in reactants if reactants[s] > products.get(s, 0)}
    produced = {s for s in products if products[s] > reactants.get(s, 0)}
    if tree.is_Add:
        return any(_is_negative(term) and not _symbols(term) & consumed for term in tree.args)
    if not tree.is_Mul:
        return False
    for factor in tree.args:
        if factor.is_Add:
            forward = set().union(*(_symbols(t) for t in factor.args if not _is_negative(t)))
            backward = set().union(*(_symbols(t) for t in factor.args if _is_negative(t)))
            if forward & consumed and backward & produced:
                return True
        elif factor.is_Mul and _may_be_net_rate(factor, reactants, products):
            return True
    return False


def _symbols(tree: Any) -> set[str]:
    return {s.name for s in tree.free_symbols}


def _is_negative(term: Any) -> bool:
    if term.is_Mul:
        return sum(_is_negative(factor) for factor in term.args) % 2 == 1
    return bool(term.is_Number and term < 0)
