"""Files that are either complete or not there: results as NetCDF-4, sealed with a checksum.

The seal is one line of text behind the last byte of the HDF5 file, where HDF5 and NetCDF readers do not look. It
is checked before the file is opened, because the HDF5 library was not made for damaged files and may crash on them.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from fsp.errors import ArgumentError, StorageError

if TYPE_CHECKING:
    import xarray as xr

__all__ = [
    "check_seal",
    "check_writable",
    "dataset_from_image",
    "dataset_image",
    "read_dataset",
    "replace_text",
    "replacing",
    "seal",
    "write_dataset",
]

#: The seal: this mark, the SHA-256 of all bytes before the mark in hexadecimal digits, and a line feed.
_MARK = b"\nfsp-sha256:"
_SEAL = len(_MARK) + 64 + 1
#: How HDF5 files begin.
_HDF5 = b"\x89HDF\r\n\x1a\n"


def check_writable(path: str | os.PathLike[str]) -> Path:
    """Return ``path`` if a file can be put there; called before long work, so that it is not lost.

    Raises
    ------
    ArgumentError
        When the folder does not exist or cannot be written to, or the path is no ordinary file.
    """
    target = Path(path)
    try:
        target = target.resolve()  # a link stays a link to the new file
        folder = target.parent
        is_folder = target.is_dir()
    except (
        OSError,
        ValueError,
        RuntimeError,
    ) as error:  # too long a name, a null byte in it, links in a circle
        message = f"cannot write {str(target)!r}: {error}"
        raise ArgumentError(message) from error
    if is_folder:
        message = f"cannot write {str(target)!r}: it is a folder; give the name of a file"
        raise ArgumentError(message)
    if target.exists() and not target.is_file():  # such as /dev/null, which a rename would replace
        message = f"cannot write {str(target)!r}: it is not an ordinary file"
        raise ArgumentError(message)
    if target.exists() and not os.access(target, os.W_OK):
        message = f"cannot write {str(target)!r}: it is there already and must not be written to"
        raise ArgumentError(message)
    if not folder.is_dir():
        message = f"cannot write {str(target)!r}: there is no folder {str(folder)!r}"
        raise ArgumentError(message)
    if not os.access(folder, os.W_OK | os.X_OK):
        message = f"cannot write {str(target)!r}: no permission to write in the folder {str(folder)!r}"
        raise ArgumentError(message)
    return target


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str], prefix: str = ".fsp-") -> Iterator[Path]:
    """Yield the path of a temporary file that takes the place of ``path`` when all went well.

    The temporary file lies in the same folder, is flushed to the disk, and is renamed over ``path`` in one
    step; on any error it is removed and ``path`` is left as it was.

    Raises
    ------
    ArgumentError
        When there is no place to write to.
    StorageError
        When the system refuses to write, for example because the disk is full.

    Examples
    --------
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with replacing(Path(folder, "a.txt")) as temporary:
    ...         _ = temporary.write_text("all of it")
    ...     os.listdir(folder)
    ['a.txt']
    """
    target = check_writable(path)
    try:
        # A short name of its own: that of the target may be as long as the system allows.
        handle, name = tempfile.mkstemp(prefix=prefix, suffix=target.suffix[:16], dir=target.parent)
    except OSError as error:
        raise _failure(target, error) from error
    os.close(handle)
    temporary = Path(name)
    try:
        # mkstemp makes files that only the owner reads; the result gets those of the old file, or of a new one.
        mask = os.umask(0)
        os.umask(mask)
        temporary.chmod(target.stat().st_mode & 0o777 if target.exists() else 0o666 & ~mask)
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(target)
    except OSError as error:
        raise _failure(target, error) from error
    finally:
        with contextlib.suppress(OSError):  # what cannot be removed must not hide why writing failed
            temporary.unlink(missing_ok=True)
    _flush_folder(target.parent)


def replace_text(path: str | os.PathLike[str], text: str) -> None:
    """Write a text file in UTF-8, completely or not at all; see `replacing`."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _flush_folder(folder: Path) -> None:
    """Make the new name durable, where the system lets folders be flushed."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _failure(path: str | os.PathLike[str], error: OSError) -> StorageError:
    """Return the error of a failed write, with the system's reason in the place of a library's."""
    if isinstance(error, StorageError):
        return error
    reason = os.strerror(error.errno) if error.errno else str(error)
    message = f"writing {os.fspath(path)!r} failed: {reason}; what was there before is unchanged"
    return StorageError(message, error.errno)


def seal(digest: str) -> bytes:
    """Return what stands behind the last byte of a file whose SHA-256 is ``digest``, in hexadecimal digits."""
    return _MARK + digest.encode() + b"\n"


def dataset_image(dataset: xr.Dataset) -> memoryview:
    """Return the bytes of a Dataset as a NetCDF-4 file; large variables are compressed.

    Raises
    ------
    ValueError, TypeError, RuntimeError, OSError
        When it cannot be expressed as NetCDF-4.
    """
    options: dict[str, dict[str, object]] = {}
    for name, variable in dataset.variables.items():
        if variable.dtype.kind in "if":
            # Without a fill value no number stands for "missing": all come back as they are.
            options[str(name)] = {"_FillValue": None}
            if variable.size > 1000:
                options[str(name)] |= {"zlib": True, "complevel": 1, "shuffle": True}
    import h5netcdf
    from xarray.backends import H5NetCDFStore

    # Made in memory: where a disk fills up under it, the HDF5 library can bring the whole process down.
    buffer = io.BytesIO()
    with h5netcdf.File(buffer, "w") as file:
        dataset.dump_to_store(H5NetCDFStore(file), encoding=options)
    return buffer.getbuffer()


def dataset_from_image(image: io.BytesIO | Path) -> xr.Dataset:
    """Return the Dataset of a NetCDF-4 file whose bytes are known to be undamaged."""
    import xarray

    # Nothing is decoded: numbers are bits here, and times are numbers.
    return xarray.load_dataset(image, engine="h5netcdf", decode_times=False, mask_and_scale=False)


def write_dataset(dataset: xr.Dataset, path: str | os.PathLike[str]) -> None:
    """Write a Dataset as a sealed NetCDF-4 file, completely or not at all; large variables are compressed.

    Raises
    ------
    ArgumentError
        When there is no place to write to.
    StorageError
        When writing fails, for example on a full disk; no partial file is left.
    """
    try:
        image = dataset_image(dataset)
    except (OSError, ValueError, TypeError, RuntimeError) as error:
        message = f"writing {os.fspath(path)!r} failed: it cannot be expressed as NetCDF-4: {error}"
        raise StorageError(message) from error
    with replacing(path) as temporary, temporary.open("wb") as target:
        target.write(image)
        target.write(seal(hashlib.sha256(image).hexdigest()))


def read_dataset(path: str | os.PathLike[str]) -> xr.Dataset:
    """Read a file that ``write_dataset`` wrote, into memory.

    Raises
    ------
    ArgumentError
        When there is no such file, it is not one of ours, or it is damaged.
    StorageError
        When the system refuses to read it.
    """
    source = Path(path)
    try:
        if source.is_dir():
            message = f"{str(path)!r} is a folder, not a file of results"
            raise ArgumentError(message)
        if not source.is_file():
            message = f"there is no file {str(path)!r}"
            raise ArgumentError(message)
        check_seal(source, _HDF5, "a NetCDF-4 file", "a result")
        return dataset_from_image(source)
    except OSError as error:
        message = f"reading {str(path)!r} failed: {os.strerror(error.errno) if error.errno else error}"
        raise StorageError(message, error.errno) from error
    except (ValueError, KeyError, RuntimeError) as error:
        if isinstance(error, ArgumentError):
            raise
        message = f"{str(path)!r} cannot be read as a NetCDF-4 file: {error}"
        raise ArgumentError(message) from error


def check_seal(path: Path, head: bytes, format_name: str, what: str) -> None:
    """Refuse a file that is not one of ours, complete and undamaged.

    Parameters
    ----------
    path : Path
    head : bytes
        How it has to begin.
    format_name, what : str
        What to call the format and the contents in errors.

    Raises
    ------
    ArgumentError
        When it begins otherwise, has no seal, or the seal does not fit.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        if file.read(len(head)) != head:
            why = "it is empty" if not size else "it does not begin like one"
            message = f"{str(path)!r} cannot be read as {format_name}: {why}"
            raise ArgumentError(message)
        file.seek(max(0, size - _SEAL))
        found = file.read()
        if not (found.startswith(_MARK) and len(found) == _SEAL):
            message = (
                f"{str(path)!r} has no checksum at its end: it is not {what} that this package wrote, or it was "
                "cut off or changed afterwards"
            )
            raise ArgumentError(message)
        file.seek(0)
        digest = hashlib.sha256()
        left = size - _SEAL
        while left:
            block = file.read(min(left, 1 << 20))
            if not block:
                break
            digest.update(block)
            left -= len(block)
    if found != seal(digest.hexdigest()):
        message = f"{str(path)!r} is damaged: its checksum does not fit its contents; restore it from a copy"
        raise ArgumentError(message)
