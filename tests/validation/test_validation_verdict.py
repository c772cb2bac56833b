"""The verdict: what it says of right and wrong samples, and when it says that nothing can be said."""

from __future__ import annotations

import json

import numpy as np
import pytest

import fsp
from fsp.errors import ArgumentError, SampleError

NETWORK = fsp.ReactionNetwork(
    {"A": 8, "B": 0}, ["A -> B @ f", "B -> A @ g"], {"f": 1.0, "g": 0.5}, name="two states"
)
OPEN = fsp.ReactionNetwork({"X": 0}, ["0 -> X @ k", "X -> 0 @ d"], {"k": 6.0, "d": 1.0})
TIMES = [0.5, 2.0]


@pytest.fixture(scope="module")
def exact():
    return fsp.solve_transient(NETWORK, TIMES, tolerance=1e-12)


@pytest.fixture(scope="module")
def open_exact():
    return fsp.solve_transient(OPEN, TIMES, tolerance=1e-10)


def draw(result, n, seed):
    return np.stack([law.sample(n, seed=seed + k) for k, law in enumerate(result)], axis=1)


def check(samples, against, **options):
    options = {"times": TIMES, "species": ["A", "B"], "diagnose": False, **options}
    return fsp.validate(samples, against, **options)


def test_right_samples_are_consistent(exact, open_exact):
    report = check(draw(exact, 10_000, 1), exact)
    assert report.verdict == "consistent"
    assert report.exit_code == 0
    assert report.certified
    assert report.false_alarm_rate == 1e-6
    assert all(s.adjusted.upper > 0.01 for s in report.statistics if s.adjusted is not None)
    assert check(draw(open_exact, 10_000, 1), open_exact, species=["X"]).verdict == "consistent"


def test_a_model_is_solved_at_the_times_of_the_samples(exact):
    assert check(draw(exact, 10_000, 1), NETWORK).verdict == "consistent"


def test_samples_of_another_model_are_inconsistent(exact):
    other = fsp.solve_transient(NETWORK.with_parameters(g=0.55), TIMES)
    report = check(draw(other, 10_000, 1), exact)
    assert report.verdict == "inconsistent"
    assert report.exit_code == 1
    assert report.worst.adjusted.upper < 1e-6


def test_few_samples_decide_nothing(exact):
    report = check(draw(exact, 1_000, 1), exact)
    assert report.verdict == "undecided"
    assert report.exit_code == 3
    assert "not enough samples" in report.reason
    assert check(draw(exact, 1_000, 1), exact, resolution=0.3).verdict == "consistent"


def test_few_samples_may_still_show_a_large_error(exact):
    assert check(np.full((200, 2, 2), [8, 0]), exact).verdict == "inconsistent"


def test_states_that_break_a_conservation_law_are_impossible(exact):
    samples = draw(exact, 10_000, 1)
    samples[17, 1, 0] += 1
    report = check(samples, NETWORK)
    assert report.verdict == "inconsistent"
    assert report.worst.kind == "outside"
    assert report.worst.p.upper == 0.0
    assert "break a conservation law" in report.worst.detail


def test_one_sample_outside_of_the_kept_states_is_undecided_and_several_are_not():
    coarse = fsp.solve_transient(OPEN, TIMES, tolerance=1e-6)
    samples = draw(coarse, 10_000, 3)
    samples[0, 0, 0] = 5_000
    options = {"times": TIMES, "species": ["X"], "diagnose": False}
    report = fsp.validate(samples, coarse, **options)
    assert report.verdict == "undecided"
    assert "smaller tolerance" in report.reason
    samples[:9, 0, 0] = 5_000
    assert fsp.validate(samples, coarse, **options).verdict == "inconsistent"
    samples[1:9, 0, 0] = 3  # a model is solved again, more exactly, until the verdict does not hang on it
    assert fsp.validate(samples, OPEN, **options).verdict == "inconsistent"


def test_the_solvers_error_can_leave_the_verdict_open(exact):
    """The same samples: rejected by the sharp law, not by one that is known to a hundredth."""
    other = fsp.solve_transient(NETWORK.with_parameters(g=0.6), TIMES)
    samples = draw(other, 10_000, 1)
    blunt = [
        fsp.Distribution.from_states(
            d.states, d.probabilities * 0.95, d.species_names, error_bound=0.1, time=d.time
        )
        for d in exact
    ]
    assert check(samples, exact).verdict == "inconsistent"
    result = fsp.TransientResult(NETWORK, TIMES, blunt, exact.ledger, "none", "blunt", {})
    report = check(samples, result)
    assert report.verdict == "undecided"
    assert "error bound" in report.reason
    assert report.worst.adjusted.lower <= 1e-6 < report.worst.adjusted.upper


def test_estimates_are_no_proofs(exact):
    guessed = [
        fsp.Distribution.from_states(d.states, d.probabilities, d.species_names, certified=False, time=d.time)
        for d in exact
    ]
    result = fsp.TransientResult(NETWORK, TIMES, guessed, exact.ledger, "none", "estimates", {})
    assert not check(draw(exact, 10_000, 1), result).certified
    assert not check(draw(exact, 10_000, 1), exact, calibration="asymptotic").certified


def test_the_other_calibration_and_correction(exact):
    samples = draw(exact, 10_000, 1)
    for options in ({"calibration": "asymptotic"}, {"multiplicity": "bh"}):
        report = check(samples, exact, **options)
        assert report.verdict == "consistent"
    asymptotic = check(samples, exact, calibration="asymptotic")
    assert any(s.kind == "chi2" and s.adjusted is not None for s in asymptotic.statistics)
    assert all(s.adjusted is None for s in check(samples, exact).statistics if s.kind == "chi2")


def test_many_species_with_large_counts_are_compared_jointly():
    """The box of their counts has more than 2^64 states, of which fifty have a probability."""
    names = [f"S{k}" for k in range(9)]
    states = np.random.default_rng(1).integers(0, 300, size=(50, 9))
    states[0], states[1] = 0, 299
    law = fsp.Distribution.from_states(states, np.full(50, 0.02), names)
    samples = law.sample(10_000, seed=2)
    assert fsp.validate(samples, law, times=[1.0], species=names).verdict == "consistent"
    samples[5, 3] += 1
    report = fsp.validate(samples, law, times=[1.0], species=names)
    assert report.verdict == "inconsistent"
    assert report.worst.kind == "outside"


def test_joint_laws_are_compared_and_not_only_marginals():
    """Two independent species whose samples are coupled: every marginal is right."""
    network = fsp.ReactionNetwork(
        {"A": 0, "B": 0}, ["0 -> A @ k", "A -> 0 @ d", "0 -> B @ k", "B -> 0 @ d"], {"k": 6.0, "d": 1.0}
    )
    result = fsp.solve_transient(network, TIMES, tolerance=1e-9)
    samples = draw(result, 10_000, 1)
    coupled = np.stack([np.sort(samples[:, k], axis=0) for k in range(2)], axis=1)
    assert check(samples, result).verdict == "consistent"
    report = check(coupled, result)
    assert report.verdict == "inconsistent"
    assert set(report.worst.names) == {"A", "B"}
    alone = check(coupled[:, :, 0], result, species=["A"])
    assert alone.verdict == "consistent"


def test_means_and_deviations_are_enough_for_a_verdict(open_exact):
    samples = draw(open_exact, 10_000, 1)[:, :, 0]
    table = {"mean": samples.mean(axis=0), "sd": samples.std(axis=0, ddof=1)}
    options = {"times": TIMES, "species": ["X"], "n": 10_000, "diagnose": False}
    report = fsp.validate(table, open_exact, **options)
    assert report.verdict == "consistent"
    assert 1e-6 < report.false_alarm_rate < 1e-4  # the states that are not kept
    assert {s.kind for s in report.statistics} == {"mean", "sd"}
    table["sd"] *= 1.1
    assert fsp.validate(table, open_exact, **options).worst.kind == "sd"
    table["sd"] /= 1.1
    table["mean"] *= 1.05
    assert fsp.validate(table, open_exact, **options).worst.kind == "mean"


def test_histograms_give_the_verdict_of_their_samples(exact):
    samples = draw(exact, 10_000, 1)
    histogram = {}
    for k, time in enumerate(TIMES):
        states, weights = np.unique(samples[:, k], axis=0, return_counts=True)
        histogram[time] = {tuple(s): w for s, w in zip(states.tolist(), weights.tolist(), strict=True)}
    report = fsp.validate(histogram, exact, species=["A", "B"])
    assert report.to_dict()["statistics"] == check(samples, exact).to_dict()["statistics"]


def test_a_distribution_stands_for_all_times(open_exact):
    late = fsp.solve_transient(OPEN, [60.0], tolerance=1e-10).final
    samples = np.stack([late.sample(10_000, seed=k) for k in range(3)], axis=1)
    report = fsp.validate(samples, late, times=[50.0, 60.0, 70.0], species=["X"])
    assert report.verdict == "consistent"
    assert {s.time for s in report.statistics} == {50.0, 60.0, 70.0}


def test_a_stationary_result_stands_for_all_times():
    stationary = fsp.solve_stationary(OPEN, tolerance=1e-9)
    samples = stationary.distribution.sample(10_000, seed=4)
    report = fsp.validate(samples, stationary, times=[99.0], species=["X"])
    assert report.verdict == "consistent"
    assert fsp.validate(samples + 1, stationary, times=[99.0], species=["X"]).verdict == "inconsistent"


def test_rates_that_depend_on_time():
    network = fsp.ReactionNetwork({"X": 5}, ["0 -> X ; 6*(1 + sin(time))", "X -> 0 @ 1"])
    ensemble = fsp.simulate(network, times=TIMES, n_trajectories=10_000, seed=3)
    assert fsp.validate(ensemble, network).verdict == "consistent"
    still = fsp.ReactionNetwork({"X": 5}, ["0 -> X @ 6", "X -> 0 @ 1"])
    assert fsp.validate(ensemble, still, diagnose=False).verdict == "inconsistent"


def test_an_error_of_rounding_loosens_the_tolerance():
    """Double precision cannot keep 1e-12 over many products; the verdict does not need it."""
    fast = fsp.ReactionNetwork({"A": 5, "B": 5}, ["A -> B @ 3000", "B -> A @ 3000"])
    law = fsp.solve_transient(fast, [1.0], tolerance=1e-8).final
    report = fsp.validate(law.sample(10_000, seed=1), fast, times=[1.0], species=["A", "B"], resolution=0.2)
    assert report.verdict == "consistent"


def test_observables_can_be_compared():
    network = fsp.ReactionNetwork({"X": 0}, ["0 -> X @ 6", "X -> 0 @ 1"], observables={"twice": "2*X"})
    result = fsp.solve_transient(network, TIMES, tolerance=1e-9)
    samples = draw(result, 10_000, 2)
    both = np.concatenate([samples, 2 * samples], axis=2)
    assert fsp.validate(both, result, times=TIMES, species=["X", "twice"]).verdict == "consistent"
    computed = fsp.validate([{"time": TIMES, "X": s[:, 0]} for s in samples], result, species=["X", "twice"])
    assert computed.verdict == "consistent"
    assert any(s.names == ("twice",) for s in computed.statistics)
    wrong = np.concatenate([samples, 2 * samples + 1], axis=2)
    assert (
        fsp.validate(wrong, result, times=TIMES, species=["X", "twice"], diagnose=False).verdict
        == "inconsistent"
    )


def test_kept_marginals_are_enough(exact):
    samples = draw(exact, 10_000, 1)
    kept = fsp.solve_transient(NETWORK, TIMES, save="marginals")
    assert check(samples, kept).verdict == "consistent"
    with pytest.raises(ArgumentError, match="save"):
        check(samples, fsp.solve_transient(NETWORK, TIMES, save="moments"))


# -- what cannot be compared ---------------------------------------------------------------------------------


def test_missing_species_and_times_are_refused(exact):
    samples = draw(exact, 100, 1)
    with pytest.raises(SampleError, match="no samples of 'B'"):
        fsp.validate([{"time": TIMES, "A": s[:, 0]} for s in samples], exact)
    with pytest.raises(SampleError, match="did you mean 'a'"):
        fsp.validate([{"time": TIMES, "a": s[:, 0], "B": s[:, 1]} for s in samples], exact)
    with pytest.raises(SampleError, match="none of the times"):
        check(samples, exact, times=[0.6, 2.1])
    report = check(samples, exact, times=[0.5, 2.1])
    assert any("t = 2.1" in note for note in report.notes)
    extra = fsp.validate([{"time": TIMES, "A": s[:, 0], "B": s[:, 1], "C": s[:, 1]} for s in samples], exact)
    assert any("C" in note for note in extra.notes)


@pytest.mark.parametrize("against", [3, None, {"A": 1}])
def test_unknown_references_are_refused(against):
    with pytest.raises(ArgumentError, match="samples are compared with"):
        check(np.zeros((5, 2, 2), dtype=int), against)


@pytest.mark.parametrize(
    "options",
    [
        {"alpha": 0.0},
        {"alpha": 1.0},
        {"alpha": float("nan")},
        {"alpha": "x"},
        {"min_expected": None},
        {"min_expected": 0.0},
        {"power": 1.5},
        {"resolution": -1.0},
        {"calibration": "exact"},
        {"multiplicity": "none"},
        {"tolerance": 1e-3},
    ],
)
def test_options_out_of_range_are_refused(exact, options):
    with pytest.raises(ArgumentError):
        check(draw(exact, 10, 1), exact, **options)


# -- the report ----------------------------------------------------------------------------------------------


def test_what_samples_can_show_is_what_they_show(exact):
    """A shift of a mean by the stated deviation is detected about as often as stated, or more."""
    report = check(draw(exact, 10_000, 1), exact)
    (found,) = [d for d in report.power.detectable() if d.species == "B"]
    needed = report.samples_needed("B", mean=found.mean)
    assert needed == pytest.approx(10_000, rel=0.01)
    assert report.samples_needed("B", mean=found.mean / 2) == pytest.approx(40_000, rel=0.01)
    with pytest.raises(ArgumentError, match="takes one deviation"):
        report.samples_needed("B")
    with pytest.raises(ArgumentError, match="not among"):
        report.samples_needed("C", sd=0.1)
    caught = 0
    for seed in range(30):
        samples = draw(exact, 10_000, 100 * seed)
        k = TIMES.index(found.time)
        moved = np.random.default_rng(seed).random(10_000) < report.power.shift * exact[k].std("B")
        samples[moved, k] += [-1, 1]
        samples[:, k] = np.clip(samples[:, k], 0, 8)
        caught += check(samples, exact).verdict == "inconsistent"
    assert caught >= 22


def test_the_report_prints_and_converts(exact, tmp_path):
    report = check(draw(exact, 10_000, 1), exact)
    text = str(report)
    assert text.startswith("CONSISTENT")
    assert "at most 1e-06" in text
    data = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert data["verdict"] == "consistent"
    assert len(data["statistics"]) == len(report.to_pandas()) == len(report.statistics)
    report.plot(str(tmp_path / "report.png"))
    assert (tmp_path / "report.png").stat().st_size > 10_000
