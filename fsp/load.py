"""`load_result`: a file of results of any kind, read back."""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any

from fsp import storage
from fsp.errors import ArgumentError, ModelError
from fsp.results import result_from

__all__ = ["load_result"]

#: What reads each kind of file but transient results, by its attribute ``kind``; imported when used.
READERS = {"fsp first passage": "fsp.analysis.passage_restore:from_dataset"}


def load_result(path: str | os.PathLike[str]) -> Any:
    """Read a result that its method ``save`` wrote: an equal one, if it was saved whole.

    Returns
    -------
    TransientResult or FirstPassageResult

    Raises
    ------
    ArgumentError
        When there is no such file, it does not hold a result of this package, or it is damaged.
    StorageError
        When the system refuses to read it.
    """
    dataset = storage.read_dataset(path)
    where = READERS.get(str(dataset.attrs.get("kind")))
    if where is None:
        return result_from(dataset, path)
    module, _, name = where.partition(":")
    try:
        return getattr(import_module(module), name)(dataset)
    except (ModelError, KeyError, TypeError) as error:
        message = f"{os.fspath(path)!r}: {error}"
        raise ArgumentError(message) from error
