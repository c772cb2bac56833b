"""Networks: construction, errors, checked propensities, warnings."""

from __future__ import annotations

import numpy as np
import pytest

from fsp.errors import ArgumentError, ExpressionError, ModelError, PropensityError
from fsp.model import Reaction, ReactionNetwork
from fsp.model.equations import format_equation, parse_equation

TOGGLE = {
    "species": {"U": 0, "V": 0},
    "parameters": {"a": 100.0, "d": 1.0},
    "reactions": ["0 -> U ; a/(1 + (V/20)**2)", "U -> 0 @ d", "make: ∅ -> V ; a/(1 + (U/20)**2)", "V -> @ d"],
}


def test_attributes():
    net = ReactionNetwork(**TOGGLE)
    assert net.species_names == ("U", "V")
    assert (net.n_species, net.n_reactions) == (2, 4)
    assert net.initial_state.dtype == np.int64
    assert net.stoichiometry.tolist() == [[1, 0], [-1, 0], [0, 1], [0, -1]]
    assert net.reactants.tolist() == [[0, 0], [1, 0], [0, 0], [0, 1]]
    assert [r.name for r in net.reactions] == ["R1", "R2", "make", "R4"]
    assert [r.text for r in net.reactions] == ["0 -> U", "U -> 0", "∅ -> V", "V ->"]
    assert not net.depends_on_time
    with pytest.raises(TypeError):
        net.parameters["a"] = 3.0
    with pytest.raises(ValueError, match="read-only"):
        net.stoichiometry[0, 0] = 5


def test_repr_is_readable():
    text = repr(ReactionNetwork(**TOGGLE, name="toggle"))
    for part in (
        "'toggle'",
        "2 species, 4 reactions",
        "U = 0",
        "a = 100",
        "make: ∅ -> V ; a/(1 + (U/20)**2)",
        "U -> 0 @ d",
    ):
        assert part in text


def test_equality_and_hash():
    net = ReactionNetwork(**TOGGLE)
    assert net == ReactionNetwork(**TOGGLE)
    assert hash(net) == hash(ReactionNetwork(**TOGGLE))
    assert net != net.with_parameters(a=50)
    assert net != net.with_initial(U=1)
    assert net != "net"


def test_with_parameters_and_initial():
    net = ReactionNetwork(**TOGGLE)
    changed = net.with_parameters(a=10).with_initial(V=20)
    assert changed.evaluate_propensities([[0, 20]]).tolist() == [[5.0, 0.0, 10.0, 20.0]]
    assert net.parameters["a"] == 100
    assert changed.initial_state.tolist() == [0, 20]
    with pytest.raises(ModelError, match=r"unknown parameter 'A'.*'a'"):
        net.with_parameters(A=1)
    with pytest.raises(ModelError, match="unknown species 'W'"):
        net.with_initial(W=1)
    with pytest.raises(ModelError, match="finite"):
        net.with_parameters(a=float("nan"))
    with pytest.raises(PropensityError, match="rate constant"):
        net.with_parameters(d=-1)


def test_catalysts_and_mass_action():
    net = ReactionNetwork({"A": 5, "B": 3, "C": 1}, ["2A + B -> B + 3*C @ k/2", "A + A -> C @ 1"], {"k": 4.0})
    assert net.stoichiometry.tolist() == [[-2, 0, 3], [-2, 0, 1]]
    assert net.reactants.tolist() == [[2, 1, 0], [2, 0, 0]]
    assert net.evaluate_propensities([[5, 3, 1]]).tolist() == [[2 * 10 * 3, 10]]


def test_reactions_can_be_objects():
    net = ReactionNetwork(**TOGGLE)
    again = ReactionNetwork(TOGGLE["species"], net.reactions, {**TOGGLE["parameters"], "a": 10.0})
    assert again == net.with_parameters(a=10)
    reaction = Reaction("", "U -> W", {"U": 1}, {"W": 1}, net.propensities[0])
    with pytest.raises(ModelError, match="unknown species 'W'"):
        ReactionNetwork(TOGGLE["species"], [reaction], TOGGLE["parameters"])


S = {"X": 1}
BAD = [
    (({}, ["X -> 0 @ 1"]), ModelError, "no species"),
    ((S, []), ModelError, "no reactions"),
    (([("X", 1)], ["X -> 0 @ 1"]), ModelError, "mapping"),
    ((S, "X -> 0 @ 1"), ModelError, "must be a list"),
    ((S, [5]), ModelError, "must be a text"),
    (({"X": -1}, ["X -> 0 @ 1"]), ModelError, "initial count of species 'X' is -1"),
    (({"X": 1.5}, ["X -> 0 @ 1"]), ModelError, "whole number"),
    (({"X": float("nan")}, ["X -> 0 @ 1"]), ModelError, "whole number"),
    (({"X": "3"}, ["X -> 0 @ 1"]), ModelError, "whole number"),
    (({"X": True}, ["X -> 0 @ 1"]), ModelError, "whole number"),
    (({"X": 2**63}, ["X -> 0 @ 1"]), ModelError, "below 2\\^62"),
    (({"X": 10**400}, ["X -> 0 @ 1"]), ModelError, "whole number"),
    ((S, ["X -> 0 @ k"], {"k": 10**400}), ModelError, "finite number"),
    (({"X Y": 1}, ["0 -> 0 @ 1"]), ModelError, "is not a name"),
    (({"time": 1}, ["time -> 0 @ 1"]), ModelError, "reserved"),
    (({"not": 1}, ["0 -> 0 @ 1"]), ModelError, "reserved"),
    ((S, ["X -> 0 @ k"], {"k": float("inf")}), ModelError, "parameter 'k'"),
    ((S, ["X -> 0 @ k"], {"k": "1"}), ModelError, "parameter 'k'"),
    ((S, ["X -> 0 @ 1"], {"X": 1.0}), ModelError, "species and of a parameter"),
    ((S, ["X -> 0 @ 1"], [1]), ModelError, "parameters must be a mapping"),
    ((S, ["X -> Z @ 1"]), ModelError, "unknown species 'Z'"),
    (({"Prot": 1}, ["Prto -> 0 @ 1"]), ModelError, "did you mean 'Prot'"),
    ((S, ["X -> 0"]), ModelError, "no propensity"),
    ((S, ["X -> 0 @"]), ModelError, "nothing after '@'"),
    ((S, ["X -> 0 @ 1 ; 2"]), ModelError, "more than one"),
    ((S, ["X @ 1"]), ModelError, "one '->'"),
    ((S, ["X -> X -> X @ 1"]), ModelError, "one '->'"),
    ((S, ["X <-> 0 @ 1"]), ModelError, "two reactions"),
    ((S, ["X <=> 0 @ 1"]), ModelError, "two reactions"),
    ((S, ["X => 0 @ 1"]), ModelError, "write '->'"),
    ((S, ["1.5 X -> 0 @ 1"]), ModelError, "whole number before it"),
    ((S, ["0 X -> 0 @ 1"]), ModelError, "between 1 and"),
    ((S, ["99999999 X -> 0 @ 1"]), ModelError, "between 1 and"),
    ((S, ["X + + X -> 0 @ 1"]), ModelError, "whole number before it"),
    ((S, [": X -> 0 @ 1"]), ModelError, "name before ':'"),
    ((S, ["a: X -> 0 @ 1", "a: 0 -> X @ 1"]), ModelError, "two reactions are called 'a'"),
    (
        (S, ["X -> 0 @ k"]),
        ExpressionError,
        "unknown name 'k' at position 1 of rate constant of reaction 'R1'",
    ),
    ((S, ["X -> 0 ; Y*2"]), ExpressionError, "unknown name 'Y'"),
    ((S, ["X -> 0 @ X"]), ModelError, "reads the species 'X'"),
    ((S, ["X -> 0 @ -1"]), PropensityError, "finite and not negative"),
    ((S, ["X -> 0 @ 1/0"]), PropensityError, "finite and not negative"),
    ((S, ["X -> 0 ; __import__('os')"]), ExpressionError, "__import__"),
]


@pytest.mark.parametrize(("arguments", "kind", "problem"), BAD, ids=[p for _, _, p in BAD])
def test_bad_networks(arguments, kind, problem):
    with pytest.raises(kind, match=problem):
        ReactionNetwork(*arguments)


def test_bad_values_name_reaction_and_state():
    net = ReactionNetwork({"X": 2}, ["X -> 0 ; 1/X", "0 -> X ; X - 3"])
    with pytest.raises(
        PropensityError, match=r"R1: X -> 0 ; 1/X' is not finite at the state \{'X': 0\}: inf"
    ):
        net.evaluate_propensities([[5], [0]])
    with pytest.raises(PropensityError, match=r"R2.*is negative at the state \{'X': 1\}: -2"):
        net.evaluate_propensities([[4], [1]])
    with pytest.raises(PropensityError, match=r"R1.*\{'X': 1\}, where firing would make 'X' negative"):
        ReactionNetwork({"X": 2}, ["2 X -> 0 ; X"]).evaluate_propensities([[1]])
    assert ReactionNetwork({"X": 2}, ["2 X -> 0 ; X*(X - 1)"]).evaluate_propensities([[1], [0]]).tolist() == [
        [0],
        [0],
    ]


def test_states_are_checked():
    net = ReactionNetwork(**TOGGLE)
    assert net.evaluate_propensities([1, 2]).shape == (1, 4)
    assert net.evaluate_propensities(np.zeros((0, 2), dtype=int)).shape == (0, 4)
    for states in ([[1.5, 2.0]], [[1, 2, 3]], [[[1, 2]]]):
        with pytest.raises(ArgumentError, match="shape"):
            net.evaluate_propensities(states)
    with pytest.raises(ArgumentError, match="must not be negative"):
        net.evaluate_propensities([[1, -2]])


def test_time():
    net = ReactionNetwork({"X": 1}, ["X -> 0 @ k*time", "0 -> X ; 2"], {"k": 2.0})
    assert net.depends_on_time
    assert net.evaluate_propensities([[3]], time=1.5).tolist() == [[9, 2]]
    with pytest.raises(ArgumentError, match="give the time"):
        net.evaluate_propensities([[3]])


def test_warnings():
    assert ReactionNetwork(**TOGGLE).check() == []
    net = ReactionNetwork(
        {"X": 0, "Y": 1, "Z": 5}, ["X -> X ; 1", "2 Y -> 0 ; k*Y", "0 -> X ; 1/X"], {"k": 1.0, "unused": 2.0}
    )
    found = "\n".join(net.check())
    for part in (
        "'unused' is not used",
        "'Z' takes part in no reaction",
        "changes no count",
        "initial state",
        "does not suffice",
    ):
        assert part in found


def test_species_index():
    net = ReactionNetwork(**TOGGLE)
    assert net.species_index("V") == 1
    with pytest.raises(ArgumentError, match=r"unknown species 'v'.*'V'"):
        net.species_index("v")


def test_equations():
    equation = parse_equation(" a b : A+2 B->3*C;x ", ["A", "B", "C"], "R1")
    assert (equation.name, equation.mass_action) == ("a b", False)
    assert (equation.reactants, equation.products) == ({"A": 1, "B": 2}, {"C": 3})
    assert format_equation(equation.reactants, equation.products) == "A + 2 B -> 3 C"


def test_names_of_every_kind():
    net = ReactionNetwork(
        {"S": 1, "E": 2, "lambda": 3, "λ": 4}, ["S + E -> lambda + λ @ I*N"], {"I": 2.0, "N": 1.0}
    )
    assert net.evaluate_propensities([[1, 2, 3, 4]]).tolist() == [[4.0]]


def test_a_large_network_is_built():
    n = 200
    species = {f"A{i}": i for i in range(n)}
    reactions = [f"A{i} -> A{i + 1} @ d" for i in range(n - 1)] + [
        f"A{i + 1} -> A{i} @ d" for i in range(n - 1)
    ]
    net = ReactionNetwork(species, reactions, {"d": 1.0})
    laws = net.conservation_laws()
    assert len(laws) == 1
    assert laws.totals.tolist() == [n * (n - 1) // 2]
