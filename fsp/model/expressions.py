"""Reading mathematical expressions: text -> tokens -> Python's ``ast`` -> SymPy, by allow-lists at each step.

Nothing is ever evaluated. Every name and number of the text is replaced by a placeholder before Python's
parser sees it, so keywords (``lambda``) and letters that Python would normalise can be names of species, and
numbers are read as exact decimals. One syntax serves everything: Python's, with ``^`` for powers and ``&& ||
!`` beside ``and or not``.
"""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Callable, Collection, Sequence
from typing import Any, NamedTuple, NoReturn

import sympy

from fsp.errors import ExpressionError
from fsp.model import trees
from fsp.model.names import close_matches

__all__ = ["parse_condition", "parse_expression"]

MAX_LENGTH = 100_000
MAX_PARENTHESES = 40

_TOKEN = re.compile(
    r"(?P<space>\s+)"
    r"|(?P<number>(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)"
    r"|(?P<name>[^\W\d]\w*)"
    r"|(?P<operator>\*\*|&&|\|\||<=|>=|==|!=|//|[-+*/%^(),<>!])"
)
_WORDS = frozenset({"and", "or", "not", "if", "else"})
_TRANSLATION = {"^": "**", "&&": "and", "||": "or", "!": "not"}
_CONSTANTS = {
    "pi": sympy.pi,
    "True": sympy.true,
    "False": sympy.false,
    "true": sympy.true,
    "false": sympy.false,
}
_ADVICE = {
    "=": "write '==' to compare",
    '"': "text in quotes is not allowed",
    "'": "text in quotes is not allowed",
    "&": "write 'and'",
    "|": "write 'or'",
    ".": "attribute access is not possible",
    "[": "subscripts and lists are not possible",
}
_COMPARISONS: dict[type[ast.cmpop], str] = {
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Eq: "==",
    ast.NotEq: "!=",
}
_REFUSED: dict[type[ast.AST], str] = {
    ast.Tuple: "a comma is only allowed between the arguments of a function",
    ast.Mod: "'%' is not supported (write a - b*floor(a/b))",
    ast.FloorDiv: "'//' is not supported (write floor(a/b))",
}


def parse_expression(text: str, names: Collection[str], *, what: str = "expression") -> Any:
    """Read an expression with a numeric value.

    Parameters
    ----------
    text : str
        Arithmetic ``+ - * / ** ^``, comparisons (they count as 1 or 0), ``and or not``, ``a if c else b``,
        ``piecewise(value, condition, ..., default)``, and the functions exp, log (= ln), log10, sqrt, abs,
        min, max, floor, ceil, pow, sin, cos, tan, sinh, cosh, tanh, asin, acos, atan, asinh, acosh, atanh,
        factorial, binomial; the constant pi.
    names : collection of str
        The names that may occur (species, parameters, ``time``).
    what : str, optional
        How error messages call the text.

    Returns
    -------
    sympy.Expr
        The unevaluated tree: it means what the text says, everywhere.

    Raises
    ------
    ExpressionError
        Naming the culprit and its position.

    Examples
    --------
    >>> parse_expression("a/(1 + (V/20)^2)", ["a", "V"])
    a/((V/20)**2 + 1)
    >>> parse_expression("a/W", ["a", "V"])
    Traceback (most recent call last):
    fsp.errors.ExpressionError: unknown name 'W' at position 3 of expression 'a/W' (known: V, a)
    """
    tree = _parse(text, frozenset(names), what)
    return trees.numeric(tree)


def parse_condition(text: str, names: Collection[str], *, what: str = "condition") -> Any:
    """Read a condition on counts, such as ``"U > 50 and V < 3"`` or ``"U*V <= 5000"``.

    Parameters, errors and syntax are those of `parse_expression`; the result is a SymPy condition, and a text
    with a numeric value is refused.

    Examples
    --------
    >>> parse_condition("0 < U <= 5", ["U", "V"])
    (0 < U) & (U <= 5)
    """
    tree = _parse(text, frozenset(names), what)
    if not trees.is_condition(tree):
        message = f"{what} '{_shorten(text)}' is not a condition (write a comparison, such as 'X > 5')"
        raise ExpressionError(message)
    return tree


class _Token(NamedTuple):
    kind: str  # number, name, function, word, operator
    text: str
    position: int


def _parse(text: str, names: frozenset[str], what: str) -> Any:
    if not isinstance(text, str):
        message = f"{what} must be a text, not {type(text).__name__}"
        raise ExpressionError(message)
    return _cached_parse(text, names, what)


@functools.lru_cache(maxsize=4096)
def _cached_parse(text: str, names: frozenset[str], what: str) -> Any:
    return _Reader(text, names, what).read()


def _shorten(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 80 else text[:77] + "..."


class _Reader:
    """Reads one text; keeps what is needed to say where an error is."""

    def __init__(self, text: str, names: frozenset[str], what: str) -> None:
        self.text = text
        self.names = names
        self.what = what
        self.leaves: list[_Token] = []
        self.origin: list[tuple[int, int]] = []  # (column in the placeholder text, position in the text)

    def fail(self, problem: str, position: int | None = None) -> NoReturn:
        where = "" if position is None else f" at position {position + 1}"
        message = f"{problem}{where} of {self.what} '{_shorten(self.text)}'"
        if " (did you mean " in problem or " (known: " in problem:
            head, _, advice = problem.rpartition(" (")
            message = f"{head}{where} of {self.what} '{_shorten(self.text)}' ({advice}"
        raise ExpressionError(message)

    def read(self) -> Any:
        if len(self.text) > MAX_LENGTH:
            message = f"{self.what} is {len(self.text)} characters long (at most {MAX_LENGTH} are allowed)"
            raise ExpressionError(message)
        tokens = self.tokens()
        if not tokens:
            message = f"{self.what} is empty"
            raise ExpressionError(message)
        self.check(tokens)
        prepared = self.prepare(tokens)
        try:
            parsed = ast.parse(prepared, mode="eval").body
        except SyntaxError as error:
            self.fail("it cannot be read: there is something wrong", self.position(error.offset or 1))
        except (RecursionError, MemoryError, ValueError):
            self.fail("it cannot be read: it is nested too deeply or too long")
        try:
            tree = self.walk(parsed, 0)
            trees.check_depth(tree)
        except RecursionError:
            self.fail("it cannot be read: it is nested too deeply")
        except ExpressionError as error:
            if f"of {self.what} '" in str(error):
                raise
            message = f"{error}, in {self.what} '{_shorten(self.text)}'"
            raise ExpressionError(message) from None
        return tree

    def tokens(self) -> list[_Token]:
        found: list[_Token] = []
        position = 0
        while position < len(self.text):
            match = _TOKEN.match(self.text, position)
            if match is None:
                character = self.text[position]
                advice = _ADVICE.get(character)
                self.fail(f"{character!r} is not allowed" + (f": {advice}," if advice else ""), position)
            kind, token = str(match.lastgroup), match.group()
            if kind == "name":
                kind = self.name_kind(token, position, match.end())
            if kind != "space":
                found.append(_Token(kind, token, position))
            position = match.end()
        return found

    def name_kind(self, name: str, position: int, end: int) -> str:
        if self.text[end:].lstrip()[:1] == "(" and name not in _WORDS:
            if name not in trees.FUNCTIONS:
                extra = (
                    " (to multiply, write '*')"
                    if name in self.names
                    else close_matches(name, trees.FUNCTIONS)
                )
                self.fail(f"unknown function '{name}'{extra}", position)
            return "function"
        if name in self.names or name in _CONSTANTS:
            return "name"
        if name in _WORDS:
            return "word"
        if name in trees.FUNCTIONS:
            self.fail(f"the function '{name}' needs its arguments in parentheses", position)
        if name == "time":
            self.fail("'time' is not allowed here,", position)
        self.fail(f"unknown name '{name}'{close_matches(name, self.names)}", position)

    def check(self, tokens: Sequence[_Token]) -> None:
        """Find what Python's parser would only report as a syntax error."""
        depth = 0
        for token, following in zip(tokens, [*tokens[1:], None], strict=True):
            depth += {"(": 1, ")": -1}.get(token.text, 0)
            if depth > MAX_PARENTHESES:
                self.fail(f"parentheses are nested deeper than {MAX_PARENTHESES} levels", token.position)
            if depth < 0:
                self.fail("')' without '('", token.position)
            ends = token.kind in ("number", "name") or token.text == ")"
            if following is None:
                continue
            begins = following.kind in ("number", "name", "function") or (
                following.text == "(" and token.kind != "function"
            )
            if ends and begins:
                self.fail(
                    f"there is no operator between '{token.text}' and '{following.text}'", following.position
                )
        if depth > 0:
            self.fail("'(' without ')'")

    def prepare(self, tokens: Sequence[_Token]) -> str:
        """Return text for Python's parser in which names and numbers are placeholders ``_0``, ``_1``, ..."""
        pieces: list[str] = []
        column = 0
        for token in tokens:
            piece = _TRANSLATION.get(token.text, token.text)
            if token.kind in ("number", "name", "function"):
                piece = f"_{len(self.leaves)}"
                self.leaves.append(token)
            self.origin.append((column, token.position))
            pieces.append(piece)
            column += len(piece) + 1
        return " ".join(pieces)

    def position(self, offset: int) -> int:
        inside = [position for column, position in self.origin if column <= offset - 1]
        return inside[-1] if inside else 0

    def walk(self, node: ast.AST, depth: int) -> Any:
        if depth > trees.MAX_DEPTH:
            self.fail("it cannot be read: it is nested too deeply", self.position_of(node))
        rule = _WALKERS.get(type(node))
        if rule is None:
            self.refuse(node)
        return rule(self, node, depth + 1)

    def position_of(self, node: ast.AST) -> int:
        return self.position(getattr(node, "col_offset", 0) + 1)

    def refuse(self, node: ast.AST, place: ast.AST | None = None) -> NoReturn:
        problem = _REFUSED.get(type(node), f"{type(node).__name__} is not allowed")
        self.fail(problem, self.position_of(place or node))

    def leaf(self, node: ast.Name, depth: int) -> Any:
        token = self.leaves[int(node.id[1:])]
        if token.kind == "number":
            return trees.number(token.text)
        return trees.symbol(token.text) if token.text in self.names else _CONSTANTS[token.text]

    def binary(self, node: ast.BinOp, depth: int) -> Any:
        kind = type(node.op)
        if kind is ast.Pow:
            return trees.power(self.walk(node.left, depth), self.walk(node.right, depth))
        if kind in (ast.Add, ast.Sub):
            return self.chain(node, (ast.Add, ast.Sub), trees.add, trees.negate, depth)
        if kind in (ast.Mult, ast.Div):
            return self.chain(node, (ast.Mult, ast.Div), trees.multiply, _reciprocal, depth)
        self.refuse(node.op, node)

    def chain(
        self,
        node: ast.BinOp,
        kinds: tuple[type[ast.operator], ...],
        build: Callable[[Sequence[Any]], Any],
        invert: Callable[[Any], Any],
        depth: int,
    ) -> Any:
        """Flatten ``a + b - c + ...`` without recursion, so that long sums and products are no deep trees."""
        parts: list[Any] = []
        rest: ast.AST = node
        while isinstance(rest, ast.BinOp) and isinstance(rest.op, kinds):
            part = self.walk(rest.right, depth)
            parts.append(invert(part) if type(rest.op) is kinds[1] else part)
            rest = rest.left
        parts.append(self.walk(rest, depth))
        return build(parts[::-1])

    def unary(self, node: ast.UnaryOp, depth: int) -> Any:
        operand = self.walk(node.operand, depth)
        if isinstance(node.op, ast.Not):
            return trees.negation(operand)
        if isinstance(node.op, ast.USub):
            return trees.negate(operand)
        if isinstance(node.op, ast.UAdd):
            return trees.numeric(operand)
        self.refuse(node.op, node)

    def logical(self, node: ast.BoolOp, depth: int) -> Any:
        parts = [self.walk(value, depth) for value in node.values]
        return trees.conjunction(parts) if isinstance(node.op, ast.And) else trees.disjunction(parts)

    def comparison(self, node: ast.Compare, depth: int) -> Any:
        operands = [self.walk(operand, depth) for operand in (node.left, *node.comparators)]
        parts = []
        for operator, left, right in zip(node.ops, operands[:-1], operands[1:], strict=True):
            if type(operator) not in _COMPARISONS:
                self.refuse(operator, node)
            parts.append(trees.compare(_COMPARISONS[type(operator)], left, right))
        return parts[0] if len(parts) == 1 else trees.conjunction(parts)

    def call(self, node: ast.Call, depth: int) -> Any:
        if not isinstance(node.func, ast.Name) or node.keywords:
            self.fail("only the known functions can be called", self.position_of(node))
        token = self.leaves[int(node.func.id[1:])]
        arguments = [self.walk(argument, depth) for argument in node.args]
        return trees.call(token.text, arguments)

    def choice(self, node: ast.IfExp, depth: int) -> Any:
        parts = [self.walk(part, depth) for part in (node.body, node.test, node.orelse)]
        return trees.piecewise(parts)


def _reciprocal(tree: Any) -> Any:
    return trees.power(tree, trees.MINUS_ONE)


_WALKERS: dict[type[ast.AST], Callable[[_Reader, Any, int], Any]] = {
    ast.Name: _Reader.leaf,
    ast.BinOp: _Reader.binary,
    ast.UnaryOp: _Reader.unary,
    ast.BoolOp: _Reader.logical,
    ast.Compare: _Reader.comparison,
    ast.Call: _Reader.call,
    ast.IfExp: _Reader.choice,
}
