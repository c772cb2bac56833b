"""Moment enclosures of a run, computed when somebody asks for the first one, as most do not.

They need SymPy and the moment equations of the network, which take longer than many a run.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fsp.initial import InitialLaw
from fsp.pieces import Piece
from fsp.statespace.coordinates import Coordinates

if TYPE_CHECKING:
    from fsp.interval import Interval
    from fsp.model.network import ReactionNetwork
    from fsp.model.observables import Observable
    from fsp.moments import MomentBounds

__all__ = ["Known", "LazyMoments", "MomentsAt", "PieceMoments"]


class Known(NamedTuple):
    """What is known about a law besides its probabilities.

    Attributes
    ----------
    observables : mapping
        The derived quantities; they may read parameters that events change.
    moments : MomentsAt or None
        Enclosures of moments, if there are any.
    support : dict
        Largest counts.
    """

    observables: Mapping[str, Observable]
    moments: MomentsAt | None
    support: dict[str, float]


class LazyMoments:
    """Moment enclosures at all output times, computed when the first one is asked for."""

    def __init__(
        self, network: ReactionNetwork, times: NDArray[np.float64], law: InitialLaw, coordinates: Coordinates,
        before: float = 0.0,
    ) -> None:  # fmt: skip
        self.network = network
        self._before = before  # how long reactions fired before the law
        self._times = times
        self._law = law
        self._same_totals = coordinates.n_axes < network.n_species or not len(network.conservation_laws())
        self._found: Sequence[MomentBounds] | None = None

    def support(self) -> dict[str, float]:
        """Return the largest counts that conservation allows."""
        if not self._same_totals:
            return {}
        bounds = self.network.conservation_laws().upper_bounds
        return {
            n: float(b) for n, b in zip(self.network.species_names, bounds, strict=True) if math.isfinite(b)
        }

    def at(self, index: int) -> MomentBounds:
        """Return the enclosures at an output time, and find those at all of them if that is not done."""
        if self._found is None:
            from fsp.moments import InitialMoments, excludes_explosion, moment_bounds

            law = self._law
            exact = law.missing == 0.0 and law.states.shape[0] <= 100_000
            if self._before > 0.0 and not excludes_explosion(self.network, self._before):
                exact = False  # an event takes all paths to the law, but there may be none left
            moments = InitialMoments.from_probabilities(law.states, law.probabilities) if exact else None
            support = self.support()
            bounds = [support.get(name, math.inf) for name in self.network.species_names]
            self._found = moment_bounds(
                self.network, [float(t) for t in self._times], moments, upper_bounds=bounds
            )
        return self._found[index]


class MomentsAt:
    """The enclosures at one output time, as a `Distribution` asks for them."""

    def __init__(self, shared: LazyMoments, index: int) -> None:
        self._shared, self._index = shared, index

    @property
    def how(self) -> dict[str, str]:
        """Why the enclosures hold, by species."""
        return self._shared.at(self._index).how

    def mean(self, species: str) -> Interval | None:
        """Return an enclosure of E[X], or None."""
        return self._shared.at(self._index).mean(species)

    def second(self, species: str) -> Interval | None:
        """Return an enclosure of E[X^2], or None."""
        return self._shared.at(self._index).second(species)

    def cross(self, a: str, b: str) -> Interval | None:
        """Return an enclosure of E[X_a X_b], or None."""
        return self._shared.at(self._index).cross(a, b)

    def largest(self, species: str) -> float:
        """Return a count that X never exceeds, infinite when none is known."""
        return self._shared.at(self._index).largest(species)

    def powers(self, species: str, power: int) -> Sequence[float]:
        """Return upper bounds of E[X], E[X^2], ... that serve a tail of this power."""
        return self._shared.at(self._index).powers(species, power)

    def tail(self, species: str, mass: float, power: int = 1) -> float:
        """Return a bound of what a part of the law with at most this mass adds to ``E[X**power]``."""
        return self._shared.at(self._index).tail(species, mass, power)


class PieceMoments:
    """What is proven at the output times of a run with events.

    Moment equations start anew where events have changed the law, if it is known exactly there; they do not know about
    events that reactions fire. ``always`` are largest counts by the laws that hold for reactions and all events.
    """

    def __init__(self, times: NDArray[np.float64], always: dict[str, float]) -> None:
        self._outputs, self._always = times, always
        self._piece: Piece | None = None

    def known(self, piece: Piece, time: float) -> Known:
        """Return what is known about the law of a piece at a time."""
        observables = piece.network.observables
        if piece.law is None:
            return Known(observables, None, self._always)
        if self._piece is not piece:
            outputs, self._piece = self._outputs, piece
            self._times = outputs[
                (outputs >= piece.start) & ((outputs < piece.stop) | (outputs == piece.start))
            ]
            self._moments = self._of(piece, self._times)
        # The equations count time from the law, so they do not fit rates that depend on it.
        if piece.network.events or (piece.start > 0.0 and piece.network.depends_on_time):
            return Known(observables, None, self._moments.support())
        index = int(np.searchsorted(self._times, time))
        if index < self._times.size and self._times[index] == time:
            return Known(observables, MomentsAt(self._moments, index), self._moments.support())
        between = self._of(piece, np.array([time]))
        return Known(observables, MomentsAt(between, 0), between.support())

    def _of(self, piece: Piece, times: NDArray[np.float64]) -> LazyMoments:
        assert piece.law is not None
        return LazyMoments(
            piece.network, times - piece.start, piece.law, piece.coordinates, before=piece.start
        )
