"""Target and avoided states of a first passage, and what their conditions say without looking at states."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fsp.errors import ArgumentError
from fsp.interval import Interval
from fsp.moments.ranges import Box, narrow, value_range
from fsp.statespace.constraints import Bounds, Constraints

if TYPE_CHECKING:
    from fsp.model.network import ReactionNetwork
    from fsp.model.propensity import Predicate

__all__ = ["AVOID", "INSIDE", "TARGET", "Outside", "Regions"]

IntArray = NDArray[np.int64]

#: What a state is. A state for which both conditions hold is a target: paths end there with success.
INSIDE, TARGET, AVOID = 0, 1, 2

#: States at which a condition is tried to find out whether any satisfies it.
MOST_TRIED = 1_000_000


#: How far from the start a barrier of states that all lie in the regions is looked for.
FARTHEST_BARRIER = 1000


class AtLeast:
    """A least count of a species, as a constraint on a state set."""

    def __init__(self, name: str, least: int) -> None:
        self.text = f"{name} >= {least}"
        self._least = least
        self.species = (name,)

    def evaluate(self, counts: Mapping[str, Any]) -> NDArray[np.bool_]:
        """Return where the count is large enough."""
        found: NDArray[np.bool_] = np.asarray(counts[self.species[0]]) >= self._least
        return found


class Outside:
    """The states for which a condition does not hold, as a constraint on a state set."""

    def __init__(self, condition: Predicate) -> None:
        self.text = f"not ({condition.text})"
        self._condition = condition
        self.species = condition.species

    def evaluate(self, counts: Mapping[str, Any]) -> NDArray[np.bool_]:
        """Return where the condition does not hold."""
        return ~self._condition.evaluate(counts)


@dataclass(frozen=True)
class Regions:
    """Where paths end: in the target, or in what is to be avoided until then.

    Attributes
    ----------
    network : ReactionNetwork
    target, avoid : Predicate or None
        Without a target nothing is hit; without ``avoid`` every way leads to it.
    any_total : bool
        Whether conserved totals may be others than those of the initial counts of the network.
    """

    network: ReactionNetwork
    target: Predicate | None = None
    avoid: Predicate | None = None
    any_total: bool = False

    @classmethod
    def read(
        cls, network: ReactionNetwork, target: str | None, avoid: str | None = None, any_total: bool = False
    ) -> Regions:
        """Return the regions that two conditions describe.

        Raises
        ------
        ExpressionError
            If a condition cannot be read, or names what is no species.
        ArgumentError
            If a condition is no text, or no state of the lattice can be a target.
        """
        conditions = (_condition(network, target, "target"), _condition(network, avoid, "avoid"))
        regions = cls(network, *conditions, any_total)
        if regions.target is not None and regions._is_empty(regions.target):
            message = (
                f"target: no state satisfies {regions.target.text!r} (counts are >= 0, and the conservation laws of the "
                "network hold); write a condition that some state satisfies"
            )
            raise ArgumentError(message)
        return regions

    def kinds(self, counts: IntArray) -> NDArray[np.int8]:
        """Return what each state, a row of ``counts`` (m, n_species), is."""
        found = np.full(counts.shape[0], INSIDE, np.int8)
        columns = {name: counts[:, i] for i, name in enumerate(self.network.species_names)}
        if self.avoid is not None and counts.size:
            found[self.avoid.evaluate(columns)] = AVOID
        if self.target is not None and counts.size:
            found[self.target.evaluate(columns)] = TARGET
        return found

    def constraints(
        self, network: ReactionNetwork, bounds: Bounds | None, between: Mapping[str, Interval]
    ) -> Constraints:
        """Return what a set of states is limited to that paths have not ended in; see `between`."""
        constraints = Constraints(network, bounds)
        for condition in (self.target, self.avoid):
            if condition is not None:
                constraints.conditions.append(Outside(condition))  # type: ignore[arg-type]
        # What the conditions say about single counts, so that growing sets do not look beyond.
        everywhere = self.lattice()
        for name, counts in self.outside_box().items():
            upper = min(counts.upper, between[name].upper)
            if upper < everywhere[name].upper:
                largest = math.floor(upper)
                constraints.largest[name] = min(largest, constraints.largest.get(name, largest))
            if between[name].lower > 0.0:
                constraints.conditions.append(AtLeast(name, int(between[name].lower)))  # type: ignore[arg-type]
        return constraints

    # -- what holds without looking at states --------------------------------------------------------------

    def parameters(self) -> dict[str, Fraction]:
        """Return the values of the parameters, exactly."""
        return {name: Fraction(value) for name, value in self.network.parameters.items()}

    def lattice(self) -> dict[str, Interval]:
        """Return the range of every count: at least 0, at most what conservation laws leave."""
        if self.any_total:
            return {name: Interval(0.0, math.inf) for name in self.network.species_names}
        largest = self.network.conservation_laws().upper_bounds
        return {n: Interval(0.0, float(b)) for n, b in zip(self.network.species_names, largest, strict=True)}

    def box(
        self, condition: Any, truth: bool, ranges: Mapping[str, Interval] | None = None
    ) -> dict[str, Interval] | None:
        """Return ranges around the states where a condition is ``truth``, or None if there are none."""
        found = narrow(condition, Box(self.lattice() if ranges is None else ranges, self.parameters()), truth)
        return None if found is None else {name: found.of(name) for name in self.network.species_names}

    def _is_empty(self, condition: Predicate) -> bool:
        """Tell whether it is certain that no state satisfies a condition."""
        box = self.box(condition.expression, True)
        if box is None:
            return True
        ranges = [box[name] for name in condition.species]
        if not all(r.is_finite for r in ranges) or math.prod(r.width + 1.0 for r in ranges) > MOST_TRIED:
            return False
        axes = [np.arange(math.ceil(r.lower), math.floor(r.upper) + 1) for r in ranges]
        grid = np.meshgrid(*axes, indexing="ij", sparse=True)
        return not condition.evaluate(dict(zip(condition.species, grid, strict=True))).any()

    def unreachable(self, states: IntArray, probabilities: NDArray[np.float64]) -> str | None:
        """Say why the target is never reached from the given states, if signs of changes alone prove it."""
        assert self.target is not None
        start = states[probabilities > 0.0]
        ranges = self.lattice()
        fixed = []
        for i, name in enumerate(self.network.species_names):
            change = self.network.stoichiometry[:, i]
            lower = float(start[:, i].min()) if not (change < 0).any() else 0.0
            upper = float(start[:, i].max()) if not (change > 0).any() else ranges[name].upper
            if lower > 0.0 or upper < ranges[name].upper:
                ranges[name] = Interval(lower, max(lower, upper))
                fixed.append(name)
        if not fixed or self.box(self.target.expression, True, ranges) is not None:
            return None
        return f"no reaction changes {', '.join(fixed)} in the direction of the target"

    def outside_box(self) -> dict[str, Interval]:
        """Return the ranges of counts outside of the regions."""
        ranges = self.lattice()
        for condition in (self.target, self.avoid):
            if condition is not None:
                ranges = self.box(condition.expression, False, ranges) or ranges
        return ranges

    def between(self, starts: IntArray) -> dict[str, Interval]:
        """Return ranges of counts that paths from some states do not leave without entering a region on the way.

        Such a path ends at counts that all lie in the regions, if they are as many in a row as the longest jump passes.
        """
        found = {}
        for i, name in enumerate(self.network.species_names):
            jumps = self.network.stoichiometry[:, i]
            down = self._barrier(name, int(starts[:, i].min()), -1, int(-jumps.min(initial=0)))
            up = self._barrier(name, int(starts[:, i].max()), 1, int(jumps.max(initial=0)))
            found[name] = Interval(0.0 if down is None else down + 1.0, math.inf if up is None else up - 1.0)
        return found

    def _barrier(self, name: str, start: int, step: int, longest: int) -> int | None:
        """Return the first of enough counts in a row, all in the regions, on the way from a count; None if there is none."""
        if not longest:
            return None
        counts = start + step * np.arange(1, FARTHEST_BARRIER + 1)
        counts = counts[counts >= 0]
        within = np.zeros(counts.size, np.bool_)
        for condition in (self.target, self.avoid):
            if condition is not None and condition.species == (name,) and counts.size:
                within |= condition.evaluate({name: counts})
        outside = np.flatnonzero(~np.append(within, False))  # the last one is not known
        lengths = np.diff(outside, prepend=-1) - 1  # of the stretches within, before each count outside
        enough = np.flatnonzero(lengths >= longest)
        if not enough.size:
            return None
        return int(counts[outside[enough[0]] - lengths[enough[0]]])

    def largest_flow(self) -> float:
        """Return an upper bound of the rate into the target from any state outside of it; it may be infinite."""
        if self.target is None:
            return 0.0
        outside = self.box(self.target.expression, False)
        inside = self.box(self.target.expression, True)
        if outside is None or inside is None:
            return 0.0
        total = Interval(0.0, 0.0)
        names = self.network.species_names
        reads = [names.index(name) for name in self.target.species]
        for reaction, change in zip(self.network.reactions, self.network.stoichiometry, strict=True):
            if not change[reads].any():
                continue
            ranges = {}
            for name, v in zip(names, change.tolist(), strict=True):
                lower = max(outside[name].lower, inside[name].lower - v)
                upper = min(outside[name].upper, inside[name].upper - v)
                if lower > upper:
                    break
                ranges[name] = Interval(lower, upper)
            else:
                total = total + value_range(reaction.propensity.expression, Box(ranges, self.parameters()))
        return max(0.0, total.upper) if not math.isnan(total.upper) else math.inf


def _condition(network: ReactionNetwork, text: Any, what: str) -> Predicate | None:
    from fsp.model.propensity import Predicate

    if text is None:
        return None
    if not isinstance(text, str):
        message = f'{what}: give a condition on counts such as "U >= 50", not {text!r}'
        raise ArgumentError(message)
    return Predicate(text, network.species_names, what=what)
