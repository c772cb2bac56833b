"""Trajectories one by one: stoichiometry, reproducibility, growth of tables, resuming, stopping."""

from __future__ import annotations

import os
import signal
import threading
import time
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from random_networks import networks

import fsp
from fsp.ssa import tables
from fsp.ssa.methods import METHODS

EVENTS = fsp.ReactionNetwork(
    {"X": 0, "Y": 1}, ["0 -> X @ k", "X -> 0 @ 1", "0 -> Y @ 2", "Y -> 0 ; Y*Y/(1 + Y)"], {"k": 6.0},
    events=["dose: at time >= 1: X = X + 5, k = 3", "divide: at X >= 9: X = floor(X/2)"],
)  # fmt: skip
TIMED = fsp.ReactionNetwork({"X": 3}, ["0 -> X ; 5*(1 + sin(time))", "X -> 0 ; X*(2 - exp(-time))"])
CASES = (
    [(fsp.gallery.toggle_switch(), m) for m in METHODS] + [(EVENTS, m) for m in METHODS] + [(TIMED, "auto")]
)


@pytest.mark.parametrize(("network", "method"), CASES)
def test_the_same_for_any_number_of_threads_and_trajectories(
    network: fsp.ReactionNetwork, method: str
) -> None:
    times = [0.5, 1.0, 3.0]
    one = fsp.simulate(network, times, 300, seed=9, method=method, threads=1)
    two = fsp.simulate(network, times, 300, seed=9, method=method, threads=2)
    few = fsp.simulate(network, times, 7, seed=9, method=method, threads=2)
    other = fsp.simulate(network, times, 300, seed=10, method=method)
    assert one == two
    np.testing.assert_array_equal(few.counts, one.counts[:7])
    assert (other.counts != one.counts).any()


@pytest.mark.parametrize("method", METHODS)
def test_growing_tables_change_nothing(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    network = fsp.gallery.toggle_switch()
    wanted = fsp.simulate(network, [4.0], 50, seed=3, method=method, record="events")
    monkeypatch.setattr(tables, "FIRST_LENGTH", 2)
    assert fsp.simulate(network, [4.0], 50, seed=3, method=method, threads=2) == wanted
    monkeypatch.setattr(tables, "LONGEST", 20)  # beyond, propensities are computed by programs
    found = fsp.simulate(network, [4.0], 50, seed=3, method=method, record="events")
    assert found.counts.max() > 20
    assert found == wanted
    assert all(np.array_equal(a.times, b.times) for a, b in zip(found.events, wanted.events, strict=True))


@pytest.mark.parametrize("method", METHODS)
def test_output_times_do_not_change_the_trajectory(method: str) -> None:
    network = fsp.gallery.toggle_switch()
    few = fsp.simulate(network, [5.0], 40, seed=4, method=method)
    many = fsp.simulate(network, np.linspace(0, 5, 101), 40, seed=4, method=method)
    np.testing.assert_array_equal(few.counts[:, 0], many.counts[:, -1])
    assert (many.counts[:, 0] == network.initial_state).all()


def _replay(network: fsp.ReactionNetwork, ensemble: fsp.Ensemble, end: float) -> None:
    assert ensemble.events is not None
    for i, trajectory in enumerate(ensemble.events):
        states = np.vstack([network.initial_state, trajectory.states])
        np.testing.assert_array_equal(np.diff(states, axis=0), network.stoichiometry[trajectory.reactions])
        assert (states >= 0).all()
        assert (np.diff(trajectory.times) >= 0).all()
        assert not trajectory.times.size or 0 <= trajectory.times[0] <= trajectory.times[-1] <= end
        if trajectory.reactions.size:
            rates = network.evaluate_propensities(states[:-1])
            assert (rates[np.arange(len(rates)), trajectory.reactions] > 0).all()
        for j, t in enumerate(ensemble.times):
            np.testing.assert_array_equal(
                ensemble.counts[i, j], states[np.searchsorted(trajectory.times, t, side="right")]
            )


@settings(max_examples=40, deadline=None, derandomize=True)
@given(network=networks())
def test_recorded_reactions_obey_the_network(network: fsp.ReactionNetwork) -> None:
    for method in METHODS:
        try:
            ensemble = fsp.simulate(
                network, [0.2, 0.5], 3, seed=1, method=method, record="events", max_events=2000
            )
        except fsp.ExplosionError:
            continue
        _replay(network, ensemble, 0.5)
        plain = fsp.simulate(network, [0.2, 0.5], 3, seed=1, method=method)
        np.testing.assert_array_equal(plain.counts, ensemble.counts)


def test_long_records() -> None:
    network = fsp.gallery.toggle_switch()
    ensemble = fsp.simulate(network, [1.0, 20.0], 5, seed=1, record="events")
    assert ensemble.events is not None
    assert sum(e.times.size for e in ensemble.events) == ensemble.statistics["reactions"] > 5 * 512
    _replay(network, ensemble, 20.0)


def test_events_of_the_network_are_recorded() -> None:
    ensemble = fsp.simulate(EVENTS, [3.0], 20, seed=1, record="events")
    assert ensemble.events is not None
    assert any((e.reactions == -1).any() for e in ensemble.events)
    for trajectory in ensemble.events:
        states = np.vstack([EVENTS.initial_state, trajectory.states])
        fired = trajectory.reactions == -1
        jumps = np.diff(states, axis=0)
        np.testing.assert_array_equal(jumps[~fired], EVENTS.stoichiometry[trajectory.reactions[~fired]])
        assert set(trajectory.times[fired & (jumps[:, 0] > 0)]) <= {1.0}
        assert (states[1:][fired][:, 0] < 14).all()


@pytest.mark.parametrize("record", [None, "events"])
def test_resume_is_one_run(record: str | None) -> None:
    network = fsp.gallery.telegraph()
    whole = fsp.simulate(network, [1.0, 2.0], 100, seed=6, record=record)
    part = fsp.simulate(network, [1.0, 2.0], 30, seed=6, record=record)
    again = fsp.simulate(network, [1.0, 2.0], 100, seed=6, record=record, resume=part)
    assert again == whole
    assert again.statistics["reactions"] == whole.statistics["reactions"]
    if record:
        assert all(
            np.array_equal(a.states, b.states) for a, b in zip(whole.events, again.events, strict=True)
        )
    for change in ({"seed": 7}, {"method": "next-reaction"}, {"initial": {"M": 3}}):
        with pytest.raises(fsp.ArgumentError, match="resume"):
            fsp.simulate(network, [1.0, 2.0], 100, **{"seed": 6, **change}, resume=part)


def test_control_c_returns_what_is_done() -> None:
    network = fsp.gallery.toggle_switch()
    fsp.simulate(network, [1.0], 10)  # compiled beforehand
    before = signal.signal(signal.SIGINT, signal.default_int_handler)

    def press() -> None:
        time.sleep(3.0)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=press)
    thread.start()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            stopped = fsp.simulate(network, [30.0], 1_000_000, seed=6, threads=1)
    finally:
        thread.join()
        signal.signal(signal.SIGINT, before)
    assert not stopped.complete
    assert 0 < stopped.n_trajectories < 1_000_000
    n = int(stopped.trajectories.max()) + 1
    np.testing.assert_array_equal(
        fsp.simulate(network, [30.0], min(n, 50), seed=6).counts, stopped.counts[: min(n, 50)]
    )


def test_explosion_is_an_error() -> None:
    network = fsp.ReactionNetwork({"X": 2}, ["2 X -> 3 X @ 1"])
    with pytest.raises(fsp.ExplosionError, match="max_events"):
        fsp.simulate(network, [100.0], 4, max_events=10_000)
    quiet = fsp.simulate(network, [1e-6], 4, max_events=10_000)
    assert quiet.complete


@pytest.mark.parametrize("method", METHODS)
def test_max_events_is_the_most_that_is_allowed(method: str) -> None:
    network = fsp.ReactionNetwork({"X": 10}, ["X -> 0 @ 1"])
    assert not fsp.simulate(network, [1e3], 20, method=method, max_events=10).counts.any()
    with pytest.raises(fsp.ExplosionError, match="more than 9 reactions"):
        fsp.simulate(network, [1e3], 20, method=method, max_events=9)


def test_large_counts_and_many_reactions() -> None:
    n = 2000
    network = fsp.ReactionNetwork(
        {f"S{i}": 500_000 * (i == 0) for i in range(n)}, [f"S{i} -> S{i + 1} @ 1" for i in range(n - 1)]
    )
    ensemble = fsp.simulate(network, [0.001], 2)
    assert ensemble.method == "composition-rejection"
    assert (ensemble.counts.sum(axis=2) == 500_000).all()
    direct = fsp.simulate(network, [0.001], 2, method="direct")
    assert abs(direct.mean("S1")[0] - ensemble.mean("S1")[0]) < 200
