"""Courses of distributions as xarray Datasets, and back."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fsp.distribution import Distribution
from fsp.errors import ArgumentError
from fsp.interval import Interval
from fsp.pointset import PointSet

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["StoredMoments", "from_dataset", "to_dataset"]

#: The attribute that tells our files from others, and the version of their layout.
KIND, FORMAT = "fsp transient result", 1
#: A table of marginals over time is left out beyond this many numbers.
_LARGEST_TABLE = 20_000_000


@dataclass(frozen=True)
class StoredMoments:
    """Proven enclosures of moments, kept by species: what a file remembers of a ``MomentBounds``."""

    means: Mapping[str, Interval] = field(default_factory=dict)
    seconds: Mapping[str, Interval] = field(default_factory=dict)
    how: Mapping[str, str] = field(default_factory=dict)

    def mean(self, species: str) -> Interval | None:
        """Return an enclosure of E[X], or None."""
        return self.means.get(species)

    def second(self, species: str) -> Interval | None:
        """Return an enclosure of E[X^2], or None."""
        return self.seconds.get(species)

    def tail(self, species: str, mass: float, power: int = 1) -> float:
        """Return infinity for any mass: the means and second moments hold what was known."""
        return math.inf if mass > 0.0 else 0.0

    def cross(self, a: str, b: str) -> Interval | None:
        """Return None: files hold no mixed moments."""
        return None


def to_dataset(
    times: NDArray[np.float64],
    laws: Sequence[Distribution],
    notes: Mapping[str, Any],
    *,
    distributions: bool = True,
) -> xr.Dataset:
    """Return a Dataset of moments, marginals and, if wanted, whole distributions.

    Parameters
    ----------
    times : ndarray, shape (n_times,)
        The times.
    laws : sequence of Distribution
        One per time, all with the same species.
    notes : mapping
        Attributes; mappings are stored as JSON.
    distributions : bool
        Whether to list all states.
    """
    import xarray

    names = laws[0].species_names if laws else ()
    size = (len(laws), len(names))
    variables: dict[str, Any] = {
        "error_bound": ("time", np.array([d.error_bound for d in laws])),
        "certified": ("time", np.array([d.certified for d in laws], dtype=np.int8)),
        "lower_bound": ("time", np.array([d.lower_bound for d in laws], dtype=np.int8)),
        "n_states": ("time", np.array([d.n_states for d in laws], dtype=np.int64)),
    }
    for kind in ("mean", "std"):
        best = [[getattr(d, kind)(n) for n in names] for d in laws]
        bounds = [[getattr(d, f"{kind}_bounds")(n) for n in names] for d in laws]
        variables[kind] = (("time", "species"), np.array(best, dtype=float).reshape(size))
        variables.update(_ends(kind, bounds, size))
    second = [[d.moment_bounds(n, 2) for n in names] for d in laws]
    variables.update(_ends("second", second, size))
    largest = [[d.support_bounds.get(n, math.inf) for n in names] for d in laws]
    variables["largest_count"] = (("time", "species"), np.array(largest, dtype=float).reshape(size))
    for name in names:
        table = _marginals(laws, name)
        if table is not None:
            variables[f"marginal_{name}"] = (("time", f"count_{name}"), table)
    if distributions:
        lengths = [d.n_states for d in laws]
        states = np.concatenate([d.states for d in laws]) if laws else np.empty((0, 0), dtype=np.int64)
        if not states.size or states.max() < 2**31:
            states = states.astype(np.int32)
        variables["offset"] = ("edge", np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64))
        variables["state"] = (("entry", "species"), states)
        variables["probability"] = ("entry", np.concatenate([d.probabilities for d in laws] or [np.empty(0)]))
    how = {} if not laws or laws[0].moments is None else dict(laws[0].moments.how)
    attributes: dict[str, Any] = {"kind": KIND, "format": FORMAT, "moment_proofs": json.dumps(how)}
    for key, value in notes.items():
        attributes[key] = json.dumps(value) if isinstance(value, dict) else value
    return xarray.Dataset(variables, {"time": times, "species": list(names)}, attributes)


def _ends(prefix: str, bounds: list[list[Interval]], size: tuple[int, int]) -> dict[str, Any]:
    """Return the lower and upper ends as two variables."""
    return {
        f"{prefix}_{end}": (
            ("time", "species"),
            np.array([[getattr(b, end) for b in row] for row in bounds], dtype=float).reshape(size),
        )
        for end in ("lower", "upper")
    }


def _marginals(laws: Sequence[Distribution], name: str) -> NDArray[np.float64] | None:
    """Return the marginals of one species, a row per time, columns from count 0."""
    width = 1 + max(int(d.law(name).counts[-1]) for d in laws)
    if width * len(laws) > _LARGEST_TABLE:
        return None
    table = np.zeros((len(laws), width))
    for row, d in zip(table, laws, strict=True):
        row[d.law(name).counts] = d.law(name).masses
    return table


def from_dataset(dataset: xr.Dataset) -> tuple[NDArray[np.float64], list[Distribution], dict[str, Any]]:
    """Return times, distributions and attributes from a Dataset with whole distributions.

    Raises
    ------
    ArgumentError
        When the Dataset is not one of ours, or holds no distributions.
    """
    if dataset.attrs.get("kind") != KIND:
        message = "this is not a result of this package (the attribute 'kind' is missing)"
        raise ArgumentError(message)
    if int(dataset.attrs["format"]) > FORMAT:
        message = (
            f"the file has the layout {dataset.attrs['format']}; this version reads up to {FORMAT}: upgrade"
        )
        raise ArgumentError(message)
    if "state" not in dataset:
        message = "the file holds moments and marginals only, no distributions"
        raise ArgumentError(message)
    names = [str(name) for name in dataset["species"].values]
    values = {str(key): np.asarray(variable.values) for key, variable in dataset.data_vars.items()}
    how = json.loads(dataset.attrs.get("moment_proofs", "{}"))
    times = np.asarray(dataset["time"].values, dtype=np.float64)
    laws = []
    for k, time in enumerate(times):
        entries = slice(int(values["offset"][k]), int(values["offset"][k + 1]))
        space, order = PointSet.from_states(values["state"][entries], names)
        known = {
            kind: {
                name: Interval(values[f"{kind}_lower"][k, i], values[f"{kind}_upper"][k, i])
                for i, name in enumerate(names)
            }
            for kind in ("mean", "second")
        }
        laws.append(
            Distribution(
                space,
                values["probability"][entries][order],
                error_bound=float(values["error_bound"][k]),
                certified=bool(values["certified"][k]),
                time=float(time),
                moments=StoredMoments(known["mean"], known["second"], how),
                support_bounds=dict(zip(names, values["largest_count"][k].tolist(), strict=True)),
                lower_bound=bool(values["lower_bound"][k]),
            )
        )
    return times, laws, dict(dataset.attrs)
