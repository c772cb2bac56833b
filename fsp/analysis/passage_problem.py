"""What a first passage starts from: the network, the regions, and the initial law divided by them."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fsp.analysis.regions import AVOID, INSIDE, TARGET, Regions
from fsp.errors import ArgumentError, PropensityError, StateSpaceLimitError, UnsupportedError
from fsp.generator.growth import closure
from fsp.generator.tables import FactorTables
from fsp.initial import InitialLaw, choose_coordinates, first_set, read_initial
from fsp.interval import Interval
from fsp.statespace.constraints import Bounds, Constraints
from fsp.statespace.coordinates import Coordinates
from fsp.statespace.fibres import FibreSet

if TYPE_CHECKING:
    from fsp.model.network import ReactionNetwork

__all__ = ["FIRST_PASSAGE", "PassageProblem"]

FloatArray = NDArray[np.float64]

#: What is asked for, in messages; a first passage needs a target.
FIRST_PASSAGE = "first passage"

#: States up to which it is tried whether only finitely many can be reached.
MOST_ENUMERATED = 100_000

#: Rounds of growth after which a set without bounds is taken to be endless: a narrow strip grows by little in each.
MOST_ROUNDS = 500


@dataclass(frozen=True, eq=False)
class PassageProblem:
    """A first passage, read and checked.

    Attributes
    ----------
    network : ReactionNetwork
        With the conserved totals of the initial law.
    regions : Regions
    coordinates : Coordinates
    law : InitialLaw
    space, p : FibreSet, ndarray
        The part of the initial law that is in no region.
    hit, avoided : float
        The probabilities of the parts that are.
    bounds : optional
        The user's bounds.
    """

    network: ReactionNetwork
    regions: Regions
    coordinates: Coordinates
    law: InitialLaw
    space: FibreSet
    p: FloatArray
    hit: float
    avoided: float
    bounds: Bounds | None
    _enumerated: dict[int, FibreSet | None] = field(default_factory=dict, repr=False)

    @classmethod
    def read(
        cls, network: Any, target: str | None, avoid: str | None, initial: Any, bounds: Bounds | None, what: str
    ) -> PassageProblem:  # fmt: skip
        """Return the problem that the arguments of a call describe.

        Raises
        ------
        ArgumentError, ExpressionError, UnsupportedError
            With the argument, and what is wrong.
        """
        if not hasattr(network, "depends_on_time"):
            kind = type(network).__name__
            message = f"the network must be a ReactionNetwork, not {kind}; fsp.load_model(path) reads a file"
            raise ArgumentError(message)
        _refuse(network, what)
        if target is None and what == FIRST_PASSAGE:
            message = 'target: give a condition on counts such as "U >= 50", not None'
            raise ArgumentError(message)
        law = read_initial(network, initial)
        network, coordinates = choose_coordinates(network, law)
        # A law that mixes totals, or of which a part is not known, leaves no bound by conservation.
        mixed = bool(len(network.conservation_laws())) and coordinates.n_axes == network.n_species
        regions = Regions.read(network, target, avoid, mixed or law.missing > 0.0)
        kinds = regions.kinds(law.states)
        inside = kinds == INSIDE
        hit, avoided = (float(law.probabilities[kinds == kind].sum()) for kind in (TARGET, AVOID))
        rest = InitialLaw(law.states[inside], law.probabilities[inside])
        space, p = first_set(coordinates, rest, Constraints(network, bounds))
        problem = cls(network, regions, coordinates, law, space, p, hit, avoided, bounds)
        problem._check_bounds()
        return problem

    def _check_bounds(self) -> None:
        """Refuse bounds that keep all ways into the target out."""
        largest = Constraints(self.network, self.bounds).largest
        target = self.regions.target
        if target is None or not largest:
            return
        box = self.regions.box(target.expression, True)
        assert box is not None
        steps = np.abs(self.network.stoichiometry).max(axis=0, initial=0)
        for i, name in enumerate(self.network.species_names):
            bound = largest.get(name)
            if bound is not None and box[name].lower > bound + int(steps[i]):
                message = (
                    f"bounds: the target {target.text!r} needs {name} >= {box[name].lower:g}, but the bounds keep "
                    f"{name} <= {bound}, from where no single reaction leads into it; raise the bound of {name}"
                )
                raise ArgumentError(message)

    @property
    def boxed(self) -> bool:
        """Whether the user's bounds leave finitely many states."""
        return Constraints(self.network, self.bounds).is_box()

    def constraints(self) -> Constraints:
        """Return what a set of states is limited to."""
        return self.regions.constraints(self.network, self.bounds, self.between)

    @functools.cached_property
    def between(self) -> dict[str, Interval]:
        """Ranges of counts that paths do not leave before they have entered a region."""
        inside = (self.regions.kinds(self.law.states) == INSIDE) & (self.law.probabilities > 0.0)
        if not inside.any():
            return dict.fromkeys(self.network.species_names, Interval(0.0, math.inf))
        return self.regions.between(self.law.states[inside])

    def enumerated(self, most: int = MOST_ENUMERATED) -> FibreSet | None:
        """Return all states that can be reached within the bounds before a region is, if they are few."""
        if not self.space.n_states:
            return self.space
        if most not in self._enumerated:
            self._enumerated[most] = self._enumerate(most)
        return self._enumerated[most]

    def _enumerate(self, most: int) -> FibreSet | None:
        tables = FactorTables(self.network, self.coordinates)
        tables.cover(*self.space.box())
        constraints = self.constraints()
        rounds = None if math.isfinite(constraints.volume()) else MOST_ROUNDS
        try:
            return closure(tables, self.space, constraints, most, rounds)
        except (StateSpaceLimitError, PropensityError):  # the latter at states far away
            return None


def _refuse(network: ReactionNetwork, what: str) -> None:
    """Refuse networks whose chain is not one generator for all times."""
    if network.events:
        names = ", ".join(event.name for event in network.events)
        message = f"{what} of a network with events ({names}) is not supported; remove them, or use fsp.solve_transient"
        raise UnsupportedError(message)
    timed = [r.name for r in network.reactions if r.propensity.depends_on_time]
    if timed:
        message = (
            f"{what} needs rates that do not depend on time, but the propensity of {', '.join(timed)} does; replace time "
            "by a constant"
        )
        raise UnsupportedError(message)
