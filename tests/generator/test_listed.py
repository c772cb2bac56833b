"""Series of products by lists of blocks, two products in a sweep, against series made one product at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fsp
from fsp.generator import FactorTables, FibreGenerator, program_kernels
from fsp.generator.listed import ListedGenerator, list_bytes
from fsp.generator.select import LISTED_BYTES, make_generator
from fsp.statespace import Coordinates, FibreSet

NETWORKS = {
    "toggle": fsp.gallery.toggle_switch(),
    "repressilator": fsp.gallery.repressilator(),
    "one species": fsp.gallery.birth_death(),
    "jumps": fsp.ReactionNetwork(
        {"X": 0, "Y": 0},
        ["0 -> 3 X @ 5", "X -> 0 @ 1", "2 X -> Y @ 0.1", "Y -> 0 ; 2*Y/(1 + X)", "0 -> 2 Y ; 3/(1 + Y)"],
    ),
}


def pair(name: str, seed: int, holes: float) -> tuple[ListedGenerator, FibreGenerator]:
    """Return both forms on a random set with ``holes``, so that fibres are short and reactions have several segments."""
    network = NETWORKS[name]
    rng = np.random.default_rng(seed)
    side = {1: 900, 2: 45, 3: 14}[network.n_species]
    grid = np.stack(np.meshgrid(*[np.arange(side)] * network.n_species, indexing="ij"), -1)
    states = grid.reshape(-1, network.n_species)
    states = states[rng.random(len(states)) >= holes]
    coordinates = Coordinates.of(network)
    space = FibreSet.from_states(coordinates, states)
    tables = FactorTables(network, coordinates)
    return ListedGenerator(tables, space, threads=1), FibreGenerator(tables, space, threads=1)


CASES = [(n, s, h) for n in NETWORKS for s, h in ((0, 0.0), (1, 0.03), (2, 0.4))]
every_case = pytest.mark.parametrize(("name", "seed", "holes"), CASES)


def series(generator: Any, p: np.ndarray, allowance: float, n: int = 41) -> tuple[Any, ...]:
    """Return what a series of ``n`` products comes to, made in as many calls as the allowance takes."""
    weights = np.linspace(0.0, 1.0, n + 1) / n
    later = np.linspace(1.0, 0.1, n + 2)
    v, scratch, total = p.copy(), np.full_like(p, np.nan), p * weights[0]
    residence, leaked, k, calls = generator.boundary_vector(), 0.0, 0, 0
    beta = 0.9 / generator.max_exit_rate()
    while k < n:
        k, more, swapped = generator.run_series(
            v, scratch, total, k, weights, later, beta, allowance, residence
        )
        v, scratch = (scratch, v) if swapped else (v, scratch)
        leaked, calls, allowance = leaked + more, calls + 1, 1.2 * allowance
    return v, total, generator.on_boundary(residence), leaked, calls


@every_case
def test_uniformisation(name, seed, holes):
    listed, other = pair(name, seed, holes)
    p = np.random.default_rng(seed).random(listed.n_states)
    found, expected = series(listed, p, np.inf), series(other, p, np.inf)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)
    assert np.isfinite(found[1]).all()


@every_case
def test_coming_back_between_any_two_products_changes_nothing(name, seed, holes):
    listed, other = pair(name, seed, holes)
    p = np.random.default_rng(seed).random(listed.n_states)
    straight = series(listed, p, np.inf)
    paused = series(listed, p, 0.3 * straight[3] * listed.max_exit_rate() / 41 + 1e-9)
    if straight[3] > 0.0:
        assert paused[4] > 3
    assert paused[0].tolist() == straight[0].tolist()
    assert paused[1].tolist() == straight[1].tolist()
    np.testing.assert_allclose(paused[3], straight[3], rtol=1e-13)
    assert series(other, p, 0.3 * straight[3] * listed.max_exit_rate() / 41 + 1e-9)[4] == paused[4]


def recurrence(generator: Any, p: np.ndarray, n: int, wanted: float) -> tuple[Any, ...]:
    """Return all that the recurrence of a Chebyshev series comes to."""
    rng = np.random.default_rng(3)
    weights, integrals = rng.random(n), np.sort(rng.random(n))[::-1].copy()
    lengths, magnitudes = np.zeros(n), np.zeros(n)
    beta = 0.9 / generator.max_exit_rate()
    v, image, total = p.copy(), np.empty_like(p), p * weights[0]
    generator.product(v, image, 1.0, beta)
    lengths[0], magnitudes[0], _ = generator.norms(v)
    lengths[1], magnitudes[1], _ = generator.norms(image)
    residence = generator.boundary_vector()
    k, leaked = generator.run_recurrence(
        v,
        image,
        total,
        weights,
        integrals,
        beta,
        1e-15,
        lengths,
        magnitudes,
        wanted,
        1e300,
        residence,
    )
    return total, generator.on_boundary(residence), lengths, magnitudes, k, leaked


@every_case
@pytest.mark.parametrize("n", [12, 13])
@pytest.mark.parametrize("part", [0.0, 0.6, 0.7, 0.8])
def test_three_term_recurrence(name, seed, holes, n, part):
    listed, other = pair(name, seed, holes)
    p = np.random.default_rng(seed).random(listed.n_states)
    everything = recurrence(other, p, n, -1.0)
    # So that the series ends early, after a first or after a second product.
    wanted = part * 4.0 * everything[2].max()
    found, expected = recurrence(listed, p, n, wanted), recurrence(other, p, n, wanted)
    assert found[4] == expected[4]
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-11 * np.abs(np.asarray(b)).max())


def test_parts_are_next_to_each_other():
    """No reaction leads from one part beyond its neighbours, and there are parts where there is a first coordinate."""
    for name, seed, holes in CASES:
        listed, _ = pair(name, seed, holes)
        cuts, _, (_, _, head, *_) = listed._program
        assert (cuts[0], cuts[-1]) == (0, head.size)
        assert (np.diff(cuts) > 0).all()
        rows, columns, *_ = listed.triplets()
        starts = (head >> 9)[cuts[:-1]]
        part = np.searchsorted(starts, np.arange(listed.n_states), side="right") - 1
        assert np.abs(part[rows] - part[columns]).max() <= 1
        if name != "one species":
            assert part.max() >= 3


def test_control_parts_cut_too_narrow(monkeypatch):
    monkeypatch.setattr(
        "fsp.generator.listed.cut_program", lambda prefix, offset, reach, head: np.arange(head.size + 1)
    )
    listed, other = pair("jumps", 0, 0.0)
    p = np.random.default_rng(0).random(listed.n_states)
    assert not np.allclose(series(listed, p, np.inf)[1], series(other, p, np.inf)[1], rtol=1e-6)


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("holes", [0.0, 0.3])
def test_vectors_do_what_the_loop_does(signed, holes):
    listed, _ = pair("jumps", 4, holes)
    rng = np.random.default_rng(1)
    cuts, more, blocks = listed._program
    x = rng.standard_normal(listed.n_states)
    results = []
    vectors = program_kernels.signed_blocks if signed else program_kernels.power_blocks
    for kernel in (vectors, program_kernels.reference_blocks):
        y, total, sums = rng.random(x.size), rng.random(x.size), np.zeros(16)
        y[:], total[:] = np.sin(np.arange(x.size)), np.cos(np.arange(x.size))
        part = (cuts[1], cuts[3], more[1])
        _call(kernel, x, y, total, blocks, part, sums, signed)
        results.append((y, total, sums))
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-13, atol=1e-13)
    assert (np.abs(results[0][0] - np.sin(np.arange(x.size))) > 0).any()


def _call(kernel: Any, x: Any, y: Any, total: Any, blocks: Any, part: Any, sums: Any, signed: bool) -> None:
    from numba import njit

    if kernel is program_kernels.reference_blocks:
        kernel(x, y, total, *blocks, *part, 0.5, 0.01, 0.3, 0.7, sums, signed)
        return

    @njit
    def run(x, y, total, blocks, part, sums):  # type: ignore[no-untyped-def]
        kernel(x, y, total, *blocks, part[0], part[1], part[2], 0.5, 0.01, 0.3, 0.7, sums)

    run(x, y, total, blocks, part, sums)


def test_small_sets_are_listed():
    listed, other = pair("toggle", 0, 0.0)
    assert list_bytes(4, listed.space) <= LISTED_BYTES
    assert type(make_generator(other.factors, other.space)) is ListedGenerator
    _, _, (_, _, head, records, _, extra, *_) = listed._program
    assert head.nbytes + records.nbytes + extra.nbytes <= list_bytes(4, listed.space)
