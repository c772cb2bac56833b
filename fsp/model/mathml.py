"""From libsbml's mathematics to expression trees, node by node (no detour through text)."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any

import libsbml
import sympy

from fsp.errors import ExpressionError, ModelError, UnsupportedError
from fsp.model import trees
from fsp.model.names import close_matches

__all__ = ["AVOGADRO", "MathReader"]

AVOGADRO = "6.02214179e23"  # the value that SBML fixes

_MAX_DEPTH = 100


class MathReader:
    """Turns the mathematics of one model into expression trees.

    Parameters
    ----------
    functions : mapping from str to libsbml.FunctionDefinition
        The model's own functions; they are inlined.
    """

    def __init__(self, functions: Mapping[str, Any]) -> None:
        self.functions = functions

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
            For unknown names.
        """
        try:
            tree = _Conversion(self.functions, names, where).convert(node, 0)
            trees.check_depth(tree)
        except ExpressionError as error:
            message = f"{where}: {error}"
            raise ExpressionError(message) from None
        return tree


class _Conversion:
    def __init__(
        self,
        functions: Mapping[str, Any],
        names: Mapping[str, Callable[[], Any]],
        where: str,
        active: tuple[str, ...] = (),
    ) -> None:
        self.functions = functions
        self.names = names
        self.where = where
        self.active = active

    def convert(self, node: Any, depth: int) -> Any:
        if depth > _MAX_DEPTH:
            message = f"{self.where}: the mathematics is nested deeper than {_MAX_DEPTH} levels"
            raise UnsupportedError(message)
        kind = node.getType()
        if kind in _LEAVES:
            return _LEAVES[kind](self, node)
        if kind in (libsbml.AST_PLUS, libsbml.AST_TIMES):
            parts = [self.convert(child, depth + 1) for child in _flatten(node)]
            if not parts:
                return trees.ZERO if kind == libsbml.AST_PLUS else trees.ONE
            return trees.add(parts) if kind == libsbml.AST_PLUS else trees.multiply(parts)
        children = [self.convert(node.getChild(i), depth + 1) for i in range(node.getNumChildren())]
        if kind == libsbml.AST_FUNCTION:
            return self.call(node.getName(), children, depth)
        if kind in _OPERATIONS:
            return _OPERATIONS[kind](children)
        if kind in _FUNCTIONS:
            return trees.call(_FUNCTIONS[kind], children)
        name = node.getName() or node.getOperatorName() or libsbml.formulaToL3String(node) or f"type {kind}"
        message = f"{self.where}: '{name}' is not supported; write it with the usual functions"
        raise UnsupportedError(message)

    def name(self, node: Any) -> Any:
        name = node.getName()
        if name not in self.names:
            message = f"{self.where}: unknown name '{name}'{close_matches(name, self.names)}"
            raise ModelError(message)
        return self.names[name]()

    def call(self, name: str, arguments: Sequence[Any], depth: int) -> Any:
        definition = self.functions.get(name)
        if definition is None:
            message = f"{self.where}: unknown function '{name}'{close_matches(name, self.functions)}"
            raise ModelError(message)
        if name in self.active:
            message = f"{self.where}: the function '{name}' calls itself"
            raise UnsupportedError(message)
        formal = [definition.getArgument(i).getName() for i in range(definition.getNumArguments())]
        if len(formal) != len(arguments) or definition.getBody() is None:
            message = (
                f"{self.where}: the function '{name}' takes {len(formal)} argument(s), not {len(arguments)}"
            )
            raise ModelError(message)
        bound = {argument: (lambda tree=tree: tree) for argument, tree in zip(formal, arguments, strict=True)}
        where = f"function '{name}' in {self.where}"
        inner = _Conversion(self.functions, bound, where, (*self.active, name))
        return inner.convert(definition.getBody(), depth + 1)


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
    exponent = node.getExponent()
    if abs(exponent) > 400:
        message = f"{conversion.where}: the number {node.getMantissa()}e{exponent} is out of range"
        raise UnsupportedError(message)
    return trees.number(Fraction(repr(node.getMantissa())) * Fraction(10) ** exponent)


def _rational(conversion: _Conversion, node: Any) -> Any:
    if node.getDenominator() == 0:
        message = f"{conversion.where}: a rational number has the denominator 0"
        raise ModelError(message)
    return trees.number(Fraction(node.getNumerator(), node.getDenominator()))


def _minus(arguments: Sequence[Any]) -> Any:
    if len(arguments) == 1:
        return trees.negate(arguments[0])
    return trees.add([arguments[0], *(trees.negate(a) for a in arguments[1:])])


def _root(arguments: Sequence[Any]) -> Any:
    if len(arguments) == 1 or arguments[0] == 2:
        return trees.call("sqrt", arguments[-1:])
    return trees.power(arguments[1], trees.divide(trees.ONE, arguments[0]))


def _logarithm(arguments: Sequence[Any]) -> Any:
    if len(arguments) == 1 or arguments[0] == 10:
        return trees.call("log10", arguments[-1:])
    return trees.divide(trees.call("log", arguments[1:]), trees.call("log", arguments[:1]))


def _exclusive(arguments: Sequence[Any]) -> Any:
    result = trees.condition(arguments[0])
    for argument in arguments[1:]:
        result = trees.compare("!=", result, argument)
    return result


def _implies(arguments: Sequence[Any]) -> Any:
    return trees.disjunction([trees.negation(arguments[0]), arguments[1]])


def _comparison(operator: str) -> Callable[[Sequence[Any]], Any]:
    def build(arguments: Sequence[Any]) -> Any:
        pairs = itertools.pairwise(arguments)
        parts = [trees.compare(operator, left, right) for left, right in pairs]
        return parts[0] if len(parts) == 1 else trees.conjunction(parts)

    return build


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
_OPERATIONS: dict[int, Callable[[Sequence[Any]], Any]] = {
    libsbml.AST_MINUS: _minus,
    libsbml.AST_DIVIDE: lambda arguments: trees.divide(*arguments),
    libsbml.AST_POWER: lambda arguments: trees.power(*arguments),
    libsbml.AST_FUNCTION_POWER: lambda arguments: trees.power(*arguments),
    libsbml.AST_FUNCTION_ROOT: _root,
    libsbml.AST_FUNCTION_LOG: _logarithm,
    libsbml.AST_FUNCTION_PIECEWISE: lambda arguments: trees.piecewise(arguments, need_default=False),
    libsbml.AST_LOGICAL_AND: trees.conjunction,
    libsbml.AST_LOGICAL_OR: trees.disjunction,
    libsbml.AST_LOGICAL_NOT: lambda arguments: trees.negation(*arguments),
    libsbml.AST_LOGICAL_XOR: _exclusive,
    libsbml.AST_LOGICAL_IMPLIES: _implies,
    libsbml.AST_RELATIONAL_EQ: _comparison("=="),
    libsbml.AST_RELATIONAL_NEQ: _comparison("!="),
    libsbml.AST_RELATIONAL_LT: _comparison("<"),
    libsbml.AST_RELATIONAL_LEQ: _comparison("<="),
    libsbml.AST_RELATIONAL_GT: _comparison(">"),
    libsbml.AST_RELATIONAL_GEQ: _comparison(">="),
}
_FUNCTIONS: dict[int, str] = {
    libsbml.AST_FUNCTION_EXP: "exp",
    libsbml.AST_FUNCTION_LN: "log",
    libsbml.AST_FUNCTION_ABS: "abs",
    libsbml.AST_FUNCTION_MIN: "min",
    libsbml.AST_FUNCTION_MAX: "max",
    libsbml.AST_FUNCTION_FLOOR: "floor",
    libsbml.AST_FUNCTION_CEILING: "ceil",
    libsbml.AST_FUNCTION_SIN: "sin",
    libsbml.AST_FUNCTION_COS: "cos",
    libsbml.AST_FUNCTION_TAN: "tan",
    libsbml.AST_FUNCTION_SINH: "sinh",
    libsbml.AST_FUNCTION_COSH: "cosh",
    libsbml.AST_FUNCTION_TANH: "tanh",
    libsbml.AST_FUNCTION_FACTORIAL: "factorial",
}
