"""The boundary of a state set, divided into ways into the target, into what is avoided, and out of what is held."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fsp.analysis.regions import AVOID, INSIDE, TARGET, Regions
from fsp.generator import segments
from fsp.generator.boundary import Boundary
from fsp.generator.fibre_generator import FibreGenerator

__all__ = ["DividedBoundary", "divide_boundary", "leaving_entries"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

#: Boundary states that are looked at together.
CHUNK = 200_000


class DividedBoundary(Boundary):
    """The boundary of a set that leaves out the target: what enters the target is no loss, and is booked apart.

    Segments and ``rates`` are those of what leaks; ``positions`` are all states with a way out of any kind.

    Attributes
    ----------
    target, avoid : ndarray of float64
        Rates into the target and into the states to be avoided, in the order of ``positions``.
    """

    target: FloatArray
    avoid: FloatArray


def divide_boundary(generator: FibreGenerator, regions: Regions, everywhere: bool = False) -> None:
    """Divide the boundary of a generator by where its ways lead; what leads into a region is not outflow any more.

    Parameters
    ----------
    generator : FibreGenerator
    regions : Regions
    everywhere : bool
        Give ``rates`` for all states of the set, so that steppers keep the time spent in every one.
    """
    space, b = generator.space, generator.boundary
    n = space.n_states
    full = b.rates.size == n and b.positions.size == 0
    dense = everywhere or full
    size = n if dense else b.positions.size
    rates = {kind: np.zeros(size) for kind in (INSIDE, TARGET, AVOID)}
    raw = np.where(b.table >= 0, b.table - b.lo, segments.NO_TABLE)
    kept: list[
        tuple[IntArray, IntArray, IntArray]
    ] = []  # segment, first and last (exclusive) count of what leaks
    lengths, fibre, lowest = b.stop - b.start, b.fibre, b.lo
    first = 0
    while first < b.n_segments:
        last = first + 1 + int(np.searchsorted(np.cumsum(lengths[first + 1 :]), CHUNK - lengths[first]))
        part = np.arange(first, min(last, b.n_segments))
        segment, within, rate = _entries(generator, part)
        count = lowest[segment] + within
        reduced = np.column_stack([space.prefix[fibre[segment]], count])
        arrival = reduced + generator.factors.shifts[b.local[segment]]
        possible = rate > 0.0
        kind = np.full(segment.size, TARGET, np.int8)
        kind[possible] = regions.kinds(space.coordinates.to_counts(arrival[possible]))
        place = b.start[segment] + within
        if not dense:
            place = np.searchsorted(b.positions, place)
        for which, total in rates.items():
            chosen = kind == which
            total += np.bincount(place[chosen], rate[chosen], size)
        kept.append(_runs(segment, count, kind == INSIDE))
        first = int(part[-1]) + 1
    chosen, lo, hi = (
        np.concatenate([run[i] for run in kept]) if kept else np.empty(0, np.int64) for i in range(3)
    )
    divided = DividedBoundary(
        b.local[chosen], fibre[chosen], lo, hi, b.c[chosen], raw[chosen], space, generator.reactions
    )
    divided.positions = np.empty(0, np.int64) if dense else b.positions
    divided.rates, divided.target, divided.avoid = rates[INSIDE], rates[TARGET], rates[AVOID]
    generator.boundary = divided
    generator.by_segment = False  # the residence in states is what is asked for


def _entries(generator: FibreGenerator, part: IntArray) -> tuple[IntArray, IntArray, FloatArray]:
    """Return the ways out of the set through some boundary segments: segment, place within it, and rate."""
    b = generator.boundary
    lengths = (b.stop - b.start)[part]
    segment = np.repeat(part, lengths)
    within = np.arange(segment.size) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    rate = b.c[segment].copy()
    tabled = b.table[segment] >= 0
    rate[tabled] *= generator.tables[b.table[segment[tabled]] + within[tabled]]
    return segment, within, rate


def leaving_entries(generator: FibreGenerator) -> tuple[IntArray, FloatArray, IntArray]:
    """Return the ways out of the set that are outflow: position of the state, rate, and reaction of the network."""
    b = generator.boundary
    segment, within, rate = _entries(generator, np.arange(b.n_segments))
    return b.start[segment] + within, rate, b.reaction[segment]


def _runs(segment: IntArray, count: IntArray, keep: NDArray[np.bool_]) -> tuple[IntArray, IntArray, IntArray]:
    """Return the runs of states to keep within segments: segment, first and last (exclusive) count."""
    here = np.flatnonzero(keep)
    if not here.size:
        none = np.empty(0, np.int64)
        return none, none, none
    new = np.ones(here.size, np.bool_)
    new[1:] = (np.diff(here) != 1) | (np.diff(segment[here]) != 0)
    starts = np.flatnonzero(new)
    ends = np.append(starts[1:], here.size) - 1
    return segment[here[starts]], count[here[starts]], count[here[ends]] + 1
