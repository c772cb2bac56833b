"""Events the slow and obvious way: state by state in plain Python, for comparison. Shares no code with the package."""

from __future__ import annotations

import itertools
import math
import operator
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from hypothesis import strategies as st
from scipy.linalg import expm

import fsp

__all__ = ["Ambiguous", "PlainEvent", "PlainModel", "plain_models", "reference"]

State = tuple[int, ...]
OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    ">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le, "==": operator.eq, "!=": operator.ne,
}  # fmt: skip
LARGEST = 4
NAMES = ("A", "B")


class Ambiguous(Exception):
    """The result depends on the order of events, or they do not end."""


@dataclass(frozen=True)
class Moment:
    """The time ``t``, or just after it."""

    t: float
    after: bool = False

    def compare(self, op: str, c: float) -> bool:
        # "just after t" lies above t and below everything above t
        return OPERATORS[op]((self.t, 1 if self.after else 0), (c, 0))


@dataclass(frozen=True)
class Atom:
    """A comparison of a species, of the sum of all, or of time with a number."""

    what: str
    op: str
    value: float

    def holds(self, state: State, moment: Moment) -> bool:
        if self.what == "time":
            return moment.compare(self.op, self.value)
        left = sum(state) if self.what == "sum" else state[NAMES.index(self.what)]
        return OPERATORS[self.op](left, self.value)

    def text(self, names: Sequence[str]) -> str:
        left = " + ".join(names) if self.what == "sum" else self.what
        return f"{left} {self.op} {self.value}"


@dataclass(frozen=True)
class PlainEvent:
    atoms: tuple[Atom, ...]
    join: str  # "and" or "or"
    negated: bool
    assignments: tuple[tuple[str, str, Callable[[State], int]], ...]  # species, text, function
    priority: int | None
    persistent: bool
    initial_value: bool
    use_trigger_values: bool

    def true(self, state: State, moment: Moment) -> bool:
        parts = [atom.holds(state, moment) for atom in self.atoms]
        return self.negated ^ (all(parts) if self.join == "and" else any(parts))

    def text(self, names: Sequence[str]) -> str:
        trigger = f" {self.join} ".join(atom.text(names) for atom in self.atoms)
        trigger = f"not ({trigger})" if self.negated else trigger
        parts = [f"at {trigger}: " + ", ".join(f"{name} = {text}" for name, text, _ in self.assignments)]
        if self.priority is not None:
            parts.append(f"priority {self.priority}")
        parts += ["not persistent"] * (not self.persistent) + ["initially false"] * (not self.initial_value)
        parts += ["values at execution"] * (not self.use_trigger_values)
        return "; ".join(parts)


@dataclass(frozen=True)
class PlainModel:
    names: tuple[str, ...]
    initial: State
    reactions: tuple[tuple[str, State, Callable[[State], float]], ...]  # text, change, rate
    events: tuple[PlainEvent, ...] = field(default=())

    def network(self) -> fsp.ReactionNetwork:
        return fsp.ReactionNetwork(
            dict(zip(self.names, self.initial, strict=True)),
            [text for text, _, _ in self.reactions],
            events=[event.text(self.names) for event in self.events],
        )

    # -- events --------------------------------------------------------------------------------------------

    def ends(self, state: State, before: Sequence[bool], moment: Moment) -> set[State]:
        """Return all states that events can lead to, over all orders that priorities leave open."""
        found: set[State] = set()

        def go(
            state: State, true: list[bool], waiting: list[tuple[int, tuple[int, ...]]], depth: int
        ) -> None:
            if depth > 60:
                raise Ambiguous
            if not waiting:
                found.add(state)
                return
            ranks = [self.events[e].priority for e, _ in waiting]
            best = max((r for r in ranks if r is not None), default=None)
            for k, (e, noted) in enumerate(waiting):
                if ranks[k] is not None and ranks[k] != best:
                    continue
                event = self.events[e]
                values = noted if event.use_trigger_values else self.values(e, state)
                new = list(state)
                for (name, _, _), value in zip(event.assignments, values, strict=True):
                    new[self.names.index(name)] = value
                after = tuple(new)
                now = [other.true(after, moment) for other in self.events]
                rest = [w for i, w in enumerate(waiting) if i != k]
                rest = [w for w in rest if self.events[w[0]].persistent or now[w[0]]]
                fresh = [i for i in range(len(now)) if now[i] and not true[i]]
                if any(w[0] in fresh for w in rest):
                    raise Ambiguous
                go(after, now, rest + [(i, self.values(i, after)) for i in fresh], depth + 1)

        now = [event.true(state, moment) for event in self.events]
        start = [e for e in range(len(now)) if now[e] and not before[e]]
        go(state, now, [(e, self.values(e, state)) for e in start], 0)
        return found

    def values(self, e: int, state: State) -> tuple[int, ...]:
        return tuple(function(state) for _, _, function in self.events[e].assignments)

    def end(self, state: State, before: Sequence[bool], moment: Moment) -> State:
        ends = self.ends(state, before, moment)
        if len(ends) != 1:
            raise Ambiguous
        return next(iter(ends))

    def truth(self, state: State, moment: Moment) -> list[bool]:
        return [event.true(state, moment) for event in self.events]

    # -- the chain -----------------------------------------------------------------------------------------

    def states(self) -> list[State]:
        return list(itertools.product(range(LARGEST + 1), repeat=len(self.names)))

    def generator(self, moment: Moment, reached: set[State]) -> np.ndarray:
        """Return the dense generator; ``reached`` gets the closure of its own states, others have zero columns."""
        states = self.states()
        where = {state: i for i, state in enumerate(states)}
        matrix = np.zeros((len(states), len(states)))
        todo = list(reached)
        while todo:
            x = todo.pop()
            for _, change, rate in self.reactions:
                a = rate(x)
                if a == 0.0:
                    continue
                y = tuple(i + j for i, j in zip(x, change, strict=True))
                z = self.end(y, self.truth(x, moment), moment)
                matrix[where[z], where[x]] += a
                matrix[where[x], where[x]] -= a
                if z not in reached:
                    reached.add(z)
                    todo.append(z)
        return matrix


def reference(model: PlainModel, times: Sequence[float]) -> Iterator[dict[State, float]]:
    """Yield the law at each time."""
    states = model.states()
    where = {state: i for i, state in enumerate(states)}
    p = np.zeros(len(states))
    p[where[model.initial]] = 1.0
    moments = {a.value for e in model.events for a in e.atoms if a.what == "time" and a.value > 0}

    def move(p: np.ndarray, before: Callable[[State], Sequence[bool]], moment: Moment) -> np.ndarray:
        q = np.zeros_like(p)
        for state, i in where.items():
            if p[i] > 0.0:
                q[where[model.end(state, before(state), moment)]] += p[i]
        return q

    p = move(p, lambda state: [event.initial_value for event in model.events], Moment(0.0))
    if times[0] == 0.0:
        yield law(states, p)
    now = Moment(0.0, True)
    p = move(p, lambda state: model.truth(state, Moment(0.0)), now)
    for t in sorted({*times, *moments}):
        if t == 0.0 or t > max(times):
            continue
        reached = {state for state, i in where.items() if p[i] > 0.0}
        p = expm(model.generator(now, reached) * (t - now.t)) @ p
        p = np.where(p > 1e-15, p, 0.0)
        before = now
        p = move(p, lambda state, before=before: model.truth(state, before), Moment(t))
        if t in times:
            yield law(states, p)
        now = Moment(t, True)
        p = move(p, lambda state, t=t: model.truth(state, Moment(t)), now)


def law(states: Sequence[State], p: np.ndarray) -> dict[State, float]:
    return {state: float(q) for state, q in zip(states, p, strict=True) if q > 0.0}


# -- random models -----------------------------------------------------------------------------------------


def _reactions(names: tuple[str, ...]) -> list[tuple[str, State, Callable[[State], float]]]:
    found: list[tuple[str, State, Callable[[State], float]]] = []
    n = len(names)
    for i, name in enumerate(names):
        unit = tuple(int(i == j) for j in range(n))
        minus = tuple(-c for c in unit)
        found.append((f"0 -> {name} ; 1.5*({name} < {LARGEST})", unit, lambda s, i=i: 1.5 * (s[i] < LARGEST)))
        found.append((f"{name} -> 0 @ 0.5", minus, lambda s, i=i: 0.5 * s[i]))
        two = tuple(2 * c for c in unit)
        found.append(
            (f"0 -> 2 {name} ; 0.7*({name} < {LARGEST - 1})", two, lambda s, i=i: 0.7 * (s[i] < LARGEST - 1))
        )
    if n == 2:
        found.append((f"A -> B ; A*(B < {LARGEST})", (-1, 1), lambda s: float(s[0] * (s[1] < LARGEST))))
        found.append(("A + B -> 0 @ 0.3", (-1, -1), lambda s: 0.3 * s[0] * s[1]))
    return found


@st.composite
def _assignment(draw: Any, names: tuple[str, ...], target: str) -> tuple[str, str, Callable[[State], int]]:
    c = draw(st.integers(0, LARGEST))
    kind = draw(st.sampled_from(["constant", "constant", "add", "other", "halve"]))
    i, j = names.index(target), len(names) - 1 - names.index(target)
    if kind == "constant":
        return target, str(c), lambda s: c
    if kind == "add":
        return target, f"min({target} + {c}, {LARGEST})", lambda s: min(s[i] + c, LARGEST)
    if kind == "other":
        return target, f"max({names[j]} - {c}, 0)", lambda s: max(s[j] - c, 0)
    return target, f"floor({target}/2)", lambda s: math.floor(s[i] / 2)


@st.composite
def _event(draw: Any, names: tuple[str, ...]) -> PlainEvent:
    whats = draw(st.sampled_from([("time",), (*names, "sum"), (*names, "time"), (*names, "time")]))
    atoms = []
    for _ in range(draw(st.integers(1, 2))):
        what = draw(st.sampled_from(whats))
        value = draw(st.sampled_from([0.0, 0.25, 0.5, 0.75]) if what == "time" else st.integers(0, LARGEST))
        operators = [">", ">=", ">", ">=", "<", "<=", "==", "!="]
        atoms.append(Atom(what, draw(st.sampled_from(operators)), value))
    targets = draw(st.lists(st.sampled_from(names), min_size=1, unique=True))
    return PlainEvent(
        tuple(atoms),
        draw(st.sampled_from(["and", "or"])),
        draw(st.integers(0, 4)) == 0,
        tuple(draw(_assignment(names, target)) for target in targets),
        draw(st.sampled_from([None, 1, 2, 3])),
        draw(st.integers(0, 2)) > 0,
        draw(st.booleans()),
        draw(st.integers(0, 2)) > 0,
    )


@st.composite
def plain_models(draw: Any, max_events: int = 3) -> PlainModel:
    """Draw a model of one or two species that stay small, with events of every kind."""
    names = NAMES[: draw(st.integers(1, 2))]
    reactions = draw(
        st.lists(st.sampled_from(_reactions(names)), min_size=1, max_size=4, unique_by=lambda r: r[0])
    )
    events = draw(st.lists(_event(names), min_size=1, max_size=max_events))
    initial = tuple(draw(st.integers(0, LARGEST)) for _ in names)
    return PlainModel(names, initial, tuple(reactions), tuple(events))
