"""Files that are either complete or not there: results as NetCDF-4."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from fsp.errors import ArgumentError

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["check_writable", "read_dataset", "replacing", "write_dataset"]


def check_writable(path: str | os.PathLike[str]) -> Path:
    """Return ``path`` if a file can be put there; called before long work, so that it is not lost.

    Raises
    ------
    ArgumentError
        When the folder does not exist or cannot be written to, or the path is a folder.
    """
    target = Path(path)
    folder = target.parent
    if target.is_dir():
        message = f"cannot write {str(target)!r}: it is a folder; give the name of a file"
        raise ArgumentError(message)
    if not folder.is_dir():
        message = f"cannot write {str(target)!r}: there is no folder {str(folder)!r}"
        raise ArgumentError(message)
    if not os.access(folder, os.W_OK | os.X_OK):
        message = f"cannot write {str(target)!r}: no permission to write in the folder {str(folder)!r}"
        raise ArgumentError(message)
    return target


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield the path of a temporary file that takes the place of ``path`` when all went well.

    The temporary file lies in the same folder, is flushed to the disk, and is renamed over ``path`` in one
    step; on any error it is removed and ``path`` is left as it was.

    Examples
    --------
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with replacing(Path(folder, "a.txt")) as temporary:
    ...         _ = temporary.write_text("all of it")
    ...     os.listdir(folder)
    ['a.txt']
    """
    target = check_writable(path)
    handle, name = tempfile.mkstemp(prefix=f".{target.stem}-", suffix=target.suffix, dir=target.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        # mkstemp makes files that only the owner reads; the result gets the usual permissions of a new file.
        mask = os.umask(0)
        os.umask(mask)
        temporary.chmod(0o666 & ~mask)
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
    _flush_folder(target.parent)


def _flush_folder(folder: Path) -> None:
    """Make the new name durable, where the system lets folders be flushed."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def write_dataset(dataset: xr.Dataset, path: str | os.PathLike[str]) -> None:
    """Write a Dataset as a NetCDF-4 file, completely or not at all; large variables are compressed.

    Raises
    ------
    ArgumentError
        When there is no place to write to.
    OSError
        When writing fails, for example on a full disk; no partial file is left.
    """
    options = {
        str(name): {"zlib": True, "complevel": 1, "shuffle": True}
        for name, variable in dataset.variables.items()
        if variable.size > 1000 and variable.dtype.kind in "if"
    }
    with replacing(path) as temporary:
        _call_library(lambda: dataset.to_netcdf(temporary, engine="h5netcdf", encoding=options), path)


def read_dataset(path: str | os.PathLike[str]) -> xr.Dataset:
    """Read a NetCDF-4 file into memory.

    Raises
    ------
    ArgumentError
        When there is no such file, or it is not a NetCDF-4 file.
    """
    import xarray

    if not Path(path).is_file():
        message = f"there is no file {str(path)!r}"
        raise ArgumentError(message)
    try:
        return xarray.load_dataset(path, engine="h5netcdf")
    except (OSError, ValueError, KeyError) as error:
        message = f"{str(path)!r} cannot be read as a NetCDF-4 file: {error}"
        raise ArgumentError(message) from error


def _call_library(action: Callable[[], object], path: str | os.PathLike[str]) -> None:
    """Run a write of the HDF5 library, whose failures (a full disk, too) may come as RuntimeError."""
    try:
        action()
    except RuntimeError as error:
        message = f"writing {os.fspath(path)!r} failed: {error}"
        raise OSError(message) from error
