"""`load_result`: a file of results of any kind, read back."""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

from fsp import storage
from fsp.errors import ArgumentError, ModelError
from fsp.restore import from_dataset

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["load_result"]

#: What reads each kind of file but those that hold laws of the counts, by the attribute ``kind``; imported when used.
READERS = {
    "fsp first passage": "fsp.analysis.passage_restore:from_dataset",
    "fsp ensemble": "fsp.ensemble:ensemble_from_dataset",
}


def load_result(path: str | os.PathLike[str]) -> Any:
    """Read a result that its method ``save`` wrote: an equal one, if it was saved whole.

    Returns
    -------
    TransientResult, StationaryResult, FirstPassageResult or Ensemble

    Raises
    ------
    ArgumentError
        When there is no such file, it does not hold a result of this package, or it is damaged.
    StorageError
        When the system refuses to read it.
    """
    dataset = storage.read_dataset(path)
    where = READERS.get(str(dataset.attrs.get("kind")))
    try:
        if where is None:
            return _laws(dataset)
        module, _, name = where.partition(":")
        return getattr(import_module(module), name)(dataset)
    except (ModelError, KeyError, TypeError) as error:
        message = f"{os.fspath(path)!r}: {error}"
        raise ArgumentError(message) from error


def _laws(dataset: xr.Dataset) -> Any:
    """Return the transient or stationary result of a file of laws."""
    times, laws, record, network = from_dataset(dataset)
    if "stationary" in record:
        from fsp.stationary_result import StationaryResult

        return StationaryResult.from_record(network, laws, record)
    from fsp.results import TransientResult

    return TransientResult.from_record(network, times, laws, record)
