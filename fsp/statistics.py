"""Quantiles, modes, entropy, distance and samples of a distribution, as enclosures where they can be."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fsp.enclosures import SpeciesLaw
from fsp.errors import ArgumentError
from fsp.interval import Interval
from fsp.measure import Measure
from fsp.observed import ObservedLaw
from fsp.summation import RELATIVE, UNIT, chunk_sum, chunks, down, up

__all__ = [
    "Mode",
    "distance",
    "draw",
    "entropy",
    "entropy_bounds",
    "local_maxima",
    "quantile",
    "quantile_bounds",
]


class Mode(NamedTuple):
    """A local maximum of a distribution.

    Attributes
    ----------
    state : dict of str to int
        The counts.
    probability : float
        The lower bound of its probability.
    proven : bool
        Whether its probability exceeds that of every neighbour whatever the error is, within the bound.
    """

    state: dict[str, int]
    probability: float
    proven: bool


def quantile(law: SpeciesLaw | ObservedLaw, q: float) -> float:
    """Return the least value whose normalised distribution function reaches ``q``."""
    cumulated = np.cumsum(law.masses)
    k = int(np.searchsorted(cumulated, q * cumulated[-1], side="left"))
    return float(law.counts[min(k, len(law.counts) - 1)])


def quantile_bounds(law: SpeciesLaw | ObservedLaw, q: float) -> Interval:
    """Return an interval of values that holds the quantile ``min {n: P(X <= n) >= q}``."""
    cumulated = np.cumsum(law.masses)
    rounding = len(cumulated) * UNIT * (1.0 + 1e-6)
    highest = cumulated * (1.0 + rounding) + law.above * (1.0 + 4 * UNIT)
    lowest = cumulated * (1.0 - rounding) - law.below * (1.0 + 4 * UNIT)
    lower = law.least
    if law.above < q:
        k = int(np.searchsorted(highest, q, side="left"))
        lower = float(law.counts[min(k, len(law.counts) - 1)])
    k = int(np.searchsorted(lowest, q, side="left"))
    upper = float(law.counts[k]) if k < len(law.counts) else law.largest
    return Interval(lower, max(lower, upper))


def entropy(measure: Measure) -> float:
    """Return the entropy of the normalised masses, ``-sum p log p``, in nats."""
    terms = chunk_sum(-_xlogx(part) for _, _, part in measure.parts())
    return max(0.0, terms / measure.total + math.log(measure.total))


def entropy_bounds(measure: Measure, tail_means: Sequence[float]) -> Interval:
    """Return an enclosure of the entropy, in nats.

    The law is a mixture, with weight ``e <= above``, of the normalised masses and of what is missing. Entropy
    is concave, so it is at least ``(1 - above) H(p)``; it is at most ``H(p) + h(e) + e H(missing)`` with the
    binary entropy ``h``, and among laws on the non-negative integers with given means the geometric ones have
    the largest entropy (Cover and Thomas, Elements of Information Theory, 2nd ed. 2006, chapter 12).

    Parameters
    ----------
    measure : Measure
        Masses that are lower bounds (``below == 0``).
    tail_means : sequence of float
        For each species an upper bound of what the missing mass adds to its mean.
    """
    best = entropy(measure)
    slack = 4 * RELATIVE * (1.0 + best + abs(math.log(measure.total)))
    missing = measure.above
    lower = max(0.0, (1.0 - min(1.0, missing)) * (best - slack))
    if missing == 0.0:
        return Interval(lower, best + slack)
    binary = math.log(2.0)
    if missing < 0.5:
        binary = -missing * math.log(missing) - (1.0 - missing) * math.log1p(-missing)
    far = math.fsum(_geometric_entropy(missing, mean) for mean in tail_means)
    return Interval(lower, (best + slack + binary + far) * (1.0 + RELATIVE))


def _geometric_entropy(mass: float, mean: float) -> float:
    """Return ``mass`` times the entropy of the geometric law with mean ``mean / mass``."""
    if math.isinf(mean):
        return math.inf
    # (m + 1) log(m + 1) - m log(m) with m = mean / mass, arranged so that a tiny mass does no harm.
    small = 0.0 if mean <= 0.0 else mean * math.log1p(mass / mean)
    return mass * math.log1p(mean / mass) + small


def _xlogx(p: NDArray[np.float64]) -> NDArray[np.float64]:
    result = np.zeros_like(p)
    positive = p > 0.0
    result[positive] = p[positive] * np.log(p[positive])
    return result


def distance(first: Measure, second: Measure) -> Interval:
    """Return an enclosure of the total variation distance ``sup |P(S) - Q(S)| = 0.5 ||P - Q||_1``.

    The set where the masses of one exceed the other's gives a lower bound, with the other's error; for every
    set, ``P(S) - Q(S) <= sum (p - q)^+`` plus the error of the first. O(n_states) look-ups on both sides.
    """
    names = first.space.species_names
    order = [second.space.species_names.index(name) for name in names]
    back = [names.index(name) for name in second.space.species_names]
    excess: list[float] = []
    lack: list[float] = []
    for start, stop, p in first.parts():
        position = second.space.index(first.space.states(start, stop)[:, back])
        q = np.where(position >= 0, second.masses[np.maximum(position, 0)], 0.0)
        excess.append(float(np.sum(np.maximum(p - q, 0.0))))
        lack.append(float(np.sum(np.maximum(q - p, 0.0))))
    for start, stop, q in second.parts():
        absent = first.space.index(second.space.states(start, stop)[:, order]) < 0
        lack.append(float(np.sum(q[absent])))
    n = first.space.n_states + second.space.n_states
    more, less = math.fsum(excess), math.fsum(lack)
    a, b = first, second
    lower = max(0.0, down(more, n) - a.below - b.above, down(less, n) - a.above - b.below)
    upper = min(1.0, up(more, n) + a.above + b.below, up(less, n) + a.below + b.above)
    slack = 4 * UNIT * max(more, less, upper)
    return Interval(max(0.0, lower - slack), min(1.0, max(lower, upper) + slack))


def draw(measure: Measure, n: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return ``n`` independent states, shape (n, n_species), drawn by inversion."""
    cumulated = np.cumsum(measure.masses)
    # Scaled to the sum, a variate below 1 may round up to the sum itself; it belongs to the last state then.
    last = int(np.searchsorted(cumulated, cumulated[-1], side="left"))
    chosen = np.minimum(np.searchsorted(cumulated, rng.random(n) * cumulated[-1], side="right"), last)
    return measure.states_at(chosen)


def local_maxima(measure: Measure, k: int, reach: int) -> list[Mode]:
    """Return the ``k`` most probable local maxima; a plateau counts once, by its first state.

    The neighbours of a state are those where no count differs by more than ``reach``. States are examined
    from the most probable one downwards until ``k`` maxima are found.
    """
    n_species = len(measure.space.species_names)
    steps = np.stack(np.meshgrid(*[np.arange(-reach, reach + 1)] * n_species, indexing="ij"), -1)
    steps = steps.reshape(-1, n_species)
    steps = steps[np.any(steps != 0, axis=1)]
    ranking = np.argsort(-measure.masses, kind="stable")
    ranking = ranking[measure.masses[ranking] > 0.0]
    modes: list[Mode] = []
    on_plateau: set[int] = set()
    batch = max(1, min(1024, 1_000_000 // len(steps)))
    for start, stop in chunks(len(ranking), batch):
        candidates = ranking[start:stop]
        near = _neighbours(measure, candidates, steps)
        masses = np.where(near >= 0, measure.masses[near], 0.0)
        highest = masses.max(axis=1)
        own = measure.masses[candidates]
        for row in np.flatnonzero(highest <= own):
            position = int(candidates[row])
            if position in on_plateau:
                continue
            flat = highest[row] == own[row]
            if flat and not _is_top(measure, position, steps, on_plateau):
                continue
            counts = measure.space.states(position, position + 1)[0]
            state = dict(zip(measure.space.species_names, counts.tolist(), strict=True))
            proven = bool(own[row] - measure.below > highest[row] + measure.above)
            modes.append(Mode(state, float(own[row]), proven))
            if len(modes) == k:
                return modes
    return modes


def _neighbours(
    measure: Measure, positions: NDArray[np.int64], steps: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return the positions of all neighbours, shape (n_positions, n_steps), -1 for none."""
    rows = measure.states_at(positions)
    around = (rows[:, np.newaxis, :] + steps).reshape(-1, rows.shape[1])
    inside = (around >= 0).all(axis=1)
    found = np.full(len(around), -1, dtype=np.int64)
    found[inside] = measure.space.index(around[inside])
    return found.reshape(len(rows), len(steps))


def _is_top(measure: Measure, position: int, steps: NDArray[np.int64], seen: set[int]) -> bool:
    """Say whether no neighbour of the plateau of ``position`` is higher; add the plateau to ``seen``."""
    level = measure.masses[position]
    edge = np.array([position], dtype=np.int64)
    seen.add(position)
    top = True
    while len(edge):
        near = np.unique(_neighbours(measure, edge, steps))
        near = near[near >= 0]
        top = top and not bool(np.any(measure.masses[near] > level))
        equal = near[measure.masses[near] == level]
        edge = np.array([i for i in equal.tolist() if i not in seen], dtype=np.int64)
        seen.update(edge.tolist())
    return top


def check_level(q: float) -> float:
    """Return ``q`` if it is a level of a quantile, between 0 and 1.

    Raises
    ------
    ArgumentError
        When it is not.
    """
    if not 0.0 < q < 1.0:
        message = f"the level of a quantile lies between 0 and 1, both excluded, not {q!r}"
        raise ArgumentError(message)
    return float(q)
