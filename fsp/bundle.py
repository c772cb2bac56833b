"""Nested plain data with arrays in one sealed binary file; the layout is described in docs/checkpoints.md.

Nothing in such a file is executed when it is read: it is JSON, and numbers of a known size one after the other. Large
arrays go from memory to the disk as they are, without a copy.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from fsp.errors import ArgumentError, CheckpointError, StorageError
from fsp.storage import check_seal, replacing, seal

__all__ = ["read_bundle", "write_bundle"]

#: How the file begins; the number is that of the layout.
HEAD = b"fsp checkpoint 1\n"

#: Types of arrays, all little-endian.
_TYPES = ("<f8", "<i8", "|u1")

#: The only key of what stands for an array in the JSON; no species or parameter has such a name.
_ARRAY = "*array*"


def write_bundle(path: str | os.PathLike[str], contents: Any, prefix: str = ".fsp-") -> None:
    """Write mappings, lists, texts, numbers and arrays, completely or not at all.

    Parameters
    ----------
    path : path
    contents : object
        What JSON can hold, and arrays of float64, int64 or uint8.
    prefix : str
        How the name of the temporary file begins.

    Raises
    ------
    ArgumentError
        When there is no place to write to.
    StorageError
        When writing fails, for example on a full disk; then the file that was there is unchanged.
    """
    arrays: list[NDArray[Any]] = []
    plain = _take_arrays(contents, arrays)
    shapes = [[a.dtype.str, list(a.shape)] for a in arrays]
    text = json.dumps({"arrays": shapes, "contents": plain}).encode() + b"\n"
    parts: list[bytes | memoryview] = [HEAD, text]
    parts += [a.reshape(-1).view(np.uint8).data for a in arrays if a.size]
    digest = hashlib.sha256()
    with replacing(path, prefix) as temporary, temporary.open("wb") as file:
        for part in parts:
            digest.update(part)
            file.write(part)
        file.write(seal(digest.hexdigest()))


def _take_arrays(value: Any, arrays: list[NDArray[Any]]) -> Any:
    """Return the value with numbers in the places of arrays, which are appended to the list."""
    if isinstance(value, np.ndarray):
        array = np.ascontiguousarray(value, dtype=value.dtype.newbyteorder("<"))
        if array.dtype.str not in _TYPES:
            message = f"internal error: a checkpoint cannot hold arrays of {value.dtype}"
            raise TypeError(message)
        arrays.append(array)
        return {_ARRAY: len(arrays) - 1}
    if isinstance(value, dict):
        return {key: _take_arrays(part, arrays) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_take_arrays(part, arrays) for part in value]
    return value.item() if isinstance(value, np.generic) else value


def read_bundle(path: str | os.PathLike[str]) -> Any:
    """Return what `write_bundle` wrote; tuples come back as lists.

    Raises
    ------
    CheckpointError
        When the file is damaged or another kind of file.
    StorageError
        When the system refuses to read it.
    """
    source = Path(path)
    advice = "delete it, or give another name, to begin from the start"
    try:
        if source.is_dir():
            message = f"{str(path)!r} is a folder, not a checkpoint"
            raise CheckpointError(message)
        check_seal(source, HEAD, "a checkpoint of this version", "a checkpoint")
        with source.open("rb") as file:
            file.seek(len(HEAD))
            header = json.loads(file.readline())
            arrays = [_read_array(file, dtype, shape) for dtype, shape in header["arrays"]]
        return _put_arrays(header["contents"], arrays)
    except CheckpointError:
        raise
    except OSError as error:
        message = f"reading {str(path)!r} failed: {os.strerror(error.errno) if error.errno else error}"
        raise StorageError(message, error.errno) from error
    except ArgumentError as error:
        message = f"{error}; {advice}"
        raise CheckpointError(message) from error
    except (ValueError, KeyError, IndexError, TypeError, RecursionError) as error:
        message = f"{str(path)!r} is not a checkpoint that this version wrote ({error}); {advice}"
        raise CheckpointError(message) from error


def _read_array(file: BinaryIO, dtype: str, shape: list[int]) -> NDArray[Any]:
    if dtype not in _TYPES:
        message = f"it holds numbers of the type {dtype!r}"
        raise ValueError(message)
    left = os.fstat(file.fileno()).st_size - file.tell()
    size = int(np.prod(shape, dtype=object))
    if not 0 <= size * np.dtype(dtype).itemsize <= left:
        message = "it is shorter than it says"
        raise ValueError(message)
    array = np.fromfile(file, dtype, size)
    return array.astype(array.dtype.newbyteorder("="), copy=False).reshape(shape)


def _put_arrays(value: Any, arrays: list[NDArray[Any]]) -> Any:
    if isinstance(value, dict):
        if set(value) == {_ARRAY}:
            return arrays[value[_ARRAY]]
        return {key: _put_arrays(part, arrays) for key, part in value.items()}
    if isinstance(value, list):
        return [_put_arrays(part, arrays) for part in value]
    return value
