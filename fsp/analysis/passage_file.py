"""First passages as xarray Datasets; ``fsp.analysis.passage_restore`` is the way back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from fsp.kept_network import kept_record

if TYPE_CHECKING:
    import xarray as xr

    from fsp.analysis.passage_result import FirstPassageResult

__all__ = ["COURSES", "FORMAT", "KIND", "TIMES", "to_dataset"]

#: The attribute that tells these files from others, and the version of their layout.
KIND, FORMAT = "fsp first passage", 1

#: What is kept for each time, and what is known without an end of time.
COURSES = ("cdf", "density", "avoided")
TIMES = ("hit_probability", "mean", "variance", "conditional_mean")
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
    for name in COURSES:
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
        name: [repr(e) for e in getattr(known, name)] + [getattr(known, name).certified] for name in TIMES
    }
    record["long_run"] |= {"states": known.states, "notes": list(known.notes)}
    record["network"] = kept_record(result.network)
    text = json.dumps(record, default=lambda number: number.item())
    variables["record"] = ((), np.array(text, dtype=object))
    attributes = {"kind": KIND, "format": FORMAT, "target": result.target, "avoid": result.avoid}
    return xarray.Dataset(variables, {"time": result.times}, attributes)
