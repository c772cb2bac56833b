"""Products with the generator against a dense matrix made state by state."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_networks import Brute, brute_force, lattice_points, networks

import fsp
from fsp.errors import PropensityError
from fsp.generator import FactorTables, FibreGenerator, fibre_generator, inflow, survey, threads
from fsp.generator.assembled import AssembledGenerator
from fsp.generator.growth import reachable
from fsp.generator.listed import ListedGenerator
from fsp.generator.select import make_generator
from fsp.statespace import Coordinates, FibreSet
from fsp.statespace.constraints import Constraints

KINDS = [FibreGenerator, AssembledGenerator, ListedGenerator]
U = 2.0**-53


def close(found: np.ndarray, expected: np.ndarray, size: np.ndarray | float, terms: int = 40) -> None:
    """Check that sums agree to a rounding error of each of their terms; ``size`` is the sum of magnitudes."""
    worst = np.max(np.abs(found - expected) - terms * U * size, initial=-1.0)
    assert worst <= 0.0, f"off by {worst + np.max(terms * U * size)}"


def check_generator(generator: Any, brute: Brute, seed: int = 0) -> None:
    """Compare everything that a generator offers with the dense matrix."""
    random = np.random.default_rng(seed)
    n = generator.n_states
    matrix, scale = brute.matrix, np.abs(brute.matrix)
    for x in (random.random(n), random.standard_normal(n), 10.0 ** -(200 * random.random(n))):
        close(generator.apply(x), matrix @ x, scale @ np.abs(x))
        close(generator.apply_transpose(x), matrix.T @ x, scale.T @ np.abs(x))
        out = np.full(n, 7.0)
        assert generator.apply(x, out) is out
        close(out, matrix @ x, scale @ np.abs(x))
        total = random.random(n)
        before = total.copy()
        generator.product(x, out, 0.5, 0.25, 3.0, total)
        step = 0.5 * x + 0.25 * (matrix @ x)
        size = np.abs(x) + scale @ np.abs(x)
        close(out, step, size)
        close(total, before + 3.0 * step, before + 3.0 * size)
        generator.product(x, out, 0.5, 0.25, 0.0, total)
        close(out, step, size)
        close(total, before + 3.0 * step, before + 3.0 * size)  # no weight: untouched
    x, z = random.random(n), random.random(n)
    assert z @ generator.apply(x) == pytest.approx(
        x @ generator.apply_transpose(z), rel=1e-12, abs=1e-13 * (z @ (scale @ x))
    )
    close(generator.exit_rates(), brute.exit, brute.exit)
    assert generator.max_exit_rate() == pytest.approx(brute.exit.max(), rel=1e-14)
    leaving = brute.leaving.sum(axis=1)
    close(generator.outflow_rates(), leaving, leaving)
    # Columns and outflow add up to nothing.
    close(generator.apply_transpose(np.ones(n)) + generator.outflow_rates(), np.zeros(n), brute.exit)
    flow, here = generator.outflow(x)
    assert flow == pytest.approx(leaving @ x, rel=1e-13)
    assert generator.leaks(here.copy()) == pytest.approx(x @ brute.leaving, rel=1e-13)
    assert not generator.leaks(generator.boundary_vector()).any()
    csr = generator.to_scipy()
    assert csr.has_sorted_indices
    close(csr.toarray(), matrix, brute.exit.max())
    operator = generator.as_linear_operator()
    close(operator.matvec(x), matrix @ x, scale @ x)
    close(operator.rmatvec(x), matrix.T @ x, scale.T @ x)


def make(kind: Any, network: fsp.ReactionNetwork, states: Any, axis: int | None = None) -> Any:
    coordinates = Coordinates.of(network, axis)
    space = FibreSet.from_states(coordinates, states)
    return kind(FactorTables(network, coordinates), space, threads=1)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_random_networks_on_random_sets(kind):
    @settings(max_examples=150)
    @given(networks(), st.data(), st.integers(0, 3))
    def run(network, data, axis):
        coordinates = Coordinates.of(network)
        coordinates = coordinates.with_fibre_axis(axis % coordinates.n_axes)
        space = FibreSet.from_states(coordinates, data.draw(lattice_points(coordinates)))
        generator = kind(FactorTables(network, coordinates), space, threads=1)
        check_generator(generator, brute_force(network, space))

    run()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "name", ["toggle_switch", "goutsias", "michaelis_menten", "telegraph", "sir", "schloegl"]
)
def test_gallery_on_reachable_sets(kind, name):
    from random_networks import breadth_first

    network = getattr(fsp.gallery, name)()
    states = sorted(breadth_first(network, [network.initial_state], 5))[:400]
    generator = make(kind, network, states)
    check_generator(generator, brute_force(network, generator.space))


@pytest.mark.parametrize("kind", KINDS)
def test_all_reactions_at_once(kind):
    """More terms in a row than one fused loop takes, with and without tables."""
    names = "ABCD"
    reactions = [f"0 -> {n} @ 0.5" for n in names] + [f"{n} -> 0 @ 0.25" for n in names]
    reactions += [f"{a} -> {b} ; 0.1*{a}/(1 + {b})" for a in names for b in names if a != b]
    reactions += [f"{a} -> 2 {a} ; 0.3*{a}*{b}" for a in names for b in names if a < b]
    network = fsp.ReactionNetwork(dict.fromkeys(names, 1), reactions)
    grid = np.array(np.meshgrid(*[np.arange(5)] * 4)).reshape(4, -1).T
    for axis in range(4):
        generator = make(kind, network, grid, axis)
        check_generator(generator, brute_force(network, generator.space))


@pytest.mark.parametrize("kind", KINDS)
def test_one_state(kind):
    network = fsp.ReactionNetwork({"X": 3}, ["0 -> X @ 2", "X -> 0 @ 1"])
    generator = make(kind, network, [[3]])
    check_generator(generator, brute_force(network, generator.space))
    assert generator.apply([1.0]).tolist() == [-5.0]


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_happens(kind):
    network = fsp.ReactionNetwork({"X": 3}, ["X -> 0 @ 0"])
    generator = make(kind, network, [[2], [3]])
    check_generator(generator, brute_force(network, generator.space))
    assert generator.max_exit_rate() == 0.0


@pytest.mark.parametrize("kind", KINDS)
def test_a_reaction_without_change_does_not_act(kind):
    network = fsp.ReactionNetwork({"X": 3}, ["X -> X @ 9", "X -> 0 @ 1"])
    generator = make(kind, network, [[2], [3]])
    check_generator(generator, brute_force(network, generator.space))
    assert generator.max_exit_rate() == 3.0


def large(side: int = 40) -> tuple[fsp.ReactionNetwork, FibreSet]:
    network = fsp.ReactionNetwork(
        {"U": 0, "V": 0, "W": 0},
        ["0 -> U ; 50/(1 + V**2)", "0 -> V ; 50/(1 + W**2)", "0 -> W ; 50/(1 + U**2)", "U -> 0 @ 1", "V -> 0 @ 1",
         "W -> 0 @ 1", "U + V -> W @ 0.01"],
    )  # fmt: skip
    grid = np.array(np.meshgrid(*[np.arange(side)] * 3)).reshape(3, -1).T
    grid = grid[(grid * [1, 2, 3]).sum(axis=1) % 97 != 0]  # holes
    return network, FibreSet.from_states(Coordinates.of(network), grid)


@pytest.mark.parametrize("kind", [FibreGenerator, AssembledGenerator])  # lists are for one thread
def test_two_threads_give_the_same_bits(kind, monkeypatch):
    network, space = large()
    tables = FactorTables(network, space.coordinates)
    x = np.random.default_rng(1).random(space.n_states)
    answers = []
    for limit in (1, 2, 3):
        monkeypatch.setattr(threads, "MIN_STATES_PER_THREAD", 1000)
        generator = kind(tables, space, threads=limit)
        assert generator.threads == limit
        out, total = np.empty_like(x), x.copy()
        generator.product(x, out, 1.0, 0.01, 0.5, total)
        answers.append((generator.apply(x).tobytes(), out.tobytes(), total.tobytes()))
    assert answers[0] == answers[1] == answers[2]


@pytest.mark.parametrize("kind", KINDS)
def test_a_larger_set_against_its_own_matrix(kind):
    """Many fibres: the CSR form, whose entries are checked above on small sets, gives the same products."""
    network, space = large(14)
    generator = kind(FactorTables(network, space.coordinates), space, threads=1)
    check_generator(generator, brute_force(network, space))


def test_the_choice_of_the_form_does_not_change_answers():
    network, space = large(14)
    tables = FactorTables(network, space.coordinates)
    x = np.random.default_rng(2).random(space.n_states)
    chosen = make_generator(tables, space).apply(x)
    free, stored, listed = (kind(tables, space).apply(x) for kind in KINDS)
    scale = np.abs(free).max()
    assert np.abs(free - stored).max() <= 50 * U * scale * 10
    assert np.abs(free - listed).max() <= 50 * U * scale * 10
    assert chosen.tobytes() in (free.tobytes(), stored.tobytes(), listed.tobytes())


@pytest.mark.parametrize("wrong", [np.zeros(3), np.zeros((2, 2)), 1.0])
def test_vectors_of_the_wrong_shape(wrong):
    network = fsp.ReactionNetwork({"X": 0}, ["0 -> X @ 1"])
    generator = make(FibreGenerator, network, [[0], [1]])
    for method in (generator.apply, generator.apply_transpose):
        with pytest.raises(fsp.FSPError, match="2 states"):
            method(wrong)


# Controls: the checker must notice.


def control(kind: Any) -> tuple[Any, Brute]:
    network = fsp.ReactionNetwork(
        {"X": 0, "Y": 0},
        ["0 -> X ; 3/(1 + Y)", "X -> 0 @ 1", "X -> X + Y @ 2", "Y -> 0 @ 0.5", "0 -> Y @ 0.125"],
    )
    grid = np.array(np.meshgrid(np.arange(9), np.arange(7))).reshape(2, -1).T
    generator = make(kind, network, grid)
    return generator, brute_force(network, generator.space)


@pytest.mark.parametrize("kind", KINDS)
def test_control_unperturbed(kind):
    check_generator(*control(kind))


def test_control_one_weight_per_fibre_is_off():
    generator, brute = control(FibreGenerator)
    generator._inflow.packed[-1][3, -1] *= 1.0 + 1e-12
    with pytest.raises(AssertionError):
        check_generator(generator, brute)


def test_control_one_table_entry_is_off():
    generator, brute = control(FibreGenerator)
    used = np.flatnonzero(generator.tables > 0)
    generator.tables[used[2]] *= 1.0 + 1e-12
    with pytest.raises(AssertionError):
        check_generator(generator, brute)


def test_control_one_stored_weight_is_off():
    generator, brute = control(AssembledGenerator)
    used = np.flatnonzero(generator._weights > 0)
    generator._weights[used[len(used) // 2]] *= 1.0 + 1e-12
    with pytest.raises(AssertionError):
        check_generator(generator, brute)


@pytest.mark.parametrize("kind", KINDS)
def test_control_another_rate_constant(kind):
    generator, _ = control(kind)
    other = fsp.ReactionNetwork(
        {"X": 0, "Y": 0},
        ["0 -> X ; 3/(1 + Y)", "X -> 0 @ 1", "X -> X + Y @ 2", "Y -> 0 @ 0.5000000000001", "0 -> Y @ 0.125"],
    )
    with pytest.raises(AssertionError):
        check_generator(generator, brute_force(other, generator.space))


@pytest.mark.parametrize("kind", KINDS)
def test_control_forgotten_leak(kind):
    generator, brute = control(kind)
    generator.boundary.rates[:] = 0.0
    with pytest.raises(AssertionError):
        check_generator(generator, brute)


@pytest.mark.parametrize("length", [7, 383, 384, 400, 511, 512, 513, 1024, 4095, 4096, 5000])
def test_one_fibre_of_any_length(length):
    network = fsp.ReactionNetwork({"X": 0}, ["0 -> X @ 10", "X -> 0 @ 1"])
    coordinates = Coordinates.of(network)
    space = FibreSet.from_states(coordinates, np.arange(length)[:, None])
    generator = FibreGenerator(FactorTables(network, coordinates), space, threads=1)
    rng = np.random.default_rng(length)
    x, total = rng.random(length), rng.random(length)
    expected = 0.5 * x + 1e-3 * (generator.to_scipy() @ x)
    summed = total + 0.25 * expected
    out = np.full_like(x, np.nan)
    generator.product(x, out, 0.5, 1e-3, 0.25, total)
    np.testing.assert_allclose(out, expected, rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(total, summed, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("weight", [0.0, 0.3])
def test_long_fibres_in_strips_beside_short_ones(weight):
    """Fibres on both sides of the length from which they are done strip by strip, in the middle of short ones."""
    network = fsp.gallery.toggle_switch()
    coordinates = Coordinates.of(network)
    tables = FactorTables(network, coordinates)
    lengths = [3, 700, 1030, 9, 383, 384, 385, *[640] * 40, 5, 2000, 4096, 600, 600, 1]
    axis = 1 - int(coordinates.axes[-1])  # the species in front of the fibre axis
    states = []
    for row, length in enumerate(lengths):
        block = np.zeros((length, 2), np.int64)
        block[:, axis] = row
        block[:, 1 - axis] = np.arange(row % 5, row % 5 + length)
        states.append(block)
    space = FibreSet.from_states(coordinates, np.concatenate(states))
    assert space.length.max() == 4096
    generator = FibreGenerator(tables, space, threads=1)
    rng = np.random.default_rng(5)
    x, total = rng.random(space.n_states), rng.random(space.n_states)
    expected = 0.5 * x + 1e-3 * (generator.to_scipy() @ x)
    summed = total + weight * expected
    out = np.full_like(x, np.nan)
    generator.product(x, out, 0.5, 1e-3, weight, total)
    np.testing.assert_allclose(out, expected, rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(total, summed, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("narrow", [True, False])
def test_segments_of_large_sets_and_with_long_positions_are_the_same(monkeypatch, narrow):
    """Large sets forget what they can make again; positions that do not fit into four bytes take eight."""
    usual, brute = control(FibreGenerator)
    with monkeypatch.context() as patch:
        patch.setattr(fibre_generator, "LARGE", 1)
        patch.setattr(inflow, "LARGE", 1)
        patch.setattr(survey, "LARGE", 1)
        if not narrow:
            patch.setattr(inflow, "_NARROW", 0)
        generator, _ = control(FibreGenerator)
        x = np.random.default_rng(3).random(generator.n_states)
        for _ in range(2):
            assert generator._inflow.lists is None
            assert {a.dtype for a in generator._inflow.packed[:-1]} == {np.dtype("i4" if narrow else "i8")}
            assert generator.boundary.start.dtype == generator._inflow.packed[0].dtype
            np.testing.assert_array_equal(generator.apply(x), usual.apply(x))
            np.testing.assert_array_equal(generator.apply_transpose(x), usual.apply_transpose(x))
            np.testing.assert_array_equal(generator.segment_outflow(x), usual.segment_outflow(x))
            for mine, theirs in zip(generator.triplets(), usual.triplets(), strict=True):
                np.testing.assert_array_equal(mine, theirs)
            generator.release_segments()
        check_generator(generator, brute)


@pytest.mark.parametrize(
    "name", ["toggle_switch", "repressilator", "goutsias", "michaelis_menten", "lotka_volterra"]
)
def test_surveying_one_reaction_after_the_other_makes_the_same_generator(monkeypatch, name):
    network = getattr(fsp.gallery, name)()
    tables = FactorTables(network, Coordinates.of(network))
    start = FibreSet.from_states(tables.coordinates, [network.initial_state])
    space = reachable(tables, start, Constraints(network), 8, reach=3)
    usual = FibreGenerator(tables, space)
    assert usual._inflow.lists is not None
    with monkeypatch.context() as patch:
        for module in (fibre_generator, inflow, survey):
            patch.setattr(module, "LARGE", 1)
        large = FibreGenerator(tables, space)
        assert [part.stop - part.start for part in large._propensities.parts()] == [1] * len(tables.reactions)
        for mine, theirs in zip(large._inflow.packed[:-1], usual._inflow.packed[:-1], strict=True):
            assert mine.dtype == theirs.dtype
            np.testing.assert_array_equal(mine, theirs)
        assert large._inflow.lists is None
    for mine, theirs in zip(
        (*large._diagonal, *large._mixed), (*usual._diagonal, *usual._mixed), strict=True
    ):
        np.testing.assert_array_equal(mine, theirs)
    for attribute in "local start stop c table fibre lo hi reaction positions rates".split():
        mine, theirs = (getattr(g.boundary, attribute) for g in (large, usual))
        assert mine.dtype == theirs.dtype
        np.testing.assert_array_equal(mine, theirs)
    assert large.boundary.n_segments > 5


@pytest.mark.parametrize("reaction", ["X -> 0 ; X/(5 - Y)", "Y -> 0 ; log(3 - Y)"])
def test_errors_of_large_sets_name_the_reaction(monkeypatch, reaction):
    monkeypatch.setattr(survey, "LARGE", 1)
    network = fsp.ReactionNetwork({"X": 0, "Y": 0}, ["0 -> X @ 1", "0 -> Y @ 1", reaction])
    grid = np.array(np.meshgrid(np.arange(9), np.arange(7))).reshape(2, -1).T
    with pytest.raises(PropensityError) as caught:
        make(FibreGenerator, network, grid)
    assert reaction.partition(";")[2].strip() in str(caught.value)


def test_boundary_by_position_and_by_count():
    generator, _ = control(FibreGenerator)
    b, space = generator.boundary, generator.space
    assert b.n_segments > 10
    np.testing.assert_array_equal(space.offset[b.fibre] + b.lo - space.first[b.fibre], b.start)
    np.testing.assert_array_equal(b.hi - b.lo, b.stop - b.start)
    assert (b.lo >= space.first[b.fibre]).all()
    assert (b.hi <= space.first[b.fibre] + space.length[b.fibre]).all()
    assert (space.index(generator.boundary_targets()) < 0).all()
