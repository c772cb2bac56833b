"""The operators and functions of MathML, as SBML uses them, in terms of the expression language."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import libsbml
import sympy

from fsp.model import trees

__all__ = ["OPERATIONS", "Operation"]

Arguments = Sequence[Any]


class Operation(NamedTuple):
    """How to build a node, how many arguments it takes, and whether they are conditions."""

    build: Callable[[Arguments], Any]
    least: int = 1
    most: int = 1
    logical: bool = False


_MANY = sys.maxsize


def _minus(arguments: Arguments) -> Any:
    if len(arguments) == 1:
        return trees.negate(arguments[0])
    return trees.add([arguments[0], trees.negate(arguments[1])])


def _root(arguments: Arguments) -> Any:
    if len(arguments) == 1 or arguments[0] == 2:
        return trees.call("sqrt", arguments[-1:])
    return trees.power(arguments[1], trees.divide(trees.ONE, arguments[0]))


def _logarithm(arguments: Arguments) -> Any:
    if len(arguments) == 1 or arguments[0] == 10:
        return trees.call("log10", arguments[-1:])
    return trees.divide(trees.call("log", arguments[1:]), trees.call("log", arguments[:1]))


def _conjunction(arguments: Arguments) -> Any:
    return trees.conjunction(arguments) if arguments else sympy.true


def _disjunction(arguments: Arguments) -> Any:
    return trees.disjunction(arguments) if arguments else sympy.false


def _exclusive(arguments: Arguments) -> Any:
    if not arguments:
        return sympy.false
    result = trees.condition(arguments[0])
    for argument in arguments[1:]:
        result = trees.compare("!=", result, argument)
    return result


def _implies(arguments: Arguments) -> Any:
    return trees.disjunction([trees.negation(arguments[0]), arguments[1]])


def _comparison(operator: str) -> Operation:
    def build(arguments: Arguments) -> Any:
        pairs = itertools.pairwise(arguments)
        parts = [trees.compare(operator, left, right) for left, right in pairs]
        return parts[0] if len(parts) == 1 else trees.conjunction(parts)

    return Operation(build, 2, 2 if operator == "!=" else _MANY)


def _quotient(arguments: Arguments) -> Any:
    """Divide and cut off the digits behind the point, towards zero."""
    ratio = trees.divide(*arguments)
    down, up = trees.call("floor", [ratio]), trees.call("ceil", [ratio])
    return trees.piecewise([down, trees.compare(">=", ratio, trees.ZERO), up])


def _remainder(arguments: Arguments) -> Any:
    return _minus([arguments[0], trees.multiply([arguments[1], _quotient(arguments)])])


def _function(name: str) -> Operation:
    return Operation(lambda arguments: trees.call(name, arguments))


def _extremum(name: str) -> Operation:
    def build(arguments: Arguments) -> Any:
        return trees.call(name, arguments) if len(arguments) > 1 else trees.numeric(arguments[0])

    return Operation(build, 1, _MANY)


def _reciprocal_of(name: str) -> Operation:
    return Operation(lambda arguments: trees.divide(trees.ONE, trees.call(name, arguments)))


def _of_reciprocal(name: str) -> Operation:
    return Operation(lambda arguments: trees.call(name, [trees.divide(trees.ONE, arguments[0])]))


OPERATIONS: dict[int, Operation] = {
    libsbml.AST_MINUS: Operation(_minus, 1, 2),
    libsbml.AST_DIVIDE: Operation(lambda arguments: trees.divide(*arguments), 2, 2),
    libsbml.AST_POWER: Operation(lambda arguments: trees.power(*arguments), 2, 2),
    libsbml.AST_FUNCTION_POWER: Operation(lambda arguments: trees.power(*arguments), 2, 2),
    libsbml.AST_FUNCTION_ROOT: Operation(_root, 1, 2),
    libsbml.AST_FUNCTION_LOG: Operation(_logarithm, 1, 2),
    libsbml.AST_FUNCTION_PIECEWISE: Operation(
        lambda arguments: trees.piecewise(arguments, need_default=False), 1, _MANY
    ),
    libsbml.AST_FUNCTION_QUOTIENT: Operation(_quotient, 2, 2),
    libsbml.AST_FUNCTION_REM: Operation(_remainder, 2, 2),
    libsbml.AST_FUNCTION_MIN: _extremum("min"),
    libsbml.AST_FUNCTION_MAX: _extremum("max"),
    libsbml.AST_LOGICAL_AND: Operation(_conjunction, 0, _MANY, logical=True),
    libsbml.AST_LOGICAL_OR: Operation(_disjunction, 0, _MANY, logical=True),
    libsbml.AST_LOGICAL_XOR: Operation(_exclusive, 0, _MANY, logical=True),
    libsbml.AST_LOGICAL_NOT: Operation(lambda arguments: trees.negation(arguments[0]), logical=True),
    libsbml.AST_LOGICAL_IMPLIES: Operation(_implies, 2, 2, logical=True),
    libsbml.AST_RELATIONAL_EQ: _comparison("=="),
    libsbml.AST_RELATIONAL_NEQ: _comparison("!="),
    libsbml.AST_RELATIONAL_LT: _comparison("<"),
    libsbml.AST_RELATIONAL_LEQ: _comparison("<="),
    libsbml.AST_RELATIONAL_GT: _comparison(">"),
    libsbml.AST_RELATIONAL_GEQ: _comparison(">="),
    libsbml.AST_FUNCTION_EXP: _function("exp"),
    libsbml.AST_FUNCTION_LN: _function("log"),
    libsbml.AST_FUNCTION_ABS: _function("abs"),
    libsbml.AST_FUNCTION_FLOOR: _function("floor"),
    libsbml.AST_FUNCTION_CEILING: _function("ceil"),
    libsbml.AST_FUNCTION_FACTORIAL: _function("factorial"),
    libsbml.AST_FUNCTION_SIN: _function("sin"),
    libsbml.AST_FUNCTION_COS: _function("cos"),
    libsbml.AST_FUNCTION_TAN: _function("tan"),
    libsbml.AST_FUNCTION_SINH: _function("sinh"),
    libsbml.AST_FUNCTION_COSH: _function("cosh"),
    libsbml.AST_FUNCTION_TANH: _function("tanh"),
    libsbml.AST_FUNCTION_ARCSIN: _function("asin"),
    libsbml.AST_FUNCTION_ARCCOS: _function("acos"),
    libsbml.AST_FUNCTION_ARCTAN: _function("atan"),
    libsbml.AST_FUNCTION_ARCSINH: _function("asinh"),
    libsbml.AST_FUNCTION_ARCCOSH: _function("acosh"),
    libsbml.AST_FUNCTION_ARCTANH: _function("atanh"),
    libsbml.AST_FUNCTION_SEC: _reciprocal_of("cos"),
    libsbml.AST_FUNCTION_CSC: _reciprocal_of("sin"),
    libsbml.AST_FUNCTION_COT: _reciprocal_of("tan"),
    libsbml.AST_FUNCTION_SECH: _reciprocal_of("cosh"),
    libsbml.AST_FUNCTION_CSCH: _reciprocal_of("sinh"),
    libsbml.AST_FUNCTION_COTH: _reciprocal_of("tanh"),
    libsbml.AST_FUNCTION_ARCSEC: _of_reciprocal("acos"),
    libsbml.AST_FUNCTION_ARCCSC: _of_reciprocal("asin"),
    libsbml.AST_FUNCTION_ARCCOT: _of_reciprocal("atan"),
    libsbml.AST_FUNCTION_ARCSECH: _of_reciprocal("acosh"),
    libsbml.AST_FUNCTION_ARCCSCH: _of_reciprocal("asinh"),
    libsbml.AST_FUNCTION_ARCCOTH: _of_reciprocal("atanh"),
}
