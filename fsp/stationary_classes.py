"""Closed classes of states: a part of `StationaryResult`."""

from __future__ import annotations

from dataclasses import dataclass

from fsp.distribution import Distribution
from fsp.interval import Interval

__all__ = ["StationaryClass"]


@dataclass(frozen=True, repr=False)
class StationaryClass:
    """A class of states that a chain never leaves, and the law to which it settles there.

    Attributes
    ----------
    probability : Interval
        Of ending in this class, from the initial law; certified if it is proven.
    distribution : Distribution
        The stationary law of the class, with the bound of its own error.
    absorbing : bool
        Whether the class is a single state.

    Examples
    --------
    >>> import fsp
    >>> network = fsp.ReactionNetwork({"X": 2, "Y": 1}, ["X + Y -> 2 X @ 1", "X + Y -> 2 Y @ 1"])
    >>> for found in fsp.solve_stationary(network).classes:
    ...     print(found)
    ends in X = 3, Y = 0 with probability 0.66666667
    ends in X = 0, Y = 3 with probability 0.33333333
    """

    probability: Interval
    distribution: Distribution
    absorbing: bool

    @property
    def n_states(self) -> int:
        """The number of states on which the law is given."""
        return self.distribution.n_states

    @property
    def certified(self) -> bool:
        """Whether both the law and the probability are proven."""
        return self.distribution.certified and self.probability.certified

    def __repr__(self) -> str:
        law = self.distribution
        names = law.species_names
        if self.absorbing:
            (row,) = law.states.tolist()
            shown = [f"{name} = {x}" for name, x in zip(names, row, strict=True) if x or len(names) <= 4]
            where = ", ".join(shown[:8]) or "the state of zero counts"
            more = f" and {len(shown) - 8} more" if len(shown) > 8 else ""
        else:
            shown = [f"{name} {law.mean(name):.4g}" for name in names[:6]]
            where, more = f"{self.n_states:,} states (mean {', '.join(shown)}", ")"
        text = f"ends in {where}{more} with probability {self.probability.midpoint:.8g}"
        if self.probability.width > 5e-9:
            text += f" (between {self.probability.lower:.8g} and {self.probability.upper:.8g})"
        return text if self.certified else f"{text} (not proven)"
