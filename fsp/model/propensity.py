"""Propensities: what they read, their factors, dependence on time, derivatives and values."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
import sympy
from numpy.typing import NDArray

from fsp.errors import ArgumentError, ExpressionError
from fsp.model import trees
from fsp.model.canonical import Form, canonical_form
from fsp.model.evaluation import evaluate_tree
from fsp.model.evaluation_errors import evaluation_errors, may_cancel
from fsp.model.expressions import parse_condition
from fsp.model.factors import group_product, needed_symbols, product_parts
from fsp.model.names import close_matches

__all__ = ["Factor", "Predicate", "Propensity", "mass_action"]

TIME = "time"


class Factor:
    """One factor of a propensity, bound to parameter values.

    Parameters
    ----------
    expression : sympy.Expr
        The factor.
    species : tuple of str
        The species that it reads, in network order; empty for the constant factor.
    values : mapping from str to float
        Values of the parameters.
    """

    __slots__ = ("_may_cancel", "_values", "expression", "species")

    def __init__(self, expression: Any, species: tuple[str, ...], values: Mapping[str, float]) -> None:
        self.expression = expression
        self.species = species
        self._values = values
        self._may_cancel: bool | None = None

    @property
    def may_cancel(self) -> bool:
        """Whether digits may cancel in the formula."""
        if self._may_cancel is None:
            counts = frozenset(self.species)
            positive = counts | {name for name, value in self._values.items() if value >= 0}
            self._may_cancel = may_cancel(self.expression, frozenset(positive), counts)
        return self._may_cancel

    def evaluate(self, counts: Mapping[str, Any], *, dtype: Any = np.float64) -> Any:
        """Return the values, in the broadcast shape of the counts that the factor reads."""
        values = {**self._values, **{name: counts[name] for name in self.species}}
        return evaluate_tree(self.expression, values, dtype=dtype)

    def errors(self, counts: Mapping[str, Any]) -> Any:
        """Return bounds on the rounding errors of the values in extended precision."""
        values = {**self._values, **{name: counts[name] for name in self.species}}
        return evaluation_errors(self.expression, values)

    def __repr__(self) -> str:
        return f"Factor({self.expression}, species={self.species})"


class Propensity:
    """The rate at which a reaction fires, in 1 / unit of time, as a function of counts and perhaps time.

    Parameters
    ----------
    expression : sympy.Expr
        The unevaluated tree (see `fsp.model.expressions`); symbols are species, parameters and ``time``.
    species : sequence of str
        The species of the network, in order.
    values : mapping from str to float
        The parameters of the network and their values.

    Examples
    --------
    >>> from fsp.model.expressions import parse_expression
    >>> p = Propensity(parse_expression("k*X*(Y + 1)/2", ["k", "X", "Y"]), ["X", "Y"], {"k": 3.0})
    >>> p.species, p.parameters, p.depends_on_time
    (('X', 'Y'), ('k',), False)
    >>> [factor.species for factor in p.factors]
    [(), ('X',), ('Y',)]
    >>> print(p.evaluate({"X": np.array([0, 1, 2]), "Y": np.array([1, 1, 1])}))
    [0. 3. 6.]
    """

    def __init__(self, expression: Any, species: Sequence[str], values: Mapping[str, float]) -> None:
        self.expression = expression
        self._order = tuple(species)
        self._values = MappingProxyType(dict(values))
        written = {s.name for s in expression.free_symbols}
        unknown = written - set(self._order) - self._values.keys() - {TIME}
        if unknown:
            name = min(unknown)
            advice = close_matches(name, [*self._order, *self._values])
            message = f"unknown name '{name}' in '{expression}'{advice}"
            raise ExpressionError(message)
        needed = needed_symbols(expression)
        self.species = tuple(name for name in self._order if name in needed)
        self.parameters = tuple(name for name in self._values if name in written)
        self.depends_on_time = TIME in needed
        self._idle = dict.fromkeys(written - needed, 1.0)  # names without influence: any value serves

    @property
    def values(self) -> Mapping[str, float]:
        """The parameters of the network and their values."""
        return self._values

    @functools.cached_property
    def factors(self) -> tuple[Factor, ...]:
        """Factors whose product is the propensity, one per group of species.

        Numbers and parameters are folded into one factor with ``species == ()``, which comes first (it is
        absent when there are none). A factor that reads several species stands beside those of the single
        species.

        Raises
        ------
        ArgumentError
            If the propensity depends on time (see `split_time`).
        """
        if self.depends_on_time:
            message = (
                f"the propensity {self.expression} depends on time: only its separable parts have factors"
            )
            raise ArgumentError(message)
        return self._factorise(self.expression)

    def _factorise(self, expression: Any) -> tuple[Factor, ...]:
        values = {**self._values, **{k: v for k, v in self._idle.items() if k not in self._values}}
        parts = product_parts(expression, frozenset(self.species), values)
        grouped = group_product(parts, self.species, values)
        return tuple(Factor(tree, read, values) for read, tree in grouped)

    def evaluate(
        self, counts: Mapping[str, Any], *, time: float | None = None, dtype: Any = np.float64
    ) -> NDArray[Any]:
        """Return the propensity at each state.

        Parameters
        ----------
        counts : mapping from str to array_like
            Counts of (at least) the species that the propensity reads; arrays that broadcast against each
            other.
        time : float, optional
            Needed when the propensity depends on time.
        dtype : numpy dtype, optional
            ``numpy.float64`` or ``numpy.longdouble``.

        Returns
        -------
        numpy.ndarray
            In the broadcast shape of all the counts that were given. NaN or infinity where it is undefined:
            the caller checks (`ReactionNetwork.evaluate_propensities` does).

        Raises
        ------
        ArgumentError
            If a species that the propensity reads is missing, or the time.
        """
        missing = [name for name in self.species if name not in counts]
        if missing:
            message = f"no counts were given for the species '{missing[0]}' that {self.expression} reads"
            raise ArgumentError(message)
        if self.depends_on_time and time is None:
            message = f"the propensity {self.expression} depends on time: give the time"
            raise ArgumentError(message)
        values: dict[str, Any] = {**self._idle, **self._values}
        values.update((name, counts[name]) for name in self.species)
        if self.depends_on_time:
            values[TIME] = float(time)  # type: ignore[arg-type]
        result = evaluate_tree(self.expression, values, dtype=dtype)
        shape = np.broadcast_shapes(np.shape(result), *(np.shape(c) for c in counts.values()))
        return np.asarray(np.broadcast_to(result, shape) + np.dtype(dtype).type(0))  # no -0.0

    def split_time(self) -> tuple[Any, Any] | None:
        """Return (function of time, function of state) whose product is the propensity, or None.

        It is None where the propensity is no such product. Parameters count to the function of state.

        Examples
        --------
        >>> from fsp.model.expressions import parse_expression
        >>> Propensity(parse_expression("k*X*exp(-time)", ["k", "X", "time"]), ["X"], {"k": 1.0}).split_time()
        (exp(-time), X*k)
        """
        if not self.depends_on_time:
            return sympy.S.One, self.expression
        of_time: list[Any] = []
        of_state: list[Any] = []
        values = {**self._values, **{k: v for k, v in self._idle.items() if k not in self._values}}
        for part in product_parts(self.expression, frozenset((*self.species, TIME)), values):
            read = {s.name for s in part.free_symbols}
            if TIME in read and read & set(self.species):
                return None
            (of_time if TIME in read else of_state).append(part)
        return trees.multiply(of_time), trees.multiply(of_state)

    def derivative(self, parameter: str) -> Any:
        """Return the derivative of the expression by a parameter, a SymPy expression.

        Jumps (comparisons, floor, ceil) count as constant between the places where they jump.

        Raises
        ------
        ArgumentError
            If the network has no such parameter.
        ExpressionError
            If the derivative cannot be written down (a factorial of a parameter).
        """
        if parameter not in self._values:
            message = f"unknown parameter '{parameter}'{close_matches(parameter, self._values)}"
            raise ArgumentError(message)
        if parameter not in self.parameters:
            return sympy.S.Zero
        try:
            result = _differentiate(self.expression, trees.symbol(parameter))
        except (TypeError, ValueError, NotImplementedError, RecursionError):
            result = sympy.nan
        if result.has(sympy.nan, sympy.zoo, sympy.Derivative, sympy.Subs, sympy.polygamma, sympy.gamma):
            message = f"the derivative of {self.expression} by '{parameter}' cannot be written down"
            raise ExpressionError(message)
        return result

    def bind(self, species: Sequence[str], values: Mapping[str, float]) -> Propensity:
        """Return the propensity with the same expression in another network or at other parameter values."""
        return Propensity(self.expression, species, values)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Propensity):
            return NotImplemented
        mine = {name: self._values[name] for name in self.parameters}
        theirs = {name: other._values[name] for name in other.parameters}
        if mine != theirs:
            return False
        return bool(self.expression == other.expression) or self._form == other._form

    def __hash__(self) -> int:
        return hash(self._form)

    @functools.cached_property
    def _form(self) -> Form:
        """What equal propensities share, however they are written."""
        return canonical_form(self.expression, self._order)

    def __str__(self) -> str:
        return str(sympy.sstr(self.expression, order="none"))

    def __repr__(self) -> str:
        return f"Propensity({self.expression})"


class Predicate:
    """A condition on counts, such as ``"U*V <= 5000"``, that can be evaluated at many states at once.

    Parameters
    ----------
    text : str
        The condition.
    species : sequence of str
        The names that it may use.
    what : str, optional
        How error messages call it.

    Examples
    --------
    >>> Predicate("U > 1 and V < 3", ["U", "V"]).evaluate({"U": np.arange(4), "V": np.arange(4)}).tolist()
    [False, False, True, False]
    """

    def __init__(self, text: str, species: Sequence[str], *, what: str = "condition") -> None:
        self.text = text
        self.expression = parse_condition(text, tuple(species), what=what)
        read = {s.name for s in self.expression.free_symbols}
        self.species = tuple(name for name in species if name in read)

    def evaluate(self, counts: Mapping[str, Any]) -> NDArray[np.bool_]:
        """Return where the condition holds, in the broadcast shape of all counts that were given.

        Raises
        ------
        ExpressionError
            If the condition is undefined (0/0) at one of the states.
        """
        values = evaluate_tree(self.expression, {name: counts[name] for name in self.species})
        shape = np.broadcast_shapes(np.shape(values), *(np.shape(c) for c in counts.values()))
        values = np.array(np.broadcast_to(values, shape))
        if np.any(np.isnan(values)):
            where = np.unravel_index(int(np.argmax(np.isnan(values))), shape)
            state = {n: int(np.broadcast_to(counts[n], shape)[where]) for n in self.species}
            message = f"the condition '{self.text}' is undefined at the state {state}"
            raise ExpressionError(message)
        return np.asarray(values == 1)

    def __repr__(self) -> str:
        return f"Predicate({self.text!r})"


def mass_action(constant: Any, reactants: Mapping[str, int]) -> Any:
    """Return the mass-action propensity: the constant times the number of ways to choose the reactants.

    For ``n`` molecules of a species with count X this is X (X - 1) ... (X - n + 1) / n! (Gillespie 1976).

    Examples
    --------
    >>> mass_action(trees.symbol("k"), {"X": 1, "Y": 2})
    k*X*Y*(Y - 1)/2
    """
    factors = [constant]
    divisor = 1
    for name, order in reactants.items():
        count = trees.symbol(name)
        if order > 4:
            factors.append(trees.call("binomial", [count, sympy.Integer(order)]))
            continue
        factors.extend(trees.add([count, sympy.Integer(-i)]) if i else count for i in range(order))
        divisor *= int(np.prod(np.arange(1, order + 1)))
    if divisor > 1:
        factors.append(trees.power(sympy.Integer(divisor), sympy.S.NegativeOne))
    return trees.multiply(factors)


def _differentiate(tree: Any, symbol: Any) -> Any:
    smooth = _smooth(tree)
    real = {s: sympy.Dummy(s.name, real=True) for s in smooth.free_symbols}
    steps: dict[Any, Any] = {}
    held = smooth.replace(
        lambda node: node.func in (sympy.floor, sympy.ceiling),
        lambda node: steps.setdefault(node, sympy.Dummy(real=True)),
    )
    result = sympy.diff(held.xreplace(real), real[symbol])
    result = result.xreplace({dummy: step for step, dummy in steps.items()})
    return result.xreplace({dummy: s for s, dummy in real.items()})


def _smooth(tree: Any) -> Any:
    """Write max, min as choices, whose derivative is that of the branch."""
    if not tree.args or not tree.has(sympy.Max, sympy.Min):
        return tree
    arguments = [_smooth(argument) for argument in tree.args]
    if tree.func in (sympy.Max, sympy.Min):
        relation = ">=" if tree.func is sympy.Max else "<="
        best = arguments[0]
        for other in arguments[1:]:
            best = trees.piecewise([best, trees.compare(relation, best, other), other])
        return best
    if tree.func is sympy.Piecewise:
        return sympy.Piecewise(*((a.args[0], a.args[1]) for a in arguments), evaluate=False)
    return tree.func(*arguments)
