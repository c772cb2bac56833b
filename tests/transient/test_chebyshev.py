"""The signed series: its weights against mpmath, its kernels against NumPy, its bounds against uniformisation."""

from __future__ import annotations

from typing import Any

import mpmath as mp
import numpy as np
import pytest
import scipy.linalg
from answers import LARGER, difference, table
from hypothesis import given, settings
from hypothesis import strategies as st
from random_networks import brute_force, lattice_points, networks

import fsp
from fsp.generator import FactorTables, FibreGenerator
from fsp.generator.recurrence import clip, combine, norms
from fsp.ledger import Ledger
from fsp.statespace import Coordinates, FibreSet
from fsp.transient import chebyshev
from fsp.transient.bessel import chebyshev_weights, expected_degree
from fsp.transient.chebyshev import Chebyshev
from fsp.transient.planning import FEWEST_SIGNED, Planner
from fsp.transient.protocol import Progress
from fsp.transient.uniformisation import Uniformisation


@pytest.mark.parametrize("z", [1e-9, 1e-3, 0.3, 5.0, 64.0, 550.0])
def test_weights_and_their_integrals(z):
    weights = chebyshev_weights(z, 1e-22)
    n = weights.value.size
    with mp.workdps(40):
        a = [mp.besseli(k, z) * mp.exp(-mp.mpf(z)) for k in range(3 * n + 40)]
        for k in sorted({0, 1, 2, n // 2, n - 1}):
            exact = a[k] * (2 if k else 1)
            assert abs(weights.value[k] / exact - 1) <= weights.error
            integral = 2 * mp.fsum(j * a[k + j] for j in range(1, 2 * n + 40))
            assert 0 < weights.integral[k] / integral - 1 < 2e-9  # a bound from above, and close
        if z < 10:
            by_quadrature = mp.quad(lambda s: mp.exp(-s) * mp.besseli(2, s), [0, z])
            assert weights.integral[2] == pytest.approx(float(by_quadrature), rel=1e-8)


def test_the_degree_grows_like_a_square_root():
    degrees = [expected_degree(z, 1e-12) for z in (1e2, 1e4, 1e6)]
    assert degrees[1] / degrees[0] == pytest.approx(10, rel=0.2)
    assert degrees[2] / degrees[1] == pytest.approx(10, rel=0.05)


@pytest.mark.parametrize("n", [0, 1, 7, 8, 9, 1000])
def test_kernels(n):
    rng = np.random.default_rng(3)
    x, previous, total = (rng.normal(size=n + 2) for _ in range(3))
    image, added = x.copy(), total.copy()
    length, magnitude = combine(1, n + 1, image, previous, added, 0.25)
    expected = x.copy()
    expected[1:-1] -= previous[1:-1]
    assert image.tolist() == expected.tolist()
    assert added[1:-1] == pytest.approx(total[1:-1] + 0.25 * expected[1:-1], rel=1e-15, abs=1e-16)
    assert (added[[0, -1]] == total[[0, -1]]).all()
    inside = expected[1:-1]
    assert length == pytest.approx(np.abs(inside).sum(), rel=1e-13)
    assert magnitude == np.abs(inside).max(initial=0.0)
    assert norms(1, n + 1, image) == (
        pytest.approx(np.abs(inside).sum(), rel=1e-13), magnitude, inside.max(initial=-1e300)
    )  # fmt: skip
    lost = clip(1, n + 1, image, 0.5)
    assert image[1:-1] == pytest.approx(np.maximum(inside - 0.5, 0.0), rel=1e-15)
    assert (image[1:-1] <= np.maximum(inside - 0.5, 0.0)).all()
    assert lost == pytest.approx(np.abs(inside - image[1:-1]).sum(), rel=1e-13)


def settled(time: float) -> tuple[FibreGenerator, np.ndarray]:
    law = fsp.solve_transient(
        fsp.gallery.toggle_switch(), [time], tolerance=1e-10, method="uniformisation"
    ).final
    tables = FactorTables(fsp.gallery.toggle_switch(), law.space.coordinates)
    return FibreGenerator(tables, law.space, threads=1), law.probabilities.copy()


@pytest.mark.parametrize(
    ("time", "duration", "budget"), [(0.5, 0.3, 1e-9), (1.0, 1.0, 1e-9), (2.0, 3.0, 1e-7)]
)
def test_a_step_against_uniformisation(time, duration, budget):
    generator, p = settled(time)
    exact = Uniformisation()
    exact.begin(generator, p.copy(), duration, 0.0)
    assert exact.advance(np.inf) is Progress.DONE
    truth = exact.finish() * (1.0 + exact.rounding)
    signed = Chebyshev()
    signed.begin(generator, p.copy(), duration, budget)
    assert signed.advance(np.inf) is Progress.DONE
    assert signed.products < exact.products / 1.8
    assert signed.leaked == pytest.approx(exact.leaked, rel=1e-9, abs=signed.missing)
    found = signed.finish()
    assert (found >= 0.0).all()
    assert (found <= truth).all()
    assert np.abs(truth - found).sum() <= signed.missing <= budget
    # The bound is no more than about twice the error: most of it is what entries were lowered by.
    assert signed.missing <= 2.5 * np.abs(truth - found).sum()


def test_a_single_state_is_refused():
    generator, p = settled(0.5)
    p[:] = 0.0
    p[0] = 1.0
    signed = Chebyshev()
    signed.begin(generator, p.copy(), 1.0, 1e-8)
    assert signed.advance(np.inf) is Progress.REFUSED


def test_control_a_defect_that_is_not_counted(monkeypatch):
    """Without the last two terms of the defect the bound is wrong, and the comparison above notices."""
    generator, p = settled(1.0)

    def too_short(z: float, small: float) -> Any:
        weights = chebyshev_weights(z, small)
        return weights._replace(value=weights.value[:60], integral=weights.integral[:60])

    monkeypatch.setattr(chebyshev, "_truncation", lambda *_: 0.0)
    monkeypatch.setattr(chebyshev, "chebyshev_weights", too_short)
    exact = Uniformisation()
    exact.begin(generator, p.copy(), 1.0, 0.0)
    exact.advance(np.inf)
    truth = exact.finish()
    signed = Chebyshev()
    signed.begin(generator, p.copy(), 1.0, 1e-9)
    assert signed.advance(np.inf) is Progress.DONE
    found = signed.finish()
    assert np.abs(truth - found).sum() > 10.0 * signed.missing
    assert (found > truth).any()


@pytest.mark.parametrize("tolerance", [1e-3, 1e-6, 1e-8])
@pytest.mark.parametrize("name", LARGER)
def test_whole_runs_against_uniformisation(name, tolerance):
    network = LARGER[name][0]()
    times = [0.3, LARGER[name][2]]
    best = fsp.solve_transient(network, times, tolerance=1e-11, method="uniformisation")
    run = fsp.solve_transient(network, times, tolerance=tolerance, method="chebyshev")
    for truth, found in zip(best, run, strict=True):
        reference, lower = table(truth), table(found)
        assert found.certified
        assert found.error_bound <= tolerance
        assert difference(reference, lower) <= found.error_bound + truth.error_bound
        assert all(p <= reference.get(state, 0.0) + truth.error_bound for state, p in lower.items())


def test_the_choice_is_explained():
    network = fsp.gallery.toggle_switch()
    auto = fsp.solve_transient(network, [10.0], tolerance=1e-6)
    safe = fsp.solve_transient(network, [10.0], tolerance=1e-6, method="uniformisation")
    assert auto.statistics["products"] < 0.6 * safe.statistics["products"]
    assert auto.method == "chebyshev"
    assert "fewer products" in auto.explanation
    assert auto.ledger.entries["defect"] > 0.0
    assert safe.method == "uniformisation"
    assert safe.ledger.entries["defect"] == 0.0
    assert fsp.solve_transient(network, [0.01], tolerance=1e-6).method == "uniformisation"


class Fake:
    """A stepper that reports what a test says."""

    leaked = 0.0
    missing = 0.0


def test_the_planner_halves_and_gives_up():
    signed: Any = Fake()
    planner = Planner(Fake(), signed, 1e-6, 10.0)  # type: ignore[arg-type]
    first = planner.plan(1000.0, 10_000, 1.0, 10.0, Ledger())
    assert first.signed
    planner.refused(first, 1.0, 100)
    second = planner.plan(1000.0, 10_000, 1.0, 10.0, Ledger())
    assert second.signed
    assert second.duration <= 0.51 * first.duration
    planner.refused(second, 1.0, 100)
    assert not planner.plan(1000.0, 10_000, 1.0, 10.0, Ledger()).signed
    assert planner.plan(1000.0, 10_000, 3.0, 10.0, Ledger()).signed


def test_the_planner_lengthens_steps_that_leave_room():
    signed: Any = Fake()
    planner = Planner(Fake(), signed, 1e-6, 10.0)  # type: ignore[arg-type]
    step = planner.plan(1000.0, 10_000, 1.0, 10.0, Ledger())
    planner.succeeded(step, 100)
    assert planner.plan(1000.0, 10_000, 1.0, 10.0, Ledger()).duration > 1.5 * step.duration
    assert not planner.plan(1000.0, 10, 1.0, 10.0, Ledger()).signed  # too little work
    assert not planner.plan(1000.0, 10_000, 1.0, 1.0 + 0.9 * FEWEST_SIGNED / 1000.0, Ledger()).signed


def test_random_networks_against_dense_exponentials():
    """Whatever the network: a step that is not refused is a lower bound, within its own account."""
    made = []

    @settings(max_examples=60, deadline=None, derandomize=True)
    @given(networks(max_species=3), st.data(), st.sampled_from([0.01, 0.1, 1.0]), st.integers(0, 2**31))
    def run(network: Any, data: Any, span: float, seed: int) -> None:
        coordinates = Coordinates.of(network)
        space = FibreSet.from_states(coordinates, data.draw(lattice_points(coordinates)))
        generator = FibreGenerator(FactorTables(network, coordinates), space, threads=1)
        brute = brute_force(network, space)
        p = np.random.default_rng(seed).dirichlet(np.ones(space.n_states))
        duration = span * 40.0 / max(generator.max_exit_rate(), 1.0)
        exact = scipy.linalg.expm(brute.matrix * duration) @ p
        signed = Chebyshev()
        signed.begin(generator, p.copy(), duration, 1e-6)
        if signed.advance(np.inf) is not Progress.DONE:
            return
        made.append(signed.products)
        found = signed.finish()
        assert (found >= 0.0).all()
        assert (found <= exact + 1e-13).all()
        assert np.abs(exact - found).sum() <= signed.missing + signed.rounding + 1e-12
        assert -signed.missing - 1e-12 <= 1.0 - exact.sum() - signed.leaked <= signed.missing + 1e-12

    run()
    assert len(made) > 30


@pytest.mark.parametrize(
    ("species", "reactions", "until", "tolerance"),
    [
        ({"X": 0}, ["0 -> X @ 100", "X -> 0 @ 1"], 300.0, 1e-2),
        ({"X": 0, "Y": 12}, ["Y -> X @ 10", "0 -> Y @ 0.01", "X -> 0 @ 0.001"], 20.0, 1e-5),
        ({"X": 0, "Y": 0}, ["0 -> X @ 5", "X -> 0 @ 1", "X -> Y @ 0.1", "Y -> 0 @ 1"], 300.0, 1e-2),
    ],
)
def test_what_leaks_early_in_a_step_makes_the_set_grow(species, reactions, until, tolerance):
    """At the end of such a step nothing is left at the boundary, and a set that grew from there would stay as it is."""
    network = fsp.ReactionNetwork(species, reactions)
    best = fsp.solve_transient(network, [until], tolerance=1e-8, method="uniformisation").final
    found = fsp.solve_transient(network, [until], tolerance=tolerance).final
    assert found.error_bound <= tolerance
    assert difference(table(best), table(found)) <= found.error_bound + best.error_bound


def test_a_step_of_hardly_any_jumps_is_a_lower_bound():
    generator, p = settled(0.5)
    signed = Chebyshev()
    signed.begin(generator, p.copy(), 1e-15, 1e-6)
    assert signed.jumps < 1e-12
    assert signed.advance(np.inf) is Progress.DONE
    found = signed.finish()
    assert (found <= p * (1.0 - signed.jumps)).all()
    assert np.abs(found - p).sum() <= signed.missing
