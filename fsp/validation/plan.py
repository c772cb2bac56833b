"""Which tests are made: decided from the exact law and the number of samples, before any sample is looked at."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real

import numpy as np
from numpy.typing import NDArray

from fsp.distribution import Distribution
from fsp.errors import ArgumentError, SampleError
from fsp.summary import Summary
from fsp.validation.cells import merge_cells
from fsp.validation.distribution_checks import CellCheck, DistanceCheck, region_checks, tail_checks
from fsp.validation.laws import Law
from fsp.validation.moment_checks import CovarianceCheck, MomentCheck, Moments, exact_moments
from fsp.validation.pvalues import MULTIPLICITIES
from fsp.validation.samples import Samples, Table
from fsp.validation.statistic import Check, Statistic

__all__ = ["CALIBRATIONS", "Plan", "Settings"]

CALIBRATIONS = ("proven", "asymptotic")
#: Pairs of species are compared at so many times, and so many pairs at each.
_PAIR_TIMES, _PAIRS = 5, 10
#: Samples that tails expect.
_TAIL = 10.0


@dataclass(frozen=True)
class Settings:
    """What the user chose; see `fsp.validate`."""

    alpha: float = 1e-6
    multiplicity: str = "holm"
    calibration: str = "proven"
    min_expected: float = 5.0
    power: float = 0.9
    resolution: float = 0.1

    def __post_init__(self) -> None:
        for name, low, high in (("alpha", 0.0, 1.0), ("power", 0.0, 1.0), ("resolution", 0.0, 10.0)):
            value = getattr(self, name)
            if not isinstance(value, Real) or not low < float(value) < high:
                message = f"{name} must lie between {low:g} and {high:g}, not {value!r}"
                raise ArgumentError(message)
        if not isinstance(self.min_expected, Real) or not 1.0 <= self.min_expected < np.inf:
            message = f"min_expected must be at least 1, not {self.min_expected!r}"
            raise ArgumentError(message)
        for name, known in (("multiplicity", MULTIPLICITIES), ("calibration", CALIBRATIONS)):
            if getattr(self, name) not in known:
                message = f"{name} is one of {', '.join(known)}, not {getattr(self, name)!r}"
                raise ArgumentError(message)


@dataclass(frozen=True, eq=False)
class _Planned:
    time: float
    names: tuple[str, ...]
    check: Check


class Plan:
    """The tests of samples of a certain form against exact laws.

    Parameters
    ----------
    laws : mapping from float to Distribution
        The law at each time of the samples.
    samples : Samples
        Only their times, names and numbers are used.
    settings : Settings
    conserved : tuple of arrays, optional
        Coefficients (n_laws, n_species) and totals of conservation laws that hold for sure, for tables with all
        species in order.
    full : bool
        With False, only what the verdict of proven p-values needs: no enclosures of moments, no Pearson's test.
    """

    def __init__(
        self,
        laws: Mapping[float, Distribution],
        samples: Samples,
        settings: Settings,
        conserved: tuple[NDArray[np.int64], NDArray[np.int64]] | None = None,
        *,
        full: bool = True,
    ) -> None:
        self.settings = settings
        self.full = full
        self.checks: list[_Planned] = []
        self._rows: dict[tuple[float, str], tuple[MomentCheck, MomentCheck]] = {}
        #: For each species and time what deviations are judged by.
        self.moments: dict[tuple[float, str], Moments] = {}
        self.missing: dict[float, float] = {time: law.error_bound for time, law in laws.items()}
        paired = self._pair_times(laws, samples)
        for table in samples.tables:
            distribution = laws[table.time]
            for name in table.names:
                self._plan_species(distribution, name, table)
            if len(table.names) > 1 and not isinstance(distribution, Summary):
                every = tuple(table.names) == tuple(distribution.species_names)
                self._plan_joint(distribution, table, conserved if every else None, table.time in paired)
        for row in samples.moments:
            law = Law.of(laws[row.time], (row.name,))
            moments = self._moments_of(laws[row.time], law, row.time)
            self._rows[row.time, row.name] = (
                MomentCheck("mean", law, moments),
                MomentCheck("sd", law, moments),
            )

    @staticmethod
    def _pair_times(laws: Mapping[float, Distribution], samples: Samples) -> set[float]:
        """Return the times at which pairs are compared: some of those where the law is spread out."""
        spread = [t.time for t in samples.tables if len(t.names) > 1 and laws[t.time].n_states > 1]
        if len(spread) <= _PAIR_TIMES:
            return set(spread)
        return {spread[round(k)] for k in np.linspace(0, len(spread) - 1, _PAIR_TIMES)}

    def _moments_of(self, distribution: Distribution, law: Law, time: float) -> Moments:
        if self.full:
            moments = exact_moments(distribution, law)
        else:
            from fsp.interval import Interval

            counts = law.states[:, 0].astype(np.float64)
            mean = float(counts @ law.masses) / float(law.masses.sum())
            deviation = float(np.sqrt(np.square(counts - mean) @ law.masses / law.masses.sum()))
            unknown = Interval(0.0, np.inf)
            moments = Moments(mean, deviation, unknown, unknown, unknown)
        self.moments[time, law.names[0]] = moments
        return moments

    def _add(self, table: Table, names: Sequence[str], checks: Sequence[Check]) -> None:
        self.checks += [_Planned(table.time, tuple(names), check) for check in checks]

    def _plan_species(self, distribution: Distribution, name: str, table: Table) -> None:
        law = Law.of(distribution, (name,))
        moments = self._moments_of(distribution, law, table.time)
        checks: list[Check] = []
        if not law.is_point:
            cells = merge_cells(law, table.n, self.settings.min_expected)
            checks = [MomentCheck("mean", law, moments), MomentCheck("sd", law, moments), DistanceCheck(law)]
            if cells.n_cells > 1:
                checks.append(CellCheck("G", law, cells))
                if self.full:
                    checks.append(CellCheck("chi2", law, cells))
            checks += tail_checks(law, table.n, _TAIL)
        if len(table.names) == 1 or isinstance(distribution, Summary):
            checks += [check for check in region_checks(law, None) if check.kind == "outside"]
        self._add(table, (name,), checks)

    def _plan_joint(
        self,
        distribution: Distribution,
        table: Table,
        conserved: tuple[NDArray[np.int64], NDArray[np.int64]] | None,
        pairs: bool,
    ) -> None:
        self._add(table, table.names, region_checks(Law.of(distribution, table.names), conserved))
        if not pairs:
            return
        for names in itertools.islice(itertools.combinations(table.names, 2), _PAIRS):
            law = Law.of(distribution, names)
            if law.is_point or bool(np.any(law.low == law.high)):
                continue
            means = np.array([self.moments[table.time, name].mean for name in names])
            checks: list[Check] = [CovarianceCheck(law, means)]
            cells = merge_cells(law, table.n, self.settings.min_expected)
            if cells.n_cells > 1:
                checks.append(CellCheck("G", law, cells))
            self._add(table, names, checks)

    def run(self, samples: Samples) -> list[Statistic]:
        """Return the statistics of samples of the form that was planned for."""
        return list(self._run(samples))

    def _run(self, samples: Samples) -> Iterator[Statistic]:
        projected: dict[tuple[float, tuple[str, ...]], Table] = {}
        tables: dict[float, list[Table]] = {}
        for table in samples.tables:
            tables.setdefault(table.time, []).append(table)
        for planned in self.checks:
            key = (planned.time, planned.names)
            if key not in projected:
                whole = next(t for t in tables[planned.time] if set(planned.names) <= set(t.names))
                projected[key] = whole.project(planned.names)
            yield planned.check.run(projected[key])
        for row in samples.moments:
            mean, deviation = self._rows[row.time, row.name]
            yield mean.of_row(row)
            if row.deviation is not None:
                yield deviation.of_row(row)

    def check_something(self) -> None:
        """Refuse a plan without a single test.

        Raises
        ------
        SampleError
            Saying that there is nothing to compare.
        """
        if not self.checks and not self._rows:
            message = (
                "there is nothing to compare: no time and no species of the samples belongs to the exact law"
            )
            raise SampleError(message)
