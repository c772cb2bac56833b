"""`MomentBounds`: enclosures of moments that are proven, and what they say about tails."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from fsp.interval import Interval

__all__ = ["MomentBounds", "MomentSource", "tail_bound"]


class MomentSource(Protocol):
    """What computes bounds of further moments when they are asked for."""

    def is_closed(self, species: str) -> bool:
        """Return whether the low moments of a species are known exactly."""
        ...

    def powers(self, species: str, time: float) -> list[float]:
        """Return upper bounds of E[X], E[X^2], ... of a species at a time."""
        ...


@dataclass
class MomentBounds:
    """Enclosures of moments at one time, each proven without a truncated state set.

    Attributes
    ----------
    time : float
        The time.
    how : dict of str to str
        For each species with an enclosure, why it holds.

    Examples
    --------
    >>> from fsp.model import ReactionNetwork
    >>> from fsp.moments import InitialMoments, moment_bounds
    >>> net = ReactionNetwork({"X": 0}, ["0 -> X @ 8", "X -> 0 @ 1"])
    >>> bounds = moment_bounds(net, [0.0, 50.0], InitialMoments.from_state([0]))
    >>> bounds[0].mean("X"), round(bounds[1].mean("X").midpoint, 9)
    (Interval(lower=0.0, upper=0.0), 8.0)
    >>> bounds[1].how["X"]
    'closed moment equations of a linear network'
    """

    time: float
    how: dict[str, str] = field(default_factory=dict)
    _names: tuple[str, ...] = ()
    _moments: dict[tuple[str, ...], Interval] = field(default_factory=dict)
    _largest: dict[str, float] = field(default_factory=dict)
    _analysis: MomentSource | None = None

    def mean(self, species: str) -> Interval | None:
        """Return an enclosure of E[X], or None when nothing is known."""
        return self._moments.get((species,))

    def second(self, species: str) -> Interval | None:
        """Return an enclosure of E[X^2], or None when nothing is known."""
        return self._moments.get((species, species))

    def cross(self, a: str, b: str) -> Interval | None:
        """Return an enclosure of E[X_a X_b], or None when nothing is known."""
        return self._moments.get((a, b), self._moments.get((b, a)))

    def tail(self, species: str, mass: float, power: int = 1) -> float:
        """Bound what a part of the law can contribute to a moment.

        Parameters
        ----------
        species : str
            The species X.
        mass : float
            Largest mass of the part.
        power : int, optional
            Power k of the moment.

        Returns
        -------
        float
            At least the integral of X**k over every part of the law with at most this mass; infinite when
            nothing is known. Hoelder's inequality: at most ``E[X**n]**(k/n) mass**(1 - k/n)`` for every n
            >= k.
        """
        return tail_bound(mass, power, self.largest(species), self.powers(species, power))

    def largest(self, species: str) -> float:
        """Return a count that X never exceeds, infinite when none is known."""
        return self._largest.get(species, math.inf)

    def powers(self, species: str, power: int) -> list[float]:
        """Return upper bounds of E[X], E[X^2], ... that serve a tail of this power; infinite for none."""
        known = [m.upper if m is not None else math.inf for m in (self.mean(species), self.second(species))]
        # Where the equations close, the low moments are known exactly, and others are not worth their time.
        if self._analysis is None or (
            power <= 2 and self._analysis.is_closed(species) and known[1] < math.inf
        ):
            return known
        powers = self._analysis.powers(species, self.time)
        powers = powers + [math.inf] * (2 - len(powers))
        return [min(x, y) for x, y in zip(powers[:2], known, strict=True)] + powers[2:]

    def _set(self, key: tuple[str, ...], value: Interval) -> None:
        """Keep the part of an enclosure that moments of counts can have."""
        value = Interval(max(value.lower, 0.0), max(value.upper, 0.0))
        before = self.cross(*key) if len(key) == 2 else self.mean(key[0])
        if before is not None:
            value = Interval(max(value.lower, before.lower), min(value.upper, before.upper))
        self._moments[key if len(key) == 1 or key in self._moments else tuple(sorted(key))] = value


def tail_bound(mass: float, power: int, largest: float, moments: Sequence[float]) -> float:
    """Bound what a part of a law of at most this mass can contribute to ``E[X**power]``.

    Parameters
    ----------
    mass : float
        Largest mass of the part.
    power : int
        The power.
    largest : float
        A count that X never exceeds, or infinity.
    moments : sequence of float
        Upper bounds of E[X], E[X^2], ..., infinite where there is none.

    Examples
    --------
    >>> tail_bound(0.25, 1, math.inf, [2.0, 4.0])  # sqrt(E[X^2]) sqrt(mass), rounded up
    1.0000000000009095
    """
    if mass <= 0.0:
        return 0.0
    best = math.inf
    if math.isfinite(largest):
        best = _up(largest**power * mass)
    for n, moment in enumerate(moments, start=1):
        if n >= power and moment < math.inf:
            share = power / n
            bound = math.exp(share * math.log(moment) + (1.0 - share) * math.log(mass)) if moment else 0.0
            best = min(best, _up(bound))
    return best


def _up(x: float) -> float:
    """Return ``x`` moved up by more than the rounding of a few library functions."""
    return x * (1.0 + 2.0**-40) + 1e-320
