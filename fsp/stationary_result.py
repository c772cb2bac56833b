"""The result of `solve_stationary`: a law, the bound of its error, and how it came about."""

from __future__ import annotations

import dataclasses
import os
import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fsp import storage
from fsp.dataset import to_dataset
from fsp.distribution import Distribution
from fsp.interval import Interval
from fsp.kept_network import kept_record
from fsp.ledger import Ledger
from fsp.stationary_classes import StationaryClass
from fsp.version import __version__

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

__all__ = ["StationaryResult"]


class StationaryResult:
    """A stationary distribution with a bound on its error.

    Parameters
    ----------
    network : ReactionNetwork or None
        What was solved; None when it was read from a file without one.
    distribution : Distribution
        The law, on a finite set of states.
    ledger : Ledger
        Where the error comes from: ``truncation``, ``residual``, ``rounding``; with several classes also ``ending`` and
        ``initial``.
    residual : float
        1-norm of ``p Q`` on the state set, the reference state left out.
    outflow : float
        Probability per time that leaves the state set.
    reference : mapping from str to int
        The state at which the proof lets what leaves the set come back.
    method : str
        The solver of the linear systems.
    explanation : str
        What was done, in a sentence.
    why : str
        Why the bound holds, or what could not be proven.
    statistics : mapping
        ``states``, ``rounds``, ``seconds``, ...
    tolerance : float
        What was asked for.
    version : str
        The version of the package that computed it.
    classes : sequence of StationaryClass, optional
        The closed classes of states, each with its law and the probability of ending there, the most probable one first. By
        default one class with this distribution.

    Examples
    --------
    >>> import fsp
    >>> result = fsp.solve_stationary(fsp.gallery.immigration_death(), tolerance=1e-9)
    >>> result.certified, result.error_bound <= 1e-9
    (True, True)
    """

    def __init__(
        self, network: Any, distribution: Distribution, ledger: Ledger, *, residual: float, outflow: float,
        reference: Mapping[str, int], method: str, explanation: str, why: str,
        statistics: Mapping[str, float | int], tolerance: float, version: str = __version__,
        classes: Sequence[StationaryClass] | None = None,
    ) -> None:  # fmt: skip
        self.network = network
        self.distribution = distribution
        self.ledger = ledger
        self.residual = float(residual)
        self.outflow = float(outflow)
        self.reference = dict(reference)
        self.method = method
        self.explanation = explanation
        self.why = why
        self.statistics = dict(statistics)
        self.tolerance = float(tolerance)
        self.version = version
        if classes is None:
            sure = Interval(1.0, 1.0, distribution.certified)
            classes = (StationaryClass(sure, distribution, False),)
        self.classes = tuple(classes)

    @property
    def final(self) -> Distribution:
        """The distribution, under the name that a course in time has for its end."""
        return self.distribution

    @property
    def error_bound(self) -> float:
        """Bound on the 1-norm of the error; the total variation is at most half of it."""
        return self.distribution.error_bound

    @property
    def certified(self) -> bool:
        """Whether the bound is proven; if not, it is an estimate, and ``why`` says what is missing."""
        return self.distribution.certified

    @property
    def species_names(self) -> tuple[str, ...]:
        """The names of the species."""
        return self.distribution.species_names

    @property
    def n_states(self) -> int:
        """The number of states."""
        return self.distribution.n_states

    def mean(self, name: str | None = None) -> Any:
        """Return the mean of a species; see `Distribution.mean`."""
        return self.distribution.mean(name)

    def std(self, name: str | None = None) -> Any:
        """Return the standard deviation of a species; see `Distribution.std`."""
        return self.distribution.std(name)

    def mean_bounds(self, name: str) -> Interval:
        """Return an enclosure of the mean of a species."""
        return self.distribution.mean_bounds(name)

    def probability(self, condition: str) -> Interval:
        """Return an enclosure of the probability of a condition on the counts."""
        return self.distribution.probability(condition)

    def to_pandas(self) -> pd.DataFrame:
        """Return means and standard deviations with their enclosures, one row per species."""
        import pandas

        rows = {}
        for name in self.species_names:
            mean, deviation = self.distribution.mean_bounds(name), self.distribution.std_bounds(name)
            rows[name] = {
                "mean": self.distribution.mean(name), "mean_lower": mean.lower, "mean_upper": mean.upper,
                "std": self.distribution.std(name), "std_lower": deviation.lower, "std_upper": deviation.upper,
            }  # fmt: skip
        return pandas.DataFrame.from_dict(rows, orient="index")

    # -- files -----------------------------------------------------------------------------------------------

    def to_xarray(self) -> xr.Dataset:
        """Return a Dataset as that of a course in time, with the time infinity; see docs/storage.md.

        If there are several classes, their laws follow the law itself, each with the time infinity.
        """
        facts = {
            "residual": self.residual, "outflow": self.outflow, "reference": self.reference, "why": self.why,
            "classes": [
                {**dataclasses.asdict(k.probability), "absorbing": k.absorbing} for k in self.classes
            ],
        }  # fmt: skip
        laws = [self.distribution, *(k.distribution for k in self.classes if len(self.classes) > 1)]
        record = {
            "version": self.version,
            "model": str(getattr(self.network, "name", None) or ""),
            "method": self.method,
            "explanation": self.explanation,
            "status": "finished",
            "tolerance": self.tolerance,
            "ledger": dict(self.ledger),
            "leaks": {},
            "statistics": self.statistics,
            "network": kept_record(self.network),
            "stationary": facts,
        }
        return to_dataset(np.full(len(laws), np.inf), laws, record)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a NetCDF-4 file, completely or not at all; ``load_result`` reads it back.

        Raises
        ------
        ArgumentError
            When there is no place to write to.
        StorageError
            When writing fails; no partial file is left.
        """
        storage.check_writable(path)
        storage.write_dataset(self.to_xarray(), path)

    @classmethod
    def from_record(
        cls, network: Any, laws: Sequence[Distribution], record: Mapping[str, Any]
    ) -> StationaryResult:
        """Return the result that a file holds."""
        facts = record["stationary"]
        distribution = laws[0]
        for law in laws:
            law.time = None
        kinds = [
            StationaryClass(Interval(k["lower"], k["upper"], k["certified"]), law, k["absorbing"])
            for k, law in zip(facts["classes"], laws[1:] or laws, strict=True)
        ]
        return cls(
            network, distribution, Ledger(record["ledger"]), residual=facts["residual"], outflow=facts["outflow"],
            reference=facts["reference"], method=record["method"], explanation=record["explanation"],
            why=facts["why"], statistics=record["statistics"], tolerance=record["tolerance"],
            version=record["version"], classes=kinds,
        )  # fmt: skip

    # -- for people ------------------------------------------------------------------------------------------

    def plot(
        self, names: str | tuple[str, ...] | list[str] | None = None, ax: Any = None, **options: Any
    ) -> Any:
        """Draw the law of one or two species; by default all if there are at most two, else the first.

        Returns the matplotlib Axes; options are those of `Distribution.plot`.
        """
        if names is None:
            names = self.species_names if len(self.species_names) <= 2 else self.species_names[:1]
        return self.distribution.marginal(names).plot(ax, **options)

    def __repr__(self) -> str:
        lines = [f"StationaryResult: {', '.join(self.species_names[:12])}; {self.n_states:,} states"]
        width = max(len(name) for name in self.species_names)
        for name in self.species_names[:10]:
            bounds = self.distribution.mean_bounds(name)
            proof = f"  proven within {bounds.width:.2g}" if bounds.is_finite and bounds.certified else ""
            mean, deviation = self.distribution.mean(name), self.distribution.std(name)
            lines.append(f"  {name:<{width}}  mean {mean:.8g}, sd {deviation:.6g}{proof}")
        if len(self.species_names) > 10:
            lines.append(f"  ... and {len(self.species_names) - 10} more species")
        kind = "proven" if self.certified else "estimated, not proven"
        lines.append(
            f"error at most {self.error_bound:.3g} in the 1-norm ({kind}); tolerance {self.tolerance:g}"
        )
        if len(self.classes) > 1 or self.classes[0].probability.width > 0.0:
            lines += ["  " + textwrap.shorten(repr(found), 98) for found in self.classes[:5]]
            if len(self.classes) > 5:
                lines.append(f"  ... and {len(self.classes) - 5:,} more closed classes")
        lines += textwrap.wrap(f"{self.explanation}; {self.why}", 100)
        return "\n".join(lines)

    def __eq__(self, other: object) -> bool:
        """Say whether all is the same, bit by bit."""
        if not isinstance(other, StationaryResult):
            return NotImplemented
        mine, theirs = (
            (
                r.residual,
                r.outflow,
                r.reference,
                r.method,
                r.explanation,
                r.why,
                r.statistics,
                r.tolerance,
                r.version,
            )
            for r in (self, other)
        )
        return bool(
            mine == theirs
            and self.ledger == other.ledger
            and self.network == other.network
            and self.distribution == other.distribution
            and self.classes == other.classes
        )

    __hash__ = None  # type: ignore[assignment]
