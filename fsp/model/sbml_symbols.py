"""What the identifiers of an SBML model stand for: in formulas, and at the start.

The state of a network is a vector of counts. In formulas a species stands for its amount or, by the rules of
the specification, for its concentration, which is the count divided by the size of its compartment; sizes are
numbers or, where a rule assigns them, formulas. Everything is looked up when it is needed, so that elements
may come in any order, and one that depends on itself is found.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any, NoReturn

import numpy as np

from fsp.errors import ModelError, UnsupportedError
from fsp.model import trees
from fsp.model.evaluation import evaluate_tree
from fsp.model.mathml import MathReader
from fsp.model.names import is_reserved, shorten
from fsp.model.sbml_document import elements
from fsp.model.sbml_units import AmountUnits

__all__ = ["Symbols"]

Tree = Any
_EXACT = 1e-12  # of a count that was computed: more than this is no rounding
_UNIT = 1e-6  # of a count that was converted from another unit with a few digits
_MAX_COUNT = 2**62


class Symbols:
    """The identifiers of one model.

    Attributes
    ----------
    names : dict of str to callable
        For each identifier what returns its tree in formulas (see `MathReader.read`).
    counts : dict of str to int
        The species that are counted, with their initial counts, in the order of the file.
    parameters : dict of str to float
        Parameters of the network: those of the file that have a value, and fixed species whose amount is not
        a whole number.
    derived : dict of str to callable
        For each identifier that an assignment rule determines, what returns its value as a tree; for species
        this is the number of molecules.
    sizes : dict of str to float
        Compartments with their sizes at the start, where they have one.
    remarks : list of str
        What the reader decided, for the user to see.
    """

    def __init__(self, model: Any, source: str) -> None:
        self.model = model
        self.source = source
        self.units = AmountUnits(model, source)
        version = (model.getLevel(), model.getVersion())
        functions = {f.getId(): f for f in elements(model.getListOfFunctionDefinitions())}
        self.math = MathReader(functions, numbers_as_conditions=version >= (3, 2))
        self.names: dict[str, Callable[[], Tree]] = {}
        self.counts: dict[str, int] = {}
        self.parameters: dict[str, float] = {}
        self.derived: dict[str, Callable[[], Tree]] = {}
        self.sizes: dict[str, float] = {}
        self.remarks: list[str] = []
        self._own: dict[str, str] = {}  # what an identifier is called in the network
        self._trees: dict[str, Tree | None] = {}  # formulas that were read; None while one is being read
        self._starts: dict[str, np.longdouble | None] = {}  # values at the start; None while computed
        self._start_of: dict[str, Callable[[], np.longdouble]] = {}  # by name in the network
        self._collect()
        self._read_rules()
        for compartment in elements(model.getListOfCompartments()):
            self._enter_compartment(compartment)
        for species in elements(model.getListOfSpecies()):
            self._enter_species(species)
        for parameter in elements(model.getListOfParameters()):
            self._enter_parameter(parameter)
        self._set_starts()

    # -- messages ------------------------------------------------------------------------------------------

    def refuse(self, what: str, advice: str) -> NoReturn:
        """Raise the error for what is not supported."""
        message = f"{self.source}: {what} is not supported; {advice}"
        raise UnsupportedError(message)

    def fail(self, problem: str) -> NoReturn:
        """Raise the error for what is wrong with the model."""
        message = f"{self.source}: {problem}"
        raise ModelError(message)

    # -- identifiers and rules -----------------------------------------------------------------------------

    def _collect(self) -> None:
        """Check that identifiers are unique, and find names for those that mean something in expressions."""
        model = self.model
        lists = [
            ("function", model.getListOfFunctionDefinitions()),
            ("compartment", model.getListOfCompartments()),
            ("species", model.getListOfSpecies()),
            ("parameter", model.getListOfParameters()),
            ("reaction", model.getListOfReactions()),
        ]
        kinds: dict[str, str] = {}
        for kind, collection in lists:
            for element in elements(collection):
                name = element.getId()
                if not name:
                    self.fail(f"a {kind} has no id; give it one")
                if name in kinds:
                    self.fail(
                        f"the id '{shorten(name)}' belongs to a {kinds[name]} and to a {kind}; rename one"
                    )
                kinds[name] = kind
        self.kinds: Mapping[str, str] = kinds
        for name in kinds:
            own = name
            while is_reserved(own) or (own != name and own in kinds):
                own += "_"
            self._own[name] = own
            if own != name:
                self.remarks.append(
                    f"'{name}' is called '{own}' here, because '{name}' means something in formulas"
                )

    def own_name(self, identifier: str) -> str:
        """Return what an identifier of the file is called in the network."""
        return self._own.get(identifier, identifier)

    def _read_rules(self) -> None:
        model = self.model
        self.rules: dict[str, Any] = {}
        self.assignments: dict[str, Any] = {}
        for rule in elements(model.getListOfRules()):
            variable = rule.getVariable()
            if rule.isRate():
                self.refuse(f"the rate rule of '{variable}'", "write it as reactions")
            if rule.isAlgebraic():
                formula = shorten(rule.getFormula())
                self.refuse(f"the algebraic rule '{formula}'", "solve it for one of its names")
            if variable in self.rules:
                self.fail(f"there are two assignment rules of '{variable}'; remove one")
            self._check_target(variable, "the assignment rule")
            self.rules[variable] = self._formula(rule, f"the assignment rule of '{variable}'")
        for assignment in elements(model.getListOfInitialAssignments()):
            variable = assignment.getSymbol()
            if variable in self.assignments:
                self.fail(f"there are two initial assignments of '{variable}'; remove one")
            if variable in self.rules:
                self.fail(f"'{variable}' has an assignment rule and an initial assignment; remove one")
            self._check_target(variable, "the initial assignment")
            self.assignments[variable] = self._formula(assignment, f"the initial assignment of '{variable}'")

    def _formula(self, element: Any, what: str) -> Any:
        if not element.isSetMath():
            self.fail(f"{what} is empty; give it a formula or remove it")
        return element.getMath()

    def _check_target(self, variable: str, what: str) -> None:
        if self.kinds.get(variable) in ("compartment", "species", "parameter"):
            return
        if self.model.getSpeciesReference(variable) is None:
            self.fail(f"{what} of '{shorten(variable)}' has nothing to assign to: there is no such element")
        if what == "the assignment rule":
            self.refuse(
                f"the changing stoichiometry '{variable}'",
                "molecules are counted, so it must be a whole number",
            )

    def rule(self, variable: str) -> Tree:
        """Return the formula of an assignment rule, with all that it needs put in."""
        where = f"{self.source}, assignment rule of '{variable}'"
        return self.read_once(
            f"rule {variable}", self.rules[variable], where, f"the assignment rule of '{variable}'"
        )

    def read_once(
        self,
        key: str,
        math_node: Any,
        where: str,
        what: str,
        local: Mapping[str, Callable[[], Tree]] | None = None,
    ) -> Tree:
        """Return the tree of a formula; it is read when first needed, and must not need itself."""
        if key in self._trees:
            if self._trees[key] is None:
                self.fail(f"{what} depends on itself; break the circle")
            return self._trees[key]
        self._trees[key] = None
        names = {**self.names, **local} if local else self.names
        self._trees[key] = trees.numeric(self.math.read(math_node, names, where))
        return self._trees[key]

    # -- compartments, species, parameters -----------------------------------------------------------------

    def _enter_compartment(self, compartment: Any) -> None:
        name = compartment.getId()
        if name in self.rules:
            self.names[name] = lambda: self.rule(name)
            self.derived[name] = self.names[name]
            return
        self.names[name] = lambda: trees.number(float(self.start_size(compartment)))

    def start_size(self, compartment: Any) -> np.longdouble:
        """Return the size of a compartment at the start."""
        name = compartment.getId()
        if name in self.rules:
            return self.start(name, lambda: self.value_at_start(self.rule(name)))
        if name in self.assignments:
            return self.start(name, lambda: self.assigned(name))
        if not compartment.isSetSize() or math.isnan(compartment.getSize()):
            self.fail(
                f"the size of compartment '{name}' is needed but has no value; set size=\"1\", or say "
                'hasOnlySubstanceUnits="true" of its species if laws are meant for amounts'
            )
        size = compartment.getSize()
        if not (math.isfinite(size) and size > 0):
            self.fail(f"the size of compartment '{name}' is {size:g}; it must be finite and above 0")
        return _extended(size)

    def size(self, species: Any) -> Tree | None:
        """Return the size by which a species' amount is divided in formulas; None where it is an amount."""
        if species.getHasOnlySubstanceUnits():
            return None
        name = species.getCompartment()
        compartment = self.model.getCompartment(name)
        if compartment is None:
            self.fail(f"the compartment '{shorten(name)}' of species '{species.getId()}' does not exist")
        known = compartment.isSetSize() or name in self.rules or name in self.assignments
        if compartment.getSpatialDimensionsAsDouble() == 0 and not known:
            return None  # a point has no size, and its species have no concentration
        tree = self.names[name]()
        return None if tree == 1 else tree

    def to_molecules(self, species: Any, tree: Tree) -> Tree:
        """Return the number of molecules for a value that a species has in formulas."""
        size, unit = self.size(species), self.units.of_species(species)
        tree = tree if size is None else trees.multiply([tree, size])
        return tree if unit == 1 else trees.multiply([tree, trees.number(unit)])

    def _enter_species(self, species: Any) -> None:
        name = species.getId()
        if (
            species.getSpatialSizeUnits()
        ):  # level 2 versions 1 and 2: a unit of size beside that of the compartment
            self.refuse(
                f"spatialSizeUnits of species '{name}'", "remove it; sizes are in the compartment's unit"
            )
        own = self.own_name(name)
        if name in self.rules:
            self.names[name] = lambda: self.rule(name)
            self.derived[name] = lambda: self.to_molecules(species, self.rule(name))
            return

        def value() -> Tree:
            tree, size, unit = trees.symbol(own), self.size(species), self.units.of_species(species)
            tree = tree if unit == 1 else trees.divide(tree, trees.number(unit))
            return tree if size is None else trees.divide(tree, size)

        self.names[name] = value
        self._start_of[own] = lambda: self.start(name, lambda: self._start_molecules(species))

    def _start_molecules(self, species: Any) -> np.longdouble:
        name = species.getId()
        unit = _extended(self.units.of_species(species))
        if name in self.assignments:
            amount = self.assigned(name)
            size = self.size(species)
            if size is not None:
                amount = amount * self.value_at_start(size)
        elif species.isSetInitialAmount():
            amount = _extended(species.getInitialAmount())
        elif species.isSetInitialConcentration():
            compartment = self.model.getCompartment(species.getCompartment())
            if compartment is None:
                place = shorten(species.getCompartment())
                self.fail(f"the compartment '{place}' of species '{name}' does not exist")
            amount = _extended(species.getInitialConcentration()) * self.start_size(compartment)
        else:
            amount = np.longdouble("nan")
        if not np.isfinite(amount):
            self.fail(f"species '{name}' has no initial amount; set initialAmount")
        return amount * unit

    def _enter_parameter(self, parameter: Any) -> None:
        name = parameter.getId()
        own = self.own_name(name)
        if name in self.rules:
            self.names[name] = lambda: self.rule(name)
            self.derived[name] = self.names[name]
            return
        value = parameter.getValue() if parameter.isSetValue() else math.nan
        if name not in self.assignments and math.isnan(value):
            self.names[name] = self.missing(f"parameter '{name}'")
            return
        self.names[name] = lambda: trees.symbol(own)
        if name in self.assignments:
            self._start_of[own] = lambda: self.start(name, lambda: self.assigned(name))
        else:
            self._start_of[own] = lambda: np.longdouble(value)

    def missing(self, what: str) -> Callable[[], NoReturn]:
        """Return what raises the error for a value that is needed and not there."""

        def raise_error() -> NoReturn:
            self.fail(f"{what} is used but has no value; give it one")

        return raise_error

    # -- values at the start -------------------------------------------------------------------------------

    def start(self, name: str, compute: Callable[[], np.longdouble]) -> np.longdouble:
        """Return a value at the start, computed once; it must not need itself."""
        if name in self._starts:
            known = self._starts[name]
            if known is None:
                self.fail(f"the initial value of '{name}' depends on itself; break the circle")
            return known
        self._starts[name] = None
        value = compute()
        self._starts[name] = value
        return value

    def assigned(self, name: str) -> np.longdouble:
        """Return the value of an initial assignment."""
        where = f"{self.source}, initial assignment of '{name}'"
        what = f"the initial assignment of '{name}'"
        tree = self.read_once(f"initial {name}", self.assignments[name], where, what)
        value = self.value_at_start(tree)
        if not np.isfinite(value):
            self.fail(f"{what} gives {value}; it must be a finite number")
        return value

    def fixed_parameters(self) -> set[str]:
        """Return the names, in the network, of the parameters that nothing changes."""
        assigned = {
            a.getVariable()
            for event in elements(self.model.getListOfEvents())
            for a in elements(event.getListOfEventAssignments())
        }
        return {
            self.own_name(n) for n, kind in self.kinds.items() if kind == "parameter" and n not in assigned
        }

    def value_at_start(self, tree: Tree) -> np.longdouble:
        """Return the value of a formula at time 0, in extended precision."""
        values: dict[str, Any] = {"time": np.longdouble(0)}
        for symbol in sorted(tree.free_symbols, key=str):
            if symbol.name != "time":
                values[symbol.name] = self._start_of[symbol.name]()
        return np.longdouble(evaluate_tree(tree, values, dtype=np.longdouble))

    def _set_starts(self) -> None:
        """Fill ``counts``, ``parameters`` and ``sizes`` in the order of the file."""
        for compartment in elements(self.model.getListOfCompartments()):
            name = compartment.getId()
            if name in self.rules or name in self.assignments or compartment.isSetSize():
                self.sizes[self.own_name(name)] = float(self.start_size(compartment))
        for species in elements(self.model.getListOfSpecies()):
            if species.getId() not in self.rules:
                self._set_count(species)
        for parameter in elements(self.model.getListOfParameters()):
            own = self.own_name(parameter.getId())
            if own in self._start_of:
                self.parameters[own] = float(self._start_of[own]())
        assigned = [name for name in self.assignments if self.kinds.get(name) == "parameter"]
        if assigned:
            listed = ", ".join(f"{name} = {self.parameters[self.own_name(name)]:g}" for name in assigned[:8])
            more = ", ..." if len(assigned) > 8 else ""
            self.remarks.append(
                f"values by initial assignments: {listed}{more}; with_parameters does not compute them anew"
            )
        if self.model.getLevel() == 2 and not self.units.declared and self.counts:
            self.remarks.append(
                "the file does not say in which unit its amounts are (level 2 then means moles): they are taken "
                "as numbers of molecules"
            )

    def _set_count(self, species: Any) -> None:
        name = species.getId()
        own = self.own_name(name)
        value = self._start_of[own]()
        nearest = np.rint(value)
        unit = self.units.of_species(species)
        error = abs(value - nearest)
        # The digits that a modeller writes for an amount in moles do not make a whole number to the last one.
        if error > 0 and unit != 1 and error <= _UNIT * abs(value) and error < 0.01:
            self.remarks.append(
                f"species '{name}': {float(value):.12g} molecules are taken as {int(nearest)}"
            )
            error = np.longdouble(0)
        if error <= _EXACT * max(np.longdouble(1), abs(value)) and 0 <= nearest < _MAX_COUNT:
            self.counts[own] = int(nearest)
            self._starts[name] = nearest
            return
        if species.getConstant() or species.getBoundaryCondition():
            self.parameters[own] = float(value)  # nothing changes it, so it need not be a count
            return
        self._refuse_count(species, float(value), unit != 1)

    def _refuse_count(self, species: Any, value: float, converted: bool) -> NoReturn:
        name = species.getId()
        text = f"the initial count of species '{name}' is {value:.12g}"
        if value < 0:
            self.fail(f"{text}; it must not be negative")
        if converted:
            amount = f"amounts in '{self.units.name(species)}' ({text})"
            advice = 'if numbers of molecules are meant, set substanceUnits="item"'
            if value < _MAX_COUNT:
                advice = 'give a whole number of molecules in substanceUnits="item"'
            self.refuse(amount, advice)
        if value >= _MAX_COUNT:
            self.fail(f"{text}, too many to be counted; rescale the model to fewer molecules")
        if species.isSetInitialConcentration() and not species.isSetInitialAmount():
            self.fail(
                f"{text}, its concentration times the size of its compartment; it must be a whole number: "
                "change one of the two, or give initialAmount"
            )
        self.fail(f"{text}; it must be a whole number of molecules: rescale the model to molecules")


def _extended(value: float | Fraction) -> np.longdouble:
    """Return a decimal number as close to what is written as extended precision allows."""
    if isinstance(value, float):
        if not math.isfinite(value):
            return np.longdouble(value)
        value = Fraction(repr(value))
    return np.longdouble(evaluate_tree(trees.number(value), {}, dtype=np.longdouble))
