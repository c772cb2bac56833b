"""Long-run laws of networks with several closed classes: one law for each, and the probabilities of ending there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fsp.distribution import Distribution
from fsp.interval import Interval
from fsp.known_moments import StoredMoments
from fsp.ledger import Ledger
from fsp.statespace.coordinates import Coordinates
from fsp.statespace.fibres import FibreSet
from fsp.stationary_classes import StationaryClass
from fsp.stationary_result import StationaryResult

if TYPE_CHECKING:
    from fsp.model.network import ReactionNetwork

__all__ = ["Part", "join"]

#: Relative rounding of sums of products in double precision, for as many terms as there are classes.
_UNIT = 2.0**-52


@dataclass(frozen=True, eq=False)
class Part:
    """A class, and where its law comes from.

    Attributes
    ----------
    kind : StationaryClass
        With the probability of ending there but for what may end in any class: the leak, and the error of the initial law.
    result : StationaryResult or None
        None for an absorbing state.
    """

    kind: StationaryClass
    result: StationaryResult | None


def join(
    network: ReactionNetwork, parts: Sequence[Part], *, leak: float, missing: float, why: str, tolerance: float,
    seconds: float,
) -> StationaryResult:  # fmt: skip
    """Return the long-run law: the sum of the laws of the classes by their probabilities.

    Parameters
    ----------
    network : ReactionNetwork
    parts : sequence of Part
    leak : float
        Bound of the mass that may end in none of the classes.
    missing : float
        Bound of the error of the initial law.
    why : str
        Why the probabilities of ending hold.
    tolerance, seconds : float

    Notes
    -----
    With ``q`` the midpoints of the probabilities P, ``P pi - q p = (P - q) pi + q (pi - p)`` for each class, so that the
    1-norm of the error is at most ``sum |P - q| + sum q error + leak``, where P is what enters a class without leaving the
    states that were looked at, and the leak may end in any class, or nowhere.
    """
    parts = sorted(parts, key=lambda part: -part.kind.probability.midpoint)
    classes = tuple(part.kind for part in parts)
    weights = [k.probability.midpoint for k in classes]
    halves = [
        max((k.probability - q).upper, (q - k.probability).upper)
        for k, q in zip(classes, weights, strict=True)
    ]
    ledger = Ledger(dict.fromkeys(("truncation", "residual", "rounding", "ending", "initial"), 0.0))
    ledger.book("ending", (sum(halves) + leak) * (1.0 + 1e-12))
    ledger.book("initial", missing)
    residual = outflow = 0.0
    for part, q in zip(parts, weights, strict=True):
        if part.result is None:
            continue
        for source, amount in part.result.ledger:
            ledger.book(source, q * amount * (1.0 + 1e-12))
        residual, outflow = residual + q * part.result.residual, outflow + q * part.result.outflow
    space, p = _sum(network, classes, weights)
    if len(p) > 1 or len(classes) > 1:
        ledger.book("rounding", (len(classes) + 4.0) * _UNIT)
    known = _moments(network, classes) if leak == missing == 0.0 else None
    unknown = Interval(-missing, missing + leak)
    classes = tuple(_widened(k, unknown) for k in classes) if leak or missing else classes
    distribution = Distribution(
        space, p, error_bound=ledger.total, certified=all(k.certified for k in classes), moments=known,
        support_bounds=_largest(network, classes) if leak == missing == 0.0 else None,
        lower_bound=False, ledger=ledger, observables=network.observables,
    )  # fmt: skip
    first = next((part.result for part in parts if part.result is not None), None)
    count = len(classes)
    explanation = f"{space.n_states:,} states in {count:,} closed class{'es' if count > 1 else ''}"
    if first is not None:
        explanation += f"; of the most probable one that is not a single state: {first.explanation}"
        why += f"; {first.why}"
    return StationaryResult(
        network, distribution, ledger, residual=residual, outflow=outflow,
        reference={} if first is None else first.reference, method="one state" if first is None else first.method,
        explanation=explanation, why=why, tolerance=tolerance, classes=classes,
        statistics={"states": space.n_states, "classes": count, "seconds": seconds},
    )  # fmt: skip


def _widened(kind: StationaryClass, unknown: Interval) -> StationaryClass:
    """Return a class with what may end in any class added to its probability."""
    wide = kind.probability + unknown
    return replace(
        kind, probability=Interval(max(wide.lower, 0.0), min(wide.upper, 1.0), kind.probability.certified)
    )


def _sum(
    network: ReactionNetwork, classes: Sequence[StationaryClass], weights: Sequence[float]
) -> tuple[FibreSet, NDArray[np.float64]]:
    coordinates = Coordinates.of(network, eliminate=False)
    states = np.concatenate([k.distribution.states for k in classes])
    masses = np.concatenate([q * k.distribution.probabilities for k, q in zip(classes, weights, strict=True)])
    space = FibreSet.from_states(coordinates, states)
    p = np.zeros(space.n_states)
    np.add.at(p, space.index(states), masses)
    return space, p


def _largest(network: ReactionNetwork, classes: Sequence[StationaryClass]) -> dict[str, float]:
    """Return counts that are not exceeded in any class, where all have one."""
    found = {}
    for name in network.species_names:
        bounds = [k.distribution.support_bounds.get(name, np.inf) for k in classes]
        if max(bounds) < np.inf:
            found[name] = max(bounds)
    return found


def _moments(network: ReactionNetwork, classes: Sequence[StationaryClass]) -> StoredMoments:
    """Return enclosures of means and second moments: those of the classes by their probabilities."""
    means: dict[str, Interval] = {}
    seconds: dict[str, Interval] = {}
    for name in network.species_names:
        for order, table in ((1, means), (2, seconds)):
            total = Interval(0.0, 0.0)
            for k in classes:
                total = total + k.probability * k.distribution.moment_bounds(name, order)
            if total.is_finite:
                table[name] = total
    how = dict.fromkeys(means, "means in the closed classes, by the probabilities of ending there")
    powers = {
        name: tuple(table[name].upper if name in table else np.inf for table in (means, seconds))
        for name in network.species_names
    }
    return StoredMoments(means, seconds, how, {}, _largest(network, classes), powers, powers)
