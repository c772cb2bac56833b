"""The long-run law from an initial law: which closed classes there are, and one run for each."""

from __future__ import annotations

import time as clock
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fsp.distribution import Distribution
from fsp.errors import NoStationaryLawError, SolverError, ToleranceError, UnsupportedError
from fsp.initial import InitialLaw, choose_coordinates, read_initial
from fsp.interval import Interval
from fsp.statespace.fibres import FibreSet
from fsp.stationary.branches import Branch, Unsettled, find_branches
from fsp.stationary.engine import Divided
from fsp.stationary.lattice import Lattice
from fsp.stationary_classes import StationaryClass
from fsp.stationary_mixture import Part, join
from fsp.stationary_options import Options, ProgressLine
from fsp.stationary_result import StationaryResult
from fsp.stationary_run import StationaryRun

if TYPE_CHECKING:
    from fsp.model.network import ReactionNetwork

__all__ = ["LongRun"]

#: Parts of the tolerance for the laws of the classes, and for what leaves the states that are looked at.
_FOR_LAWS, _FOR_LEAKS = 0.5, 0.05
#: Up to so many states all that can be reached are taken at once, if they are shown to be few.
_WHOLE_STATES = 2_000_000
#: The sum of an initial law may be off by this rounding.
_ROUNDING = 1e-14


@dataclass(eq=False)
class _ProvenLaw:
    """The law of an infinite class."""

    run: StationaryRun
    result: StationaryResult

    @property
    def reference_state(self) -> NDArray[np.int64]:
        names = self.run.network.species_names
        counts = np.array([[self.result.reference[name] for name in names]])
        return np.asarray(self.run.lattice.coordinates.to_reduced(counts)[0])

    @property
    def states(self) -> FibreSet:
        coordinates = self.run.lattice.coordinates
        return FibreSet.from_reduced(coordinates, coordinates.to_reduced(self.result.distribution.states))

    def holds(self, state: NDArray[np.int64]) -> bool:
        law = self.result.distribution
        counts = self.run.lattice.coordinates.to_counts(state[None, :])
        at = int(law.space.index(counts)[0])
        return at >= 0 and float(law.probabilities[at]) > law.error_bound


class LongRun:
    """One call of `solve_stationary`.

    Parameters
    ----------
    network : ReactionNetwork
    initial : optional
        As for `read_initial`.
    options : Options
    progress : bool or None
    """

    def __init__(
        self, network: ReactionNetwork, initial: Any, options: Options, progress: bool | None
    ) -> None:
        self.network = network
        self.options = options
        self.law = read_initial(network, initial)
        self.note = ProgressLine(progress)
        self.began = clock.perf_counter()

    def run(self) -> StationaryResult:
        """Return the law of the one class, or the mixture of those of several."""
        with np.errstate(all="ignore"):  # what is not finite is refused where it matters
            return self._run()

    def _run(self) -> StationaryResult:
        groups = list(_cosets(self.network, self.law))
        if len(groups) == 1:
            run = StationaryRun(self.network, groups[0], self.options, self.note)
            try:
                return run.run()
            except Divided as divided:
                found = self.divided(run, groups[0], divided)
            return found if isinstance(found, StationaryResult) else self.joined(*found)
        parts: list[Part] = []
        leak = 0.0
        for group in groups:
            own, lost = self.group(group)
            parts, leak = parts + own, leak + lost
        return self.joined(parts, leak)

    def group(self, law: InitialLaw) -> tuple[list[Part], float]:
        """Return the classes in which a part of the initial law ends."""
        options = replace(self.options, tolerance=_FOR_LAWS * self.options.tolerance)
        run = StationaryRun(self.network, law, options, self.note)
        try:
            result = run.run()
        except Divided as divided:
            found = self.divided(run, law, divided)
            if not isinstance(found, StationaryResult):
                return found
            result = found
        mass = np.asarray(law.probabilities, np.longdouble).sum()
        low, high = float(mass) * (1.0 - _ROUNDING), float(mass) * (1.0 + _ROUNDING)
        exact = len(law.probabilities) == 1
        probability = Interval(float(mass), float(mass)) if exact else Interval(low, min(high, 1.0))
        (kind,) = result.classes
        probability = replace(probability, certified=self.law.certified and result.certified)
        return [Part(replace(kind, probability=probability), result)], 0.0

    def divided(
        self, run: StationaryRun, law: InitialLaw, divided: Divided
    ) -> tuple[list[Part], float] | StationaryResult:
        """Return the classes in which a part of the initial law ends, or the law of one if there seem not to be several."""
        options = replace(self.options, tolerance=_FOR_LAWS * self.options.tolerance)

        def prove(state: NDArray[np.int64]) -> _ProvenLaw | None:
            counts = run.lattice.coordinates.to_counts(state[None, :])
            try:
                inner = StationaryRun(self.network, InitialLaw(counts, np.ones(1)), options, self.note)
                result = inner.run("refuse")
            except (Divided, SolverError, NoStationaryLawError):
                return None  # the states stay without a class, and what reaches them counts as lost
            return _ProvenLaw(inner, result) if result.certified else None

        weights = np.zeros(len(run.lattice.starts), np.longdouble)
        weights += law.probabilities
        try:
            branches, leak = find_branches(
                run.lattice, weights, run.constraints, _FOR_LEAKS * self.options.tolerance, prove,
                run.check_size, _WHOLE_STATES,
            )  # fmt: skip
        except Unsettled as unsettled:
            single = self.single(run) if not (unsettled.branches and divided.why) else None
            if single is not None and (single.certified or not unsettled.branches):
                return single
            if not unsettled.branches:
                message = (
                    "there are several closed classes of states near those where the network seems to settle, but none was "
                    "shown to be reached from the initial law: give initial= a state of the one that is meant"
                )
                raise UnsupportedError(message) from None
            parts = [self.part(run, branch, options) for branch in unsettled.branches]
            result = self.join(parts, unsettled.leak)
            raise ToleranceError(_complaint(unsettled, parts, divided), result) from None
        return [self.part(run, branch, options) for branch in branches], leak

    @staticmethod
    def single(run: StationaryRun) -> StationaryResult | None:
        """Return the law of one class with a proof or an estimate, None if states of several classes were found."""
        try:
            return run.run("estimate")
        except Divided:
            return None

    def part(self, run: StationaryRun, branch: Branch, options: Options) -> Part:
        """Return a class with its law."""
        proven = self.law.certified and branch.proven
        probability = Interval(branch.lower, max(branch.lower, min(branch.upper, 1.0)), proven)
        if branch.law is not None:
            assert isinstance(branch.law, _ProvenLaw)
            result = branch.law.result
            return Part(StationaryClass(probability, result.distribution, False), result)
        assert branch.members is not None
        counts = branch.members.states()
        if len(counts) == 1:
            names = self.network.species_names
            law = Distribution(
                branch.members, np.ones(1), support_bounds=dict(zip(names, counts[0].tolist(), strict=True)),
                lower_bound=False, observables=self.network.observables,
            )  # fmt: skip
            return Part(StationaryClass(probability, law, True), None)
        inner = StationaryRun(
            self.network, InitialLaw(counts[:1], np.ones(1)), options, self.note, branch.members
        )
        result = inner.run("estimate")
        return Part(StationaryClass(probability, result.distribution, False), result)

    def joined(self, parts: list[Part], leak: float) -> StationaryResult:
        """Return the long-run law, if it is within the tolerance."""
        result = self.join(parts, leak)
        if result.error_bound > self.options.tolerance:
            message = (
                f"the error bound stays at {result.error_bound:.2g}, above the tolerance {self.options.tolerance:g}: the "
                f"probabilities of ending in the closed classes are known to {result.ledger.entries['ending']:.2g}, the "
                f"initial law to {result.ledger.entries['initial']:.2g}; loosen the tolerance, or take another method"
            )
            raise ToleranceError(message, result)
        return result

    def join(self, parts: list[Part], leak: float) -> StationaryResult:
        """Return the long-run law with whatever bound it has."""
        missing = self.law.missing
        return join(
            self.network, parts, leak=leak, missing=missing, tolerance=self.options.tolerance,
            why="the probabilities of ending in the classes are proven by enclosed expected times in the states before",
            seconds=clock.perf_counter() - self.began,
        )  # fmt: skip


def _complaint(unsettled: Unsettled, parts: list[Part], divided: Divided) -> str:
    found = "; ".join(repr(part.kind) for part in parts[:3])
    reasons = f" ({'; '.join(divided.why)})" if divided.why else ""
    what = (
        "does not become less as the set grows, so that counts may grow for ever"
        if unsettled.stuck
        else "is left"
    )
    return (
        f"nothing shows that the network settles: of the probability up to {unsettled.leak:.4g} leaves a set of "
        f"{unsettled.states:,} states before it enters a closed class, and that {what}{reasons}. Known: {found}"
    )


def _cosets(network: ReactionNetwork, law: InitialLaw) -> Iterator[InitialLaw]:
    """Yield the parts of an initial law whose states differ by jumps of the network: of one total, parity and so on."""
    totals = law.states @ network.conservation_laws().coefficients.T
    rest = np.arange(len(law.states))
    while rest.size:
        same = rest[(totals[rest] == totals[rest[0]]).all(axis=1)]
        part = replace(law, states=law.states[same], probabilities=law.probabilities[same])
        own, coordinates = choose_coordinates(network, part)
        names = own.species_names
        own = own.with_initial(**dict(zip(names, part.states[0].tolist(), strict=True)))
        # Which reactions can fire depends on the states, and which states belong together on the reactions.
        together, before = same, 0
        while together.size != before:
            before = together.size
            reduced = coordinates.to_reduced(law.states[together])
            together = together[Lattice(own, coordinates, reduced).in_coset(reduced)]
        yield replace(law, states=law.states[together], probabilities=law.probabilities[together])
        rest = rest[~np.isin(rest, together)]
