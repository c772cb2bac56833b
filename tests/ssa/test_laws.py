"""Each method has the exact law, on networks of every kind; a kernel with a planted mistake is found."""

from __future__ import annotations

import numpy as np
import pytest
from laws import FALSE_ALARM, chi_square, follows

import fsp
from fsp.ssa import tables
from fsp.ssa.methods import METHODS

N = 20_000
EVENTS = fsp.ReactionNetwork(
    {"X": 0, "Y": 1},
    ["0 -> X @ k", "X -> 0 @ 1", "0 -> Y @ 2", "X + Y -> 0 @ 0.1"],
    {"k": 6.0},
    events=[
        "dose: at time >= 1: X = X + 5, k = 3",
        "divide: at X >= 9: X = floor(X/2)",
        "full: at X >= 4 and Y >= 6 and time > 0.5: Y = 0 ; priority X",
    ],
)
TIMED = fsp.ReactionNetwork(
    {"X": 3, "Y": 0},
    [
        "0 -> X ; k*(1 + sin(2*time))",
        "X -> Y ; X*piecewise(0.2, time < 1, 2)",
        "Y -> 0 ; Y/(1 + Y) + Y*exp(-time)",
    ],
    {"k": 5.0},
)
NETWORKS = {
    "birth_death": (fsp.gallery.birth_death(), [0.5, 3.0]),
    "immigration_death": (fsp.gallery.immigration_death(), [1.0, 4.0]),
    "dimerisation": (fsp.gallery.dimerisation(), [0.2, 2.0]),
    "telegraph": (fsp.gallery.telegraph(), [0.5, 3.0]),
    "toggle_switch": (fsp.gallery.toggle_switch(a=20.0, K=8.0), [0.3, 5.0]),
    "michaelis_menten": (fsp.gallery.michaelis_menten(), [2.0]),
    "goutsias": (fsp.gallery.goutsias(), [1.0, 5.0]),
    "coupled": (
        fsp.ReactionNetwork(
            {"A": 2, "B": 3, "C": 1},
            [
                "A -> B ; 2*A/(1 + A + 2*B)",
                "B -> A @ 0.5",
                "0 -> C ; (A - B)^2/(1 + C)",
                "3 C -> A @ 0.4",
                "A + B + C -> 0 @ 0.1",
            ],
        ),
        [0.7, 2.0],
    ),
    "events": (EVENTS, [0.3, 1.0, 2.5]),
}


@pytest.mark.parametrize("method", list(METHODS))
@pytest.mark.parametrize("name", list(NETWORKS))
def test_law(name: str, method: str) -> None:
    network, times = NETWORKS[name]
    exact = fsp.solve_transient(network, times, tolerance=1e-7)
    assert follows(fsp.simulate(network, times, N, seed=11, method=method), exact)


def test_rates_that_depend_on_time() -> None:
    times = [0.4, 1.0, 3.0]
    exact = fsp.solve_transient(TIMED, times, tolerance=1e-4)
    ensemble = fsp.simulate(TIMED, times, N, seed=5)
    assert "thinned" in ensemble.why
    assert follows(ensemble, exact)


def test_events_change_rates_that_depend_on_time() -> None:
    network = fsp.ReactionNetwork(
        {"X": 0}, ["0 -> X ; k*(1 + sin(w*time))", "X -> 0 @ 1"], {"k": 6.0, "w": 2.0},
        events=["at time >= 1: k = 12, w = 5", "wash: at time >= 2: X = 0"],
    )  # fmt: skip
    times = [0.5, 1.5, 2.0, 3.0]
    exact = fsp.solve_transient(network, times, tolerance=1e-4)
    ensemble = fsp.simulate(network, times, N, seed=3)
    assert (ensemble.at(2.0) == 0).all()
    assert follows(ensemble, exact)


@pytest.mark.parametrize("initial", [{"X": {3: 0.25, 30: 0.75}}, "law"])
def test_initial_laws(initial: object) -> None:
    network = fsp.gallery.birth_death()
    law = fsp.solve_transient(network, [0.5], tolerance=1e-9)[-1] if initial == "law" else initial
    exact = fsp.solve_transient(network, [0.0, 1.0], initial=law, tolerance=1e-8)
    assert follows(fsp.simulate(network, [0.0, 1.0], N, seed=2, initial=law), exact)


def test_control_a_stale_propensity_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The propensity of U's birth is not computed anew when V changes."""
    real = tables.dependents

    def stale(changes: np.ndarray, reads: list[list[int]]) -> list[list[int]]:
        found = real(changes, reads)
        found[2] = [r for r in found[2] if r != 0]
        return found

    monkeypatch.setattr(tables, "dependents", stale)
    network, times = NETWORKS["toggle_switch"]
    exact = fsp.solve_transient(network, times, tolerance=1e-7)
    for method in METHODS:
        ensemble = fsp.simulate(network, times, N, seed=11, method=method)
        assert chi_square(ensemble.at(times[-1]), exact[-1]) < FALSE_ALARM


@pytest.mark.parametrize(("k", "d"), [(101.0, 1.0), (100.0, 1.01)])
def test_control_wrong_rates_are_found(k: float, d: float) -> None:
    def network(k: float, d: float) -> fsp.ReactionNetwork:
        return fsp.ReactionNetwork({"X": 0}, ["0 -> X @ k", "X -> 0 @ d"], {"k": k, "d": d})

    exact = fsp.solve_transient(network(100.0, 1.0), [10.0], tolerance=1e-7)
    assert follows(fsp.simulate(network(100.0, 1.0), [10.0], N, seed=11), exact)
    assert not follows(fsp.simulate(network(k, d), [10.0], N, seed=11), exact)
