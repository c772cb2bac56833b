"""Size: right samples are called inconsistent at most as often as stated; 10,000 repeats on three models.

The samples are drawn from the exact law, so that nothing but the oracle is on trial. The number of alarms among R repeats
is at most binomial with the level; a right oracle fails this test with a probability below 1e-6 for each case.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

import fsp
from fsp.validation.plan import Plan, Settings
from fsp.validation.report import adjusted
from fsp.validation.samples import Samples, tabulate

REPEATS = 10_000
LEVELS = (1e-6, 1e-2)

#: Networks, times, samples in each repeat: bimodal and skewed; few molecules; two coupled species with rare states.
MODELS = {
    "telegraph": (
        fsp.ReactionNetwork(
            {"on": 0, "M": 0},
            ["0 -> on ; 0.3*(1 - on)", "on -> 0 @ 0.5", "on -> on + M @ 12", "M -> 0 @ 1"],
        ),
        [1.0, 8.0],
        1_000,
    ),
    "two states": (
        fsp.ReactionNetwork({"A": 4, "B": 0}, ["A -> B @ 0.02", "B -> A @ 1"]),
        [0.5, 1.0, 5.0],
        300,
    ),
    "dimerisation": (
        fsp.ReactionNetwork({"A": 20, "D": 0}, ["2 A -> D @ 0.05", "D -> 2 A @ 0.3", "0 -> A @ 1"]),
        [0.3, 2.0],
        500,
    ),
}


def alarms(name, repeats, settings, seed, *, full=False):
    """Return how often right samples are rejected, by level, and how often each test is, by kind, at 1 %."""
    network, times, n = MODELS[name]
    result = fsp.solve_transient(network, times, tolerance=1e-11)
    laws = dict(zip(times, result, strict=True))
    rng = np.random.default_rng(seed)
    # All samples at once: row k of `drawn` are those of one repeat.
    drawn = [law.sample(repeats * n, seed=rng).reshape(repeats, n, -1) for law in result]

    def samples(k):
        return Samples(
            tuple(tabulate(t, network.species_names, d[k]) for t, d in zip(times, drawn, strict=True))
        )

    plan = Plan(laws, samples(0), settings, full=full)
    rejected = dict.fromkeys(LEVELS, 0)
    single: dict[str, list[bool]] = {}
    for k in range(repeats):
        statistics = adjusted(plan.run(samples(k)), settings)
        worst = min(s.adjusted.upper for s in statistics if s.adjusted is not None)
        for level in LEVELS:
            rejected[level] += worst <= level
        for s in statistics:
            p = s.used(settings.calibration)
            if p is not None:
                single.setdefault(s.kind, []).append(p.upper <= 0.01)
    return rejected, single


def most(level, repeats):
    """The number of alarms that a right oracle exceeds with probability below 1e-6."""
    return int(stats.binom.isf(1e-6, repeats, level))


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_false_alarms_are_at_most_as_frequent_as_stated(name):
    rejected, _ = alarms(name, REPEATS, Settings(), seed=2026)
    for level in LEVELS:
        assert rejected[level] <= most(level, REPEATS), (name, rejected)
    assert rejected[1e-6] == 0


@pytest.mark.parametrize("name", MODELS)
def test_no_single_proven_test_exceeds_its_level(name):
    repeats = 300
    _, single = alarms(name, repeats, Settings(), seed=7)
    for kind, outcomes in single.items():
        # The tests of one repeat depend on one another: at the worst they all agree.
        per_repeat = len(outcomes) / repeats
        assert sum(outcomes) <= per_repeat * most(0.01, repeats), (name, kind, sum(outcomes))


def test_control_wrong_samples_are_called_inconsistent_far_more_often():
    network, times, n = MODELS["dimerisation"]
    wrong = fsp.solve_transient(fsp.ReactionNetwork(
        {"A": 20, "D": 0}, ["2 A -> D @ 0.06", "D -> 2 A @ 0.3", "0 -> A @ 1"]
    ), times)  # fmt: skip
    right = fsp.solve_transient(network, times, tolerance=1e-11)
    caught = 0
    for k in range(20):
        counts = np.stack([law.sample(4 * n, seed=10 * k + i) for i, law in enumerate(wrong)], axis=1)
        report = fsp.validate(
            counts, right, times=times, species=network.species_names, alpha=0.01, diagnose=False
        )
        caught += report.verdict == "inconsistent"
    assert caught >= 15
