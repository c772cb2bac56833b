"""From the Datasets of ``fsp.analysis.passage_file`` back to first passages."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np

from fsp.analysis.backward import ByState
from fsp.analysis.long_run import LongRun
from fsp.analysis.passage_file import COURSES, FORMAT, TIMES
from fsp.analysis.passage_result import FirstPassageResult
from fsp.analysis.regions import Regions
from fsp.errors import ArgumentError
from fsp.interval import Interval
from fsp.ledger import Ledger

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["from_dataset"]


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
        cdf, density, avoided = (
            np.stack([np.asarray(dataset[f"{name}_{end}"].values, np.float64) for end in ("lower", "upper")])
            for name in COURSES
        )
        by_state = None
        if "state" in dataset and network is not None:
            regions = Regions.read(network, record["target"], record["avoid"] or None)
            parts = (dataset[name].values for name in ("state", "from_state_lower", "from_state_upper"))
            by_state = ByState(regions, times, *parts)
        kept = record["long_run"]
        hit, mean, variance, given = (
            Interval(float(kept[name][0]), float(kept[name][1]), kept[name][2]) for name in TIMES
        )
        known = LongRun(hit, mean, variance, given, kept["states"], tuple(kept["notes"]))
        return FirstPassageResult(
            network, times, record["target"], record["avoid"], cdf, density, avoided, record["certified"],
            Ledger(record["ledger"]["entries"], record["ledger"]["leaks"]), record["method"], record["explanation"],
            tuple(record["notes"]), record["statistics"], record["tolerance"], record["relative"], by_state,
            record["version"], _find_long_run=lambda: known,
        )  # fmt: skip
    except (KeyError, IndexError, TypeError, ValueError) as error:  # ArgumentError is a ValueError
        message = f"the result is incomplete or contradicts itself: {error}"
        raise ArgumentError(message) from error
