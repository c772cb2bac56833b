"""Networks as plain data (what JSON can hold), and back without loss.

Trees of propensities are listed node by node, each after its arguments and shared ones once. A text would have to
be parsed again, and a parser may build another tree for the same mathematics; the list gives back the very
same tree. Reading looks every node up in a table of the known ones: nothing is evaluated.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any

import sympy
from sympy.functions.elementary.piecewise import ExprCondPair

from fsp.errors import FSPError, ModelError
from fsp.model import trees
from fsp.model.equations import Reaction
from fsp.model.events import Event
from fsp.model.network import ReactionNetwork
from fsp.model.observables import Observable
from fsp.model.propensity import Propensity

__all__ = ["network_from_record", "network_record"]

#: Nodes without arguments that are not numbers or symbols.
_CONSTANTS: dict[str, Any] = {
    "pi": sympy.pi,
    "e": sympy.E,
    "true": sympy.true,
    "false": sympy.false,
    "nan": sympy.nan,
}


def _plain(kind: Any) -> Callable[[Sequence[Any]], Any]:
    return lambda arguments: kind(*arguments, evaluate=False)


def _as_given(kind: Any) -> Callable[[Sequence[Any]], Any]:
    # SymPy's constructors rewrite conditions even when told not to evaluate; see trees.py.
    def build(arguments: Sequence[Any]) -> Any:
        node = sympy.Basic.__new__(kind, *arguments)
        if kind in (sympy.And, sympy.Or):
            node._argset = frozenset(arguments)
        return node

    return build


#: Every node with arguments: its name in files, its class, and how it is built from arguments.
_NODES: dict[str, tuple[Any, Callable[[Sequence[Any]], Any]]] = {
    **{
        name: (kind, _plain(kind))
        for name, kind in {
            "add": sympy.Add,
            "multiply": sympy.Mul,
            "power": sympy.Pow,
            "exp": sympy.exp,
            "log": sympy.log,
            "log10": trees.Log10,
            "abs": sympy.Abs,
            "sign": sympy.sign,
            "min": sympy.Min,
            "max": sympy.Max,
            "floor": sympy.floor,
            "ceiling": sympy.ceiling,
            "sin": sympy.sin,
            "cos": sympy.cos,
            "tan": sympy.tan,
            "sinh": sympy.sinh,
            "cosh": sympy.cosh,
            "tanh": sympy.tanh,
            "factorial": sympy.factorial,
            "binomial": sympy.binomial,
            "<": sympy.StrictLessThan,
            "<=": sympy.LessThan,
            ">": sympy.StrictGreaterThan,
            ">=": sympy.GreaterThan,
            "==": sympy.Equality,
            "!=": sympy.Unequality,
            "not": sympy.Not,
        }.items()
    },
    "and": (sympy.And, _as_given(sympy.And)),
    "or": (sympy.Or, _as_given(sympy.Or)),
    "piecewise": (sympy.Piecewise, _as_given(sympy.Piecewise)),
    "branch": (ExprCondPair, lambda arguments: sympy.Tuple.__new__(ExprCondPair, *arguments)),
}
_NAMES = {kind: name for name, (kind, _) in _NODES.items()}


def network_record(network: ReactionNetwork) -> dict[str, Any]:
    """Return a network as mappings, lists, texts and numbers.

    Raises
    ------
    ModelError
        When the network holds something that a record cannot express.

    Examples
    --------
    >>> net = ReactionNetwork({"X": 0}, ["0 -> X @ k", "X -> 0 ; X/(1 + X)"], {"k": 2.0})
    >>> network_from_record(network_record(net)) == net
    True
    """
    nodes: list[list[Any]] = []
    places: dict[Any, int] = {}
    record = {
        "name": network.name,
        "source": network.source,
        "notes": network.notes,
        "species": dict(zip(network.species_names, network.initial_state.tolist(), strict=True)),
        "parameters": dict(network.parameters),
        "reactions": [
            {
                "name": r.name,
                "equation": r.text,
                "law": r.law,
                "propensity": str(r.propensity),
                "reactants": dict(r.reactants),
                "products": dict(r.products),
                "tree": _list_nodes(r.propensity.expression, nodes, places),
            }
            for r in network.reactions
        ],
        "observables": [
            {
                "name": o.name,
                "expression": str(o.function),
                "listed": o.listed,
                "tree": _list_nodes(o.function.expression, nodes, places),
            }
            for o in network.observables.values()
        ],
        "events": [_event_record(event, nodes, places) for event in network.events],
        "compartments": dict(network.compartments),
        "remarks": list(network.remarks),
        "nodes": nodes,
    }
    if network_from_record(record) != network:
        message = "the network holds something that a file cannot keep (please report this)"
        raise ModelError(message)
    return record


def _event_record(event: Event, nodes: list[list[Any]], places: dict[Any, int]) -> dict[str, Any]:
    return {
        "name": event.name,
        "text": event.text,
        "trigger": _list_nodes(event.trigger, nodes, places),
        "assignments": {n: _list_nodes(tree, nodes, places) for n, tree in event.assignments.items()},
        "priority": None if event.priority is None else _list_nodes(event.priority, nodes, places),
        "persistent": event.persistent,
        "initial_value": event.initial_value,
        "use_trigger_values": event.use_trigger_values,
    }


def _event(record: Mapping[str, Any], expressions: Sequence[Any]) -> Event:
    priority = record["priority"]
    event = Event(
        expressions[record["trigger"]],
        {name: expressions[place] for name, place in record["assignments"].items()},
        priority=None if priority is None else expressions[priority],
        persistent=record["persistent"],
        initial_value=record["initial_value"],
        use_trigger_values=record["use_trigger_values"],
        name=record["name"],
    )
    return event.printed_as(str(record["text"]))


def _list_nodes(tree: Any, nodes: list[list[Any]], places: dict[Any, int]) -> int:
    """Append the nodes of a tree that are not yet listed, arguments first; return the place of the tree."""
    if tree in places:
        return places[tree]
    if tree.args:
        if tree.func not in _NAMES:
            message = f"a file cannot keep the function {tree.func.__name__}"
            raise ModelError(message)
        node = [_NAMES[tree.func], *(_list_nodes(a, nodes, places) for a in tree.args)]
    else:
        node = _leaf(tree)
    places[tree] = len(nodes)
    nodes.append(node)
    return places[tree]


def _leaf(tree: Any) -> list[Any]:
    for name, constant in _CONSTANTS.items():
        if tree is constant:
            return ["constant", name]
    if tree.is_Symbol:
        return ["symbol", tree.name]
    if tree.is_Rational:
        return ["number", int(tree.p), int(tree.q)]
    if tree.is_Float:  # exactly: mantissa times a power of two, and the bits of its precision
        sign, mantissa, exponent, _ = tree._mpf_
        return ["float", -int(mantissa) if sign else int(mantissa), int(exponent), int(tree._prec)]
    message = f"a file cannot keep the number or constant {tree}"
    raise ModelError(message)


def network_from_record(record: Mapping[str, Any]) -> ReactionNetwork:
    """Return the network that a record describes.

    Raises
    ------
    ModelError
        When the record is incomplete, or holds what this version does not know.
    """
    try:
        expressions = _build_nodes(record["nodes"])
        species, parameters = record["species"], record["parameters"]
        reactions = [
            Reaction(
                r["name"],
                r["equation"],
                r["reactants"],
                r["products"],
                Propensity(expressions[r["tree"]], tuple(species), parameters),
                r["law"],
            )
            for r in record["reactions"]
        ]
        observables = [
            Observable(o["name"], Propensity(expressions[o["tree"]], tuple(species), parameters), o["listed"])
            for o in record["observables"]
        ]
        return ReactionNetwork(
            species,
            reactions,
            parameters,
            events=[_event(e, expressions) for e in record["events"]],
            observables=observables,
            compartments=record["compartments"],
            remarks=record["remarks"],
            name=record["name"],
            source=record["source"],
            notes=record["notes"],
        )
    except FSPError:
        raise
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        message = f"the description of the network cannot be read: {error!r}"
        raise ModelError(message) from error


def _build_nodes(nodes: Sequence[Sequence[Any]]) -> list[Any]:
    built: list[Any] = []
    for kind, *rest in nodes:
        if kind == "symbol":
            built.append(trees.symbol(rest[0]))
        elif kind == "number":
            built.append(sympy.Rational(*rest))
        elif kind == "float":
            mantissa, exponent, precision = rest
            exact = Fraction(mantissa) * Fraction(2) ** exponent
            ratio = sympy.Rational(exact.numerator, exact.denominator)
            built.append(sympy.Float(ratio, precision=precision))
        elif kind == "constant":
            built.append(_CONSTANTS[rest[0]])
        elif kind in _NODES:
            built.append(_NODES[kind][1]([built[place] for place in rest]))
        else:
            message = f"the description of the network holds '{kind}', which this version does not know"
            raise ModelError(message)
    return built
