"""Stationary laws against closed forms: the true error is within the bound at every tolerance."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath as mp
import numpy as np
import pytest

import fsp
from fsp import gallery
from fsp.stationary.product_form import find_product_form

TOLERANCES = (1e-2, 1e-4, 1e-6, 1e-8, 1e-10, 1e-12)
Law = Callable[[int], Any]


def distance(result: fsp.StationaryResult, exact: Law, name: str) -> float:
    """Return the 1-norm of the difference of the marginal of a species and a law, with 40 digits."""
    law = result.distribution.marginal(name)
    with mp.workdps(40):
        inside = missing = mp.mpf(0)
        for n, p in zip(law.states[:, 0].tolist(), law.probabilities.tolist(), strict=True):
            value = exact(n)
            inside += abs(mp.mpf(p) - value)
            missing += value
        return float(inside + (1 - missing))


def ratios(birth: Law, death: Law, last: int) -> Law:
    """Return the law of a chain of one count, from the products of the ratios of its rates."""
    with mp.workdps(40):
        weights = [mp.mpf(1)]
        for n in range(last):
            weights.append(weights[-1] * birth(n) / death(n + 1))
        total = mp.fsum(weights)
        law = [w / total for w in weights]
    return lambda n: law[n]


def poisson(mean: Any) -> Law:
    return lambda n: mp.exp(-mp.mpf(mean)) * mp.mpf(mean) ** n / mp.factorial(n)


def immigration_death_law() -> Law:
    """The mean is that of the parameters as they are in binary: 1 / 0.1 is not 10."""
    rates = gallery.immigration_death().parameters
    with mp.workdps(60):
        mean = mp.mpf(rates["immigration"]) / mp.mpf(rates["death"])
    return poisson(mean)


def beta_poisson(n: int) -> Any:
    """Peccoud and Ycart (1995): on = off = 0.5, transcription 20, decay 1."""
    a, b, k = mp.mpf("0.5"), mp.mpf(1), mp.mpf(20)
    return k**n * mp.rf(a, n) / (mp.factorial(n) * mp.rf(b, n)) * mp.hyp1f1(a + n, b + n, -k)


def pairs_and_immigration(n: int) -> Any:
    """0 -> A at 20, 2 A -> 0 at 0.5: G(z) = sqrt(1 + z) I_1(2 sqrt(a (1 + z))) / norm solves (1 + z) G'' = a G, a = 80."""
    a = mp.mpf(80)
    norm = mp.sqrt(2) * mp.besseli(1, 2 * mp.sqrt(2 * a))
    return a ** (mp.mpf(n) / 2) * mp.besseli(abs(n - 1), 2 * mp.sqrt(a)) / mp.factorial(n) / norm


def schloegl_law() -> Law:
    k1, k2, k4 = mp.mpf(0.18), mp.mpf(2.5e-4), mp.mpf(37.5)
    return ratios(lambda n: k1 * n * (n - 1) + 2200, lambda n: k2 * n * (n - 1) * (n - 2) + k4 * n, 1500)


def hill_law() -> Law:
    """Births 40/(1 + (n/10)^2) + 2, deaths n."""
    return ratios(lambda n: mp.mpf(40) / (1 + mp.mpf(n * n) / 100) + 2, mp.mpf, 300)


def _hill() -> fsp.ReactionNetwork:
    return fsp.ReactionNetwork({"X": 0}, ["0 -> X ; 40/(1 + (X/10)^2) + 2", "X -> 0 @ 1"])


def _pairs() -> fsp.ReactionNetwork:
    return fsp.ReactionNetwork({"A": 0}, ["0 -> A @ 20", "2 A -> 0 @ 0.5"])


CASES: dict[str, tuple[Callable[[], fsp.ReactionNetwork], str, Law]] = {
    "immigration-death": (gallery.immigration_death, "X", immigration_death_law()),
    "isomerisation": (
        lambda: gallery.isomerisation(initial=200),
        "B",
        lambda n: mp.binomial(200, n) / mp.mpf(2) ** 200,
    ),
    "telegraph": (gallery.telegraph, "M", beta_poisson),
    "pairs": (_pairs, "A", pairs_and_immigration),
    "schloegl": (gallery.schloegl, "X", schloegl_law()),
    "hill": (_hill, "X", hill_law()),
}


@pytest.mark.parametrize("tolerance", TOLERANCES)
@pytest.mark.parametrize("case", CASES)
def test_true_error_is_within_the_bound(case: str, tolerance: float) -> None:
    build, name, exact = CASES[case]
    result = fsp.solve_stationary(build(), tolerance=tolerance, method="gth")
    assert result.certified
    assert result.error_bound <= tolerance
    assert distance(result, exact, name) <= result.error_bound
    assert result.ledger.total == result.error_bound


@pytest.mark.parametrize("tolerance", [1e-4, 1e-8, 1e-12])
def test_complex_balanced_networks(tolerance: float) -> None:
    network = fsp.ReactionNetwork(
        {"A": 0, "B": 0, "C": 0},
        ["0 -> A @ 3", "A -> 0 @ 1", "A -> B @ 2", "B -> A @ 1", "A + B -> C @ 0.5", "C -> A + B @ 1"],
    )
    form = find_product_form(network)
    assert form is not None
    assert form.whole_lattice
    result = fsp.solve_stationary(network, tolerance=tolerance)
    assert result.certified
    exact = form.weights(result.distribution.states)
    error = float(np.abs(result.distribution.probabilities - exact).sum() + (1 - exact.sum()))
    assert error <= result.error_bound <= tolerance
    for name, mean in zip(network.species_names, form.means, strict=True):
        bounds = result.distribution.mean_bounds(name)
        assert bounds.lower <= mean <= bounds.upper
        assert bounds.width < 1e-12


@pytest.mark.parametrize("case", ["immigration-death", "pairs", "schloegl", "hill"])
def test_means_and_variances_are_enclosed(case: str) -> None:
    build, name, exact = CASES[case]
    law = fsp.solve_stationary(build(), tolerance=1e-9).distribution
    with mp.workdps(40):
        mean = mp.fsum(n * exact(n) for n in range(1200 if case == "schloegl" else 250))
        second = mp.fsum(n * n * exact(n) for n in range(1200 if case == "schloegl" else 250))
    bounds = law.mean_bounds(name)
    assert bounds.lower <= mean <= bounds.upper
    assert bounds.width < 1e-4
    spread = law.variance_bounds(name)
    assert spread.lower <= second - mean**2 <= spread.upper
    assert spread.width < 0.1


def test_every_probability_lies_in_its_interval() -> None:
    result = fsp.solve_stationary(gallery.immigration_death(), tolerance=1e-6)
    exact = immigration_death_law()
    with mp.workdps(40):
        for n in (0, 5, 10, 20, 200):
            found = result.distribution.pmf(X=n)
            assert found.lower <= exact(n) <= found.upper
        tail = result.probability("X >= 15")
        assert tail.lower <= 1 - mp.fsum(exact(n) for n in range(15)) <= tail.upper


def test_closed_moments_of_linear_networks() -> None:
    law = fsp.solve_stationary(gallery.gene_expression(), tolerance=1e-6).distribution
    assert law.mean_bounds("P").lower <= 40.0 <= law.mean_bounds("P").upper
    assert law.mean_bounds("P").width < 1e-12
    # Var P / E P = 1 + b / (1 + e), b = 4, e = 0.2; Cov(M, P) = E M b e' with the rates of the model.
    variance = 40.0 * (1.0 + 4.0 / 1.2)
    assert law.variance_bounds("P").lower <= variance <= law.variance_bounds("P").upper
    assert law.variance_bounds("P").width < 1e-9
    assert law.moments is not None
    assert law.moments.how["P"] == "closed stationary moment equations of a linear part"


# -- networks without closed forms: against a much larger truncation -------------------------------------------


def compare(network: fsp.ReactionNetwork, tolerance: float, finer: float) -> fsp.StationaryResult:
    result, other = (fsp.solve_stationary(network, tolerance=t) for t in (tolerance, finer))
    assert result.certified
    assert other.certified
    mine, theirs = result.distribution, other.distribution
    where = theirs.space.index(mine.states)
    inside = where >= 0
    difference = np.abs(mine.probabilities[inside] - theirs.probabilities[where[inside]]).sum()
    rest = mine.probabilities[~inside].sum() + (
        theirs.probabilities.sum() - theirs.probabilities[where[inside]].sum()
    )
    assert difference + max(rest, 0.0) <= result.error_bound + other.error_bound
    assert result.error_bound <= tolerance
    return result


def test_toggle_switch() -> None:
    result = compare(gallery.toggle_switch(), 1e-8, 2e-9)
    assert result.n_states < 20_000
    u, v = (result.mean_bounds(name) for name in ("U", "V"))
    assert u.intersect(v).width < 1e-4  # symmetric


def test_toggle_of_munsky_and_khammash() -> None:
    network = fsp.ReactionNetwork(
        {"U": 0, "V": 0}, ["0 -> U ; 50/(1 + V^2.5)", "0 -> V ; 16/(1 + U)", "U -> 0 @ 1", "V -> 0 @ 1"]
    )
    assert compare(network, 1e-8, 1e-10).n_states < 5_000


@pytest.mark.slow
def test_two_stage_gene_expression() -> None:
    """The benchmark with E M = 100, E P = 2000: the marginal of M is a Poisson law, the moments are known."""
    network = fsp.ReactionNetwork(
        {"M": 100, "P": 2000}, ["0 -> M @ 50", "M -> M + P @ 4", "M -> 0 @ 0.5", "P -> 0 @ 0.2"]
    )
    result = fsp.solve_stationary(network, tolerance=1e-3)
    assert result.certified
    assert result.error_bound <= 1e-3
    assert result.n_states < 150_000
    assert distance(result, poisson(100), "M") <= result.error_bound
    rate = mp.mpf(1) / 5  # 0.2 in binary is off in the seventeenth digit
    variance = 2000 * (1 + mp.mpf(8) / (1 + rate / mp.mpf("0.5")))
    p = result.distribution
    assert abs(p.mean_bounds("P").midpoint - 2000) < 1e-9
    assert abs(p.variance_bounds("P").midpoint - variance) < 1e-6
    # From the probabilities alone, without the closed equations:
    counts = p.marginal("P")
    assert abs(float(counts.probabilities @ counts.states[:, 0]) - 2000.0) < 1.0


@pytest.mark.slow
def test_repressilator() -> None:
    """Three genes in a ring: three axes, no bound on any count, oscillations instead of a steady state."""
    genes = [("A", "B"), ("B", "C"), ("C", "A")]
    network = fsp.ReactionNetwork(
        {"A": 8, "B": 0, "C": 0},
        [f"0 -> {x} ; 25/(1 + 20*{y}^6)" for x, y in genes] + [f"{x} -> 0 @ 1" for x, _ in genes],
    )
    result = compare(network, 1e-4, 1e-6)
    bounds = [result.mean_bounds(name) for name in "ABC"]
    assert bounds[0].intersect(bounds[1]).intersect(bounds[2]).width < 0.1  # symmetric


# -- structure -------------------------------------------------------------------------------------------------


def test_absorbing_state_is_the_law() -> None:
    logistic = fsp.ReactionNetwork({"X": 5}, ["X -> 2 X @ 2", "2 X -> X @ 0.2", "X -> 0 @ 1"])
    result = fsp.solve_stationary(logistic)
    assert result.certified
    assert result.error_bound == 0.0
    assert result.distribution.states.tolist() == [[0]]


def test_unreachable_absorbing_state_is_left_out() -> None:
    """Without deaths of single molecules X = 0 is never reached; births and pair losses give a Poisson law without 0."""
    network = fsp.ReactionNetwork({"X": 5}, ["X -> 2 X @ 2", "2 X -> X @ 0.2"])
    result = fsp.solve_stationary(network, tolerance=1e-10)
    assert result.certified
    norm = 1 - mp.exp(-20)
    assert distance(result, lambda n: poisson(20.0)(n) / norm, "X") <= result.error_bound


def test_parity_of_counts() -> None:
    """Pairs come and go: from 0 only even counts are reached."""
    network = fsp.ReactionNetwork({"X": 0}, ["0 -> 2 X @ 5", "2 X -> 0 @ 0.5"])
    result = fsp.solve_stationary(network, tolerance=1e-10)
    assert result.certified
    assert (result.distribution.states[:, 0] % 2 == 0).all()
    odd = fsp.solve_stationary(network, tolerance=1e-10, initial={"X": 7})
    assert (odd.distribution.states[:, 0] % 2 == 1).all()
    # G'' (1 - z^2) 0.25 = 5 (1 - z^2) G: a hyperbolic cosine with argument sqrt(20) z.
    root = mp.sqrt(20)
    assert distance(result, lambda n: root**n / mp.factorial(n) / mp.cosh(root), "X") <= result.error_bound
    assert distance(odd, lambda n: root**n / mp.factorial(n) / mp.sinh(root), "X") <= odd.error_bound


def test_initial_state_chooses_the_total() -> None:
    result = fsp.solve_stationary(gallery.isomerisation(initial=10), initial={"A": 3, "B": 4})
    assert result.distribution.mean_bounds("A").lower <= 3.5 <= result.distribution.mean_bounds("A").upper
    assert int(result.distribution.states.sum(axis=1).max()) == 7


def test_no_species_moves() -> None:
    still = fsp.ReactionNetwork({"X": 3}, ["X -> X @ 1"])
    assert fsp.solve_stationary(still).distribution.states.tolist() == [[3]]


def test_a_way_out_that_rounds_to_nothing_is_no_proof():
    def law(out):
        network = fsp.ReactionNetwork({"X": 0, "Y": 5}, ["X -> Y @ 1", f"Y -> X ; {out}"], {})
        return fsp.solve_stationary(network)

    assert not law("Y*((1 + 1e-30) - 1)").certified
    assert law("Y*0").certified  # the control: what is zero is closed
