"""Output times, the ledger, determinism; and controls: a solver that loses probability must notice."""

from __future__ import annotations

from typing import Any

import closed_forms as cf
import mpmath as mp
import numpy as np
import pytest
from answers import LARGER, check, difference, table

import fsp
from fsp.errors import SolverError, ToleranceError
from fsp.generator import fibre_generator
from fsp.transient import working_set

DECAY = fsp.ReactionNetwork({"X": 0, "Y": 0}, ["X -> 0 @ 0.5", "Y -> 0 @ 2", "0 -> Y @ 1"])


def test_many_times_agree_with_separate_runs():
    network = LARGER["gene expression"][0]()
    times = [0.0, 0.001, 0.1, 0.5, 0.5000001, 2.0]
    together = fsp.solve_transient(network, times, tolerance=1e-6)
    assert together.times.tolist() == times
    assert [d.time for d in together] == times
    bounds = [d.error_bound for d in together]
    assert bounds == sorted(bounds)
    for distribution, t in zip(together, times, strict=True):
        alone = fsp.solve_transient(network, [t], tolerance=1e-6).final
        allowed = distribution.error_bound + alone.error_bound
        assert difference(table(distribution), table(alone)) <= allowed


def test_time_zero():
    result = fsp.solve_transient(DECAY, [0.0], initial={"X": 3}, tolerance=1e-12)
    assert table(result.final) == pytest.approx({(3, 0): 1.0}, abs=2e-15)
    assert result.final.error_bound <= 1e-14


@pytest.mark.parametrize("t", [1e-9, 1.0, 50.0, 1e6])
def test_absorption(t):
    """Long after everything has died nothing is left to do."""
    network = fsp.ReactionNetwork({"X": 6}, ["X -> 0 @ 1"])
    result = fsp.solve_transient(network, [t, 2 * t], tolerance=1e-9)
    with mp.workdps(30):
        for distribution, when in zip(result, (t, 2 * t), strict=True):
            truth = {(n,): float(p) for n, p in enumerate(cf.pure_death(6, 1, when))}
            check(distribution, truth, 1e-9, 1e-14)


def test_a_chain_that_never_moves():
    network = fsp.ReactionNetwork({"X": 0, "Y": 3}, ["X -> 2 X @ 5", "X + Y -> X @ 1"])
    result = fsp.solve_transient(network, [1.0, 1e9], tolerance=1e-10)
    for distribution in result:
        assert table(distribution) == pytest.approx({(0, 3): 1.0}, abs=1e-14)
    everything_conserved = fsp.ReactionNetwork({"X": 2, "Y": 3}, ["X -> X @ 5", "X + Y -> Y + X @ 1"])
    result = fsp.solve_transient(everything_conserved, [1.0, 1e9], tolerance=1e-10)
    assert table(result.final) == pytest.approx({(2, 3): 1.0}, abs=1e-14)


def test_a_long_run_at_rest():
    """The stationary law is reached early; the certificate still holds at the end."""
    network = fsp.ReactionNetwork({"X": 0}, ["0 -> X @ 10", "X -> 0 @ 1"])
    result = fsp.solve_transient(network, [50.0, 500.0, 5000.0], tolerance=1e-6)
    with mp.workdps(40):
        truth = {(n,): float(p) for n, p in enumerate(cf.stationary_immigration_death(10, 1, 120))}
    for distribution in result:
        check(distribution, truth, 1e-6, 1e-14)


# The ledger


def test_the_ledger_adds_up():
    network = LARGER["toggle"][0]()
    result = fsp.solve_transient(network, [1.0, 4.0, 20.0], tolerance=1e-5)
    for distribution in result:
        entries = distribution.ledger.entries
        assert all(amount >= 0 for amount in entries.values())
        assert distribution.error_bound == pytest.approx(sum(entries.values()), rel=1e-12)
        assert distribution.error_bound >= sum(entries.values())
        assert sum(distribution.ledger.leaks.values()) == pytest.approx(entries["leaked"], rel=1e-9)
    assert set(result.ledger.leaks) <= {r.name for r in network.reactions}
    assert result.ledger.entries["leaked"] > 0
    assert result.ledger.entries["pruned"] > 0
    text = str(result.ledger)
    assert "leaked" in text
    assert "total" in text


def test_what_leaks_through_bounds_is_named():
    network = fsp.ReactionNetwork(
        {"X": 0, "Y": 0}, ["birth: 0 -> X @ 10", "X -> 0 @ 1", "other: 0 -> Y @ 0.1"]
    )
    result = fsp.solve_transient(network, [1.0], tolerance=0.9, bounds={"X": 9, "Y": 3})
    leaks = result.ledger.leaks
    assert set(leaks) == {"birth across X <= 9", "other across Y <= 3"}
    birth, other = leaks["birth across X <= 9"], leaks["other across Y <= 3"]
    assert birth > 0.05 > 1e-4 > other > 0
    with pytest.raises(ToleranceError, match="leaked.*widen bounds") as caught:
        fsp.solve_transient(network, [1.0], tolerance=1e-3, bounds={"X": 9, "Y": 3})
    assert caught.value.result is not None


@pytest.mark.parametrize("tolerance", [0.3, 0.1, 1e-2, 1e-3, 1e-5])
@pytest.mark.parametrize("times", [[0.4], [0.2, 0.4], [0.001, 0.4], list(np.arange(1, 41) / 100)])
def test_steps_of_few_jumps_keep_to_their_share(times, tolerance):
    """Such a step makes several times as many products as jumps, and each of them may leak."""
    network = fsp.ReactionNetwork({"A": 2}, ["A -> 0 ; 0.1*A/(1 + 3*A)", "0 -> 2 A @ 7"])
    result = fsp.solve_transient(network, times, tolerance=tolerance)
    assert result.ledger.entries["leaked"] <= 0.6 * tolerance
    assert result.error_bound <= tolerance


def test_conditions_as_bounds():
    network = LARGER["toggle"][0]()
    free = fsp.solve_transient(network, [2.0], tolerance=1e-6).final
    bounded = fsp.solve_transient(network, [2.0], tolerance=1e-2, bounds=["U*V <= 700", {"U": 60}]).final
    assert (bounded.states.prod(axis=1) <= 700).all()
    assert difference(table(free), table(bounded)) <= free.error_bound + bounded.error_bound


def test_the_same_run_twice_gives_the_same_bits():
    network = LARGER["cascade"][0]()
    first, second = (fsp.solve_transient(network, [0.5, 2.0], tolerance=1e-6) for _ in range(2))
    for a, b in zip(first, second, strict=True):
        assert a.probabilities.tobytes() == b.probabilities.tobytes()
        assert a.states.tobytes() == b.states.tobytes()
        assert a.error_bound == b.error_bound
    assert first.statistics["products"] == second.statistics["products"]


def test_threads_do_not_change_the_answer(monkeypatch):
    from fsp.generator import threads

    network = LARGER["cascade"][0]()
    single = fsp.solve_transient(network, [1.0], tolerance=1e-6, threads=1).final
    monkeypatch.setattr(threads, "MIN_STATES_PER_THREAD", 200)
    double = fsp.solve_transient(network, [1.0], tolerance=1e-6, threads=2).final
    assert difference(table(single), table(double)) <= 1e-12
    assert double.error_bound == pytest.approx(single.error_bound, rel=1e-6)


@pytest.mark.parametrize("precision", ["double", "extended"])
def test_precisions_agree(precision):
    network = LARGER["epidemic"][0]()
    best = fsp.solve_transient(network, [0.5], tolerance=1e-6).final
    other = fsp.solve_transient(network, [0.5], tolerance=1e-6, precision=precision).final
    assert difference(table(best), table(other)) <= best.error_bound + other.error_bound


# Controls: a solver that loses probability without booking it must notice.


def test_control_a_boundary_that_drops_leaks(monkeypatch):
    def nothing(n: int, *_: Any) -> Any:
        return np.zeros(0, np.int64), np.zeros(0)

    network = fsp.ReactionNetwork({"X": 0}, ["0 -> X @ 10", "X -> 0 @ 1"])
    assert fsp.solve_transient(network, [2.0], tolerance=1e-6).certified
    monkeypatch.setattr(fibre_generator.kernels, "boundary_rates", nothing)
    with pytest.raises(SolverError, match="missing at time.*not booked"):
        fsp.solve_transient(network, [2.0], tolerance=1e-6)


def test_control_pruning_that_books_nothing(monkeypatch):
    def transfer(space: Any, vector: Any, target: Any) -> Any:
        moved, _ = space.transfer(vector, target)
        return moved, 0.0

    network = LARGER["toggle"][0]()
    monkeypatch.setattr(working_set, "transfer", transfer)
    with pytest.raises(SolverError, match="not booked"):
        fsp.solve_transient(network, [1.0, 4.0, 20.0], tolerance=1e-5, method="uniformisation")


def test_control_the_checker_notices_a_shifted_law():
    network = fsp.ReactionNetwork({"X": 6}, ["X -> 0 @ 1"])
    distribution = fsp.solve_transient(network, [1.0], tolerance=1e-6).final
    truth = {(n,): float(p) for n, p in enumerate(cf.pure_death(6, 1, "1.00001"))}
    with pytest.raises(AssertionError):
        check(distribution, truth, 1e-6)
