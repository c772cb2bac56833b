"""What is proven about moments, as numbers: what a file remembers of a ``MomentBounds``."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from fsp.interval import Interval
from fsp.protocols import MomentBounds

__all__ = ["StoredMoments"]

#: From this power on the bounds of a tail may rest on more moments than below it.
_HIGH_POWER = 3


@dataclass(frozen=True)
class StoredMoments:
    """Proven enclosures of moments, kept by species.

    Parameters
    ----------
    means, seconds : mapping from str to Interval
        Enclosures of E[X] and E[X^2].
    how : mapping from str to str
        Why they hold.
    crosses : mapping from a pair of str to Interval
        Enclosures of E[X_a X_b], each pair in one order.
    counts : mapping from str to float
        Counts that are never exceeded.
    low, high : mapping from str to a sequence of float
        Upper bounds of E[X], E[X^2], ... that serve tails of powers below and from 3.

    Examples
    --------
    >>> known = StoredMoments({"X": Interval(1.0, 2.0)}, low={"X": (2.0, 6.0)})
    >>> known.mean("X"), known.mean("Y"), round(known.tail("X", 1e-6), 5)
    (Interval(lower=1.0, upper=2.0), None, 0.00245)
    """

    means: Mapping[str, Interval] = field(default_factory=dict)
    seconds: Mapping[str, Interval] = field(default_factory=dict)
    how: Mapping[str, str] = field(default_factory=dict)
    crosses: Mapping[tuple[str, str], Interval] = field(default_factory=dict)
    counts: Mapping[str, float] = field(default_factory=dict)
    low: Mapping[str, Sequence[float]] = field(default_factory=dict)
    high: Mapping[str, Sequence[float]] = field(default_factory=dict)

    @classmethod
    def copy_of(cls, bounds: MomentBounds, names: Sequence[str]) -> StoredMoments:
        """Return all that is known about some species, as numbers."""
        pairs = [(a, b) for k, a in enumerate(names) for b in names[k + 1 :]]
        crosses = {(a, b): bounds.cross(a, b) for a, b in pairs}
        means = {name: bounds.mean(name) for name in names}
        seconds = {name: bounds.second(name) for name in names}
        return cls(
            {name: mean for name, mean in means.items() if mean is not None},
            {name: second for name, second in seconds.items() if second is not None},
            {name: how for name, how in bounds.how.items() if name in names},
            {pair: cross for pair, cross in crosses.items() if cross is not None},
            {name: bounds.largest(name) for name in names if math.isfinite(bounds.largest(name))},
            {name: tuple(bounds.powers(name, 1)) for name in names},
            {name: tuple(bounds.powers(name, _HIGH_POWER)) for name in names},
        )

    def mean(self, species: str) -> Interval | None:
        """Return an enclosure of E[X], or None."""
        return self.means.get(species)

    def second(self, species: str) -> Interval | None:
        """Return an enclosure of E[X^2], or None."""
        return self.seconds.get(species)

    def cross(self, a: str, b: str) -> Interval | None:
        """Return an enclosure of E[X_a X_b], or None."""
        return self.crosses.get((a, b), self.crosses.get((b, a)))

    def largest(self, species: str) -> float:
        """Return a count that X never exceeds, infinite when none is known."""
        return self.counts.get(species, math.inf)

    def powers(self, species: str, power: int) -> Sequence[float]:
        """Return upper bounds of E[X], E[X^2], ... that serve a tail of this power."""
        return (self.low if power < _HIGH_POWER else self.high).get(species, ())

    def tail(self, species: str, mass: float, power: int = 1) -> float:
        """Return a bound of what a part of the law with at most this mass adds to ``E[X**power]``."""
        from fsp.moments import tail_bound  # rests on SymPy, which those who only read numbers do without

        return tail_bound(mass, power, self.largest(species), self.powers(species, power))
