"""State sets against Python sets of tuples."""

from __future__ import annotations

import contextlib
import functools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fsp
from fsp.statespace import Coordinates, FibreSet, orientation
from fsp.statespace.fibres import sort_fibres

FEW = settings(max_examples=60)


@functools.cache
def lattice(n_species: int, axis: int | None = None) -> Coordinates:
    names = "ABCD"[:n_species]
    network = fsp.ReactionNetwork(dict.fromkeys(names, 0), [f"0 -> {name} @ 1" for name in names])
    return Coordinates.of(network, axis)


@st.composite
def problems(draw: Any, sets: int = 1) -> tuple[Any, ...]:
    """Draw coordinates and sets of states on them."""
    n = draw(st.integers(1, 4))
    coordinates = lattice(n, draw(st.integers(0, n - 1)))
    high = {1: 40, 2: 8, 3: 4, 4: 3}[n]
    state = st.tuples(*[st.integers(0, high)] * n)
    return coordinates, *(draw(st.sets(state, max_size=60)) for _ in range(sets))


def make(coordinates: Coordinates, states: set[tuple[int, ...]]) -> FibreSet:
    return FibreSet.from_states(
        coordinates, np.array(sorted(states), np.int64).reshape(len(states), coordinates.n_axes)
    )


def in_order(coordinates: Coordinates, states: set[tuple[int, ...]]) -> list[tuple[int, ...]]:
    return sorted(states, key=lambda state: tuple(state[a] for a in coordinates.axes))


def check_invariants(space: FibreSet) -> None:
    """Sorted, disjoint, maximal, not empty, and numbered without gaps."""
    assert (space.length > 0).all()
    assert space.prefix.shape == (space.n_fibres, space.coordinates.n_axes - 1)
    assert space.offset.tolist() == np.concatenate([[0], np.cumsum(space.length)]).tolist()
    assert all(a.dtype == np.int64 for a in (space.prefix, space.first, space.length, space.offset))
    rows = [
        (*prefix, first) for prefix, first in zip(space.prefix.tolist(), space.first.tolist(), strict=True)
    ]
    assert rows == sorted(rows)
    for i in range(1, space.n_fibres):
        if rows[i][:-1] == rows[i - 1][:-1]:
            assert rows[i][-1] > rows[i - 1][-1] + space.length[i - 1]


def check(space: FibreSet, expected: set[tuple[int, ...]]) -> None:
    check_invariants(space)
    assert space.n_states == len(expected)
    assert [tuple(s) for s in space.states().tolist()] == in_order(space.coordinates, expected)


def test_the_invariants_catch_fibres_that_are_not_maximal():
    c = lattice(2)
    prefix, ones = np.zeros((2, 1), np.int64), np.ones(2, np.int64)
    with pytest.raises(AssertionError):
        check_invariants(FibreSet(c, prefix, np.array([3, 4]), ones))
    with pytest.raises(AssertionError):
        check_invariants(FibreSet(c, prefix, np.array([5, 3]), ones))
    with pytest.raises(AssertionError):
        check_invariants(FibreSet(c, prefix, np.array([3, 7]), np.array([1, 0])))


@FEW
@given(problems())
def test_states_and_index(problem):
    coordinates, states = problem
    space = make(coordinates, states)
    check(space, states)
    listed = in_order(coordinates, states)
    if listed:
        assert space.index(listed).tolist() == list(range(len(listed)))
        low, high = space.box()
        reduced = np.array(listed)[:, list(coordinates.axes)]
        assert low.tolist() == reduced.min(axis=0).tolist()
        assert high.tolist() == reduced.max(axis=0).tolist()
    n = len(space.species_names)
    probes = np.array(np.meshgrid(*[np.arange(-1, 5)] * n)).reshape(n, -1).T
    expected = [listed.index(tuple(p)) if tuple(p) in states else -1 for p in probes.tolist()]
    assert space.index(probes).tolist() == expected


@FEW
@given(problems(), st.data())
def test_slices_of_states(problem, data):
    coordinates, states = problem
    space = make(coordinates, states)
    listed = in_order(coordinates, states)
    a = data.draw(st.integers(0, len(listed)))
    b = data.draw(st.integers(0, len(listed) + 3))
    assert [tuple(s) for s in space.states(a, b).tolist()] == listed[a:b]
    for s in range(len(space.species_names)):
        assert space.counts(s, a, b).tolist() == [state[s] for state in listed[a:b]]


@FEW
@given(problems(2))
def test_union_and_intersection(problem):
    coordinates, a, b = problem
    first, second = make(coordinates, a), make(coordinates, b)
    check(first.union(second), a | b)
    check(first.intersection(second), a & b)
    check(first.union(first), a)
    check(first.intersection(first), a)


@FEW
@given(problems(), st.integers(0, 5))
def test_bridged(problem, gap):
    coordinates, states = problem
    axis = coordinates.axes[-1]
    expected = set(states)
    for a in states:
        for b in states:
            same_line = all(a[i] == b[i] for i in range(len(a)) if i != axis)
            if same_line and a[axis] < b[axis] <= a[axis] + gap + 1:
                expected |= {(*a[:axis], v, *a[axis + 1 :]) for v in range(a[axis], b[axis])}
    check(make(coordinates, states).bridged(gap), expected)


@FEW
@given(problems(), st.data())
def test_where(problem, data):
    coordinates, states = problem
    space = make(coordinates, states)
    keep = np.array(data.draw(st.lists(st.booleans(), min_size=len(states), max_size=len(states))), bool)
    listed = in_order(coordinates, states)
    check(space.where(keep), {s for s, k in zip(listed, keep, strict=True) if k})
    check(space.where(np.ones(len(states), bool)), states)
    check(space.where(np.zeros(len(states), bool)), set())


@FEW
@given(problems(2), st.integers(0, 2**32 - 1))
def test_transfer(problem, seed):
    coordinates, a, b = problem
    source, target = make(coordinates, a), make(coordinates, b)
    vector = np.random.default_rng(seed).random(len(a))
    moved, lost = source.transfer(vector, target)
    values = dict(zip(in_order(coordinates, a), vector.tolist(), strict=True))
    assert moved.tolist() == [values.get(s, 0.0) for s in in_order(coordinates, b)]
    assert lost == pytest.approx(sum(v for s, v in values.items() if s not in b), rel=1e-13, abs=1e-15)
    back, _ = target.transfer(moved, source)
    assert back.tolist() == [values[s] if s in b else 0.0 for s in in_order(coordinates, a)]


@FEW
@given(problems(2), st.integers(0, 2**32 - 1))
def test_spread_over_a_larger_set(problem, seed):
    coordinates, a, b = problem
    source, target = make(coordinates, a), make(coordinates, a | b)
    vector = np.random.default_rng(seed).random(len(a))
    memory = np.full(len(a | b), np.nan)
    memory[: len(a)] = vector
    source.spread(memory, target)
    assert memory.tolist() == source.transfer(vector, target)[0].tolist()


@FEW
@given(problems(2))
def test_control_a_set_that_does_not_hold_all_states(problem):
    coordinates, a, b = problem
    source, target = make(coordinates, a), make(coordinates, b)
    memory = np.arange(float(max(len(a), len(b))))
    before = memory.copy()
    with contextlib.nullcontext() if a <= b else pytest.raises(fsp.FSPError, match="holds all states"):
        source.spread(memory, target)
    if not a <= b:
        assert memory.tolist() == before.tolist()


@FEW
@given(problems(), st.integers(0, 3))
def test_reordered(problem, axis):
    coordinates, states = problem
    space = make(coordinates, states)
    other = lattice(coordinates.n_axes, axis % coordinates.n_axes)
    moved, old = space.reordered(other)
    check(moved, states)
    assert moved.states().tolist() == space.states()[old].tolist()
    with (
        pytest.raises(fsp.FSPError, match="axes")
        if other.axes != coordinates.axes
        else contextlib.nullcontext()
    ):
        space.union(moved)


@FEW
@given(problems(), st.integers(0, 3), st.integers(1, 7))
def test_enumerated_anew_piece_by_piece(problem, axis, piece):
    coordinates, states = problem
    space = make(coordinates, states)
    other = lattice(coordinates.n_axes, axis % coordinates.n_axes)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(orientation, "PIECE", piece)
        moved = orientation.enumerated_by(other, space)
    assert moved.states().tolist() == space.reordered(other)[0].states().tolist()


@FEW
@given(st.data())
def test_intervals_in_any_order(data):
    """Overlapping, touching, empty and repeated intervals."""
    n = data.draw(st.integers(1, 3))
    coordinates = lattice(n)
    interval = st.tuples(*[st.integers(0, 3)] * (n - 1), st.integers(0, 12), st.integers(0, 5))
    rows = data.draw(st.lists(interval, max_size=25))
    table = np.array(rows, np.int64).reshape(len(rows), n + 1)
    space = FibreSet.from_intervals(
        coordinates, table[:, : n - 1], table[:, n - 1], table[:, n - 1] + table[:, n]
    )
    expected = {(*row[:-2], v) for row in rows for v in range(row[-2], row[-2] + row[-1])}
    axes = coordinates.axes
    check(space, {tuple(s[axes.index(k)] for k in range(n)) for s in expected})


def test_duplicates_count_once():
    check(FibreSet.from_states(lattice(2), [[1, 1], [0, 1], [1, 1]]), {(1, 1), (0, 1)})


def test_one_state_and_no_state():
    space = make(lattice(3), {(1, 2, 3)})
    assert (space.n_states, space.n_fibres) == (1, 1)
    empty = space.where(np.zeros(1, bool))
    assert (empty.n_states, empty.n_fibres) == (0, 0)
    assert empty.states().shape == (0, 3)
    assert empty.index([[1, 2, 3]]).tolist() == [-1]
    check(empty.union(space), {(1, 2, 3)})
    check(space.union(empty), {(1, 2, 3)})
    check(space.intersection(empty), set())
    check(empty.intersection(space), set())
    moved, lost = space.transfer(np.array([0.25]), empty)
    assert (moved.size, lost) == (0, 0.25)
    moved, lost = empty.transfer(np.zeros(0), space)
    assert (moved.tolist(), lost) == ([0.0], 0.0)


def test_sorting_of_counts_too_large_for_one_key():
    """Four axes of 2**40 need more than the 62 bits of one sort key."""
    random = np.random.default_rng(7)
    rows = random.integers(0, 2**40, size=(300, 4))
    rows[100:200, :3] = rows[:100, :3]  # shared prefixes
    rows[200:250] = rows[:50]
    rows[250:, :] = rows[:50, :] + [0, 0, 0, 1]
    space = FibreSet.from_states(lattice(4), rows)
    check(space, {tuple(r) for r in rows.tolist()})
    assert space.index(rows).min() >= 0
    prefix, first, length = sort_fibres(rows[:, :3].copy(), rows[:, 3].copy(), rows[:, 3] + 2)
    assert [(*p, f) for p, f in zip(prefix.tolist(), first.tolist(), strict=True)] == sorted(
        (*p, f) for p, f in zip(prefix.tolist(), first.tolist(), strict=True)
    )
    assert length.min() >= 2


def test_memory_is_that_of_the_fibres():
    space = FibreSet.from_intervals(
        lattice(2), np.arange(10)[:, None], np.zeros(10, np.int64), np.full(10, 10**9)
    )
    assert space.n_states == 10**10
    assert space.nbytes < 1000
    assert space.index([[3, 10**9 - 1], [3, 10**9]]).tolist() == [4 * 10**9 - 1, -1]
    assert space.states(4 * 10**9 - 1, 4 * 10**9 + 1).tolist() == [[3, 10**9 - 1], [4, 0]]


def test_other_conserved_totals_are_refused():
    network = fsp.ReactionNetwork({"A": 3, "B": 0}, ["A -> B @ 1", "B -> A @ 1"])
    coordinates = Coordinates.of(network)
    with pytest.raises(fsp.FSPError, match=r"\{'A': 2, 'B': 2\}.*conserved totals"):
        FibreSet.from_states(coordinates, [[3, 0], [2, 2]])
    space = FibreSet.from_states(coordinates, [[3, 0], [2, 1]])
    assert space.index([[3, 0], [2, 2], [2, 1]]).tolist().count(-1) == 1
