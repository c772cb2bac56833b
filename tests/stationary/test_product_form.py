"""Complex balance, deficiency, and laws in closed form."""

import itertools

import mpmath
import numpy as np
import pytest

import fsp
from fsp.generator.growth import closure
from fsp.generator.tables import FactorTables
from fsp.statespace import Coordinates, FibreSet
from fsp.statespace.constraints import Constraints
from fsp.stationary import FiniteChain
from fsp.stationary.complexes import ComplexGraph
from fsp.stationary.product_form import find_product_form


def network(species, *reactions, **parameters):
    return fsp.ReactionNetwork(species, list(reactions), parameters)


def residual_on_the_class(net):
    """The largest relative residual of the closed form on the (finite) class of the initial state."""
    coordinates = Coordinates.of(net)
    start = FibreSet.from_states(coordinates, [net.initial_state])
    tables = FactorTables(net, coordinates)
    space = closure(tables, start, Constraints(net), 10**5)
    chain = FiniteChain.of(net, space)
    assert not chain.outflow.any()
    law = find_product_form(net)
    p = law.weights(space.states()).astype(float)
    return float(np.max(np.abs(chain.generator() @ p) / (chain.exit * p)))


@pytest.mark.parametrize(
    ("net", "deficiency", "weakly_reversible"),
    [
        (network({"A": 1}, "0 -> A @ 3", "A -> 0 @ 2"), 0, True),
        (network({"A": 5, "B": 0}, "A -> B @ 3", "B -> A @ 2"), 0, True),
        (network({"A": 5, "B": 0, "C": 0}, "A + B -> C @ 3", "C -> A + B @ 2", "C -> 2 A @ 1"), 0, False),
        # Feinberg's example of a network whose complexes are on a line
        (network({"A": 0}, "0 -> A @ 1", "A -> 0 @ 2", "A -> 2 A @ 1", "2 A -> A @ 1"), 1, True),
    ],
)
def test_deficiency(net, deficiency, weakly_reversible):
    graph = ComplexGraph.of(net)
    assert (graph.deficiency, graph.weakly_reversible) == (deficiency, weakly_reversible)


def test_relation_of_a_network_with_deficiency_one_is_checked_exactly():
    # 0 <-> A with k1, k2 and A <-> 2A with k3, k4 is balanced if and only if k1/k2 = k3/k4.
    def at(k4):
        return network({"A": 0}, "0 -> A @ 1", "A -> 0 @ 2", "A -> 2 A @ 3", "2 A -> A @ k4", k4=k4)

    # "@ k4" for 2 A counts pairs: k4/2 for A (A - 1)
    assert find_product_form(at(12.0)) is not None
    assert find_product_form(at(np.nextafter(12.0, 13.0))) is None
    decimal = network(
        {"A": 0}, "0 -> A @ a", "A -> 0 @ b", "A -> 2 A @ c", "2 A -> A @ d", a=0.1, b=0.3, c=0.3, d=1.8
    )
    assert "decimal" in find_product_form(decimal).why


def test_what_is_not_mass_action_is_not_recognised():
    assert ComplexGraph.of(network({"A": 0}, "0 -> A ; 3/(1 + A)", "A -> 0 @ 1")) is None
    # the square instead of A (A - 1): not the stochastic law of mass action
    assert ComplexGraph.of(network({"A": 0}, "0 -> A @ 1", "2 A -> 0 ; k*A*A", k=1.0)) is None
    assert find_product_form(fsp.gallery.toggle_switch()) is None
    assert find_product_form(fsp.gallery.gene_expression()) is None


def test_written_out_mass_action_is_recognised():
    net = network({"A": 0, "B": 4}, "2 B -> A ; k*B*(B - 1)/2", "A -> 2 B ; 3*A", k=0.5)
    law = find_product_form(net)
    assert law is not None
    assert not law.whole_lattice
    assert residual_on_the_class(net) <= 1e-13


def test_poisson():
    law = find_product_form(network({"A": 1}, "0 -> A @ 21", "A -> 0 @ 3"))
    assert law.whole_lattice
    with mpmath.workdps(40):
        for x in (0, 3, 7, 60):
            exact = mpmath.mpf(7) ** x * mpmath.exp(-7) / mpmath.factorial(x)
            assert abs(law.weights([[x]])[0] / np.longdouble(float(exact)) - 1) <= 2.0**-52
        outside = 1 - sum(mpmath.mpf(7) ** x * mpmath.exp(-7) / mpmath.factorial(x) for x in range(31))
    assert outside <= law.tail([30]) <= outside * 1.05
    assert law.tail([4]) == 1.0


@pytest.mark.parametrize("seed", range(6))
def test_cycles_with_random_rates_against_the_generator(seed):
    k = np.random.default_rng(seed).integers(1, 50, 6) / 7.0
    names = [f"k{i}" for i in range(6)]
    net = network(
        {"A": 3, "B": 2, "C": 1},
        "A -> B @ k0", "B -> C @ k1", "C -> A @ k2", "2 A -> 2 B @ k3", "2 B -> 2 C @ k4", "2 C -> 2 A @ k5",
        **dict(zip(names, k.tolist(), strict=True)),
    )  # fmt: skip
    graph = ComplexGraph.of(net)
    assert (graph.deficiency, graph.weakly_reversible) == (2, True)
    assert find_product_form(net) is None  # two relations that random rates do not obey
    first = network(
        {"A": 3, "B": 2, "C": 1}, "A -> B + C @ k0", "B + C -> 2 A @ k1", "2 A -> A @ k2",
        k0=k[0], k1=k[1], k2=k[2],
    )  # fmt: skip
    law = find_product_form(first)
    assert law is not None
    assert law.deficiency == 0
    c = [float(m) for m in law.means]
    flows = [k[0] * c[0], k[1] * c[1] * c[2], k[2] / 2 * c[0] ** 2]
    assert np.allclose(flows, flows[0], rtol=1e-13)  # one cycle: every complex is balanced


def test_open_network_is_a_product_of_poisson_laws():
    net = network(
        {"A": 0, "B": 0, "C": 0}, "0 -> A @ 2", "A -> B @ 1", "B -> C @ 3", "C -> 0 @ 0.5", "C -> A @ 0.25",
    )  # fmt: skip
    law = find_product_form(net)
    assert law.whole_lattice
    a, b, c = (float(m) for m in law.means)
    assert np.allclose([a, 3 * b, 0.75 * c], [2 + 0.25 * c, a, 3 * b], rtol=1e-14)
    # pointwise balance of the infinite chain at some states
    for x in itertools.product(range(3), range(3), range(3)):
        state = np.array(x)
        gain = 0.0
        for change, propensity in zip(net.stoichiometry, range(net.n_reactions), strict=True):
            before = state - change
            if before.min() >= 0:
                rate = net.evaluate_propensities(before[None, :])[0, propensity]
                gain += float(law.weights(before[None, :])[0]) * rate
        loss = float(law.weights(state[None, :])[0]) * net.evaluate_propensities(state[None, :])[0].sum()
        assert abs(gain - loss) <= 1e-14 * loss


def test_conserved_totals():
    net = network({"E": 3, "S": 8, "C": 0, "F": 2, "D": 0},
                  "E + S -> C @ 1", "C -> E + S @ 2", "F + S -> D @ 3", "D -> F + S @ 0.5")  # fmt: skip
    assert residual_on_the_class(net) <= 1e-13
