"""Several closed classes: where a network ends, against exact fractions and closed forms."""

from __future__ import annotations

import json
from collections.abc import Callable
from fractions import Fraction
from functools import cache
from pathlib import Path

import mpmath as mp
import numpy as np
import pytest
import scipy.sparse as sp

import fsp
from fsp import gallery
from fsp.cli import main
from fsp.statespace import Coordinates
from fsp.stationary.chain import FiniteChain
from fsp.stationary.enclosed_solves import LeavingChain
from fsp.stationary.lattice import Lattice


def holds(interval: fsp.Interval, value: Fraction | mp.mpf) -> bool:
    """Say whether an exact number lies in an interval."""
    number = mp.mpf(value.numerator) / value.denominator if isinstance(value, Fraction) else value
    return mp.mpf(interval.lower) <= number <= mp.mpf(interval.upper)


def epidemic(s: int, i: int, infection: float) -> dict[tuple[int, int, int], Fraction]:
    """Return the exact law of the end of an epidemic with recovery at rate 1."""
    beta, total = Fraction(infection), s + i

    @cache
    def reach(a: int, b: int) -> Fraction:
        if (a, b) == (s, i):
            return Fraction(1)
        found = Fraction(0)
        for x, y, rate in ((a + 1, b - 1, beta * (a + 1) * (b - 1)), (a, b + 1, Fraction(b + 1))):
            if x <= s and y >= 1 and x + y <= total:
                found += reach(x, y) * rate / (beta * x * y + y)
        return found

    return {(a, 0, total - a): reach(a, 0) for a in range(s + 1)}


@pytest.mark.parametrize("infection", [0.02, 0.2, 5.0])
def test_epidemic(infection: float) -> None:
    network = fsp.ReactionNetwork(
        {"S": 12, "I": 2, "R": 0}, ["S + I -> 2 I @ b", "I -> R @ 1"], {"b": infection}
    )
    result = fsp.solve_stationary(network, tolerance=1e-12)
    exact = epidemic(12, 2, infection)
    assert result.certified
    assert result.error_bound <= 1e-12
    assert len(result.classes) == 13
    for found in result.classes:
        assert found.absorbing
        assert found.certified
        assert holds(found.probability, exact[tuple(found.distribution.states[0].tolist())])
        assert found.probability.width < 1e-12
    values = [exact[tuple(row)] for row in result.distribution.states.tolist()]
    error = sum(
        abs(Fraction(p) - v) for p, v in zip(result.distribution.probabilities.tolist(), values, strict=True)
    )
    assert error <= result.error_bound
    mean = sum(v * state[2] for state, v in exact.items())
    assert holds(result.mean_bounds("R"), mean)
    assert result.mean_bounds("R").width < 1e-11


def test_two_absorbing_ends() -> None:
    """A walk between two absorbing ends with a drift: the classical ruin probabilities."""
    network = fsp.ReactionNetwork({"X": 3, "Y": 7}, ["X + Y -> 2 X @ 1", "X + Y -> 2 Y @ 3"])
    result = fsp.solve_stationary(network)
    first, second = result.classes
    ruin = (Fraction(3) ** 3 - 1) / (Fraction(3) ** 10 - 1)
    assert first.distribution.states.tolist() == [[0, 10]]
    assert holds(first.probability, 1 - ruin)
    assert holds(second.probability, ruin)
    assert result.distribution.n_states == 2


def test_pairs_from_even_and_odd_counts() -> None:
    network = fsp.ReactionNetwork({"A": 5}, ["2 A -> 0 @ 1"])
    assert fsp.solve_stationary(network).distribution.states.tolist() == [[1]]
    assert fsp.solve_stationary(network, initial={"A": 4}).distribution.states.tolist() == [[0]]
    mixed = fsp.solve_stationary(network, initial={(4,): 0.25, (7,): 0.5, (2,): 0.25})
    assert [k.distribution.states.tolist() for k in mixed.classes] in ([[[0]], [[1]]], [[[1]], [[0]]])
    assert all(0.5 in k.probability for k in mixed.classes)
    assert mixed.certified


def hyperbolic(odd: bool, square: float) -> Callable[[int], mp.mpf]:
    """0 -> 2 A at k, 2 A -> 0 at d: the generating function is cosh or sinh of z sqrt(k / d)."""
    root = mp.sqrt(mp.mpf(square))
    return lambda n: root**n / mp.factorial(n) / (mp.sinh(root) if odd else mp.cosh(root))


@pytest.mark.parametrize("tolerance", [1e-3, 1e-8, 1e-12])
def test_parities_of_pairs_that_come_and_go(tolerance: float) -> None:
    network = fsp.ReactionNetwork({"A": 0}, ["0 -> 2 A @ 5", "2 A -> 0 @ 0.5"])
    result = fsp.solve_stationary(network, initial={(0,): 0.25, (7,): 0.75}, tolerance=tolerance)
    assert result.certified
    assert result.error_bound <= tolerance
    assert [holds(k.probability, mp.mpf(q)) for k, q in zip(result.classes, (0.75, 0.25), strict=True)] == [
        True
    ] * 2
    with mp.workdps(40):
        laws = hyperbolic(False, 20.0), hyperbolic(True, 20.0)
        exact = [laws[n % 2](n) * (mp.mpf(3) if n % 2 else mp.mpf(1)) / 4 for n in range(200)]
        p = dict(
            zip(
                result.distribution.states[:, 0].tolist(),
                result.distribution.probabilities.tolist(),
                strict=True,
            )
        )
        assert mp.fsum(abs(exact[n] - p.get(n, 0.0)) for n in range(200)) <= result.error_bound
        mean = mp.fsum(n * x for n, x in enumerate(exact))
    assert holds(result.mean_bounds("A"), mean)
    assert result.mean_bounds("A").width < max(40.0 * tolerance, 1e-8)


def test_several_conserved_totals() -> None:
    network = gallery.isomerisation(initial=10)
    result = fsp.solve_stationary(network, initial={(10, 0): 0.5, (3, 4): 0.25, (1, 1): 0.25})
    assert result.certified
    totals = result.distribution.states.sum(axis=1)
    for total, mass in ((10, 0.5), (7, 0.25), (2, 0.25)):
        chosen = totals == total
        assert abs(float(result.distribution.probabilities[chosen].sum()) - mass) <= result.error_bound
        at = np.flatnonzero(chosen)
        binomial = [mp.binomial(total, int(a)) / 2**total * mass for a in result.distribution.states[at, 0]]
        assert (
            max(
                abs(p - float(q))
                for p, q in zip(result.distribution.probabilities[at], binomial, strict=True)
            )
            < 1e-14
        )
    assert holds(result.mean_bounds("A"), Fraction(10, 4) + Fraction(7, 8) + Fraction(1, 4))
    same = fsp.solve_stationary(network, initial={(10, 0): 0.5, (3, 7): 0.5})
    assert len(same.classes) == 1
    assert same.classes[0].probability == fsp.Interval(1.0, 1.0)


def test_a_switch_that_locks_in() -> None:
    """Two infinite classes: each gene makes its own protein for ever, a Poisson law."""
    network = fsp.ReactionNetwork(
        {"G": 1, "GA": 0, "GB": 0, "A": 0, "B": 0},
        [
            "G -> GA @ 1",
            "G -> GB @ 2",
            "G -> G + A @ 1",
            "GA -> GA + A @ 5",
            "GB -> GB + B @ 3",
            "A -> 0 @ 1",
            "B -> 0 @ 1",
        ],
    )
    result = fsp.solve_stationary(network, tolerance=1e-9)
    assert result.certified
    b, a = result.classes
    assert holds(b.probability, mp.mpf(2) / 3)
    assert holds(a.probability, mp.mpf(1) / 3)
    assert holds(a.distribution.mean_bounds("A"), mp.mpf(5))
    assert holds(b.distribution.mean_bounds("B"), mp.mpf(3))
    for n in range(12):
        exact = mp.exp(-3) * mp.mpf(3) ** n / mp.factorial(n) * 2 / 3
        assert holds(result.distribution.pmf(G=0, GA=0, GB=1, A=0, B=n), exact)


def test_one_of_two_competitors_wins() -> None:
    network = fsp.ReactionNetwork(
        {"X": 3, "Y": 3},
        [
            "X -> 2 X @ 1",
            "Y -> 2 Y @ 1",
            "2 X -> X @ 0.2",
            "2 Y -> Y @ 0.2",
            "X + Y -> X @ 0.1",
            "X + Y -> Y @ 0.1",
        ],
    )
    result = fsp.solve_stationary(network, tolerance=1e-7)
    assert result.certified
    assert len(result.classes) == 2
    for found in result.classes:
        assert 0.5 in found.probability
        assert not found.absorbing
        # Births at n and deaths at 0.2 n (n - 1) / 2: a Poisson law of mean 10 without 0.
        name = "X" if found.distribution.mean("X") > 1 else "Y"
        assert holds(found.distribution.mean_bounds(name), 10 / (1 - mp.exp(-10)))


def test_transient_states_before_one_class() -> None:
    network = fsp.ReactionNetwork(
        {"G": 1, "GA": 0, "A": 0}, ["G -> GA @ 1", "GA -> GA + A @ 5", "A -> 0 @ 1"]
    )
    result = fsp.solve_stationary(network)
    assert result.certified
    (only,) = result.classes
    assert only.probability == fsp.Interval(1.0, 1.0)
    assert (result.distribution.marginal("GA").states[:, 0] == 1).all()


def test_extinction_is_proven() -> None:
    result = fsp.solve_stationary(fsp.ReactionNetwork({"X": 1}, ["X -> 2 X @ 0.9", "X -> 0 @ 1"]))
    assert result.certified
    assert result.distribution.states.tolist() == [[0]]
    (only,) = result.classes
    assert only.absorbing
    assert only.probability == fsp.Interval(1.0, 1.0)


@pytest.mark.parametrize("start", [1, 30])
def test_growth_for_ever_is_refused(start: int) -> None:
    with pytest.raises(fsp.NoStationaryLawError, match="grows for ever with a positive probability"):
        fsp.solve_stationary(fsp.ReactionNetwork({"X": start}, ["X -> 2 X @ 2", "X -> 0 @ 1"]))
    nothing = fsp.solve_stationary(fsp.ReactionNetwork({"X": 0}, ["X -> 2 X @ 2", "X -> 0 @ 1"]))
    assert nothing.distribution.states.tolist() == [[0]]


def test_growth_of_two_species_is_refused() -> None:
    network = fsp.ReactionNetwork(
        {"X": 1, "Y": 0}, ["X -> 2 X @ 2", "X -> 0 @ 1", "X -> X + Y @ 1", "Y -> 0 @ 1"]
    )
    with pytest.raises(fsp.ToleranceError, match="nothing shows that the network settles") as caught:
        fsp.solve_stationary(network)
    partial = caught.value.result
    assert holds(partial.classes[0].probability, Fraction(1, 2))
    assert partial.classes[0].probability.upper > 0.99
    assert partial.error_bound >= 0.5


def test_an_initial_law_with_an_error() -> None:
    network = fsp.ReactionNetwork({"X": 3, "Y": 7}, ["X + Y -> 2 X @ 1", "X + Y -> 2 Y @ 1"])
    start = fsp.Distribution.from_states(
        [[3, 7], [5, 5]], [0.5, 0.499], ["X", "Y"], error_bound=1e-3, certified=True
    )
    with pytest.raises(fsp.ToleranceError, match="initial law"):
        fsp.solve_stationary(network, initial=start)
    rough = fsp.solve_stationary(network, initial=start, tolerance=1e-2)
    assert rough.certified
    assert rough.ledger.entries["initial"] == 1e-3
    for found in rough.classes:  # from 3 and 5 of 10, with any use of the rest
        assert found.probability.width >= 1e-3
    guess = fsp.Distribution.from_states(
        [[3, 7], [5, 5]], [0.5, 0.499], ["X", "Y"], error_bound=1e-3, certified=False
    )
    assert not fsp.solve_stationary(network, initial=guess, tolerance=1e-2).certified


def test_all_initial_states_count() -> None:
    """The first one lies in a closed class of its own, and has the smallest counts."""
    network = fsp.ReactionNetwork({"X": 0}, ["X -> 2 X @ 2", "2 X -> X @ 0.2"])
    result = fsp.solve_stationary(network, initial={(0,): 0.5, (4,): 0.5})
    assert result.certified
    assert [k.absorbing for k in result.classes].count(True) == 1
    assert all(0.5 in k.probability for k in result.classes)


def test_a_class_that_is_entered_from_several_states_is_one() -> None:
    network = fsp.ReactionNetwork({"X": 0}, ["X -> 2 X @ 0.5", "X -> 0 @ 1"])
    result = fsp.solve_stationary(network, initial={(0,): 0.5, (4,): 0.25, (9,): 0.25})
    assert result.certified
    assert len(result.classes) == 1
    assert result.distribution.states.tolist() == [[0]]


def test_classes_print_and_come_back_from_files(tmp_path: Path) -> None:
    network = fsp.ReactionNetwork({"S": 12, "I": 2, "R": 0}, ["S + I -> 2 I @ 0.2", "I -> R @ 1"])
    for result in (fsp.solve_stationary(network), fsp.solve_stationary(gallery.immigration_death())):
        result.save(tmp_path / "law.nc")
        again = fsp.load_result(tmp_path / "law.nc")
        assert again == result
        assert again.classes == result.classes
        assert repr(again) == repr(result)
    text = repr(fsp.solve_stationary(network))
    assert "13 closed classes" in text
    assert "ends in S = 12, I = 0" in text or "ends in S" in text
    assert "and 8 more closed classes" in text
    course = fsp.solve_transient(network, times=[1.0], initial=fsp.solve_stationary(network))
    assert course[-1].mean("I") == 0.0


def test_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stationary", "gallery:sir", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["certified"] is True
    assert len(data["classes"]) > 10
    total = sum(k["probability_lower"] for k in data["classes"])
    assert 1.0 - 1e-9 <= total <= 1.0
    assert data["classes"][0]["absorbing"] is True
    assert main(["stationary", "gallery:sir"]) == 0
    out = capsys.readouterr().out
    assert "classes  ends in" in out
    assert "more classes; --json has all" in out


def test_times_in_states_are_enclosed() -> None:
    """Forward and backward solves against a dense one, with a control: a wrong solution has a large bound."""
    rng = np.random.default_rng(4)
    rates = np.where(rng.random((9, 9)) < 0.4, rng.random((9, 9)), 0.0)
    np.fill_diagonal(rates, 0.0)
    chain = FiniteChain(sp.csr_array(rates), rng.random(9))
    source = rng.random(9)
    found = LeavingChain(chain, 1e-15).enclose_times(source.astype(np.longdouble))
    exact = mp.lu_solve(mp.matrix(np.diag(chain.exit) - rates), mp.matrix(source))
    for k in range(9):
        assert found.lower[k] <= exact[k] <= found.upper[k]
        assert found.upper[k] - found.lower[k] < 1e-12
    backward = LeavingChain(chain, 1e-15).enclose(source)
    assert (np.abs(backward.lower - found.lower) > 1e-6).any()


def test_reactions_that_never_fire_and_counts_that_are_never_undercut() -> None:
    network = fsp.ReactionNetwork(
        {"G": 0, "GA": 1, "A": 3},
        ["G -> GA @ 1", "GA + G -> G + A @ 1", "A -> 2 A @ 1", "2 A -> A @ 1", "3 A -> 0 @ 1"],
    )
    lattice = Lattice(network, Coordinates.of(network, eliminate=False))
    assert lattice.reactions == [2, 3, 4]  # G is not there, and nothing makes it
    pairs = fsp.ReactionNetwork({"A": 3}, ["A -> 2 A @ 1", "2 A -> A @ 1"])
    assert Lattice(pairs, Coordinates.of(pairs)).smallest.tolist() == [1]
    lower = Lattice(pairs, Coordinates.of(pairs), np.array([[3], [0]]))
    assert lower.smallest.tolist() == [0]
    triples = fsp.ReactionNetwork({"A": 5}, ["A -> 2 A @ 1", "3 A -> 0 @ 1"])
    assert Lattice(triples, Coordinates.of(triples)).smallest.tolist() == [0]
    blocked = fsp.ReactionNetwork({"A": 9}, ["0 -> A @ 1", "2 A -> 0 ; piecewise(A, A > 5, 0)"])
    assert Lattice(blocked, Coordinates.of(blocked)).smallest.tolist() in ([4], [0])
    assert not Lattice(blocked, Coordinates.of(blocked)).outside_lattice(np.array([[4]]))[0]


def test_an_unreachable_infinite_pocket() -> None:
    """Y = 0 is absorbing, never reached, and holds infinitely many states; there X ends in 0 or 1 by parity."""
    network = fsp.ReactionNetwork(
        {"X": 5, "Y": 3}, ["Y -> Y + X @ 0.2", "2 X -> X @ 1.4", "Y -> 2 Y @ 1.7", "2 Y -> Y @ 5"]
    )
    result = fsp.solve_stationary(network, tolerance=1e-8)
    assert result.certified
    law = result.distribution.marginal("Y")
    norm = mp.expm1(mp.mpf(1.7) / mp.mpf(2.5))
    for n, p in zip(law.states[:, 0].tolist(), law.probabilities.tolist(), strict=True):
        exact = (mp.mpf(1.7) / mp.mpf(2.5)) ** n / mp.factorial(n) / norm if n else 0.0
        assert abs(p - exact) <= result.error_bound


@pytest.mark.parametrize("seed", range(12))
def test_random_chains_with_several_ends(seed: int) -> None:
    """Propensities with zeros in the middle cut a lattice into classes; against exact fractions."""
    rng = np.random.default_rng(seed)
    top, up, down = 9, Fraction(int(rng.integers(1, 5))), Fraction(int(rng.integers(1, 5)), 4)
    stops = sorted(rng.choice(np.arange(1, top), 2, replace=False).tolist())
    network = fsp.ReactionNetwork(
        {"X": 4},
        [
            f"0 -> X ; {float(up)}*({top} - X)*(X - {stops[0]})^2*(X - {stops[1]})^2",
            f"X -> 0 ; {float(down)}*X*(X - {stops[0]})^2*(X - {stops[1]})^2",
        ],
    )
    starts = {(n,): 1.0 / 8 for n in range(8)}
    result = fsp.solve_stationary(network, initial=starts, tolerance=1e-11)
    assert result.certified
    assert {k.distribution.states[0, 0] for k in result.classes if k.absorbing} >= set(stops) - {8}

    def rates(n: int) -> tuple[Fraction, Fraction]:
        factor = Fraction((n - stops[0]) ** 2 * (n - stops[1]) ** 2)
        return up * (top - n) * factor, down * n * factor

    # The mass that ends in each stop: first-step analysis on the states between, solved in fractions.
    exact = dict.fromkeys(range(top + 1), Fraction(0))
    for (first,) in starts:
        left = max((s for s in stops if s <= first), default=None)
        right = min((s for s in stops if s >= first), default=None)
        if left is not None and right is not None:
            if left == right:
                exact[first] += Fraction(1, 8)
                continue
            steps = [Fraction(1)]
            for n in range(left + 1, right):
                birth, death = rates(n)
                steps.append(steps[-1] * death / birth)
            reach = sum(steps[: first - left], Fraction(0)) / sum(steps, Fraction(0))
            exact[right] += Fraction(1, 8) * reach
            exact[left] += Fraction(1, 8) * (1 - reach)
        else:
            exact[right if left is None else left] += Fraction(1, 8)
    p = dict(
        zip(
            result.distribution.states[:, 0].tolist(), result.distribution.probabilities.tolist(), strict=True
        )
    )
    assert sum(abs(exact[n] - Fraction(p.get(n, 0.0))) for n in exact) <= result.error_bound


def test_rates_that_vanish_by_rounding_prove_nothing() -> None:
    """Births at 1e-25 and deaths at 1e-25 n: a Poisson law, but in extended precision births are zero."""
    network = fsp.ReactionNetwork({"X": 3}, ["0 -> X ; 1 - exp(-1e-25*(X+1))", "X -> 0 @ 1e-25"])
    with pytest.raises(fsp.SolverError, match="digits"):
        fsp.solve_stationary(network)


def test_branches_that_are_zero_are_exact() -> None:
    network = fsp.ReactionNetwork(
        {"X": 0, "Y": 10},
        ["0 -> X ; piecewise(4, Y > 3, 0)", "2 X -> X @ 20", "X -> X + Y @ 0.2", "Y -> 0 @ 1.2"],
    )
    result = fsp.solve_stationary(network)
    assert result.certified
    assert len(result.classes) == 2
