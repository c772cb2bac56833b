"""The generator of networks in which reactions fire events, against a dense matrix made state by state."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import mpmath as mp
import numpy as np
import pytest
from event_reference import LARGEST, Ambiguous, Moment, PlainModel, plain_models
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from test_products import check_generator

import fsp
from fsp.generator import FactorTables
from fsp.generator.growth import closure, grow_outflow, reachable
from fsp.generator.redirected import RedirectedExtendedGenerator, RedirectedGenerator
from fsp.generator.select import make_generator
from fsp.model.phases import Phase
from fsp.statespace import Coordinates, FibreSet
from fsp.statespace.constraints import Constraints


class BruteEvents:
    """What `check_generator` compares with, from the plain model."""

    def __init__(self, model: PlainModel, moment: Moment, states: np.ndarray) -> None:
        rows = [tuple(state) for state in states.tolist()]
        where = {state: i for i, state in enumerate(rows)}
        n = len(rows)
        self.matrix = np.zeros((n, n))
        self.exit = np.zeros(n)
        self.leaving = np.zeros((n, len(model.reactions)))
        self.targets: set[tuple[int, ...]] = set()
        for i, x in enumerate(rows):
            for r, (_, change, rate) in enumerate(model.reactions):
                a = rate(x)
                if a == 0.0:
                    continue
                y = tuple(p + q for p, q in zip(x, change, strict=True))
                z = model.end(y, model.truth(x, moment), moment)
                if z == x:
                    continue
                self.exit[i] += a
                self.matrix[i, i] -= a
                self.targets.add(z)
                if z in where:
                    self.matrix[where[z], i] += a
                else:
                    self.leaving[i, r] += a


def build(model: PlainModel, moment: Moment, states: Any, axis: int = 0, extended: bool = False) -> Any:
    network = model.network().in_phase(Phase(moment.t, moment.after))
    assume(network.events)
    coordinates = Coordinates.of(network, eliminate=False)
    coordinates = coordinates.with_fibre_axis(axis % coordinates.n_axes)
    space = FibreSet.from_states(coordinates, states)
    tables = FactorTables(network, coordinates, extended=extended)
    return make_generator(tables, space, threads=1, extended=extended)


def draw_states(data: Any, model: PlainModel) -> np.ndarray:
    states = np.array(model.states())
    keep = np.array([data.draw(st.integers(0, 9)) > 1 for _ in states])
    keep[data.draw(st.integers(0, len(states) - 1))] = True
    return states[keep]


def test_products_of_random_models():
    seen = []

    @settings(max_examples=80)
    @given(plain_models(), st.data(), st.integers(0, 1), st.sampled_from([0.0, 0.25, 0.5]), st.booleans())
    def run(model, data, axis, t, after):
        moment = Moment(t, after)
        states = draw_states(data, model)
        try:
            brute = BruteEvents(model, moment, states)
        except Ambiguous:
            with pytest.raises((fsp.UnsupportedError, fsp.ModelError)):
                build(model, moment, states, axis)
            return
        generator = build(model, moment, states, axis)
        assert isinstance(generator, RedirectedGenerator)
        brute = BruteEvents(model, moment, generator.space.states())
        check_generator(generator, brute)
        fine = build(model, moment, states, axis, extended=True)
        x = np.random.default_rng(0).random(fine.n_states)
        assert np.allclose(fine.apply(x), brute.matrix @ x, rtol=1e-13, atol=1e-14 * brute.exit.max())
        assert fine.exit_rates() == pytest.approx(generator.exit_rates(), rel=1e-14)
        assert np.allclose(fine.to_scipy().toarray(), brute.matrix, rtol=1e-14)
        assert np.allclose(
            fine.apply_transpose(x), brute.matrix.T @ x, rtol=1e-13, atol=1e-14 * brute.exit.max()
        )
        seen.append(generator._source.size)

    run()
    assert sum(size > 0 for size in seen) > 15


def test_closure_and_reachable_sets():
    """Closed under reactions and events: nothing flows out; and all of it can be reached."""

    @settings(max_examples=60)
    @given(plain_models())
    def run(model):
        network = model.network()
        assume(network.event_rules.by_counts.any())
        network = network.in_phase(Phase(0.25, True))
        reached = {model.initial}
        try:
            model.generator(Moment(0.25, True), reached)
        except Ambiguous:
            return
        coordinates = Coordinates.of(network, eliminate=False)
        start = FibreSet.from_states(coordinates, [model.initial])
        bounds = Constraints(network, dict.fromkeys(model.names, LARGEST))
        for grow in (lambda t: closure(t, start, bounds, 1000), lambda t: reachable(t, start, bounds, 100)):
            try:
                space = grow(FactorTables(network, coordinates))
            except (fsp.UnsupportedError, fsp.ModelError):
                continue  # a state that cannot be reached, but lies on the way of an interval
            found = {tuple(state) for state in space.states().tolist()}
            assert reached <= found
            generator = make_generator(FactorTables(network, coordinates), space)
            assert not generator.outflow_rates().any()

    run()


def burst() -> tuple[fsp.ReactionNetwork, Coordinates]:
    network = fsp.ReactionNetwork({"X": 0}, ["0 -> X @ 2", "X -> 0 @ 1"], events=["at X == 5: X = 50"])
    return network, Coordinates.of(network)


def test_growth_follows_events():
    network, coordinates = burst()
    tables = FactorTables(network, coordinates)
    space = FibreSet.from_states(coordinates, np.arange(5)[:, None])
    generator = make_generator(tables, space)
    assert generator.outflow_rates().tolist() == [0.0, 0.0, 0.0, 0.0, 2.0]
    assert generator.boundary_targets().tolist() == [[50]]
    names, where = generator.boundary_labels()
    assert [names[i] for i in where] == ["R1 and event"]
    p = np.full(5, 0.2)
    larger = grow_outflow(generator, p, Constraints(network), 0.1, 3)
    assert larger.states().ravel().tolist() == [
        *range(5),
        *range(44, 57),
    ]  # two reactions, three firings each
    assert grow_outflow(generator, p, Constraints(network), 0.5, 3).n_states == 5  # 0.4 may flow out
    assert grow_outflow(generator, p, Constraints(network, {"X": 49}), 0.1, 3).n_states == 5


def test_leaks_are_named():
    network, _ = burst()
    result = fsp.solve_transient(network, [2.0], tolerance=0.9, bounds={"X": 20})
    (label,) = result.ledger.leaks
    assert label == "R1 and event across X <= 20"
    assert result.ledger.entries["leaked"] == pytest.approx(1.0 - result.final.total, abs=1e-9)


def test_double_double_has_more_digits():
    """Products against exact rational arithmetic; in double precision the same vector is off by far more."""
    network = fsp.ReactionNetwork(
        {"X": 0}, ["0 -> X @ k", "X -> 0 @ d"], {"k": 0.1, "d": 0.3}, events=["at X == 5: X = 1"]
    )
    tables = FactorTables(network, Coordinates.of(network), extended=True)
    space = FibreSet.from_states(tables.coordinates, np.arange(5)[:, None])
    generator = make_generator(tables, space, extended=True)
    assert isinstance(generator, RedirectedExtendedGenerator)
    k, d = Fraction(0.1), Fraction(0.3)  # parameters are doubles
    p = [Fraction(1, 2 ** (i + 1)) for i in range(5)]
    q = [
        -(k + d * i) * p[i] + (d * (i + 1) * p[i + 1] if i < 4 else 0) + (k * p[i - 1] if i else 0)
        for i in range(5)
    ]
    q[1] += k * p[4]
    x = generator.new_vector(np.array([float(c) for c in p]))
    out = np.empty_like(x)
    generator.product(x, out, 0.0, 1.0)
    found = [Fraction(float(a)) + Fraction(float(b)) for a, b in zip(*out, strict=True)]
    assert max(abs(a / b - 1) for a, b in zip(found, q, strict=True)) < Fraction(1, 2**60)
    assert generator.product_error < 2.0**-55
    assert generator.exit_rates().tolist() == pytest.approx([0.1 + 0.3 * i for i in range(5)])


def test_certificates_below_the_rounding_of_double_precision():
    network = fsp.ReactionNetwork({"X": 0}, ["0 -> X @ 3"], events=["at X == 4: X = 0"])
    fine = fsp.solve_transient(network, [2.0], tolerance=1e-14)
    assert "double-double, with events" in fine.explanation
    assert fine.final.error_bound <= 1e-14
    with mp.workdps(40):
        for n, p in zip(fine.final.states.ravel().tolist(), fine.final.probabilities.tolist(), strict=True):
            exact = mp.fsum(mp.exp(-6) * mp.mpf(6) ** i / mp.factorial(i) for i in range(n, 200, 4))
            assert exact * (1 - mp.mpf("1e-13")) <= p <= exact


def test_a_phase_is_needed_where_time_matters():
    network = fsp.ReactionNetwork({"X": 0}, ["0 -> X @ 2"], events=["dose: at time >= 1: X = 0"])
    with pytest.raises(fsp.UnsupportedError, match="dose reads time"):
        FactorTables(network, Coordinates.of(network))
    FactorTables(network.in_phase(Phase(0.0, True)), Coordinates.of(network))


def test_bad_propensities_are_found_behind_events():
    network = fsp.ReactionNetwork({"X": 3, "Y": 0}, ["X -> 0 ; 1", "Y -> X ; 1"], events=["at X == 4: X = 0"])
    with pytest.raises(fsp.PropensityError, match="'Y' negative"):
        fsp.solve_transient(network, [1.0])


def test_control_a_forgotten_redirect_is_noticed():
    """The checker fails for the same network without its event."""
    model = PlainModel(("A",), (0,), (("0 -> A ; 1.5*(A < 4)", (1,), lambda s: 1.5 * (s[0] < 4)),), ())
    states = np.arange(5)[:, None]
    network = fsp.ReactionNetwork({"A": 0}, ["0 -> A ; 1.5*(A < 4)"], events=["at A == 3: A = 1"])
    generator = make_generator(
        FactorTables(network, Coordinates.of(network)), FibreSet.from_states(Coordinates.of(network), states)
    )
    with pytest.raises(AssertionError):
        check_generator(generator, BruteEvents(model, Moment(0.0), states))
