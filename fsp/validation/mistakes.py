"""Networks as a simulator with a known mistake simulates them, to be solved exactly."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fsp.errors import FSPError
from fsp.model import trees
from fsp.model.equations import Reaction
from fsp.model.events import Event
from fsp.model.network import ReactionNetwork
from fsp.model.propensity import Propensity

__all__ = ["Mistake", "changed_network", "find_mistakes"]

Tree = Any


@dataclass(frozen=True, eq=False)
class Mistake:
    """A hypothesis: one kind of mistake at one place.

    Attributes
    ----------
    kind : str
        ``"square"``, ``"rate"``, ``"net"``, ``"volume"``, ``"event"``, ``"initial"`` or ``"stale"``.
    text : str
        What is said when it is found; ``{value}`` stands for the parameter.
    network : callable
        From the parameter to the network, or None where there is none.
    values : tuple of float
        Values of the parameter to begin with; one 0.0 if there is none.
    search : str
        How the parameter is fitted: ``""`` not at all, ``"scale"`` by factors, ``"shift"`` in time, ``"count"`` over
        whole numbers.
    names : mapping from float to str
        Texts for values that have a name of their own.
    """

    kind: str
    text: str
    network: Callable[[float], ReactionNetwork]
    values: tuple[float, ...] = (0.0,)
    search: str = ""
    names: Mapping[float, str] | None = None

    def describe(self, value: float) -> str:
        """Return the text for a value of the parameter."""
        if self.names is not None and value in self.names:
            return self.names[value]
        return self.text.format(value=f"{value:.4g}")


def changed_network(
    network: ReactionNetwork,
    *,
    propensities: Mapping[int, Tree] | None = None,
    counts: Mapping[str, int] | None = None,
    events: Sequence[Event] | None = None,
) -> ReactionNetwork:
    """Return a network with some propensities, initial counts or events in the place of its own."""
    reactions = []
    for r, reaction in enumerate(network.reactions):
        tree = (propensities or {}).get(r, reaction.propensity.expression)
        propensity = Propensity(tree, network.species_names, network.parameters)
        reactions.append(
            Reaction(reaction.name, reaction.text, reaction.reactants, reaction.products, propensity)
        )
    start = dict(zip(network.species_names, network.initial_state.tolist(), strict=True))
    return ReactionNetwork(
        {**start, **(counts or {})},
        reactions,
        network.parameters,
        events=network.events if events is None else events,
        observables=network.observables.values(),
    )


def find_mistakes(network: ReactionNetwork, times: Sequence[float]) -> list[Mistake]:
    """Return all hypotheses that apply to a network, those without a fitted parameter first.

    Parameters
    ----------
    network : ReactionNetwork
    times : sequence of float
        Those of the samples, ascending.
    """
    families = (_squares, _nets, _rates, _volumes, _initials, lambda n: _events(n, times))
    return [mistake for family in families for mistake in family(network)]


def _scaled(tree: Tree, factor: float) -> Tree:
    return trees.multiply([trees.number(float(factor)), tree])


def _squares(network: ReactionNetwork) -> Iterator[Mistake]:
    """Yield ``k n n`` in the place of ``k n (n - 1)``, where molecules of one kind react with one another.

    A reaction still needs its molecules: a simulator that went on would show negative counts.
    """
    for r, reaction in enumerate(network.reactions):
        tree = reaction.propensity.expression
        for species, order in reaction.reactants.items():
            count = trees.symbol(species)
            falling = {trees.add([count, trees.number(-i)]): count for i in range(1, order)}
            falling |= {count - i: count for i in range(1, order)}
            wrong = tree.xreplace(falling)
            if order < 2 or wrong == tree:
                continue
            power = {2: f"{species}*{species}", 3: f"{species}^3"}.get(order, f"{species}^{order}")
            right = "*".join([species, *(f"({species} - {i})" for i in range(1, order))])
            enough = trees.compare(">=", count, trees.number(order))
            text = f"reaction '{reaction.name}' fires at a rate with {power} where {right} is right"

            def build(
                value: float, r: int = r, wrong: Tree = wrong, enough: Tree = enough
            ) -> ReactionNetwork:
                law = trees.piecewise([_scaled(wrong, value), enough, trees.ZERO])
                return changed_network(network, propensities={r: law})

            names = {1.0: text, 2.0: f"{text}, and twice as fast", 0.5: f"{text}, and half as fast"}
            yield Mistake("square", text, build, (1.0, 2.0, 0.5), "", names)


def _rates(network: ReactionNetwork) -> Iterator[Mistake]:
    """Yield half, double, or another multiple of the rate of one reaction, or of all."""
    for r, reaction in enumerate(network.reactions):
        tree = reaction.propensity.expression

        def build(value: float, r: int = r, tree: Tree = tree) -> ReactionNetwork:
            return changed_network(network, propensities={r: _scaled(tree, value)})

        what = f"reaction '{reaction.name}' ({reaction.text})"
        names = {0.5: f"{what} fires at half of its rate", 2.0: f"{what} fires at twice its rate"}
        text = f"{what} fires at {{value}} times its rate"
        yield Mistake("rate", text, build, (0.5, 2.0), "scale", names)

    def build_all(value: float) -> ReactionNetwork:
        laws = {r: _scaled(p.expression, value) for r, p in enumerate(network.propensities)}
        return changed_network(network, propensities=laws)

    if network.n_reactions > 1:
        names = {
            0.5: "all reactions fire at half of their rates",
            2.0: "all reactions fire at twice their rates",
        }
        yield Mistake(
            "rate", "all reactions fire at {value} times their rates", build_all, (0.5, 2.0), "scale", names
        )


def _nets(network: ReactionNetwork) -> Iterator[Mistake]:
    """Yield a reaction and its reverse taken as one, at the difference of their rates."""
    changes = network.stoichiometry
    for f in range(network.n_reactions):
        for b in range(f + 1, network.n_reactions):
            if not np.array_equal(changes[f], -changes[b]) or not np.any(changes[f]):
                continue
            forward, backward = (network.propensities[r].expression for r in (f, b))
            pair = f"reactions '{network.reactions[f].name}' and '{network.reactions[b].name}'"

            def build(
                value: float, f: int = f, b: int = b, forward: Tree = forward, backward: Tree = backward
            ) -> ReactionNetwork:
                net = trees.add([forward, trees.negate(backward)])
                opposite = trees.add([backward, trees.negate(forward)])
                laws = {f: trees.call("max", [net, trees.ZERO]), b: trees.call("max", [opposite, trees.ZERO])}
                if value == 1.0:
                    laws[b] = trees.ZERO
                return changed_network(network, propensities=laws)

            names = {
                0.0: f"{pair} are taken as one, at the difference of their rates",
                1.0: f"{pair} are taken as one, at the difference of their rates, and never backward",
            }
            yield Mistake("net", names[0.0], build, (0.0, 1.0), "", names)


def _volumes(network: ReactionNetwork) -> Iterator[Mistake]:
    """Yield rates of order m multiplied by ``V^(1 - m)``: concentrations in the place of counts, or another volume."""
    orders = [sum(reaction.reactants.values()) for reaction in network.reactions]
    if all(order == 1 for order in orders):
        return

    def build(value: float) -> ReactionNetwork:
        laws = {
            r: _scaled(network.propensities[r].expression, value ** (1 - order))
            for r, order in enumerate(orders)
            if order != 1
        }
        return changed_network(network, propensities=laws)

    text = "rates are scaled with a wrong volume, {value} times the right one (order m by V^(1 - m))"
    yield Mistake("volume", text, build, (0.5, 2.0), "scale")


def _initials(network: ReactionNetwork) -> Iterator[Mistake]:
    """Yield another initial count of one species."""
    for name, count in zip(network.species_names, network.initial_state.tolist(), strict=True):

        def build(value: float, name: str = name) -> ReactionNetwork:
            return changed_network(network, counts={name: round(value)})

        values = tuple(float(v) for v in (count + 1, count - 1) if v >= 0)
        yield Mistake("initial", f"{name} begins with {{value}} in place of {count}", build, values, "count")


def _events(network: ReactionNetwork, times: Sequence[float]) -> Iterator[Mistake]:
    """Yield an event at another time or threshold, or none."""
    for e, event in enumerate(network.events):
        others = [other for k, other in enumerate(network.events) if k != e]

        def without(_: float, others: list[Event] = others) -> ReactionNetwork:
            return changed_network(network, events=others)

        yield Mistake("event", f"event '{event.name}' is never applied", without)
        timed = any(s.name == "time" for s in event.trigger.free_symbols)

        def build(value: float, e: int = e, timed: bool = timed) -> ReactionNetwork:
            events = list(network.events)
            trigger = _shift(events[e].trigger, value, timed)
            events[e] = replace(events[e], trigger=trigger)
            return changed_network(network, events=events)

        if timed:
            spacing = float(np.median(np.diff(np.append(0.0, np.asarray(times)))))
            values = tuple(k * spacing for k in (-2.0, -1.0, -0.5, 0.5, 1.0, 2.0))
            text = f"event '{event.name}' is applied {{value}} time units later (earlier if negative)"
            yield Mistake("event", text, build, values, "shift")
        else:
            text = f"event '{event.name}' is applied at a threshold that is off by {{value}}"
            yield Mistake("event", text, build, (-1.0, 1.0))


def _shift(trigger: Tree, value: float, timed: bool) -> Tree:
    """Return a trigger whose comparisons, of time or of counts, have another constant."""
    if not trigger.args:
        return trigger
    if not trigger.is_Relational:
        return trigger.func(*(_shift(part, value, timed) for part in trigger.args), evaluate=False)
    left, right = trigger.args
    reads_time = any(s.name == "time" for s in trigger.free_symbols)
    if reads_time != timed:
        return trigger
    # The side that has no time (no counts) moves.
    moved = trees.add([right, trees.number(value)])
    if timed and any(s.name == "time" for s in right.free_symbols):
        return trigger.func(trees.add([left, trees.number(value)]), right, evaluate=False)
    if not timed and right.free_symbols and not left.free_symbols:
        return trigger.func(trees.add([left, trees.number(value)]), right, evaluate=False)
    return trigger.func(left, moved, evaluate=False)


def try_network(mistake: Mistake, value: float) -> ReactionNetwork | None:
    """Return the network of a hypothesis, or None where it is no network (a negative event time, ...)."""
    try:
        return mistake.network(value)
    except FSPError:
        return None
