"""Thermodynamics: closed forms, cycles that break detailed balance, wrong use."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fsp
from fsp.analysis.pairs import find_pairs, stoichiometric_cycles

pytestmark = pytest.mark.filterwarnings("error")

RING = ["A -> B @ p", "B -> A @ q", "B -> C @ p", "C -> B @ q", "C -> A @ p", "A -> C @ q"]


def ring(p: float, q: float, n: int = 1) -> fsp.ReactionNetwork:
    return fsp.ReactionNetwork({"A": n, "B": 0, "C": 0}, RING, {"p": p, "q": q})


@pytest.mark.parametrize("n", [1, 4])
def test_a_ring_of_three_states(n: int) -> None:
    """Affinity 3 ln(p/q); each molecule turns on average (p - q)/3 times around per unit of time and edge."""
    found = fsp.thermodynamics(ring(2.0, 0.5, n))
    assert not found.detailed_balance.holds
    (cycle,) = found.affinities
    assert cycle.affinity == pytest.approx(3 * math.log(4.0), rel=1e-12)
    assert set(cycle.pairs.values()) == {1}
    assert found.entropy_production == pytest.approx(n * 1.5 * math.log(4.0), rel=1e-10)
    for value in found.net_fluxes.values():
        assert value == pytest.approx(n * 0.5, rel=1e-10)
    assert found.complete
    assert found.irreversible == ()
    assert "no detailed balance: affinity 4.15888" in repr(found)


def test_in_equilibrium_nothing_is_produced() -> None:
    found = fsp.thermodynamics(ring(1.7, 1.7, 3))
    assert found.detailed_balance.holds
    assert found.detailed_balance.cycle.size == 0
    assert abs(found.entropy_production) <= 1e-20
    assert abs(found.affinities[0].affinity) <= 1e-12
    source, target, current = found.currents("R1 / R2")
    assert source.shape == target.shape
    assert np.abs(current).max() <= 1e-14


def test_control_a_ring_out_of_balance_by_little_is_noticed() -> None:
    network = ring(1.0, 1.0, 2)
    assert fsp.thermodynamics(network).detailed_balance.holds
    found = fsp.thermodynamics(network.with_parameters(p=1.0 + 1e-9)).detailed_balance
    assert not found.holds
    assert found.affinity == pytest.approx(3e-9, rel=1e-4)


def test_schloegl_has_balance_on_counts_but_an_affinity() -> None:
    """ln(k1 k4/(k2 k3)): the force between the two reservoirs; and entropy production is affinity times current."""
    network = fsp.gallery.schloegl()
    found = fsp.thermodynamics(network, bounds={"X": 700})
    k1, k2, k3, k4 = (network.parameters[k] for k in ("k1", "k2", "k3", "k4"))
    assert found.detailed_balance.holds
    (cycle,) = found.affinities
    assert cycle.affinity == pytest.approx(math.log(k1 * k4 / (k2 * k3)), rel=1e-11)
    assert cycle.pairs == {"R1 / R2": 1, "R3 / R4": -1}
    assert found.entropy_production == pytest.approx(cycle.affinity * found.net_fluxes["R1 / R2"], rel=1e-9)
    balanced = network.with_parameters(k4=k2 * k3 / k1)
    still = fsp.thermodynamics(balanced, bounds={"X": 1200})
    assert abs(still.affinities[0].affinity) <= 1e-11
    assert abs(still.entropy_production) <= 1e-9


def test_gene_expression_is_irreversible_and_says_which_reactions_are() -> None:
    found = fsp.thermodynamics(fsp.gallery.gene_expression(), bounds={"M": 12, "P": 60})
    assert found.entropy_production == math.inf
    assert found.irreversible == ("translate", "protein_decay")
    assert found.entropy_production_by_pair["transcribe / rna_decay"] < math.inf
    assert found.detailed_balance.affinity == math.inf
    assert found.detailed_balance.reactions[0] == "protein_decay"
    assert not found.complete
    assert 0.0 < found.boundary_probability < 0.1


def test_a_cycle_of_the_toggle_switch_is_named() -> None:
    network = fsp.gallery.toggle_switch(a=8.0, K=3.0)
    found = fsp.thermodynamics(network, bounds={"U": 22, "V": 22})
    balance = found.detailed_balance
    assert not balance.holds
    assert balance.cycle[0].tolist() == balance.cycle[-1].tolist()
    assert set(balance.reactions) <= {r.name for r in network.reactions}
    # The product of propensities along the cycle gives the affinity again.
    by_name = {r.name: k for k, r in enumerate(network.reactions)}
    reverse = {"make_U": "decay_U", "decay_U": "make_U", "make_V": "decay_V", "decay_V": "make_V"}
    force = 0.0
    for k, name in enumerate(balance.reactions):
        here, there = network.evaluate_propensities(balance.cycle[k : k + 2])
        force += math.log(here[by_name[name]] / there[by_name[reverse[name]]])
    assert force == pytest.approx(balance.affinity, rel=1e-12)
    assert 0.0 < found.entropy_production < math.inf


def test_currents_have_no_sources() -> None:
    """In the stationary regime what flows into a state flows out of it."""
    found = fsp.thermodynamics(fsp.gallery.toggle_switch(a=6.0, K=3.0), bounds={"U": 15, "V": 15})
    net = {tuple(x): 0.0 for x in found.states.tolist()}
    for pair in found.pairs:
        for x, y, flow in zip(*found.currents(pair.name), strict=True):
            net[tuple(x.tolist())] -= flow
            net[tuple(y.tolist())] += flow
    assert max(map(abs, net.values())) <= 1e-14


def test_free_energy_falls_along_a_transient() -> None:
    network = ring(2.0, 0.5, 4)
    found = fsp.thermodynamics(network)
    result = fsp.solve_transient(network, np.linspace(0.0, 8.0, 17), tolerance=1e-12)
    energy = found.free_energy(result)
    start = found.law[found.space.index(network.initial_state[None, :])[0]]
    assert energy[0] == pytest.approx(-math.log(start), rel=1e-12)
    assert (np.diff(energy) <= 1e-12).all()
    assert 0.0 <= energy[-1] + 1e-12 <= 1e-6
    with pytest.raises(fsp.ArgumentError, match="save='distributions'"):
        found.free_energy(fsp.solve_transient(network, [1.0], save="moments"))


@settings(max_examples=20)
@given(
    rates=st.lists(st.floats(0.1, 10.0), min_size=6, max_size=6),
    n=st.integers(1, 3),
)
def test_entropy_production_is_affinity_times_current(rates: list[float], n: int) -> None:
    reactions = [f"{text.split('@')[0]}@ k{j}" for j, text in enumerate(RING)]
    parameters = {f"k{j}": rate for j, rate in enumerate(rates)}
    found = fsp.thermodynamics(fsp.ReactionNetwork({"A": n, "B": 0, "C": 0}, reactions, parameters))
    (cycle,) = found.affinities
    k = rates
    assert cycle.affinity == pytest.approx(
        math.log(k[0] * k[2] * k[4] / (k[1] * k[3] * k[5])), rel=1e-9, abs=1e-11
    )
    flux = found.net_fluxes["R1 / R2"]
    assert found.entropy_production == pytest.approx(cycle.affinity * flux, rel=1e-8, abs=1e-12)
    assert found.entropy_production >= -1e-12


def test_modes_and_stationary_laws_can_be_examined_too() -> None:
    network = fsp.gallery.schloegl()
    modes = fsp.slow_modes(network, k=1, bounds={"X": 700})
    again = fsp.thermodynamics(network, bounds={"X": 700})
    assert fsp.thermodynamics(modes).entropy_production == pytest.approx(again.entropy_production, rel=1e-9)
    stationary = fsp.solve_stationary(network, tolerance=1e-10)
    found = fsp.thermodynamics(stationary)
    assert found.law.size == stationary.n_states
    assert found.entropy_production == pytest.approx(again.entropy_production, rel=1e-6)
    with pytest.raises(fsp.ArgumentError, match="must be a ReactionNetwork"):
        fsp.thermodynamics("schloegl")


# -- pairs and cycles --------------------------------------------------------------------------------------


def test_reactions_with_the_same_equation_are_taken_together_or_named() -> None:
    """Two reservoirs at different potentials: apart they produce more entropy than together."""
    network = fsp.ReactionNetwork(
        {"X": 0}, ["in1: 0 -> X @ 4", "out1: X -> 0 @ 1", "in2: 0 -> X @ 1", "out2: X -> 0 @ 2"]
    )
    together = fsp.thermodynamics(network, bounds={"X": 30})
    assert [pair.name for pair in together.pairs] == ["in1 + in2 / out1 + out2"]
    assert abs(together.entropy_production) <= 1e-12
    pairs = [("in1", "out1"), ("in2", "out2")]
    apart = fsp.thermodynamics(network, bounds={"X": 30}, pairs=pairs)
    # Mean 5/3: the current 4 - 5/3 runs down ln(4/1) - ln(1/2).
    assert apart.entropy_production == pytest.approx((4 - 5 / 3) * math.log(8.0), rel=1e-8)
    assert apart.affinities[0].affinity == pytest.approx(math.log(8.0), rel=1e-12)


def test_an_affinity_that_depends_on_the_counts_is_a_range() -> None:
    network = fsp.ReactionNetwork(
        {"X": 0}, ["a: 0 -> X @ 1", "b: X -> 0 @ 1", "c: X -> 2 X ; X", "d: 2 X -> X ; 0.2*X*(X - 1)/(1 + X)"]
    )
    (cycle,) = fsp.thermodynamics(network, bounds={"X": 12}).affinities
    assert math.isnan(cycle.affinity)
    assert cycle.lower < cycle.upper


@settings(max_examples=30)
@given(st.lists(st.lists(st.integers(-2, 2), min_size=3, max_size=3), min_size=1, max_size=5))
def test_cycles_restore_all_counts(rows: list[list[int]]) -> None:
    changes = np.array(rows, np.int64)
    cycles = stoichiometric_cycles(changes)
    assert len(cycles) == len(rows) - np.linalg.matrix_rank(changes)
    for cycle in cycles:
        assert not (np.array(cycle) @ changes).any()
    if cycles:
        assert np.linalg.matrix_rank(np.array(cycles)) == len(cycles)


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        ([("R1", "R9")], "unknown reaction 'R9'"),
        ([("R1", "R3")], "does not undo"),
        ([("R1", "R2"), ("R2", "R1")], "given twice"),
    ],
)
def test_wrong_pairs(pairs: list[tuple[str, str]], message: str) -> None:
    with pytest.raises(fsp.ArgumentError, match=message):
        find_pairs(ring(1.0, 2.0), pairs)


def test_an_unknown_pair_is_named() -> None:
    with pytest.raises(fsp.ArgumentError, match="no pair of reactions 'R1'; there are 'R1 / R2'"):
        fsp.thermodynamics(ring(1.0, 2.0)).currents("R1")


@pytest.mark.parametrize(
    "network",
    [
        fsp.ReactionNetwork({"A": 1, "B": 0}, ["A -> B @ 1"]),
        fsp.ReactionNetwork({"Z": 1, "A": 0, "B": 0}, ["Z -> A @ 1", "A -> B @ 1", "B -> A @ 2"]),
    ],
)
def test_reactions_that_have_ceased_cost_nothing(network):
    found = fsp.thermodynamics(network)
    assert abs(found.entropy_production) < 1e-15
    assert found.irreversible == ()


@pytest.mark.parametrize("pairs", [5, "ab", ["ab"], [("R1",)], [("R1", "R2", "R3")]])
def test_pairs_that_are_none(pairs):
    network = fsp.ReactionNetwork({"A": 5, "B": 0}, ["A -> B @ 1", "B -> A @ 2"])
    with pytest.raises(fsp.ArgumentError, match="pairs"):
        fsp.thermodynamics(network, pairs=pairs)


def test_free_energy_of_what_is_no_result():
    network = fsp.ReactionNetwork({"A": 5, "B": 0}, ["A -> B @ 1", "B -> A @ 2"])
    with pytest.raises(fsp.ArgumentError, match="not NoneType"):
        fsp.thermodynamics(network).free_energy(None)
