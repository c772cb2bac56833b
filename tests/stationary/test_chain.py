"""`FiniteChain` and the solvers' contract on small chains."""

import numpy as np
import pytest

import fsp
from fsp.generator.select import make_generator
from fsp.generator.tables import FactorTables
from fsp.statespace import Coordinates, FibreSet
from fsp.stationary import FiniteChain
from fsp.stationary.protocol import SOLVERS, find_solver

pytestmark = pytest.mark.filterwarnings("error")


def box_chain(network, *sizes):
    coordinates = Coordinates.of(network)
    grid = np.stack(np.meshgrid(*map(np.arange, sizes), indexing="ij"), -1).reshape(-1, len(sizes))
    return FiniteChain.of(network, FibreSet.from_states(coordinates, grid))


def immigration_death(n_species=1):
    names = [f"X{i}" for i in range(n_species)]
    reactions = [r for x in names for r in (f"0 -> {x} @ k", f"{x} -> 0 @ d")]
    return fsp.ReactionNetwork(dict.fromkeys(names, 0), reactions, {"k": 4.0, "d": 1.0})


def test_rates_are_those_of_the_generator():
    network = fsp.gallery.toggle_switch()
    chain = box_chain(network, 12, 9)
    tables = FactorTables(network, chain.space.coordinates)
    expected = make_generator(tables, chain.space).to_scipy()
    assert abs(chain.generator() - expected).max() <= 1e-13 * abs(expected).max()
    assert np.allclose(chain.exit, chain.inflow.sum(axis=0) + chain.outflow, rtol=1e-15)


def test_nothing_is_lost_when_a_chain_is_restricted_or_closed():
    chain = box_chain(fsp.gallery.toggle_switch(), 12, 9)
    keep = np.arange(chain.n_states) % 3 != 0
    part = chain.restricted(keep)
    assert np.allclose(part.exit, chain.exit[keep], rtol=1e-14)
    closed = chain.closed(4)
    assert not closed.outflow.any()
    others = np.arange(chain.n_states) != 4
    assert np.allclose(closed.exit[others], chain.exit[others], rtol=1e-14)
    assert np.abs(np.asarray(closed.generator().sum(axis=0))).max() <= 1e-12


@pytest.mark.parametrize("name", sorted(SOLVERS))
def test_contract_of_solvers_against_dense_algebra(name):
    info = find_solver(name)
    if not info.available:
        pytest.skip(f"{info.needs} is not installed")
    network = immigration_death() if info.symmetric else fsp.gallery.toggle_switch()
    chain = box_chain(network, *((15,) if info.symmetric else (9, 8)))
    dense = chain.generator().toarray()
    solver = info.load()(chain)
    rng = np.random.default_rng(5)
    source = rng.random(chain.n_states)
    for found, exact in (
        (solver.occupation(source), np.linalg.solve(-dense, source)),
        (solver.expectation(source), np.linalg.solve(-dense.T, source)),
    ):
        assert np.abs(found - exact).max() <= 1e-9 * np.abs(exact).max()
    law = solver.stationary(3)
    assert abs(law.sum() - 1.0) <= 1e-12
    assert law.min() >= 0.0
    residual = chain.closed(3).generator() @ law
    assert np.abs(residual).sum() <= 1e-9 * chain.exit.max()
    assert solver.info


def test_unknown_solver():
    with pytest.raises(fsp.ArgumentError, match="unknown method 'magic'"):
        find_solver("magic")
