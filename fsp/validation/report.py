"""The answer of a validation: verdict, statistics, what the samples could show, and a diagnosis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from fsp.validation.plan import Settings
from fsp.validation.power import Power
from fsp.validation.pvalues import PValue, adjust
from fsp.validation.statistic import Statistic

if TYPE_CHECKING:
    import pandas as pd

    from fsp.validation.diagnosis import Diagnosis

__all__ = ["ValidationReport", "adjusted", "decide"]

CONSISTENT, INCONSISTENT, UNDECIDED = "consistent", "inconsistent", "undecided"


def adjusted(statistics: Sequence[Statistic], settings: Settings) -> list[Statistic]:
    """Return the statistics with p-values that are corrected for their number, most significant first.

    Those without a p-value of the chosen calibration have no part in the correction and stand at the end.
    """
    used = [s.used(settings.calibration) for s in statistics]
    family = [(k, p) for k, p in enumerate(used) if p is not None]
    lower, upper = (adjust([p[end] for _, p in family], settings.multiplicity) for end in (0, 1))
    corrected = list(statistics)
    for (k, _), low, high in zip(family, lower.tolist(), upper.tolist(), strict=True):
        corrected[k] = replace(statistics[k], adjusted=PValue(low, high))

    def rank(statistic: Statistic) -> tuple[float, float]:
        p = statistic.used(settings.calibration)
        return (2.0, 2.0) if p is None else (p.upper, p.lower)

    return sorted(corrected, key=rank)


def decide(statistics: Sequence[Statistic], settings: Settings, power: Power) -> tuple[str, str]:
    """Return the verdict of corrected statistics, and the reason.

    It holds for every law within the solver's error bound: ``"inconsistent"`` when a test rejects them all,
    ``"undecided"`` when only some of them are rejected, or when too few samples would show too little.
    """
    family = [s for s in statistics if s.adjusted is not None]
    worst = family[0] if family else None
    if worst is not None and worst.adjusted is not None and worst.adjusted.upper <= settings.alpha:
        n_rejected = sum(s.adjusted is not None and s.adjusted.upper <= settings.alpha for s in family)
        what = "test rejects" if n_rejected == 1 else "tests reject"
        return INCONSISTENT, f"{n_rejected} of {len(family)} {what} at the level {settings.alpha:g}"
    doubtful = [s for s in family if s.adjusted is not None and s.adjusted.lower <= settings.alpha]
    if doubtful:
        s = doubtful[0]
        return UNDECIDED, (
            f"the solver's error bound leaves open whether {s.kind} of {', '.join(s.names)} at t = {s.time:g} fits: solve "
            "with a smaller tolerance"
        )
    if not power.enough(settings.resolution):
        return UNDECIDED, (
            f"no test rejects, but there are not enough samples: {power.n:,} would show a shift of a mean by "
            f"{power.shift:.2g} standard deviations, {power.needed(settings.resolution):,} are needed for "
            f"{settings.resolution:g}"
        )
    return CONSISTENT, f"none of {len(family)} tests rejects at the level {settings.alpha:g}"


class ValidationReport:
    """Whether samples come from the exact law, and what speaks for or against it.

    Attributes
    ----------
    verdict : str
        ``"consistent"``, ``"inconsistent"`` or ``"undecided"``.
    reason : str
        Why.
    statistics : tuple of Statistic
        All tests, the most significant first, with p-values that are corrected for their number.
    settings : Settings
        Level, correction, calibration, ...
    power : Power
        What deviations the samples would show.
    false_alarm_rate : float
        Bound on the probability that correct samples are called inconsistent; proven if ``certified``.
    certified : bool
        Whether the p-values rest on proofs alone: proven error bounds of the exact law and the proven calibration.
    diagnosis : Diagnosis or None
        Which known mistake explains the samples, if they are inconsistent.
    notes : tuple of str
        What was left out, and why.
    source : str
        What the samples were read from.
    """

    def __init__(
        self,
        verdict: str,
        reason: str,
        statistics: Sequence[Statistic],
        settings: Settings,
        power: Power,
        *,
        false_alarm_rate: float,
        certified: bool,
        notes: Sequence[str] = (),
        source: str = "samples",
        diagnosis: Diagnosis | None = None,
        laws: Mapping[float, Any] | None = None,
        samples: Any = None,
    ) -> None:
        self.verdict = verdict
        self.reason = reason
        self.statistics = tuple(statistics)
        self.settings = settings
        self.power = power
        self.false_alarm_rate = false_alarm_rate
        self.certified = certified
        self.notes = tuple(notes)
        self.source = source
        self.diagnosis = diagnosis
        self._laws = dict(laws or {})
        self._samples = samples

    @property
    def exit_code(self) -> int:
        """That of the command: 0 consistent, 1 inconsistent, 3 undecided."""
        return {CONSISTENT: 0, INCONSISTENT: 1, UNDECIDED: 3}[self.verdict]

    @property
    def worst(self) -> Statistic | None:
        """The most significant statistic."""
        return next((s for s in self.statistics if s.adjusted is not None), None)

    def largest(self, kind: str) -> float:
        """Return the largest absolute value of the statistics of one kind; NaN where there is none.

        ``largest("mean")`` is the largest |Z|, ``largest("sd")`` the largest |Y| of the DSMTS.
        """
        values = [abs(s.value) for s in self.statistics if s.kind == kind and s.value == s.value]
        return max(values, default=float("nan"))

    def samples_needed(self, species: str, *, mean: float | None = None, sd: float | None = None) -> int:
        """Return how many samples show a relative deviation of the mean or standard deviation of a species.

        Raises
        ------
        ArgumentError
            When the species was not tested, or not exactly one positive deviation is given.
        """
        return self.power.samples_needed(species, mean=mean, sd=sd)

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as plain data, ready for JSON."""
        return {
            "verdict": self.verdict,
            "reason": self.reason,
            "source": self.source,
            "alpha": self.settings.alpha,
            "multiplicity": self.settings.multiplicity,
            "calibration": self.settings.calibration,
            "false_alarm_rate": self.false_alarm_rate,
            "certified": self.certified,
            "power": self.power.to_dict(),
            "notes": list(self.notes),
            "diagnosis": None if self.diagnosis is None else self.diagnosis.to_dict(),
            "statistics": [s.to_dict() for s in self.statistics],
        }

    def to_pandas(self) -> pd.DataFrame:
        """Return the statistics as a table, one row for each."""
        import pandas

        rows = [{**s.to_dict(), "species": ", ".join(s.names)} for s in self.statistics]
        return pandas.DataFrame(rows)

    def plot(self, path: str | None = None) -> Any:
        """Draw statistics over time, p-values, and the worst marginal; returns the matplotlib Figure.

        Parameters
        ----------
        path : str, optional
            A file to write the figure to.
        """
        from fsp.validation.picture import draw_report

        return draw_report(self, self._laws, self._samples, path)

    def __str__(self) -> str:
        from fsp.validation.texts import describe_report

        return describe_report(self)

    def __repr__(self) -> str:
        return str(self)
