"""From libsbml's mathematics to expression trees, node by node (no detour through text)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any

import libsbml
import sympy

from fsp.errors import ExpressionError, ModelError, UnsupportedError
from fsp.model import trees
from fsp.model.mathml_functions import OPERATIONS
from fsp.model.names import close_matches, shorten

__all__ = ["AVOGADRO", "MathReader"]

AVOGADRO = "6.02214179e23"  # the value that SBML fixes (level 3, section 3.4.6)

_MAX_DEPTH = 100
_MAX_NODES = 50_000  # read for one formula, functions written out


class MathReader:
    """Turns the mathematics of one model into expression trees.

    Parameters
    ----------
    functions : mapping from str to libsbml.FunctionDefinition
        The model's own functions; they are inlined.
    numbers_as_conditions : bool
        Whether a number may stand for a condition, as in level 3 version 2: true where it is not zero.
    """

    def __init__(self, functions: Mapping[str, Any], *, numbers_as_conditions: bool = False) -> None:
        self.functions = functions
        self.numbers_as_conditions = numbers_as_conditions

    def read(self, node: Any, names: Mapping[str, Callable[[], Any]], where: str) -> Any:
        """Return the tree of a node.

        Parameters
        ----------
        node : libsbml.ASTNode
            The mathematics.
        names : mapping from str to callable
            For each name that may occur, what returns its tree.
        where : str
            What error messages call the place.

        Raises
        ------
        UnsupportedError
            For mathematics outside the expression language.
        ModelError
            For unknown names and wrong numbers of arguments.
        """
        try:
            tree = _Conversion(self, names, where, (), [_MAX_NODES]).convert(node, 0)
            trees.check_depth(tree)
            trees.check_size(tree)
        except ExpressionError as error:
            # One that was found in a formula that this one needs says where already.
            if str(error).startswith(where.partition(",")[0]):
                raise
            message = f"{where}: {error}"
            raise ExpressionError(message) from None
        return tree


class _Conversion:
    def __init__(
        self,
        reader: MathReader,
        names: Mapping[str, Callable[[], Any]],
        where: str,
        active: tuple[str, ...],
        budget: list[int],
    ) -> None:
        self.reader = reader
        self.names = names
        self.where = where
        self.active = active
        self.budget = budget  # shared by all functions that one formula calls

    def convert(self, node: Any, depth: int) -> Any:
        self.budget[0] -= 1
        if depth > _MAX_DEPTH or self.budget[0] < 0:
            what = f"is nested deeper than {_MAX_DEPTH} levels" if depth > _MAX_DEPTH else "is too long"
            message = f"{self.where}: the mathematics {what}; split it up"
            raise UnsupportedError(message)
        kind = node.getType()
        if kind in _LEAVES:
            return _LEAVES[kind](self, node)
        if kind in (libsbml.AST_PLUS, libsbml.AST_TIMES):
            parts = [self.convert(child, depth + 1) for child in _flatten(node)]
            if not parts:
                return trees.ZERO if kind == libsbml.AST_PLUS else trees.ONE
            return trees.add(parts) if kind == libsbml.AST_PLUS else trees.multiply(parts)
        operation = OPERATIONS.get(kind)
        if operation is None and kind != libsbml.AST_FUNCTION:
            name = node.getName() or node.getOperatorName() or libsbml.formulaToL3String(node)
            message = (
                f"{self.where}: the mathematics '{shorten(name or f'type {kind}')}' is not supported; write it "
                "with the usual functions"
            )
            raise UnsupportedError(message)
        children = [self.convert(node.getChild(i), depth + 1) for i in range(node.getNumChildren())]
        if operation is None:
            return self.call(node.getName(), children, depth)
        if not operation.least <= len(children) <= operation.most:
            name = node.getName() or node.getOperatorName() or libsbml.formulaToL3String(node)
            message = (
                f"{self.where}: '{shorten(name)}' has {len(children)} argument(s), which is not possible"
            )
            raise ModelError(message)
        if operation.logical and self.reader.numbers_as_conditions:
            children = [_truth(child) for child in children]
        if kind == libsbml.AST_FUNCTION_PIECEWISE and self.reader.numbers_as_conditions:
            children[1::2] = [_truth(child) for child in children[1::2]]
        return operation.build(children)

    def name(self, node: Any) -> Any:
        name = node.getName()
        if name not in self.names:
            message = f"{self.where}: unknown name '{shorten(name)}'{close_matches(name, self.names)}"
            raise ModelError(message)
        return self.names[name]()

    def call(self, name: str, arguments: Sequence[Any], depth: int) -> Any:
        functions = self.reader.functions
        definition = functions.get(name)
        if definition is None:
            message = f"{self.where}: unknown function '{shorten(name)}'{close_matches(name, functions)}"
            raise ModelError(message)
        if name in self.active:
            message = f"{self.where}: the function '{name}' calls itself"
            raise UnsupportedError(message)
        formal = [definition.getArgument(i).getName() for i in range(definition.getNumArguments())]
        body = definition.getBody() if definition.isSetMath() else None
        if body is None:
            message = f"{self.where}: the function '{name}' has no formula; give it one"
            raise ModelError(message)
        if len(formal) != len(arguments):
            message = (
                f"{self.where}: the function '{name}' takes {len(formal)} argument(s), not {len(arguments)}"
            )
            raise ModelError(message)
        bound = {argument: (lambda tree=tree: tree) for argument, tree in zip(formal, arguments, strict=True)}
        where = f"function '{name}' in {self.where}"
        inner = _Conversion(self.reader, bound, where, (*self.active, name), self.budget)
        return inner.convert(body, depth + 1)


def _truth(tree: Any) -> Any:
    return tree if trees.is_condition(tree) else trees.compare("!=", tree, trees.ZERO)


def _flatten(node: Any) -> list[Any]:
    """Return the operands of a chain of sums (or of products) that is nested to the left."""
    parts: list[Any] = []
    kind = node.getType()
    while node.getType() == kind and node.getNumChildren() > 0:
        parts.extend(node.getChild(i) for i in range(node.getNumChildren() - 1, 0, -1))
        node = node.getChild(0)
    if node.getType() != kind:
        parts.append(node)
    return parts[::-1]


def _integer(conversion: _Conversion, node: Any) -> Any:
    value = node.getInteger()
    if abs(value) >= 2**31 - 1:  # larger ones are cut off without a word when the file is read
        message = (
            f'{conversion.where}: the integer {value} is too large for type="integer": write it as a real'
        )
        raise UnsupportedError(message)
    return trees.number(value)


def _real(conversion: _Conversion, node: Any) -> Any:
    value = node.getReal()
    if value != value or value in (float("inf"), float("-inf")):
        message = f"{conversion.where}: the number {value} is not finite"
        raise UnsupportedError(message)
    return trees.number(value)


def _scientific(conversion: _Conversion, node: Any) -> Any:
    mantissa, exponent = node.getMantissa(), node.getExponent()
    if abs(exponent) > 400 or mantissa - mantissa != 0:
        message = f"{conversion.where}: the number {mantissa}e{exponent} is out of range"
        raise UnsupportedError(message)
    return trees.number(Fraction(repr(mantissa)) * Fraction(10) ** exponent)


def _rational(conversion: _Conversion, node: Any) -> Any:
    above, below = node.getNumerator(), node.getDenominator()
    if below == 0 or max(abs(above), abs(below)) >= 2**31 - 1:
        what = "has the denominator 0" if below == 0 else "is too large: write it as a quotient of reals"
        message = f"{conversion.where}: a rational number {what}"
        raise ModelError(message)
    return trees.number(Fraction(above, below))


_LEAVES: dict[int, Callable[[_Conversion, Any], Any]] = {
    libsbml.AST_INTEGER: _integer,
    libsbml.AST_REAL: _real,
    libsbml.AST_REAL_E: _scientific,
    libsbml.AST_RATIONAL: _rational,
    libsbml.AST_NAME: _Conversion.name,
    libsbml.AST_NAME_TIME: lambda conversion, node: trees.symbol("time"),
    libsbml.AST_NAME_AVOGADRO: lambda conversion, node: trees.number(AVOGADRO),
    libsbml.AST_CONSTANT_PI: lambda conversion, node: sympy.pi,
    libsbml.AST_CONSTANT_E: lambda conversion, node: sympy.E,
    libsbml.AST_CONSTANT_TRUE: lambda conversion, node: sympy.true,
    libsbml.AST_CONSTANT_FALSE: lambda conversion, node: sympy.false,
}
