"""The choice of a solver, the checks of its results, and what happens when they fail."""

import numpy as np
import pytest
from test_chain import box_chain
from test_gth import barrier, chain_of

import fsp
from fsp.stationary import protocol, selection
from fsp.stationary.checked import defect_of_expectation, defect_of_law, defect_of_occupation
from fsp.stationary.gth import GTH
from fsp.stationary.protocol import SOLVERS, SolverInfo
from fsp.stationary.selection import SelectedSolver, choose


class Wrong:
    """A solver that is wrong in a way."""

    info = "wrong"
    spoil = staticmethod(lambda x: x)

    def __init__(self, chain, tolerance=1e-12):
        self.right = GTH(chain)

    def occupation(self, source):
        return self.spoil(self.right.occupation(source))

    def expectation(self, reward):
        return self.spoil(self.right.expectation(reward))

    def stationary(self, reference):
        return self.spoil(self.right.stationary(reference))


def slightly(x):
    return x * (1.0 + 1e-3 * np.sin(np.arange(x.size)))


def negative(x):
    x = x.copy()
    x[np.argmin(x)] = -1e-3 * x.max()
    return x


def not_finite(x):
    x = x.copy()
    x[3] = np.nan
    return x


@pytest.fixture
def chain():
    return box_chain(fsp.gallery.toggle_switch(), 12, 11)


@pytest.mark.parametrize("spoil", [slightly, negative, not_finite])
@pytest.mark.parametrize("accurate", [True, False])
def test_wrong_results_are_found_and_the_next_solver_is_taken(chain, monkeypatch, spoil, accurate):
    monkeypatch.setattr(Wrong, "spoil", staticmethod(spoil))
    monkeypatch.setitem(
        SOLVERS, "wrong", SolverInfo("wrong", "nowhere:Wrong", "wrong on purpose", accurate=accurate)
    )
    load = SolverInfo.load
    monkeypatch.setattr(SolverInfo, "load", lambda self: Wrong if self.name == "wrong" else load(self))
    monkeypatch.setattr(selection, "choose", lambda *_: selection.Choice("wrong", "control", ("gth",)))
    source = np.zeros(chain.n_states)
    source[5] = 1.0
    for call in (lambda s: s.occupation(source), lambda s: s.expectation(source), lambda s: s.stationary(7)):
        solver = SelectedSolver(chain)
        found = call(solver)
        assert solver.name == "gth"
        assert "before that, wrong: defect" in solver.info
        np.testing.assert_array_equal(found, call(GTH(chain)))
        with pytest.raises(
            fsp.FSPError, match="no solver gave a result that passes the checks: wrong: defect"
        ):
            call(SelectedSolver(chain, method="wrong"))


def test_right_results_pass(chain):
    solver = GTH(chain)
    source = np.random.default_rng(3).random(chain.n_states)
    for accurate in (True, False):
        assert defect_of_occupation(chain, source, solver.occupation(source), accurate) <= 1e-11
        assert defect_of_expectation(chain, source, solver.expectation(source), accurate) <= 1e-11
    assert defect_of_law(chain, 7, solver.stationary(7)) <= 1e-14


def test_ordinary_elimination_does_not_pass_at_exit_times_of_1e25(chain):
    rates, outflow = barrier(1e22)
    chain = chain_of(rates, outflow)
    ones = np.ones(chain.n_states)
    with pytest.raises(fsp.FSPError, match="passes the checks: lu"):
        SelectedSolver(chain, 1e-2, method="lu").expectation(ones)
    solver = SelectedSolver(chain, 1e-2, "expectation")
    assert solver.expectation(ones).min() > 1e25
    assert solver.name == "gth"


def test_the_choice_says_why(chain):
    choice = choose(chain)
    assert choice.name == "gth"
    assert "accurate in every entry" in choice.reason
    assert "lu" in choice.others
    with pytest.raises(fsp.FSPError, match=r"no solver .* fits into 0 MiB"):
        choose(chain, memory=1e4)


def test_unknown_methods(chain):
    with pytest.raises(fsp.ArgumentError, match="unknown method 'magic'"):
        SelectedSolver(chain, method="magic")
    assert protocol.find_solver("LU").name == "lu"
