"""The adaptive solver against matrix exponentials, and the ways to call it."""

from __future__ import annotations

from typing import Any

import closed_forms as cf
import mpmath as mp
import numpy as np
import pytest
import scipy.linalg
import scipy.sparse as sp
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from random_networks import Brute, breadth_first, networks
from scipy.sparse.linalg import expm_multiply

import fsp
from fsp.errors import ArgumentError, SolverError, ToleranceError
from fsp.generator import fibre_generator
from fsp.transient import loop


def table(distribution: Any) -> dict[tuple[int, ...], float]:
    return {
        tuple(s): p
        for s, p in zip(distribution.states.tolist(), distribution.probabilities.tolist(), strict=True)
        if p > 0
    }


def difference(a: dict[Any, float], b: dict[Any, float]) -> float:
    return sum(abs(a.get(s, 0.0) - b.get(s, 0.0)) for s in {*a, *b})


def check(distribution: Any, reference: dict[Any, float], tolerance: float, slack: float = 1e-12) -> None:
    """Compare with a reference that is a lower bound itself: what it lacks may be anywhere."""
    found = table(distribution)
    missing = max(0.0, 1.0 - sum(reference.values()))
    assert distribution.certified
    assert distribution.error_bound <= tolerance
    assert distribution.error_bound == pytest.approx(distribution.ledger.total)
    assert difference(found, reference) <= distribution.error_bound + missing + slack
    assert 1.0 - sum(found.values()) <= distribution.error_bound + slack
    for state, p in found.items():
        assert p <= reference.get(state, 0.0) + missing + slack


def dense_reference(network: Any, t: float, most: int = 350, start: Any = None) -> dict[Any, float]:
    """Return a lower bound by the exponential of a dense matrix, on as many states as that allows."""
    start = {tuple(network.initial_state.tolist()): 1.0} if start is None else start
    states = set(start)
    while len(states) <= most:
        larger = breadth_first(network, states, 1)
        if len(larger) == len(states):
            break
        states = larger
    listed = sorted(states)
    matrix = Brute(network, np.array(listed)).matrix
    p = np.array([start.get(s, 0.0) for s in listed])
    return dict(zip(listed, (scipy.linalg.expm(matrix * t) @ p).tolist(), strict=True))


@pytest.mark.slow
@settings(max_examples=50)
@given(networks(max_species=3), st.sampled_from([1e-2, 1e-5, 1e-9]), st.sampled_from([0.02, 0.1, 0.4, 2.0]))
def test_random_networks(network, tolerance, t):
    reference = dense_reference(network, t)
    assume(1.0 - sum(reference.values()) < 1e-3)
    try:
        result = fsp.solve_transient(network, [0.5 * t, t], tolerance=tolerance)
    except SolverError as error:  # only ever for want of memory or precision, never silently
        pytest.fail(f"{type(error).__name__}: {error}")
    check(result[-1], reference, tolerance)


@pytest.mark.slow
@settings(max_examples=25)
@given(networks(max_species=2), st.data())
def test_random_networks_on_a_fixed_set(network, data):
    """With bounds the answer is that of the truncated chain, and the leak is booked."""
    names = network.species_names
    initial = dict(zip(names, network.initial_state.tolist(), strict=True))
    bounds = {n: initial[n] + data.draw(st.integers(1, 8)) for n in names}
    t = 0.25
    states = sorted(
        breadth_first(
            network, [network.initial_state], 10_000,
            lambda state: all(c <= bounds[n] for n, c in zip(names, state, strict=True)),
        )
    )  # fmt: skip
    matrix = Brute(network, np.array(states)).matrix
    start = np.array([float(s == tuple(network.initial_state.tolist())) for s in states])
    truncated = scipy.linalg.expm(matrix * t) @ start
    leaked = 1.0 - truncated.sum()
    assume(leaked < 0.5)
    result = fsp.solve_transient(network, [t], tolerance=0.9, bounds=bounds)
    found = table(result.final)
    assert difference(found, dict(zip(states, truncated.tolist(), strict=True))) <= 1e-10
    assert result.ledger.entries["leaked"] == pytest.approx(leaked, rel=3e-9, abs=1e-13)
    assert sum(result.ledger.leaks.values()) == pytest.approx(leaked, rel=3e-9, abs=1e-13)


def sparse_reference(network: Any, box: tuple[int, ...], t: float, allowed: Any = None) -> dict[Any, float]:
    """Return the distribution on a box of counts by SciPy's expm_multiply on a CSR matrix."""
    grid = np.array(np.meshgrid(*[np.arange(n + 1) for n in box], indexing="ij")).reshape(len(box), -1).T
    if allowed is not None:
        grid = grid[allowed(grid)]
    place = np.full([n + 1 for n in box], -1)
    place[tuple(grid.T)] = np.arange(len(grid))
    rates = network.evaluate_propensities(grid)
    rows, columns, values = [], [], []
    for r, change in enumerate(network.stoichiometry):
        target = grid + change
        inside = ((target >= 0) & (target <= np.array(box))).all(axis=1)
        j = np.full(len(grid), -1)
        j[inside] = place[tuple(target[inside].T)]
        hit = (j >= 0) & (rates[:, r] > 0)
        rows += [j[hit], np.arange(len(grid))]
        columns += [np.flatnonzero(hit), np.arange(len(grid))]
        values += [rates[hit, r], -rates[:, r]]
    entries = (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns)))
    matrix = sp.coo_array(entries, shape=(len(grid), len(grid))).tocsr()
    p = np.zeros(len(grid))
    p[place[tuple(network.initial_state)]] = 1.0
    out = expm_multiply(matrix * t, p)
    return dict(zip(map(tuple, grid.tolist()), out.tolist(), strict=True))


LARGER = {
    "toggle": (
        lambda: fsp.ReactionNetwork(
            {"U": 0, "V": 0}, ["0 -> U ; 30/(1 + (V/8)**2)", "0 -> V ; 25/(1 + (U/8)**3)", "U -> 0 @ 1", "V -> 0 @ 1"]
        ),
        (75, 70), 4.0, None,
    ),
    "gene expression": (
        lambda: fsp.ReactionNetwork({"M": 0, "P": 0}, ["0 -> M @ 2", "M -> 0 @ 1", "M -> M + P @ 10", "P -> 0 @ 0.5"]),
        (22, 230), 3.0, None,
    ),
    "epidemic": (
        lambda: fsp.ReactionNetwork({"S": 50, "I": 3, "R": 0}, ["S + I -> 2 I @ 0.04", "I -> R @ 1"]),
        (53, 53, 53), 2.0, lambda grid: grid.sum(axis=1) == 53,
    ),
    "cascade": (
        lambda: fsp.ReactionNetwork(
            {"A": 4, "B": 0, "C": 0},
            ["0 -> A @ 3", "A -> B @ 1", "B -> C ; 2*B/(3 + B)", "C -> 0 @ 1", "A + C -> C @ 0.1"],
        ),
        (24, 20, 17), 2.0, None,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", LARGER)
def test_larger_networks_against_expm_multiply(name):
    make, box, t, allowed = LARGER[name]
    network = make()
    reference = sparse_reference(network, box, t, allowed)
    assert 1.0 - sum(reference.values()) < 1e-6
    for tolerance in (1e-3, 1e-7):
        check(fsp.solve_transient(network, [t], tolerance=tolerance).final, reference, tolerance, 1e-10)


# Initial laws

DECAY = fsp.ReactionNetwork({"X": 0, "Y": 0}, ["X -> 0 @ 0.5", "Y -> 0 @ 2", "0 -> Y @ 1"])


def mixture(network: Any, law: dict[tuple[int, ...], float], t: float, **options: Any) -> dict[Any, float]:
    out: dict[Any, float] = {}
    for state, weight in law.items():
        counts = dict(zip(network.species_names, state, strict=True))
        for s, p in table(
            fsp.solve_transient(network, [t], initial=counts, tolerance=1e-12, **options).final
        ).items():
            out[s] = out.get(s, 0.0) + weight * p
    return out


@pytest.mark.parametrize(
    ("initial", "law"),
    [
        (None, {(0, 0): 1.0}),
        ({"X": 5}, {(5, 0): 1.0}),
        ({"Y": 2, "X": 5}, {(5, 2): 1.0}),
        ([3, 1], {(3, 1): 1.0}),
        (np.array([3, 1]), {(3, 1): 1.0}),
        ({(3, 1): 0.25, (0, 4): 0.75}, {(3, 1): 0.25, (0, 4): 0.75}),
        ({(3, 1): 0.25, (0, 4): 0.75, (9, 9): 0.0}, {(3, 1): 0.25, (0, 4): 0.75}),
        ({"X": {2: 0.5, 7: 0.5}}, {(2, 0): 0.5, (7, 0): 0.5}),
        (
            {"X": [0.5, 0.25, 0.25], "Y": {1: 0.125, 0: 0.875}},
            {(x, y): a * b for x, a in enumerate((0.5, 0.25, 0.25)) for y, b in ((1, 0.125), (0, 0.875))},
        ),
        (
            fsp.Distribution.from_dict({(1, 2): 0.5, (4, 0): 0.5}, ["X", "Y"]),
            {(1, 2): 0.5, (4, 0): 0.5},
        ),
        (
            fsp.Distribution.from_dict({(2, 1): 0.5, (0, 4): 0.5}, ["Y", "X"]),
            {(1, 2): 0.5, (4, 0): 0.5},
        ),
    ],
)
def test_initial_laws(initial, law):
    result = fsp.solve_transient(DECAY, [0.0, 1.0], initial=initial, tolerance=1e-9)
    assert difference(table(result[0]), law) <= 2e-15
    check(result[1], mixture(DECAY, law, 1.0), 1e-9)


@pytest.mark.parametrize(
    ("initial", "text"),
    [
        ({"Z": 1}, "there is no species 'Z'"),
        ({"X": -1}, "X must be an integer >= 0, not -1"),
        ({"X": 1.5}, "1.5"),
        ({"X": float("nan")}, "nan"),
        ({"X": "three"}, "'three'"),
        ({"X": True}, "True"),
        ([1], "2 counts"),
        ([1, 2, 3], "2 counts"),
        ({(1, 2): 0.5}, "0.5 instead of 1"),
        ({(1, 2): 1.5, (0, 0): -0.5}, "-0.5"),
        ({(1, 2): float("nan")}, "nan"),
        ({(1, 2): "half"}, "'half'"),
        ({(1,): 1.0}, "2 counts"),
        ({"X": {1: 0.5}}, "X add up to 0.5"),
        ({"X": {1: 2.0}, "Y": {1: 0.5}}, "X add up to 2.0"),
        ({"X": {1: -1.0}, "Y": {1: -1.0}}, "-1.0"),
        ({"X": [0.5, "half"]}, "'half'"),
        (3, "int"),
        (fsp.Distribution.from_dict({(1,): 1.0}, ["X"]), "X, Y"),
    ],
)
def test_bad_initial_laws(initial, text):
    with pytest.raises(ArgumentError, match="initial") as caught:
        fsp.solve_transient(DECAY, [1.0], initial=initial)
    assert text in str(caught.value)


def test_two_half_runs_enclose_one_full_run():
    network, t = LARGER["toggle"][0](), 2.0
    whole = fsp.solve_transient(network, [t], tolerance=1e-8).final
    half = fsp.solve_transient(network, [0.5 * t], tolerance=1e-6)
    for initial in (half, half.final):
        second = fsp.solve_transient(network, [0.5 * t], tolerance=1e-4, initial=initial)
        assert second.ledger.entries["initial"] == half.error_bound
        assert second.error_bound >= half.error_bound
        assert difference(table(whole), table(second.final)) <= whole.error_bound + second.error_bound
        for state, p in table(second.final).items():
            assert p <= table(whole).get(state, 0.0) + whole.error_bound


def test_an_initial_error_above_the_tolerance_is_refused():
    start = fsp.Distribution.from_dict({(1, 0): 0.5, (0, 0): 0.25}, ["X", "Y"], error_bound=0.25)
    with pytest.raises(ToleranceError, match="initial"):
        fsp.solve_transient(DECAY, [1.0], initial=start, tolerance=0.1)
    result = fsp.solve_transient(DECAY, [1.0], initial=start, tolerance=0.3)
    assert 0.25 <= result.error_bound <= 0.3


def test_uncertain_initial_laws_stay_uncertain():
    two_sided = fsp.Distribution.from_dict(
        {(1, 0): 0.6, (0, 0): 0.4}, ["X", "Y"], error_bound=0.2, lower_bound=False
    )
    result = fsp.solve_transient(DECAY, [0.0, 1.0], initial=two_sided, tolerance=0.3)
    assert not result[0].lower_bound
    assert 0.5 in result[0].probability("X == 1")  # the truth may be smaller than what was given
    estimate = fsp.Distribution.from_dict({(1, 0): 1.0}, ["X", "Y"], error_bound=0.0, certified=False)
    assert not fsp.solve_transient(DECAY, [1.0], initial=estimate, tolerance=0.3).certified


def test_mixed_conserved_totals():
    """The set cannot use the conservation law then, and must not lose states for it."""
    network = fsp.ReactionNetwork({"A": 0, "B": 4}, ["A -> B @ f", "B -> A @ b"], {"f": 1.0, "b": 2.0})
    result = fsp.solve_transient(network, [0.5], initial={(3, 0): 0.25, (0, 5): 0.75}, tolerance=1e-10)
    with mp.workdps(40):
        few, many = cf.isomerisation(3, 0, 1.0, 2.0, 0.5), cf.isomerisation(0, 5, 1.0, 2.0, 0.5)
    truth = {(a, 3 - a): 0.25 * float(p) for a, p in enumerate(few)}
    truth |= {(a, 5 - a): 0.75 * float(p) for a, p in enumerate(many)}
    check(result.final, truth, 1e-10, 1e-14)
    other_total = fsp.solve_transient(network, [0.5], initial={"A": 3, "B": 0}, tolerance=1e-10)
    check(other_total.final, {(a, 3 - a): float(p) for a, p in enumerate(few)}, 1e-10, 1e-14)


def test_mixed_totals_when_the_fibre_axis_turns():
    """The set is turned while it grows; coordinates must not drop species on the way."""
    network = fsp.ReactionNetwork(
        {"A": 0, "B": 10, "M": 0}, ["A -> B @ 1", "B -> A @ 2", "B -> B + M @ 5", "M -> 0 @ 0.1"]
    )
    law = {(0, 10, 0): 0.5, (3, 20, 0): 0.5}
    result = fsp.solve_transient(network, [3.0], initial=law, tolerance=1e-6)
    assert set(result.final.states[:, :2].sum(axis=1).tolist()) == {10, 23}
    parts = [
        fsp.solve_transient(network, [3.0], initial=dict(zip("ABM", s, strict=True)), tolerance=1e-8)
        for s in law
    ]
    expected: dict[Any, float] = {}
    for part in parts:
        for state, p in table(part.final).items():
            expected[state] = expected.get(state, 0.0) + 0.5 * p
    assert difference(table(result.final), expected) <= result.error_bound + 1e-8


# Times


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
    result = fsp.solve_transient(network, [1.0, 4.0], tolerance=1e-5)
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
    birth = next(v for k, v in leaks.items() if k.startswith("birth"))
    other = next(v for k, v in leaks.items() if k.startswith("other"))
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
    monkeypatch.setattr(loop, "_transfer", transfer)
    with pytest.raises(SolverError, match="not booked"):
        fsp.solve_transient(network, [4.0], tolerance=1e-3)


def test_control_the_checker_notices_a_shifted_law():
    network = fsp.ReactionNetwork({"X": 6}, ["X -> 0 @ 1"])
    distribution = fsp.solve_transient(network, [1.0], tolerance=1e-6).final
    truth = {(n,): float(p) for n, p in enumerate(cf.pure_death(6, 1, "1.00001"))}
    with pytest.raises(AssertionError):
        check(distribution, truth, 1e-6)
