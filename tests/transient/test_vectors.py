"""Vectors that grow in place."""

from __future__ import annotations

import numpy as np
import pytest

import fsp
from fsp.statespace.coordinates import Coordinates
from fsp.statespace.fibres import FibreSet
from fsp.transient import vectors


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
