"""What large sets do otherwise than small ones, to need less memory: vectors that grow in place, outflow by segments."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

import fsp
from fsp.generator import fibre_generator, growth, inflow, survey
from fsp.statespace import orientation
from fsp.statespace.coordinates import Coordinates
from fsp.statespace.fibres import FibreSet
from fsp.transient import chebyshev, inhomogeneous, loop, vectors, working_set
from fsp.transient.limits import MOVING_BYTES
from fsp.transient.protocol import Progress

#: Modules that treat large sets in another way.
BY_SIZE = (fibre_generator, growth, inflow, survey, loop, vectors, working_set)


def treat_all_as_large(monkeypatch):
    for module in BY_SIZE:
        monkeypatch.setattr(module, "LARGE", 1)


def line(n: int) -> FibreSet:
    network = fsp.ReactionNetwork({"X": 0}, ["0 -> X @ 4", "X -> 0 @ 1"])
    coordinates = Coordinates.of(network)
    return FibreSet.from_intervals(
        coordinates, np.zeros((1, 0), np.int64), np.zeros(1, np.int64), np.array([n])
    )


@pytest.mark.parametrize("threshold", [1, 10**9])
def test_a_vector_grows_and_keeps_its_entries(monkeypatch, threshold):
    monkeypatch.setattr(vectors, "LARGE", threshold)
    p = np.arange(5.0)
    moving = vectors.copy_with_room(p)
    moving[0] = 7.0
    assert p[0] == 0.0
    address = moving.ctypes.data
    grown = vectors.grow(line(5), moving, line(9))
    assert grown.tolist() == [7.0, 1.0, 2.0, 3.0, 4.0, 0.0, 0.0, 0.0, 0.0]
    assert (grown.ctypes.data == address) == (threshold == 1)
    assert vectors.has_room(grown) == (threshold == 1)
    other = vectors.empty_like(grown)
    assert other.shape == grown.shape
    assert not np.shares_memory(other, grown)
    assert vectors.has_room(other) == (threshold == 1)


def test_a_vector_without_room_is_moved(monkeypatch):
    monkeypatch.setattr(vectors, "LARGE", 1)
    monkeypatch.setattr(vectors, "LEAST_ROOM", 1)
    moving = vectors.copy_with_room(np.arange(5.0))
    assert vectors.lengthened(moving, 10) is not None
    assert vectors.lengthened(moving, 11) is None
    grown = vectors.grow(line(5), moving, line(11))
    assert grown[:5].tolist() == [0.0, 1.0, 2.0, 3.0, 4.0]
    assert not grown[5:].any()
    assert not np.shares_memory(grown, moving)


def test_memory_of_others_is_never_grown_into():
    everything = np.arange(10.0)
    part = everything[:5]
    assert vectors.lengthened(part, 6) is None
    grown = vectors.grow(line(5), part, line(6))
    assert everything.tolist() == list(range(10))
    assert grown.tolist() == [0.0, 1.0, 2.0, 3.0, 4.0, 0.0]


def test_runs_are_the_same_with_vectors_that_grow_in_place(monkeypatch):
    network = fsp.gallery.toggle_switch()
    plain = fsp.solve_transient(network, [0.5, 2.0], tolerance=1e-6)
    monkeypatch.setattr(vectors, "LARGE", 1)
    monkeypatch.setattr(vectors, "LEAST_ROOM", 1)
    other = fsp.solve_transient(network, [0.5, 2.0], tolerance=1e-6)
    assert plain.statistics["growths"] > 3
    assert other[-1].probabilities.tolist() == plain[-1].probabilities.tolist()
    assert other.error_bound == plain.error_bound


@pytest.mark.parametrize("model", ["toggle_switch", "repressilator", "michaelis_menten"])
@pytest.mark.parametrize("method", ["auto", "uniformisation"])
def test_small_sets_treated_as_large_ones(monkeypatch, model, method):
    """Both runs prove what they say: they differ by no more than both bounds, and so do their ledgers by cause."""
    network = getattr(fsp.gallery, model)()
    plain = fsp.solve_transient(network, [0.2, 1.0], tolerance=1e-6, method=method)
    treat_all_as_large(monkeypatch)
    monkeypatch.setattr(vectors, "LEAST_ROOM", 1)
    monkeypatch.setattr(growth, "PIECE", 500)
    monkeypatch.setattr(working_set, "PIECE", 1000)
    monkeypatch.setattr(orientation, "PIECE", 1000)
    large = fsp.solve_transient(network, [0.2, 1.0], tolerance=1e-6, method=method)
    assert large.statistics["signed_steps"] > 0 or method == "uniformisation" or model != "toggle_switch"
    for a, b in zip(plain, large, strict=True):
        assert b.error_bound <= 1e-6
        assert a.tv_distance(b).lower <= 1e-12 < a.error_bound + b.error_bound
        assert b.ledger.entries["leaked"] <= 0.4e-6
        assert sum(b.ledger.leaks.values()) == pytest.approx(b.ledger.entries["leaked"], rel=1e-6, abs=1e-300)
        assert b.ledger.entries["leaked"] > 0.0 or a.ledger.entries["leaked"] == 0.0


def observed(monkeypatch, part, solve):
    """Return a result where vectors are kept on the states where they are not zero if these are so few, and how often."""
    kept = []
    hand_over = loop.AdaptiveLoop._hand_over

    def observe(self):
        before, size = self.space, self.p.size
        p = hand_over(self)
        assert p.size == size
        assert not np.shares_memory(p, self.p)
        assert self.p.size == self.space.n_states
        if self.space is not before:
            assert 0 < self.p.size <= part * size
            assert self.p.all()
            assert (before.index(self.space.states()) >= 0).all()
        kept.append(self.space is not before)
        return p

    with monkeypatch.context() as patch:
        patch.setattr(loop, "SUPPORT", part)
        patch.setattr(loop.AdaptiveLoop, "_hand_over", observe)
        return solve(), kept


def refuse_now_and_then(monkeypatch, stepper):
    """Let the first and the third step be refused, after they have been made."""
    advance, calls = stepper.advance, []

    def refusing(self, allowance):
        progress = advance(self, allowance)
        if progress is Progress.DONE:
            calls.append(progress)
            if len(calls) in (1, 3):
                return Progress.REFUSED
        return progress

    monkeypatch.setattr(stepper, "advance", refusing)
    return calls


@pytest.mark.parametrize("refuse", [False, True])
@pytest.mark.parametrize("model", ["toggle_switch", "repressilator", "rates of time"])
def test_steps_begin_anew_from_what_was_kept_of_a_vector(monkeypatch, model, refuse):
    """Not one bit depends on which zeros were kept."""
    treat_all_as_large(monkeypatch)
    if model == "rates of time":
        network = fsp.ReactionNetwork({"X": 3}, ["0 -> X ; 40*(1 + sin(time))", "X -> 0 @ 1"])
        stepper = inhomogeneous.InhomogeneousUniformisation
    else:
        network, stepper = getattr(fsp.gallery, model)(), chebyshev.Chebyshev
    made = []

    def solve():
        with monkeypatch.context() as patch:
            if refuse:
                made.append(refuse_now_and_then(patch, stepper))
            return fsp.solve_transient(network, [0.3, 2.0], tolerance=1e-6)

    result, kept = observed(monkeypatch, 0.9, solve)
    plain, never = observed(monkeypatch, 0.0, solve)
    assert any(kept)
    assert not any(never)
    assert len(kept) == len(never)
    assert result.statistics["growths"] > 0
    assert result.statistics["restarts"] > 0 or refuse or model == "rates of time"
    assert all(len(calls) >= 1 for calls in made)
    for a, b in zip(result, plain, strict=True):
        assert a.space.states().tolist() == b.space.states().tolist()
        assert a.probabilities.tolist() == b.probabilities.tolist()
        assert a.ledger.entries == b.ledger.entries
        assert a.ledger.leaks == b.ledger.leaks


def test_a_vector_that_was_shown_is_left_alone(monkeypatch, tmp_path):
    """A checkpoint shares the vector between two steps; it is written later."""
    treat_all_as_large(monkeypatch)
    network = fsp.gallery.toggle_switch()
    kept_on_disk = {"checkpoint": tmp_path / "run"}

    def solve(**options):
        return fsp.solve_transient(network, [1.5], tolerance=1e-6, **options)

    result, kept = observed(monkeypatch, 0.9, lambda: solve(**kept_on_disk))
    assert len(kept) > 3
    assert not any(kept)
    assert result[-1].probabilities.tolist() == solve()[-1].probabilities.tolist()


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads peaks of memory from /proc")
@pytest.mark.parametrize(
    ("model", "size", "small"),
    [
        ("fsp.gallery.toggle_switch(a=5.0*K, K=K, h=2.0, d=1.0)", 1000.0, 20.0),
        ("fsp.gallery.repressilator(k=K, c=20.0, n=6.0, d=1.0, initial=21)", 1900.0, 100.0),
        # Short fibres: without the gaps between them filled, the generator takes about as much as one more vector.
        (
            "fsp.ReactionNetwork({x: K for x in 'ABC'}, [r for x in 'ABC' for r in (f'0 -> {x} @ {K}', f'{x} -> 0 @ 1')])",
            80,
            20,
        ),
    ],
)
def test_memory_of_a_moving_set_is_not_above_what_is_foreseen(model, size, small):
    program = f"""
        import gc, json, sys, fsp
        from fsp.generator.heap import LARGE, give_back
        def status(key):
            for line in open("/proc/self/status"):
                if line.startswith(key):
                    return 1024 * int(line.split()[1])
        def solve(K):
            return fsp.solve_transient({model}, [1.0], tolerance=1e-6)
        solve({small})
        modules = [m for name, m in sys.modules.items() if name.startswith("fsp.") and hasattr(m, "LARGE")]
        for large in (1, LARGE):
            for module in modules:
                module.LARGE = large
            if large == 1:
                solve({small})  # kernels of large sets are to be loaded, too
        gc.collect()
        give_back(LARGE)
        before = status("VmRSS")
        result = solve({size})
        print(json.dumps([result.statistics["states_peak"], status("VmHWM") - before]))
    """
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, check=True,
        env=os.environ | {"PYTHONPATH": str(Path(fsp.__file__).parents[1])},
    )  # fmt: skip
    states, beyond = json.loads(run.stdout)
    print(f"{beyond / states:.1f} bytes for each of {states:,} states")
    assert states > 400_000
    assert beyond <= MOVING_BYTES * states + 2**23  # kernels that are loaded on the way, and the like
