"""Ensembles as xarray datasets and back, and as tables."""

from __future__ import annotations

import json
import os
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from fsp import storage
from fsp.errors import ArgumentError, ModelError

if TYPE_CHECKING:
    import xarray as xr

    from fsp.ensemble import Ensemble

__all__ = ["fields_of", "to_dataset", "write_csv"]

#: The attribute that tells files of ensembles from others, and the version of their layout.
KIND, FORMAT = "fsp ensemble", 1


def to_dataset(ensemble: Ensemble) -> xr.Dataset:
    """Return a Dataset with ``counts`` over trajectory, time and species, and all that `fields_of` needs."""
    import xarray

    record: dict[str, Any] = {
        "seed": ensemble.seed, "method": ensemble.method, "why": ensemble.why, "complete": ensemble.complete,
        "statistics": ensemble.statistics, "initial": ensemble.initial, "version": ensemble.version,
        "network": _network_record(ensemble),
    }  # fmt: skip
    variables: dict[str, Any] = {
        "counts": (("trajectory", "time", "species"), ensemble.counts),
        "record": ((), np.array(json.dumps(record), dtype=object)),
    }
    coordinates = {
        "trajectory": np.asarray(ensemble.trajectories, np.int64),
        "time": ensemble.times,
        "species": np.array(ensemble.species_names, dtype=object),
    }
    if ensemble.events is not None:
        lengths = [e.times.size for e in ensemble.events]
        variables["event_offset"] = ("trajectory_edge", np.cumsum([0, *lengths]).astype(np.int64))
        n = len(ensemble.species_names)
        for key, dims, empty in (
            ("times", ("event",), np.zeros(0)),
            ("reactions", ("event",), np.zeros(0, np.int64)),
            ("states", ("event", "species"), np.zeros((0, n), np.int64)),
        ):
            parts = [empty, *(getattr(e, key) for e in ensemble.events)]
            variables[f"event_{key[:-1]}"] = (dims, np.concatenate(parts))
    notes = {
        "kind": KIND, "format": FORMAT, "seed": str(ensemble.seed), "method": ensemble.method, "version": ensemble.version,
    }  # fmt: skip
    return xarray.Dataset(variables, coordinates, notes)


def _network_record(ensemble: Ensemble) -> Any:
    if ensemble.network is None:
        return None
    from fsp.model.record import network_record

    return network_record(ensemble.network)


def fields_of(dataset: xr.Dataset) -> dict[str, Any]:
    """Return the arguments of the `Ensemble` that `to_dataset` has put into a Dataset; recorded reactions as tuples.

    Raises
    ------
    ArgumentError
        If it is no ensemble, of another layout, or incomplete.
    """
    layout = dataset.attrs.get("format")
    if dataset.attrs.get("kind") != KIND or layout is None:
        message = "this is not an ensemble of this package (the attribute 'kind' or 'format' is missing or another one)"
        raise ArgumentError(message)
    if layout != FORMAT:
        message = f"the file has layout {layout}, this version reads {FORMAT}: upgrade the package"
        raise ArgumentError(message)
    try:
        record = json.loads(str(dataset["record"].values[()]))
        network = None
        if record["network"] is not None:
            from fsp.model.record import network_from_record

            network = network_from_record(record["network"])
        events = None
        if "event_offset" in dataset:
            edges = dataset["event_offset"].values.tolist()
            columns = [dataset[f"event_{key}"].values for key in ("time", "reaction", "state")]
            events = [tuple(column[a:b] for column in columns) for a, b in pairwise(edges)]
        kept = ("seed", "method", "why", "complete", "statistics", "initial", "version")
        return {
            "network": network,
            "times": np.asarray(dataset["time"].values, np.float64),
            "counts": dataset["counts"].values,
            "species_names": [str(name) for name in dataset["species"].values],
            "trajectories": np.asarray(dataset["trajectory"].values, np.int64),
            "events": events,
            **{key: record[key] for key in kept},
        }
    except (KeyError, IndexError, TypeError, ValueError, ModelError) as error:
        message = f"the ensemble is incomplete or contradicts itself: {error}"
        raise ArgumentError(message) from error


def write_csv(ensemble: Ensemble, path: str | os.PathLike[str]) -> None:
    """Write a table with one row for each trajectory and time."""
    with storage.replacing(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.write(",".join(["trajectory", "time", *ensemble.species_names]) + "\n")
        times = [repr(float(t)) for t in ensemble.times]
        for number, rows in zip(ensemble.trajectories.tolist(), ensemble.counts, strict=True):
            for time, row in zip(times, rows.tolist(), strict=True):
                file.write(f"{number},{time},{','.join(map(str, row))}\n")
