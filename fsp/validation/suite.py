"""A folder of cases in the format of the DSMTS: each is simulated and compared with its exact law.

Evans, Gillespie and Wilkinson (2008), Bioinformatics 24:285-286. A case is a folder NAME with a model
``NAME-sbml-l3v1.xml`` (or another level; or ``NAME.xml``) and ``NAME-settings.txt``, which says ``start``, ``duration``,
``steps`` and ``variables``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fsp.errors import ArgumentError, FSPError
from fsp.model.loader import load_model
from fsp.validation.front import validate
from fsp.validation.report import ValidationReport
from fsp.validation.samples import Samples

__all__ = ["Case", "Outcome", "find_cases", "run_suite", "suite_verdict", "table_of"]

Simulate = Callable[["Case"], Samples]
_MODELS = ("{name}-sbml-l3v1.xml", "{name}-sbml-l3v2.xml", "{name}-sbml-l2v4.xml", "{name}.xml", "{name}.ant")
_MOST_STEPS = 100_000


@dataclass(frozen=True)
class Case:
    """One case of a suite: its model, its output times and the variables that are compared."""

    name: str
    model: Path
    times: tuple[float, ...]
    variables: tuple[str, ...]


@dataclass(frozen=True)
class Outcome:
    """What came out of a case: a report, or an error."""

    case: Case
    report: ValidationReport | None
    error: str = ""

    @property
    def verdict(self) -> str:
        """That of the report, or ``"error"``."""
        return "error" if self.report is None else self.report.verdict

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        data: dict[str, Any] = {"case": self.case.name, "verdict": self.verdict, "error": self.error or None}
        if self.report is not None:
            data["report"] = self.report.to_dict()
        return data


def find_cases(folder: str | Path) -> list[Case]:
    """Return the cases of a folder, sorted by name.

    Raises
    ------
    ArgumentError
        When the folder holds no case, or a case is incomplete.
    """
    root = Path(folder)
    if not root.is_dir():
        message = f"there is no folder {str(folder)!r}"
        raise ArgumentError(message)
    cases = [
        _read_case(path) for path in sorted(root.iterdir()) if (path / f"{path.name}-settings.txt").is_file()
    ]
    if not cases:
        message = f"{str(folder)!r} holds no case: a case is a folder NAME with NAME-settings.txt and a model"
        raise ArgumentError(message)
    return cases


def _read_case(folder: Path) -> Case:
    name = folder.name
    model = next((p for p in (folder / form.format(name=name) for form in _MODELS) if p.is_file()), None)
    if model is None:
        message = f"case {name}: there is no model file {' or '.join(form.format(name=name) for form in _MODELS[:2])}"
        raise ArgumentError(message)
    path = folder / f"{name}-settings.txt"
    settings: dict[str, str] = {}
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        key, colon, value = line.partition(":")
        if colon:
            settings[key.strip().lower()] = value.strip()
    try:
        start, duration = float(settings["start"]), float(settings["duration"])
        steps = int(settings["steps"])
    except (KeyError, ValueError) as error:
        message = f"{str(path)!r} lacks a number for start, duration or steps ({error})"
        raise ArgumentError(message) from error
    variables = tuple(v.strip() for v in settings.get("variables", "").split(",") if v.strip())
    if not (start >= 0.0 and 0.0 < duration < np.inf and 1 <= steps <= _MOST_STEPS and variables):
        message = f"{str(path)!r}: start, duration, steps and variables make no sense: {settings}"
        raise ArgumentError(message)
    times = tuple(start + duration * k / steps for k in range(steps + 1))
    return Case(name, model, times, variables)


def run_suite(
    cases: Sequence[Case], simulate: Simulate, *, alpha: float = 1e-6, **options: Any
) -> Iterator[Outcome]:
    """Yield the outcome of each case.

    Parameters
    ----------
    cases : sequence of Case
    simulate : callable
        From a case to samples.
    alpha : float
        The probability that a right simulator is called inconsistent in any case; each has an equal part of it.
    **options
        Passed on to `validate`.
    """
    for case in cases:
        try:
            samples = simulate(case)
            report = validate(
                samples, load_model(case.model), species=case.variables, alpha=alpha / len(cases), **options
            )
        except FSPError as error:  # one case that fails must not hide the others
            yield Outcome(case, None, str(error))
        else:
            yield Outcome(case, report)


def suite_verdict(outcomes: Sequence[Outcome]) -> str:
    """Return ``"error"`` if any case failed, else the worst verdict."""
    verdicts = {outcome.verdict for outcome in outcomes}
    return next((v for v in ("error", "inconsistent", "undecided") if v in verdicts), "consistent")


def table_of(outcome: Outcome) -> str:
    """Return the line of a case in the table of a suite."""
    if outcome.report is None:
        return f"{outcome.case.name:<10}{'error':<14}{outcome.error}"
    report = outcome.report
    worst = report.worst
    p = "" if worst is None or worst.adjusted is None else f"{worst.adjusted.upper:.2g}"
    where = "" if worst is None else f"{worst.kind} of {', '.join(worst.names)} at t = {worst.time:g}"
    z, y = (f"{report.largest(kind):.2f}" for kind in ("mean", "sd"))
    line = f"{outcome.case.name:<10}{report.verdict:<14}{report.power.n:>8,}{z:>8}{y:>8}  {p:<9}{where}"
    if report.diagnosis is not None:
        line += "".join(f"\n{'':<10}{text}" for _, text in report.diagnosis.facts())
    return line


def table_head() -> str:
    """Return the first line of the table of a suite."""
    return f"{'case':<10}{'verdict':<14}{'samples':>8}{'max |Z|':>8}{'max |Y|':>8}  {'p-value':<9}most significant test"
