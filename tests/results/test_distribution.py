"""Distributions: every enclosure holds the truth of a law that was cut off in a known way."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from fsp.distribution import Distribution
from fsp.errors import ArgumentError, ExpressionError
from fsp.interval import Interval
from fsp.known_moments import StoredMoments

FIXED = settings(derandomize=True, max_examples=100, deadline=None)


class Cut:
    """A law on counts, and what is left of it when states are dropped and masses are shaved."""

    def __init__(self, p, keep, shave):
        self.p = p / p.sum()
        self.counts = np.arange(len(p))
        kept = np.where(keep, self.p * shave, 0.0)
        # 1e-12 more than what is missing: the sums in this class round as well.
        self.missing = float(np.sum(self.p - kept)) + 1e-12
        self.states = self.counts[keep][:, np.newaxis]
        self.kept = kept[keep]

    def distribution(self, **options):
        return Distribution.from_states(self.states, self.kept, ["X"], error_bound=self.missing, **options)

    def moment(self, order):
        return float(np.sum(self.counts.astype(float) ** order * self.p))

    @property
    def variance(self):
        return float(np.sum((self.counts - self.moment(1)) ** 2 * self.p))


@st.composite
def cuts(draw):
    """Random laws on up to 40 counts; at least one state is kept."""
    n = draw(st.integers(2, 40))
    weights = np.array(draw(st.lists(st.floats(1e-9, 1.0), min_size=n, max_size=n)))
    keep = np.array(draw(st.lists(st.booleans(), min_size=n, max_size=n)))
    keep[draw(st.integers(0, n - 1))] = True
    shave = np.array(draw(st.lists(st.sampled_from([1.0, 1.0, 1 - 1e-6, 0.9]), min_size=n, max_size=n)))
    return Cut(weights, keep, shave)


def near(interval, value, relative=1e-12):
    """Membership up to the rounding of the reference value."""
    slack = relative * (1.0 + abs(value))
    return interval.lower - slack <= value <= interval.upper + slack


def exact_moments(cut, widen=1e-9):
    enclosures = [Interval.around(cut.moment(k), widen) for k in (1, 2)]
    return StoredMoments({"X": enclosures[0]}, {"X": enclosures[1]}, {"X": "test"})


@FIXED
@given(cuts())
def test_moments_of_bounded_counts_are_enclosed(cut):
    d = cut.distribution(support_bounds={"X": len(cut.p) - 1})
    for order in (1, 2, 3):
        bounds = d.moment_bounds("X", order)
        assert near(bounds, cut.moment(order))
        assert bounds.upper <= (len(cut.p) - 1) ** order * (1 + 1e-12)
        assert near(bounds, d.moment("X", order))
    assert near(d.variance_bounds("X"), cut.variance)
    assert near(d.std_bounds("X"), math.sqrt(cut.variance), 1e-7)


@FIXED
@given(cuts())
def test_moments_are_enclosed_by_a_bound_on_the_second_moment(cut):
    second = Interval(0.0, cut.moment(2) * (1 + 1e-12))
    d = cut.distribution(moments=StoredMoments({}, {"X": second}))
    assert near(d.mean_bounds("X"), cut.moment(1))
    assert math.isfinite(d.mean_bounds("X").upper)
    assert near(d.variance_bounds("X"), cut.variance)
    assert d.mean("X") in d.mean_bounds("X")
    assert d.variance("X") in d.variance_bounds("X")


@FIXED
@given(cuts())
def test_moments_are_enclosed_by_a_bound_on_tails(cut):
    class Tails(StoredMoments):
        def tail(self, species, mass, power=1):
            # The largest contribution of a part of mass at most `mass`: greedily from the top.
            left, total = mass, 0.0
            for count, p in zip(cut.counts[::-1], cut.p[::-1], strict=True):
                total += min(left, p) * float(count) ** power
                left -= min(left, p)
            return total * (1 + 1e-12)

    d = cut.distribution(moments=Tails())
    for order in (1, 2, 3):
        assert near(d.moment_bounds("X", order), cut.moment(order))
        assert math.isfinite(d.moment_bounds("X", order).upper)
    assert near(d.variance_bounds("X"), cut.variance)


def test_sharp_moments_from_elsewhere_win():
    cut = Cut(stats.poisson.pmf(np.arange(60), 10.0), np.arange(60) < 15, 1.0)
    d = cut.distribution(moments=exact_moments(cut))
    assert d.mean_bounds("X").width < 3e-9
    assert abs(d.mean("X") - 10.0) < 3e-9
    assert abs(d.std("X") - math.sqrt(10.0)) < 1e-7
    # Control: the states that are left do not give these values on their own.
    assert abs(cut.distribution().mean("X") - 10.0) > 0.1


def test_without_further_knowledge_nothing_is_proven_above():
    cut = Cut(stats.poisson.pmf(np.arange(60), 10.0), np.arange(60) < 30, 1.0)
    d = cut.distribution()
    assert d.mean_bounds("X").upper == math.inf
    assert d.variance_bounds("X").upper == math.inf
    assert near(d.mean_bounds("X"), 10.0)
    assert d.mean_bounds("X").lower > 9.99


def test_wrong_error_bounds_are_found():
    """Control: with an error bound that is too small the enclosures miss the truth."""
    cut = Cut(stats.poisson.pmf(np.arange(60), 10.0), np.arange(60) < 15, 1.0)
    cut.missing /= 10.0
    honest = Distribution.from_states(cut.states, cut.kept, ["X"], error_bound=10 * cut.missing)
    assert near(honest.probability("X >= 10"), float(cut.p[10:].sum()))
    with pytest.raises(ArgumentError, match="add up to"):
        cut.distribution()
    from fsp.pointset import PointSet

    lying = Distribution(PointSet(cut.states, ["X"]), cut.kept, error_bound=cut.missing)
    assert not near(lying.probability("X >= 10"), float(cut.p[10:].sum()))


def test_contradictory_knowledge_is_reported():
    d = Distribution.point({"X": 3}, moments=StoredMoments({"X": Interval(5, 6)}))
    with pytest.raises(ArgumentError, match="contradict"):
        d.mean("X")


@FIXED
@given(cuts(), st.integers(0, 40), st.integers(0, 40))
def test_probabilities_are_enclosed(cut, a, b):
    d = cut.distribution()
    inside = (cut.counts > a) & (cut.counts <= b) | (cut.counts == 3)
    assert near(d.probability(f"{a} < X <= {b} or X == 3"), float(cut.p[inside].sum()))
    assert near(d.pmf(X=a), float(cut.p[a]) if a < len(cut.p) else 0.0)
    whole = d.probability("X >= 0")
    assert near(whole, 1.0)
    assert whole.upper <= 1.0


@FIXED
@given(cuts(), st.floats(0.001, 0.999))
def test_quantiles_are_enclosed(cut, q):
    cumulated = np.cumsum(cut.p)
    if np.min(np.abs(cumulated - q)) < 1e-9:  # within rounding of a step the reference itself is undecided
        return
    truth = int(np.searchsorted(cumulated, q))
    bounds = cut.distribution(support_bounds={"X": len(cut.p) - 1}).quantile_bounds("X", q)
    assert truth in bounds
    assert cut.distribution().quantile("X", q) in cut.distribution().quantile_bounds("X", q)


def test_quantiles_of_a_whole_law_are_exact():
    d = Distribution.from_dict({0: 0.25, 1: 0.5, 4: 0.25}, ["X"])
    assert [d.quantile("X", q) for q in (0.1, 0.5, 0.9)] == [0, 1, 4]
    assert d.quantile_bounds("X", 0.5) == Interval(1, 1)
    assert d.median("X") == 1
    with pytest.raises(ArgumentError, match="between 0 and 1"):
        d.quantile("X", 1.0)


@FIXED
@given(cuts())
def test_entropy_is_enclosed(cut):
    positive = cut.p[cut.p > 0]
    truth = float(-np.sum(positive * np.log(positive)))
    d = cut.distribution(support_bounds={"X": len(cut.p) - 1})
    assert near(d.entropy_bounds(), truth, 1e-11)
    assert near(cut.distribution(moments=exact_moments(cut)).entropy_bounds(), truth, 1e-11)


def test_entropy_bounds_shrink_with_the_error():
    widths = []
    for length in (30, 40, 60):
        p = stats.poisson.pmf(np.arange(300), 10.0)
        cut = Cut(p, np.arange(300) < length, 1.0)
        widths.append(cut.distribution(support_bounds={"X": 299}).entropy_bounds().width)
    assert widths[0] > 10 * widths[1] > 0
    assert widths[2] < 1e-9
    assert Distribution.point({"X": 2}).entropy_bounds().upper < 1e-12


@st.composite
def pairs(draw):
    """Two cut laws on the same counts."""
    first = draw(cuts())
    n = len(first.p)
    weights = np.array(draw(st.lists(st.floats(1e-9, 1.0), min_size=n, max_size=n)))
    keep = np.array(draw(st.lists(st.booleans(), min_size=n, max_size=n)))
    keep[0] = True
    return first, Cut(weights, keep, 1.0)


@FIXED
@given(pairs())
def test_distances_are_enclosed_and_symmetric(pair):
    a, b = pair
    truth = 0.5 * float(np.abs(a.p - b.p).sum())
    d, e = a.distribution(), b.distribution()
    assert near(d.tv_distance(e), truth)
    assert d.tv_distance(e).lower == pytest.approx(e.tv_distance(d).lower, abs=1e-14)
    assert d.tv_distance(e).upper == pytest.approx(e.tv_distance(d).upper, abs=1e-14)
    assert d.tv_distance(d).lower == 0.0
    assert d.tv_distance(e).width <= d.error_bound + e.error_bound + 1e-13


@FIXED
@given(pairs())
def test_distances_of_two_sided_errors_are_enclosed(pair):
    a, b = pair
    d, e = (c.distribution(lower_bound=False) for c in pair)
    assert near(d.tv_distance(e), 0.5 * float(np.abs(a.p - b.p).sum()))
    # Masses that are too large, as no lower bound has them.
    heavy = Distribution.from_states(
        a.states, a.kept + a.missing / (2 * len(a.kept)), ["X"], error_bound=2 * a.missing, lower_bound=False
    )
    assert near(heavy.probability("X <= 5"), float(a.p[:6].sum()))
    with_limit = Distribution.from_states(
        heavy.states,
        heavy.probabilities,
        ["X"],
        error_bound=heavy.error_bound,
        lower_bound=False,
        support_bounds={"X": len(a.p) - 1},
    )
    assert near(with_limit.mean_bounds("X"), a.moment(1))
    assert near(with_limit.variance_bounds("X"), a.variance)


def test_distances_do_not_depend_on_the_order_of_species():
    d = Distribution.from_dict({(0, 1): 0.5, (2, 0): 0.5}, ["A", "B"])
    e = Distribution.from_dict({(1, 0): 0.5, (0, 2): 0.25, (5, 5): 0.25}, ["B", "A"])
    assert 0.25 in d.tv_distance(e)
    assert d.tv_distance(e).width < 1e-12
    with pytest.raises(ArgumentError, match="no distance"):
        d.tv_distance(Distribution.point({"A": 1}))


def test_samples_follow_the_law():
    """Chi-square tests with fixed seeds; each rejects a true law with probability 1e-4."""
    p = np.array([[0.1, 0.2, 0.05], [0.3, 0.05, 0.3]])
    states = [[a, b] for a in range(2) for b in range(3)]
    d = Distribution.from_states(states, p.ravel(), ["A", "B"])
    n = 20_000
    samples = d.sample(n, seed=7)
    observed = np.bincount(samples[:, 0] * 3 + samples[:, 1], minlength=6)
    assert stats.chisquare(observed, p.ravel() * n).pvalue > 1e-4
    wrong = p.ravel() + np.array([0.02, -0.02, 0, 0, 0, 0])
    assert stats.chisquare(observed, wrong * n).pvalue < 1e-4  # control: another law is told apart
    assert (d.sample(5, seed=1) == d.sample(5, seed=1)).all()
    assert d.sample(0).shape == (0, 2)


def test_states_without_probability_are_never_drawn():
    d = Distribution.from_dict({0: 0.0, 1: 0.5, 2: 0.0, 3: 0.5, 4: 0.0}, ["X"])
    assert set(d.sample(2000, seed=3).ravel().tolist()) == {1, 3}


def test_modes_and_plateaus():
    d = Distribution.from_dict(dict(enumerate([0.2, 0.1, 0.15, 0.15, 0.15, 0.05, 0.05, 0.15])), ["X"])
    assert [m.state["X"] for m in d.modes(9)] == [0, 2, 7]
    # A plateau on the way up is no mode.
    up = Distribution.from_dict(dict(enumerate([0.1, 0.2, 0.2, 0.5])), ["X"])
    assert [m.state["X"] for m in up.modes(9)] == [3]
    two = Distribution.from_dict(
        {(a, 8 - a): p for a, p in zip((0, 2, 4, 8), (0.4, 0.1, 0.2, 0.3), strict=True)}, "AB"
    )
    assert len(two.modes(9)) == 4
    assert [m.state for m in two.modes(9, reach=2)] == [{"A": 0, "B": 8}, {"A": 8, "B": 0}, {"A": 4, "B": 4}]
    poisson = Cut(stats.poisson.pmf(np.arange(60), 10.5), np.arange(60) < 50, 1.0).distribution()
    (mode,) = poisson.modes(3)
    assert mode.state == {"X": 10}
    assert mode.proven


def test_joint_moments():
    d = Distribution.from_dict({(0, 4): 0.25, (2, 2): 0.5, (4, 0): 0.25}, ["A", "B"])
    assert d.covariance("A", "B") == pytest.approx(-2.0)
    table = d.covariance()
    assert table.loc["A", "A"] == pytest.approx(2.0)
    assert table.loc["B", "A"] == pytest.approx(-2.0)
    assert d.mean().to_dict() == pytest.approx({"A": 2.0, "B": 2.0})
    assert d.std()["A"] == pytest.approx(math.sqrt(2.0))
    assert d.expectation("A*B") == pytest.approx(2.0)
    assert d.marginal("B").mean("B") == pytest.approx(2.0)
    assert list(d.to_pandas().columns) == ["A", "B", "probability"]
    assert d.to_xarray()["probability"].sum() == pytest.approx(1.0)


def test_estimates_are_marked():
    d = Distribution.from_dict({1: 0.5, 2: 0.499}, ["X"], error_bound=1e-3, certified=False)
    assert not d.probability("X > 1").certified
    assert not d.pmf(X=1).certified
    assert d.mean_bounds("X") == Interval(0.0, math.inf)
    assert "not proven" in repr(d)
    certain = Distribution.from_dict({1: 0.5, 2: 0.5}, ["X"])
    assert certain.probability("X > 1").certified
    assert not certain.tv_distance(d).certified


@pytest.mark.parametrize(
    ("question", "error", "text"),
    [
        (lambda d: d.mean("protien"), ArgumentError, "did you mean 'protein'"),
        (lambda d: d.probability("protien > 3"), ExpressionError, "did you mean 'protein'"),
        (lambda d: d.probability("protein + 1"), ExpressionError, "not a condition"),
        (lambda d: d.probability("__import__('os')"), ExpressionError, "__import__"),
        (lambda d: d.probability("protein.real > 1"), ExpressionError, "not allowed"),
        (lambda d: d.expectation("1/protein"), ExpressionError, "no finite value at the state"),
        (lambda d: d.pmf(protein=1), ArgumentError, "lacks mRNA"),
        (lambda d: d.pmf(protein=0.5, mRNA=1), ArgumentError, "whole numbers"),
        (lambda d: d.marginal([]), ArgumentError, "at least one species"),
        (lambda d: d.marginal(["mRNA", "mRNA"]), ArgumentError, "named once"),
        (lambda d: d.moment("mRNA", 0), ArgumentError, "order"),
        (lambda d: d.moment("mRNA", 2000), ArgumentError, "overflows"),
        (lambda d: d.sample(-1), ArgumentError, "number of samples"),
        (lambda d: d.modes(0), ArgumentError, "k >= 1"),
        (lambda d: d.covariance("mRNA"), ArgumentError, "two species"),
    ],
)
def test_wrong_questions_are_refused(question, error, text):
    d = Distribution.from_dict({(0, 3): 0.5, (1, 2): 0.5}, ["protein", "mRNA"])
    with pytest.raises(error, match=text):
        question(d)


@pytest.mark.parametrize(
    ("build", "text"),
    [
        (lambda: Distribution.from_dict({0: 0.5}, ["X"]), "add up to"),
        (lambda: Distribution.from_dict({0: -0.5, 1: 1.5}, ["X"]), "not a number of at least 0"),
        (lambda: Distribution.from_dict({0: math.nan, 1: 1.0}, ["X"]), "not a number of at least 0"),
        (lambda: Distribution.from_dict({0: 1.0}, ["X", "Y"]), "one count for each"),
        (lambda: Distribution.from_dict({0: 1.0}, ["X"], error_bound=-1.0), "error bound"),
        (lambda: Distribution.from_states([[1], [2]], [1.0], ["X"]), "as many probabilities"),
        (lambda: Distribution.from_dict({(1, 2): 1.0}, ["X", "X"]), "different"),
    ],
)
def test_wrong_distributions_are_refused(build, text):
    with pytest.raises(ArgumentError, match=text):
        build()


def test_a_distribution_prints_what_matters():
    d = Distribution.from_dict({(0, 3): 0.5, (1, 2): 0.4}, ["A", "B"], error_bound=0.1, time=2.5)
    text = repr(d)
    for piece in ("A, B", "t = 2.5", "2 states", "0.1", "proven"):
        assert piece in text
