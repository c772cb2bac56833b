"""One statistic of a validation with its p-values, and the tests that give one."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Protocol

from fsp.validation.pvalues import PValue
from fsp.validation.samples import Table

__all__ = ["Check", "Statistic"]


@dataclass(frozen=True)
class Statistic:
    """What one test says.

    Attributes
    ----------
    kind : str
        ``"mean"``, ``"sd"``, ``"G"``, ``"chi2"``, ``"KS"``, ``"low tail"``, ``"high tail"``, ``"covariance"``, ``"rare"``
        or ``"outside"``.
    time : float
    names : tuple of str
        The species.
    n : int
        The number of samples.
    value : float
        Z, Y, G, chi-square, the Kolmogorov-Smirnov distance, or the number of samples in the region.
    p : PValue or None
        Proven for every n: under every law within the enclosure, P(p.upper <= a) <= a. None where there is no proof.
    asymptotic : PValue or None
        That of the limit of many samples; None where there is none, or no finite enclosure of the moments.
    detail : str
        What was seen and what was expected.
    adjusted : PValue or None
        Corrected for the number of tests; set by the report.
    """

    kind: str
    time: float
    names: tuple[str, ...]
    n: int
    value: float
    p: PValue | None
    asymptotic: PValue | None
    detail: str
    adjusted: PValue | None = None

    def used(self, calibration: str) -> PValue | None:
        """Return the p-value that the verdict rests on."""
        if calibration == "proven":
            return self.p
        return self.p if self.asymptotic is None else self.asymptotic

    def to_dict(self) -> dict[str, Any]:
        """Return plain data; None where there is no number."""
        data: dict[str, Any] = {
            "kind": self.kind,
            "time": self.time,
            "species": list(self.names),
            "n": self.n,
            "value": self.value if math.isfinite(self.value) else None,
            "detail": self.detail,
        }
        for key, p in (("p", self.p), ("asymptotic", self.asymptotic), ("adjusted", self.adjusted)):
            data[f"{key}_lower"] = None if p is None else p.lower
            data[f"{key}_upper"] = None if p is None else p.upper
        return data


class Check(Protocol):
    """A test of some species at one time, prepared from the exact law before any sample is seen."""

    def run(self, table: Table) -> Statistic:
        """Return the statistic of samples."""
