"""The stationary law of one closed class: the run of the engine, and the result."""

from __future__ import annotations

import math
import time as clock
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from fsp.distribution import Distribution
from fsp.errors import SolverError, StateSpaceLimitError, ToleranceError
from fsp.initial import InitialLaw, choose_coordinates
from fsp.interval import Interval
from fsp.known_moments import StoredMoments
from fsp.ledger import Ledger
from fsp.statespace.constraints import Constraints
from fsp.statespace.fibres import FibreSet
from fsp.stationary.certificate import weighted_residual
from fsp.stationary.closed_form import closed_law, poisson_moments
from fsp.stationary.contraction import Contraction
from fsp.stationary.engine import CRUDE, Engine, EngineResult
from fsp.stationary.existence import refuse_without_law
from fsp.stationary.lattice import UNIT, Lattice
from fsp.stationary.law import TruncatedLaw
from fsp.stationary.moments import (
    AxisMoments,
    closed_moments,
    means_by_contraction,
    moments_by_return_times,
)
from fsp.stationary.product_form import find_product_form
from fsp.stationary_classes import StationaryClass
from fsp.stationary_options import Options, ProgressLine
from fsp.stationary_result import StationaryResult
from fsp.transient.limits import default_memory

if TYPE_CHECKING:
    from fsp.model.network import ReactionNetwork

__all__ = ["StationaryRun", "support_bounds"]

#: Memory for each state beside the factorisations, which the choice of a solver foresees.
_BYTES_PER_STATE = 2000
#: Largest set without a proof: where it may grow for ever.
_MOST_UNPROVEN = 200_000
#: Larger sets have no bound of the return time made for the sake of moments alone.
_MOST_FOR_MOMENTS = 20_000


class StationaryRun:
    """A run of the stationary solver on states that differ by jumps of the network, as a rule one closed class.

    Parameters
    ----------
    network : ReactionNetwork
    law : InitialLaw
        Whose states are in one coset.
    options : Options
    note : ProgressLine
    members : FibreSet, optional
        All states of the class, if it is known to be finite.
    """

    def __init__(
        self, network: ReactionNetwork, law: InitialLaw, options: Options, note: ProgressLine,
        members: FibreSet | None = None,
    ) -> None:  # fmt: skip
        network, coordinates = choose_coordinates(network, law)
        names = network.species_names
        self.network = network.with_initial(**dict(zip(names, law.states[0].tolist(), strict=True)))
        self.options = options
        self.tolerance = options.tolerance
        self.memory = default_memory() if options.memory_limit is None else options.memory_limit
        self.lattice = Lattice(self.network, coordinates, coordinates.to_reduced(law.states))
        self.constraints = Constraints(self.network, options.bounds)
        self._note = note
        make_solver, self.make_crude = options.make_solver(), options.make_solver(CRUDE)
        self.engine = Engine(
            self.lattice,
            self.constraints,
            self.tolerance,
            make_solver,
            self.make_crude,
            self.check_size,
            note.show,
            members,
        )

    def check_size(self, space: FibreSet) -> None:
        """Raise `StateSpaceLimitError` if a set exceeds the limits."""
        n = space.n_states
        if self.options.max_states is not None and n > self.options.max_states:
            message = (
                f"the state set needs {n:,} states, more than max_states = {self.options.max_states:,}; raise max_states, "
                "loosen the tolerance, or limit species with bounds="
            )
            raise StateSpaceLimitError(message)
        if n * _BYTES_PER_STATE > self.memory:
            message = (
                f"the state set needs {n:,} states and about {n * _BYTES_PER_STATE / 2**30:.3g} GiB, more than "
                f"memory_limit = {self.memory / 2**30:.3g} GiB; loosen the tolerance or limit species with bounds="
            )
            raise StateSpaceLimitError(message)
        best = self.engine.best
        most = _MOST_UNPROVEN if self.options.max_states is None else self.options.max_states
        if best is not None and best.bound is None and n > most:
            message = (
                f"the state set grew to {n:,} states and still loses probability, and nothing shows that the network has a "
                "stationary law: its counts may grow without end. Limit species with bounds= to see where"
            )
            raise StateSpaceLimitError(message)

    def run(self, unproven: str = "divide") -> StationaryResult:
        """Solve, prove, and put the result together.

        Raises
        ------
        Divided
            If there are several closed classes, or no proof and no estimate is wanted; see `Engine.run`.
        """
        refuse_without_law(self.lattice)
        if self.options.method == "auto" and not self.constraints:
            closed = self._closed_form()
            if closed is not None:
                return closed
        try:
            found = self.engine.run(unproven)
        except SolverError as error:
            if self.engine.best is not None and error.result is None:
                error.result = self._result(self.engine.best)
            raise
        finally:
            self._note.close()
        result = self._result(found)
        if result.error_bound > self.tolerance:
            raise ToleranceError(self._complaint(found, result), result)
        return result

    def _complaint(self, found: EngineResult, result: StationaryResult) -> str:
        w = found.weighted
        if self.constraints and w.outside > 0.5 * w.one_sided:
            return (
                f"the error bound stays at {result.error_bound:.2g} because bounds= cuts off states that matter; "
                "widen the bounds or loosen the tolerance"
            )
        if found.bound is None and w.outside > 0.5 * w.one_sided:
            return (
                f"after {self.engine.rounds} rounds the set of {result.n_states:,} states still loses probability, and "
                "nothing shows that the network has a stationary law: its counts may grow without end. Limit species with "
                f"bounds= to see where; the error is estimated as {result.error_bound:.2g}, more than the tolerance "
                f"{self.tolerance:g}"
            )
        outside = w.outside > 0.5 * w.one_sided
        what = "the set of states" if outside else "rounding and the residual of the solver"
        return (
            f"the error bound stays at {result.error_bound:.2g}, above the tolerance {self.tolerance:g}: what is left is "
            f"due to {what}; loosen the tolerance, or take another method"
        )

    def _closed_form(self) -> StationaryResult | None:
        """Return the law in closed form, if the network is complex-balanced and all its states communicate."""
        began = clock.perf_counter()
        form = find_product_form(self.network)
        if form is None or not form.whole_lattice:
            return None
        most = 2_000_000 if self.options.max_states is None else self.options.max_states
        law = closed_law(form, self.lattice.coordinates, self.tolerance, min(most, int(self.memory / 200)))
        if law is None or law.missing + law.rounding > self.tolerance:
            return None
        ledger = Ledger({"truncation": law.missing, "residual": 0.0, "rounding": law.rounding})
        moments = poisson_moments(form)
        names = self.network.species_names
        how = dict.fromkeys(names, "product of Poisson laws")
        distribution = Distribution(
            law.space, law.p, error_bound=ledger.total, certified=True, moments=self._stored(moments, how),
            lower_bound=True, ledger=ledger, observables=self.network.observables,
        )  # fmt: skip
        best = int(np.argmax(law.p))
        return StationaryResult(
            self.network, distribution, ledger, residual=0.0, outflow=0.0,
            reference=dict(zip(names, law.space.states(best, best + 1)[0].tolist(), strict=True)),
            method="product form", explanation=f"{law.space.n_states:,} states of a law in closed form",
            why=f"proven: {form.why}; a product of Poisson laws", tolerance=self.tolerance,
            statistics={"states": law.space.n_states, "seconds": clock.perf_counter() - began},
        )  # fmt: skip

    # -- the result ------------------------------------------------------------------------------------------

    def _result(self, found: EngineResult) -> StationaryResult:
        law, w = found.law, found.weighted
        p = law.p.astype(np.float64)
        stored = float(np.abs(law.p - p.astype(np.longdouble)).sum()) * (1.0 + 1e-9)
        if p.size > 1:
            stored += 4.0 * (p.size + 8) * UNIT  # the sum of the law is one up to this
        ledger = Ledger({"truncation": 0.0, "residual": 0.0, "rounding": 0.0})
        ledger.book("truncation", 2.0 * w.outside)
        ledger.book("residual", 2.0 * w.residual * (1.0 + 1e-12))
        ledger.book("rounding", 2.0 * w.rounding * (1.0 + 1e-11) + stored + 2.0 * w.one_sided * 1e-11)
        proven = found.bound is not None
        names = self.network.species_names
        distribution = Distribution(
            law.space,
            p,
            error_bound=ledger.total,
            certified=proven,
            moments=self._moments(found) if proven else None,
            support_bounds=support_bounds(self.lattice),
            lower_bound=False,
            ledger=ledger,
            observables=self.network.observables,
        )
        reference = law.space.states(law.reference, law.reference + 1)[0]
        others = law.others
        defect, margin = law.defect()
        alone = proven and law.space.n_states == 1 and not law.exit.any()
        return StationaryResult(
            self.network, distribution, ledger,
            residual=float(np.abs(defect[others]).sum() + margin[others].sum()),
            outflow=float(law.residual.flow.sum()),
            reference=dict(zip(names, reference.tolist(), strict=True)),
            method=law.method,
            explanation=f"{law.space.n_states:,} states, {law.info}",
            why=self._why(found),
            statistics={"states": law.space.n_states, **found.statistics},
            tolerance=self.tolerance,
            classes=[StationaryClass(Interval(1.0, 1.0, proven), distribution, alone)],
        )  # fmt: skip

    def _why(self, found: EngineResult) -> str:
        if found.bound is None:
            reasons = "; ".join(found.why) or "no drift function was found"
            return f"no proof: {reasons}. The error is estimated with the return times of the truncated chain"
        c = self.lattice.coordinates
        axes = [c.species_names[s] for s in c.axes]
        if isinstance(found.bound, Contraction):
            distance = found.bound.describe(axes)
            return (
                f"proven by contraction: between any two copies of the chain the distance {distance} falls, "
                "by at least one per unit of time for each molecule in which they differ"
            )
        reference = ", ".join(f"{n} = {x}" for n, x in zip(axes, found.bound.reference.tolist(), strict=True))
        if found.bound.drift is None:
            return f"proven on the whole finite class by mean times to ({reference})"
        drift = found.bound.drift
        return (
            f"proven by a bound of the mean time to ({reference}): V = {drift.describe(axes)} falls outside of "
            f"{found.bound.space.n_states:,} states, in which the bound is verified state by state"
        )

    def _moments(self, found: EngineResult) -> StoredMoments:
        """Return all that is proven about moments, by names."""
        assert found.bound is not None
        names, c = self.network.species_names, self.lattice.coordinates
        exact = closed_moments(self.lattice)
        returns: AxisMoments
        if isinstance(found.bound, Contraction):
            way = "contraction"
            returns = means_by_contraction(found.law, found.weighted)
            returns.update(self._second_moments(found.law, exact))
        else:
            way = "mean return times, with a drift function"
            returns = moments_by_return_times(found.law, found.bound, found.weighted, self.make_crude)
        moments: dict[tuple[int, ...], Interval] = {}
        for key, value in returns.items():
            moments[tuple(c.axes[k] for k in key)] = value
        how = {names[key[0]]: way for key in moments}
        for key, value in exact.items():
            known = moments.get(key)
            moments[key] = value if known is None else value.intersect(known)
            if len(key) == 1:
                how[names[key[0]]] = "closed stationary moment equations of a linear part"
        return self._stored(moments, how)

    def _second_moments(self, law: TruncatedLaw, known: AxisMoments) -> AxisMoments:
        """Return second moments that are neither known nor bounded by contraction, by return times, if that is cheap."""
        axes, largest = self.lattice.coordinates.axes, self.lattice.largest
        missing = [k for k, species in enumerate(axes) if (species, species) not in known]
        if self.engine.many or law.space.n_states > _MOST_FOR_MOMENTS or np.isfinite(largest[missing]).all():
            return {}
        try:
            bound = self.engine.bound_search().find(law, None, [], patient=True, most=_MOST_FOR_MOMENTS)
        except StateSpaceLimitError:
            bound = None
        if bound is None:
            return {}
        # The state whose weight is zero is that of the bound.
        position = int(self.lattice.positions(law.space, bound.reference[None, :])[0])
        law = replace(law, reference=position, weights=None)
        weighted = weighted_residual(law, bound.values)
        found = moments_by_return_times(law, bound, weighted, self.make_crude)
        return {key: value for key, value in found.items() if len(key) == 2}

    def _stored(self, moments: AxisMoments, how: dict[str, str]) -> StoredMoments:
        names = self.network.species_names
        means = {names[k[0]]: v for k, v in moments.items() if len(k) == 1}
        seconds = {names[k[0]]: v for k, v in moments.items() if len(k) == 2 and k[0] == k[1]}
        crosses = {(names[k[0]], names[k[1]]): v for k, v in moments.items() if len(k) == 2 and k[0] != k[1]}
        powers = {
            name: tuple(m.upper if m is not None else math.inf for m in (means.get(name), seconds.get(name)))
            for name in names
        }
        return StoredMoments(means, seconds, how, crosses, support_bounds(self.lattice), powers, powers)


def support_bounds(lattice: Lattice) -> dict[str, float]:
    """Return the largest counts of the species, where they are known."""
    network, c = lattice.network, lattice.coordinates
    limits = np.asarray(network.conservation_laws().upper_bounds, float).copy()
    for axis, species in enumerate(c.axes):
        limits[species] = min(limits[species], lattice.largest[axis])
    return {n: float(x) for n, x in zip(network.species_names, limits, strict=True) if math.isfinite(x)}
