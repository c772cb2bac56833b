"""`validate`: from samples and an exact law to a verdict."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy.typing import ArrayLike

from fsp.validation.plan import Plan, Settings
from fsp.validation.power import Power, largest_cells
from fsp.validation.readers import read_samples
from fsp.validation.reference import Reference, find_reference
from fsp.validation.report import INCONSISTENT, UNDECIDED, ValidationReport, adjusted, decide

__all__ = ["validate"]

#: How much more exactly a model is solved when its error bound leaves the verdict open, and the limit.
_SHARPER, _SHARPEST = 1e-2, 1e-13


def validate(
    samples: Any,
    against: Any,
    *,
    times: ArrayLike | None = None,
    species: Sequence[str] | None = None,
    n: int | None = None,
    alpha: float = 1e-6,
    multiplicity: str = "holm",
    calibration: str = "proven",
    min_expected: float = 5.0,
    power: float = 0.9,
    resolution: float = 0.1,
    initial: Any = None,
    tolerance: float | None = None,
    diagnose: bool = True,
) -> ValidationReport:
    """Say whether samples of a simulator come from the exact law of its model.

    Parameters
    ----------
    samples : optional
        Trajectories as an array (n_trajectories, n_times, n_species), a .csv or .nc file, an ``Ensemble``, a pandas or
        xarray table, GillesPy2 results, rebop datasets, histograms, or means and deviations; all forms are in
        docs/validation.md.
    against : TransientResult, Distribution, stationary result, ReactionNetwork, str or path
        The exact law. A model is solved at the times of the samples, so exactly that the solver's error does not
        matter for so many samples. A Distribution or a stationary result is compared at all times.
    times : array_like, optional
        The times of samples that name none.
    species : sequence of str, optional
        What to compare, and the names of columns that have none. By default all species of the model.
    n : int, optional
        The number of samples behind means and deviations.
    alpha : float
        The verdict on correct samples is ``"inconsistent"`` with at most this probability.
    multiplicity : str
        ``"holm"``, which holds under any dependence of the tests, or ``"bh"`` (Benjamini-Hochberg).
    calibration : str
        ``"proven"``: p-values that hold for any number of samples. ``"asymptotic"``: those of the limit of many samples
        where there are any, which are smaller and not proven; Pearson's test has only these.
    min_expected : float
        The smallest number of samples that cells of the G-test and Pearson's test expect.
    power, resolution : float
        Samples are enough, and the verdict may be ``"consistent"``, if a shift of a mean by ``resolution`` standard
        deviations would be detected with probability ``power``.
    initial, tolerance : optional
        For a model that is solved: see `solve_transient`.
    diagnose : bool
        Whether to look for a known mistake that explains inconsistent samples; needs the network.

    Returns
    -------
    ValidationReport
        ``.verdict`` is ``"consistent"``, ``"inconsistent"`` or ``"undecided"``.

    Raises
    ------
    SampleError
        When the samples cannot be read, hold what is no count, lack a species, or share no time with the law.
    ArgumentError
        For other arguments out of range.
    FSPError
        From solving a model.

    Examples
    --------
    >>> import fsp
    >>> network = fsp.ReactionNetwork({"X": 0}, ["0 -> X @ k", "X -> 0 @ d"], {"k": 10.0, "d": 1.0})
    >>> right = fsp.solve_transient(network, [1.0]).final.sample(10_000, seed=1)
    >>> fsp.validate(right, network, times=[1.0], species=["X"]).verdict
    'consistent'
    >>> fsp.validate(right + 1, network, times=[1.0], species=["X"], diagnose=False).verdict
    'inconsistent'
    """
    settings = Settings(alpha, multiplicity, calibration, min_expected, power, resolution)
    read = read_samples(samples, times=times, species=species, n=n)
    reference = find_reference(read, against, species=species, initial=initial, tolerance=tolerance)
    report = compare(reference, settings)
    if report.verdict == UNDECIDED and tolerance is None and reference.tolerance is not None:
        sharper = max(_SHARPEST, reference.tolerance * _SHARPER)
        if any(s.adjusted is not None and s.adjusted.lower <= alpha for s in report.statistics):
            reference = find_reference(
                read, reference.network, species=species, initial=initial, tolerance=sharper
            )
            report = compare(reference, settings)
    if report.verdict == INCONSISTENT and diagnose and reference.network is not None:
        from fsp.validation.diagnosis import find_mistake

        report.diagnosis = find_mistake(reference, settings)
    return report


def compare(reference: Reference, settings: Settings) -> ValidationReport:
    """Return the report on samples whose exact laws are at hand."""
    samples = reference.samples
    plan = Plan(reference.laws, samples, settings, reference.conserved())
    plan.check_something()
    statistics = adjusted(plan.run(samples), settings)
    n_tests = sum(s.adjusted is not None for s in statistics)
    power = Power(
        samples.n, n_tests, settings.alpha, settings.power, plan.moments, largest_cells(plan.checks)
    )
    verdict, reason = decide(statistics, settings, power)
    # What is proven about means and deviations holds if no sample lay outside of the kept states.
    by_time = {row.time: row.n for row in samples.moments}
    outside = sum(n * plan.missing[time] for time, n in by_time.items())
    return ValidationReport(
        verdict,
        reason,
        statistics,
        settings,
        power,
        false_alarm_rate=min(1.0, settings.alpha + outside),
        certified=reference.certified
        and settings.calibration == "proven"
        and settings.multiplicity == "holm",
        notes=reference.notes,
        source=samples.source,
        laws=reference.laws,
        samples=samples,
    )
