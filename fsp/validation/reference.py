"""What samples are compared with: the exact law at each of their times."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fsp.distribution import Distribution
from fsp.errors import ArgumentError, SampleError, ToleranceError
from fsp.model.loader import load_model
from fsp.model.network import ReactionNetwork
from fsp.results import TransientResult
from fsp.solve import solve_transient
from fsp.validation.samples import Samples, Table, need_columns, whole_numbers

__all__ = ["Reference", "find_reference", "solver_tolerance"]

#: A tolerance is loosened up to here where double precision cannot keep a smaller one.
_LOOSEST = 1e-7
_KNOWN = "a result of solve_transient, a Distribution, a stationary result, a network, or the path of a model"


@dataclass(frozen=True, eq=False)
class Reference:
    """Laws by time, the network if it is known, and the samples that they belong to."""

    laws: dict[float, Distribution]
    samples: Samples
    network: ReactionNetwork | None = None
    initial: Any = None
    notes: tuple[str, ...] = field(default=())
    #: The tolerance if the model was solved for this comparison.
    tolerance: float | None = None

    @property
    def certified(self) -> bool:
        """Whether all error bounds are proven."""
        return all(law.certified for law in self.laws.values())

    def conserved(self) -> tuple[NDArray[np.int64], NDArray[np.int64]] | None:
        """Return coefficients and totals of the conservation laws that samples must obey, if they are known for sure.

        Not for a result that was handed in: it may have begun from another state (``initial=``), with other totals.
        """
        if self.network is None or self.initial is not None or self.tolerance is None:
            return None
        laws = self.network.conservation_laws()
        return (laws.coefficients, laws.totals) if len(laws) else None


def solver_tolerance(n: int) -> float:
    """Return the tolerance at which the solver's error does not matter for n samples.

    An error of e in the law multiplies the bounds of p-values by at most about ``exp(n e)``, and a correct sample lies
    outside of the kept states with probability e; with ``e = 1e-6/n`` both are one in a million. Below 1e-12
    rounding would take over.

    Examples
    --------
    >>> solver_tolerance(10_000), solver_tolerance(10), solver_tolerance(10**9)
    (1e-10, 1e-08, 1e-12)
    """
    return float(f"{min(1e-8, max(1e-12, 1e-6 / max(1, n))):.3g}")


def find_reference(
    samples: Samples,
    against: Any,
    *,
    species: Sequence[str] | None = None,
    initial: Any = None,
    tolerance: float | None = None,
) -> Reference:
    """Return the exact laws at the times of samples, solving a model if one is given.

    Raises
    ------
    SampleError
        When species are missing, or no time of the samples has a law.
    ArgumentError
        When ``against`` is nothing that samples can be compared with.
    """
    if isinstance(against, str | os.PathLike):
        against = load_model(against)
    if not isinstance(against, ReactionNetwork) and hasattr(against, "distribution"):
        against = against.distribution  # a stationary result
    network = getattr(against, "network", against)
    if isinstance(network, ReactionNetwork):
        samples = derive_observables(samples, network, species or ())
    if isinstance(against, ReactionNetwork):
        samples, notes = _choose_species(samples, against.species_names, tuple(against.observables), species)
        chosen = solver_tolerance(samples.n) if tolerance is None else tolerance
        result = solve_transient(
            against, list(samples.times), tolerance=chosen, initial=initial, progress=False
        )
        laws = dict(zip(samples.times, result, strict=True))
        return Reference(laws, samples, against, initial, notes, chosen)
    for name, value in (("initial", initial), ("tolerance", tolerance)):
        if value is not None:
            message = f"{name}= is for a model that is to be solved, not for a result"
            raise ArgumentError(message)
    if isinstance(against, Distribution):
        samples, notes = _choose_species(samples, against.species_names, tuple(against.observables), species)
        return Reference(dict.fromkeys(samples.times, against), samples, None, None, notes)
    if not isinstance(against, TransientResult):
        message = f"samples are compared with {_KNOWN}, not with {type(against).__name__}"
        raise ArgumentError(message)
    if not len(against):
        message = "the result holds no distribution to compare samples with"
        raise ArgumentError(message)
    observed = tuple(name for name in against.names if name not in against.species_names)
    samples, notes = _choose_species(samples, against.species_names, observed, species)
    found = {time: _at(against, time) for time in samples.times}
    common = {time: law for time, law in found.items() if law is not None}
    if not common:
        message = (
            f"none of the times of the samples ({_list(samples.times)}) is among those of the result "
            f"({_list(against.times.tolist())})"
        )
        raise SampleError(message)
    if len(common) < len(found):
        left_out = [time for time in found if time not in common]
        notes += (f"not compared, because the result has no such times: t = {_list(left_out)}",)
    return Reference(common, samples.at_times(list(common)), against.network, None, notes)


def _solve(
    network: ReactionNetwork, times: Sequence[float], tolerance: float, initial: Any, *, may_loosen: bool
) -> dict[float, Distribution]:
    """Return the law at each time.

    A tolerance that double precision cannot keep is loosened, since p-values are right with any, only wider; at last the
    solver may take its slow extended precision.
    """
    while may_loosen and tolerance <= _LOOSEST:
        try:
            result = solve_transient(
                network, list(times), tolerance=tolerance, initial=initial, precision="double", progress=False
            )
        except ToleranceError:
            tolerance *= 10.0
        else:
            return dict(zip(times, result, strict=True))
    result = solve_transient(network, list(times), tolerance=tolerance, initial=initial, progress=False)
    return dict(zip(times, result, strict=True))


def derive_observables(samples: Samples, network: ReactionNetwork, wanted: Sequence[str]) -> Samples:
    """Return samples with columns of the wanted observables that they lack, computed from their counts.

    Not where events change a parameter that an observable reads, so that its value depends on more than counts.
    """
    changed = network.event_rules.changed if network.events else frozenset()
    missing = [
        o
        for name, o in network.observables.items()
        if name in wanted and name not in samples.names and not changed & set(o.function.parameters)
    ]
    tables = []
    for table in samples.tables:
        known = [o for o in missing if set(o.species) <= set(table.names)]
        if known:
            counts = {name: table.states[:, k] for k, name in enumerate(table.names)}
            values = np.stack([o.evaluate(counts, time=table.time) for o in known], axis=1)
            columns = whole_numbers(values, f"{known[0].name}, computed from the samples")
            states = np.concatenate([table.states, columns], axis=1)
            table = Table(table.time, (*table.names, *(o.name for o in known)), states, table.weights)
        tables.append(table)
    return Samples(tuple(tables), samples.moments, samples.source, samples.notes)


def _at(result: TransientResult, time: float) -> Distribution | None:
    k = int(np.argmin(np.abs(result.times - time)))
    return result[k] if abs(result.times[k] - time) <= 1e-9 * abs(time) else None


def _choose_species(
    samples: Samples, species: Sequence[str], observables: Sequence[str], wanted: Sequence[str] | None
) -> tuple[Samples, tuple[str, ...]]:
    """Return the samples of the species that are to be compared: all of the model unless some are named."""
    known = (*species, *observables)
    if wanted is not None:
        need_columns(wanted, known, "the exact law")
        chosen: Sequence[str] = tuple(wanted)
    else:
        chosen = (*species, *(name for name in observables if name in samples.names))
    need_columns(chosen, samples.names, samples.source)
    ignored = [name for name in samples.names if name not in known]
    notes = (f"not compared, because the model does not have them: {', '.join(ignored)}",) if ignored else ()
    tables = []
    for table in samples.tables:
        names = [name for name in chosen if name in table.names]
        if names:
            tables.append(table.project(names))
    rows = tuple(row for row in samples.moments if row.name in chosen)
    return Samples(tuple(tables), rows, samples.source, samples.notes), (*samples.notes, *notes)


def _list(times: Sequence[float]) -> str:
    shown = ", ".join(f"{t:g}" for t in times[:6])
    return shown + (", ..." if len(times) > 6 else "")
