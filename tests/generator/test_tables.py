"""Factor tables: growing them, and propensities that are negative, undefined or too large."""

from __future__ import annotations

import numpy as np
import pytest
from random_networks import brute_force

import fsp
from fsp.errors import PropensityError, StateSpaceLimitError
from fsp.generator import FactorTables, FibreGenerator
from fsp.statespace import Coordinates, FibreSet


def generator_on(network, states, axis=None, tables=None):
    coordinates = Coordinates.of(network, axis) if tables is None else tables.coordinates
    space = FibreSet.from_states(coordinates, states)
    return FibreGenerator(tables or FactorTables(network, coordinates), space)


def grid(*sides):
    return np.array(np.meshgrid(*[np.arange(n) for n in sides])).reshape(len(sides), -1).T


NETWORK = fsp.ReactionNetwork(
    {"X": 0, "Y": 0}, ["0 -> X ; 5/(1 + Y**2)", "X -> 0 @ 1", "X + Y -> Y ; X*Y/(2 + X + Y)", "0 -> Y @ 2"]
)


@pytest.mark.parametrize("axis", [0, 1])
def test_tables_grow_and_older_generators_stay_right(axis):
    coordinates = Coordinates.of(NETWORK, axis)
    tables = FactorTables(NETWORK, coordinates)
    older = []
    for shift in (40, 30, 0, 200, 7):  # downwards, upwards, inside
        generator = generator_on(NETWORK, grid(4, 5) + shift, tables=tables)
        older.append((generator, brute_force(NETWORK, generator.space)))
        for known, brute in older:
            x = np.arange(1.0, known.n_states + 1)
            assert known.apply(x) == pytest.approx(brute.matrix @ x, rel=1e-13, abs=1e-11)
            assert known.exit_rates() == pytest.approx(brute.exit, rel=1e-14)
            assert known.outflow_rates() == pytest.approx(brute.leaving.sum(axis=1), rel=1e-14)


def test_cover_tells_whether_it_rebuilt():
    tables = FactorTables(NETWORK, Coordinates.of(NETWORK))
    low, high = np.array([3, 3]), np.array([9, 9])
    assert tables.cover(low, high)
    assert not tables.cover(low, high)
    assert not tables.cover(low + 1, high - 1)
    before = tables.high.copy()
    assert tables.cover(low, before)
    assert (tables.high > before).all()


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize(
    ("law", "state", "word"),
    [
        ("k*(4 - X)", {"X": 5}, "negative"),
        ("-k", {}, "negative"),
        ("-k*X*Y", {"X": 1, "Y": 1}, "negative"),
        ("Y*(4 - X)", {"X": 5, "Y": 1}, "negative"),
        ("1/(X - 3)**2", {"X": 3}, "not finite"),
        ("X/Y", {"Y": 0}, "not finite"),
        ("Y/X", {"X": 0}, "not finite"),
        ("X/(X + Y)", {"X": 0, "Y": 0}, "not finite"),
        ("Y*X/(X*Y)", {"X": 0}, "not finite"),
        ("log(X)**2", {"X": 0}, "not finite"),
        ("sqrt(X - 1)", {"X": 0}, "not finite"),
        ("X*Y*sqrt(4 - X - Y)", {}, "not finite"),
        ("exp(2000*X)", {"X": 1}, "not finite"),
    ],
)
def test_bad_propensities_are_refused_by_name(axis, law, state, word):
    network = fsp.ReactionNetwork(
        {"X": 1, "Y": 1}, ["0 -> X @ 1", "0 -> Y @ 1", f"danger: 0 -> 2 X + Y ; {law}"], {"k": 2.0}
    )
    with pytest.raises(PropensityError, match=f"danger.*{word} at the state") as caught:
        generator_on(network, grid(7, 7), axis)
    for name, count in state.items():
        if len(state) == 2 or word == "not finite":
            assert f"'{name}': {count}" in str(caught.value)
    # The message tells the truth about that state.
    text = str(caught.value)
    found = {n: int(text.split(f"'{n}': ")[1].split(",")[0].split("}")[0]) for n in "XY"}
    with pytest.raises(PropensityError):
        network.evaluate_propensities([[found["X"], found["Y"]]])


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize(
    "law",
    ["k*(4 - X)", "1/(X - 9)", "k*(5 - X)*(6 - Y)", "-k*(X - 4)", "(1 - k)*(0 - X)", "X/(1 + Y)/(9 - Y)"],
)
def test_bad_propensities_outside_the_set_do_not_matter(axis, law):
    if law == "1/(X - 9)":
        law = "1/(9 - X)"
    network = fsp.ReactionNetwork(
        {"X": 1, "Y": 1}, ["0 -> X @ 1", "0 -> Y @ 1", f"0 -> 2 X + Y ; {law}"], {"k": 2.0}
    )
    generator = generator_on(network, grid(5, 6), axis)
    brute = brute_force(network, generator.space)
    x = np.random.default_rng(0).random(generator.n_states)
    assert generator.apply(x) == pytest.approx(brute.matrix @ x, rel=1e-12, abs=1e-12)
    assert generator.exit_rates() == pytest.approx(brute.exit, rel=1e-14)


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("law", ["2*X", "X + Y", "piecewise(1, X == 0, 0)"])
def test_counts_that_would_become_negative(axis, law):
    network = fsp.ReactionNetwork({"X": 1, "Y": 1}, ["0 -> X @ 1", "0 -> Y @ 1", f"thief: 2 X -> Y ; {law}"])
    with pytest.raises(PropensityError, match=r"thief.*would make 'X' negative"):
        generator_on(network, grid(3, 3), axis)


def test_a_conserved_species_that_would_become_negative():
    network = fsp.ReactionNetwork({"A": 2, "B": 0}, ["thief: A -> B ; 1", "B -> A @ 1"])
    with pytest.raises(PropensityError, match=r"thief.*'A': 0.*would make 'A' negative"):
        generator_on(network, [[0, 2], [1, 1], [2, 0]])


def test_a_table_that_would_fill_the_memory_is_refused():
    network = fsp.ReactionNetwork(
        {"X": 1, "Y": 1, "Z": 0}, ["0 -> X ; 1/(1 + X + Y + Z)", "0 -> Y @ 1", "0 -> Z @ 1"]
    )
    with pytest.raises(StateSpaceLimitError, match="X, Y, Z|couples"):
        generator_on(network, [[0, 0, 0], [5000, 5000, 5000]])


def test_products_of_factors_that_change_sign_together():
    """Each factor is negative, their product is not: refused with advice, and right if the advice is taken."""
    network = fsp.ReactionNetwork(
        {"X": 1, "Y": 1}, ["0 -> X @ 1", "0 -> Y @ 1", "0 -> 2 X + Y ; (X - 3)*(Y - 3)"]
    )
    states = [[0, 0], [1, 2], [3, 0], [5, 4]]
    with pytest.raises(PropensityError, match=r"0 -> 2 X \+ Y.*write it as max"):
        generator_on(network, states)
    expanded = fsp.ReactionNetwork(
        {"X": 1, "Y": 1}, ["0 -> X @ 1", "0 -> Y @ 1", "0 -> 2 X + Y ; max(0, (X - 3)*(Y - 3))"]
    )
    generator = generator_on(expanded, states)
    brute = brute_force(network, generator.space)
    assert generator.exit_rates() == pytest.approx(brute.exit, rel=1e-14)
