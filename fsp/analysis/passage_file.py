"""First passages as xarray Datasets, and back."""

from __future__ import annotations

import json
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from fsp.analysis.backward import ByState
from fsp.analysis.long_run import LongRun
from fsp.analysis.passage_result import FirstPassageResult
from fsp.analysis.regions import Regions
from fsp.errors import ArgumentError, ModelError
from fsp.interval import Interval
from fsp.ledger import Ledger

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["FORMAT", "KIND", "from_dataset", "to_dataset"]

#: The attribute that tells these files from others, and the version of their layout.
KIND, FORMAT = "fsp first passage", 1

_COURSES = ("cdf", "density", "avoided")
_TIMES = ("hit_probability", "mean", "variance", "conditional_mean")
_TEXTS = (
    "target",
    "avoid",
    "certified",
    "method",
    "explanation",
    "statistics",
    "tolerance",
    "relative",
    "version",
)


def to_dataset(result: FirstPassageResult) -> xr.Dataset:
    """Return all that a result holds; what is known without an end of time is computed if it was not yet."""
    import xarray

    variables: dict[str, Any] = {}
    for name in _COURSES:
        for end, values in zip(("lower", "upper"), getattr(result, f"bounds_of_{name}"), strict=True):
            variables[f"{name}_{end}"] = ("time", values)
    found = result.by_state
    if found is not None:
        variables["state"] = (("entry", "species"), found.states)
        variables["from_state_lower"] = (("time", "entry"), found.lower)
        variables["from_state_upper"] = (("time", "entry"), found.upper)
    known = result.long_run
    record: dict[str, Any] = {name: getattr(result, name) for name in _TEXTS}
    record["notes"] = list(result.notes)
    record["ledger"] = {"entries": dict(result.ledger.entries), "leaks": dict(result.ledger.leaks)}
    # Numbers that may be infinite are written as texts, which JSON has a place for.
    record["long_run"] = {
        name: [repr(e) for e in getattr(known, name)] + [getattr(known, name).certified] for name in _TIMES
    }
    record["long_run"] |= {"states": known.states, "notes": list(known.notes)}
    record["network"] = _network_record(result.network)
    text = json.dumps(record, default=lambda number: number.item())
    variables["record"] = ((), np.array(text, dtype=object))
    attributes = {"kind": KIND, "format": FORMAT, "target": result.target, "avoid": result.avoid}
    return xarray.Dataset(variables, {"time": result.times}, attributes)


def _network_record(network: Any) -> dict[str, Any] | None:
    if network is None:
        return None
    from fsp.model.record import network_record

    try:
        return network_record(network)
    except ModelError as error:  # what cannot be expressed must not keep numbers from being saved
        warnings.warn(f"fsp: the result is saved without its network: {error}", stacklevel=5)
        return None


def from_dataset(dataset: xr.Dataset) -> FirstPassageResult:
    """Return the result that `to_dataset` took apart.

    Raises
    ------
    ArgumentError
        When the Dataset is of a newer layout, or incomplete.
    """
    layout = int(dataset.attrs["format"])
    if layout != FORMAT:
        message = f"the file has the layout {layout}, this version reads {FORMAT}: upgrade the package"
        raise ArgumentError(message)
    try:
        record = json.loads(str(dataset["record"].values[()]))
        network = None
        if record["network"] is not None:
            from fsp.model.record import network_from_record

            network = network_from_record(record["network"])
        times = np.asarray(dataset["time"].values, np.float64)
        courses = [
            np.stack(
                [np.asarray(dataset[f"{name}_{end}"].values, np.float64) for end in ("lower", "upper")]
            )
            for name in _COURSES
        ]
        by_state = None
        if "state" in dataset and network is not None:
            regions = Regions.read(network, record["target"], record["avoid"] or None)
            parts = (dataset[name].values for name in ("state", "from_state_lower", "from_state_upper"))
            by_state = ByState(regions, times, *parts)
        kept = record["long_run"]
        numbers = [Interval(float(kept[n][0]), float(kept[n][1]), kept[n][2]) for n in _TIMES]
        known = LongRun(*numbers, kept["states"], tuple(kept["notes"]))
        return FirstPassageResult(
            network, times, record["target"], record["avoid"], *courses, record["certified"],
            Ledger(record["ledger"]["entries"], record["ledger"]["leaks"]), record["method"], record["explanation"],
            tuple(record["notes"]), record["statistics"], record["tolerance"], record["relative"], by_state,
            record["version"], _find_long_run=lambda: known,
        )  # fmt: skip
    except (KeyError, IndexError, TypeError, ValueError) as error:  # ArgumentError is a ValueError
        message = f"the result is incomplete or contradicts itself: {error}"
        raise ArgumentError(message) from error
