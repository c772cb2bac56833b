"""Which known mistake explains samples that do not come from the exact law.

Each hypothesis (`fsp.validation.mistakes`) is a network, which is solved exactly at some of the times of the samples, or,
where a dependency was missed, a simulation (`fsp.validation.stale`). Hypotheses are ranked by how well their law explains
the samples (`fsp.validation.fit`); one is an *explanation* when the samples are consistent with its law. First those without
a fitted parameter are tried; only if none of them fits, parameters are fitted and missed dependencies simulated.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from fsp.distribution import Distribution
from fsp.errors import FSPError, SolverError
from fsp.model.network import ReactionNetwork
from fsp.solve import solve_transient
from fsp.validation.fit import Fit
from fsp.validation.mistakes import Mistake, find_mistakes, try_network
from fsp.validation.plan import Plan, Settings
from fsp.validation.reference import Reference
from fsp.validation.report import adjusted
from fsp.validation.samples import Samples
from fsp.validation.stale import Edge, missed_edges, simulate_stale

__all__ = ["Diagnosis", "Explanation", "find_mistake"]

#: Times that hypotheses are compared at, and the tolerance of their solution.
_TIMES, _TOLERANCE = 8, 1e-6
#: Deviances that differ by less do not tell two hypotheses apart.
_TIE = 25.0
#: The level at which samples are consistent with a hypothesis.
_LEVEL = 1e-3
#: Trajectories with a missed dependency: to look for it, and to be sure; and the steps that may be spent on each.
_FEW, _MANY, _STEPS, _EDGES = 3_000, 30_000, 30_000_000, 40
#: Families whose parameter is fitted.
_FITTED = 12

_Laws = dict[float, Distribution]
_States = dict[float, tuple[tuple[str, ...], NDArray[np.int64]]]


@dataclass(frozen=True)
class Explanation:
    """A hypothesis that was tried.

    Attributes
    ----------
    kind : str
        ``"square"``, ``"rate"``, ``"net"``, ``"volume"``, ``"event"``, ``"initial"`` or ``"stale"``.
    text : str
        What the simulator does wrong.
    value : float or None
        The parameter.
    deviance : float
        How far the samples are from it; about the number of cells when it is right.
    fits : bool
        Whether the samples are consistent with it.
    fitted : bool
        Whether its parameter was fitted to the samples.
    """

    kind: str
    text: str
    value: float | None
    deviance: float
    fits: bool = False
    fitted: bool = False


@dataclass(frozen=True)
class Diagnosis:
    """What explains inconsistent samples.

    Attributes
    ----------
    explanation : Explanation or None
        The known mistake that explains the samples best, if one does.
    alternatives : tuple of Explanation
        Others that explain them as well: the samples do not tell them apart.
    closest : tuple of Explanation
        The best of all that were tried, the best one first.
    deviance : float
        That of the model itself.
    """

    explanation: Explanation | None
    alternatives: tuple[Explanation, ...]
    closest: tuple[Explanation, ...]
    deviance: float

    @property
    def kind(self) -> str | None:
        """The kind of mistake; None when nothing known explains the samples."""
        return None if self.explanation is None else self.explanation.kind

    def facts(self) -> list[tuple[str, str]]:
        """Return lines for a report."""
        if self.explanation is None:
            lines = [("diagnosis", "none of the known mistakes explains the samples")]
            if self.closest:
                best = self.closest[0]
                lines.append(
                    (
                        "",
                        f"closest: {best.text} (deviance {best.deviance:.4g} in place of {self.deviance:.4g})",
                    )
                )
            return lines
        lines = [
            (
                "diagnosis",
                f"{self.explanation.text}: this explains the samples (deviance {self.explanation.deviance:.4g}, of the "
                f"model {self.deviance:.4g})",
            )
        ]
        lines += [("", f"or, as well: {other.text}") for other in self.alternatives[:4]]
        return [(key or "diagnosis", text) for key, text in lines]

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "kind": self.kind,
            "explanation": None if self.explanation is None else vars(self.explanation),
            "alternatives": [vars(e) for e in self.alternatives],
            "closest": [vars(e) for e in self.closest],
            "deviance": self.deviance,
        }


class _Search:
    """The hypotheses that were tried, and how well they fit."""

    def __init__(self, reference: Reference, settings: Settings) -> None:
        assert reference.network is not None
        self.network = reference.network
        self.initial = reference.initial
        times = _some_times(reference)
        self.samples: Samples = reference.samples.at_times(times)
        self.times = self.samples.times
        self.fit = Fit(self.samples)
        self.settings = replace(settings, alpha=_LEVEL, calibration="proven", multiplicity="holm")
        self.model_deviance = self.fit.deviance({time: reference.laws[time] for time in self.times})
        largest = max(law.n_states for law in reference.laws.values())
        self._most_states = 10 * largest + 100_000
        self.found: list[Explanation] = []
        self._laws: dict[Explanation, _Laws] = {}
        self._known: dict[tuple[int, float], float] = {}

    def try_value(self, mistake: Mistake, value: float, *, fitted: bool = False) -> float:
        """Return the deviance of a hypothesis, infinite where it cannot be solved."""
        key = (id(mistake), value)
        if key not in self._known:
            self._known[key] = self._solve(mistake, value, fitted)
        return self._known[key]

    def _solve(self, mistake: Mistake, value: float, fitted: bool) -> float:
        network = try_network(mistake, value)
        if network is None:
            return math.inf
        try:
            result = solve_transient(
                network, list(self.times), tolerance=_TOLERANCE, initial=self.initial,
                max_states=self._most_states, progress=False,
            )  # fmt: skip
        except SolverError:  # such as rates that are differences, whose rounding has no small bound
            counts = self._simulated(network, _MANY)
            return math.inf if counts is None else self._note(mistake, value, fitted, simulated=counts)
        except FSPError:  # such as an event that makes a count negative
            return math.inf
        return self._note(mistake, value, fitted, laws=dict(zip(self.times, result, strict=True)))

    def _note(
        self,
        mistake: Mistake,
        value: float,
        fitted: bool,
        laws: _Laws | None = None,
        simulated: _States | None = None,
    ) -> float:
        """Keep what was tried; return its deviance."""
        fits = False
        if laws is not None:
            deviance = self.fit.deviance(laws)
        else:
            assert simulated is not None
            deviance = self.fit.deviance_from(simulated)
            fits = self.fit.same_as(simulated, _LEVEL)
        parameter = value if mistake.search or mistake.values != (0.0,) else None
        found = Explanation(mistake.kind, mistake.describe(value), parameter, deviance, fits, fitted)
        self.found.append(found)
        if laws is not None:
            self._laws[found] = laws
        return deviance

    def explains(self, found: Explanation) -> bool:
        """Say whether the samples are consistent with the law of a hypothesis."""
        if found not in self._laws:  # simulated: two samples were compared
            return found.fits
        laws = self._laws[found]
        plan = Plan(laws, self.samples, self.settings, full=False)
        statistics = adjusted(plan.run(self.samples), self.settings)
        rejected = any(s.adjusted is not None and s.adjusted.upper <= _LEVEL for s in statistics)
        return not rejected

    def ranked(self) -> list[Explanation]:
        """Return what was tried, the best fit first."""
        return sorted(self.found, key=lambda e: e.deviance)

    def is_solved(self) -> bool:
        """Say whether the best fit so far is as good as that of a right law."""
        ranked = self.ranked()
        return bool(ranked) and self.fit.is_good(ranked[0].deviance) and self.explains(ranked[0])

    def simulate_edges(self) -> None:
        """Try all missed dependencies, first with few trajectories."""
        edges = list(missed_edges(self.network))[:_EDGES]
        few = [(self._simulate(edge, _FEW), edge) for edge in edges]
        for _, edge in sorted((pair for pair in few if math.isfinite(pair[0])), key=lambda pair: pair[0])[:3]:
            self._simulate(edge, _MANY)

    def _simulate(self, edge: Edge, n: int) -> float:
        states = self._simulated(self.network, n, edge)
        if states is None:
            return math.inf
        if n < _MANY:
            return self.fit.deviance_from(states)
        fired, reads = (self.network.reactions[r].name for r in edge)
        text = f"the rate of reaction '{reads}' is not updated after reaction '{fired}' (a missed dependency)"
        mistake = Mistake("stale", text, lambda _: self.network)
        return self._note(mistake, 0.0, False, simulated=states)

    def _simulated(self, network: ReactionNetwork, n: int, missed: Edge | None = None) -> _States | None:
        """Return simulated states at each time, None where they cannot be had."""
        if network.events or network.depends_on_time or self.initial is not None or self.samples.moments:
            return None
        counts = simulate_stale(network, self.times, n, seed=1, missed=missed, most_steps=_STEPS)
        if counts is None:
            return None
        return {time: (network.species_names, counts[:, k, :]) for k, time in enumerate(self.times)}


def _some_times(reference: Reference) -> list[float]:
    """Return times to compare hypotheses at: evenly spaced ones, and those around events."""
    times = np.array(reference.samples.times)
    if len(times) <= _TIMES:
        return [float(t) for t in times]
    chosen = {round(k) for k in np.linspace(0, len(times) - 1, _TIMES)}
    network = reference.network
    if network is not None and network.events:
        for moment in network.event_rules.moments[:4]:
            place = int(np.searchsorted(times, moment))
            chosen |= {k for k in (place - 2, place - 1, place, place + 1, place + 2) if 0 <= k < len(times)}
    return [float(times[k]) for k in sorted(chosen)]


def find_mistake(reference: Reference, settings: Settings) -> Diagnosis:
    """Return the known mistake that explains samples best.

    Parameters
    ----------
    reference : Reference
        Exact laws, samples and the network.
    settings : Settings
        Of the validation.
    """
    search = _Search(reference, settings)
    mistakes = find_mistakes(search.network, search.times)
    if reference.initial is not None:
        mistakes = [m for m in mistakes if m.kind != "initial"]
    for mistake in mistakes:
        for value in mistake.values:
            search.try_value(mistake, value)
    if not search.is_solved():
        _fit_parameters(search, mistakes)
    if (
        not search.is_solved() or search.ranked()[0].fitted
    ):  # a fitted rate can look like a rate that lags behind
        search.simulate_edges()
    return _conclude(search)


def _fit_parameters(search: _Search, mistakes: Sequence[Mistake]) -> None:
    """Fit the parameters of the families that promise most: first roughly, then those of the best."""

    def promise(mistake: Mistake) -> float:
        return min(search.try_value(mistake, value) for value in mistake.values)

    rough: list[tuple[float, float, Mistake]] = []
    for mistake in sorted((m for m in mistakes if m.search), key=promise)[:_FITTED]:
        best = _fit(search, mistake)
        rough.append((search.try_value(mistake, best), best, mistake))
    for _, value, mistake in sorted(rough, key=lambda found: found[0])[:2]:
        if mistake.search == "scale":
            _minimise(search, mistake, (0.96 * value, 1.04 * value), 1e-3)


def _fit(search: _Search, mistake: Mistake) -> float:
    """Return the parameter with about the smallest deviance."""
    values = mistake.values
    best = min(values, key=lambda value: search.try_value(mistake, value))
    if mistake.search == "scale":
        return _minimise(search, mistake, (0.1, 10.0), 0.02)
    if mistake.search == "count":
        start = max(values) - 1.0
        return _fit_count(lambda value: search.try_value(mistake, value, fitted=True), start, best - start)
    reach = min(abs(value) for value in values)
    return _minimise(search, mistake, (best - 2.0 * reach, best + 2.0 * reach), reach / 50.0)


def _minimise(search: _Search, mistake: Mistake, bounds: tuple[float, float], accuracy: float) -> float:
    """Return where the deviance is smallest between two values; factors are searched by their logarithms."""
    scale = mistake.search == "scale"

    def deviance(x: float) -> float:
        return min(1e12, search.try_value(mistake, math.exp(x) if scale else float(x), fitted=True))

    ends = (math.log(bounds[0]), math.log(bounds[1])) if scale else bounds
    found = optimize.minimize_scalar(
        deviance, bounds=ends, method="bounded", options={"xatol": accuracy, "maxiter": 30}
    )
    return math.exp(found.x) if scale else float(found.x)


def _fit_count(deviance: Callable[[float], float], start: float, direction: float) -> float:
    """Return the whole number where a function with one valley is smallest, going in steps that double."""
    step = 1.0 if direction > 0 else -1.0
    at, best = start + step, deviance(start + step)
    length = 1.0
    while length < 1e6:
        following = max(0.0, at + step * length)
        value = deviance(following)
        if following == at or value >= best:
            break
        at, best, length = following, value, 2.0 * length
    while length >= 1.0:
        for side in (1.0, -1.0):
            other = at + side * length
            if other >= 0.0 and deviance(other) < best:
                at, best = other, deviance(other)
        length = math.floor(length / 2.0)
    return at


def _conclude(search: _Search) -> Diagnosis:
    """Return the best hypothesis that the samples are consistent with; of equals the one without a fitted parameter."""
    ranked = search.ranked()
    tested: list[Explanation] = []
    for found in ranked[:40]:
        if tested and found.deviance > tested[0].deviance + 40.0 * _TIE:
            break
        if search.explains(found):
            tested.append(replace(found, fits=True))
    if not tested:
        return Diagnosis(None, (), _closest(ranked), search.model_deviance)
    best = tested[0].deviance
    equal = [e for e in tested if e.deviance <= best + _TIE]
    equal.sort(key=lambda e: (e.fitted, e.kind == "stale", e.deviance))
    first = equal[0]
    # Fits of one place with other values of the parameter are no other explanation.
    seen = {_place(first)}
    others = []
    for other in equal[1:]:
        if _place(other) not in seen:
            seen.add(_place(other))
            others.append(other)
    return Diagnosis(first, tuple(others), _closest(ranked), search.model_deviance)


def _closest(ranked: Sequence[Explanation]) -> tuple[Explanation, ...]:
    """Return the five best places, each with its best parameter."""
    best = {_place(found): found for found in reversed(ranked)}
    return tuple(sorted(best.values(), key=lambda e: e.deviance)[:5])


def _place(found: Explanation) -> tuple[str, str]:
    """Return what explanations share that differ in the value of a parameter only."""
    text = found.text.split(" fires at ")[0].split(" begins with ")[0].split(" is applied ")[0].split(", ")[0]
    return found.kind, text
