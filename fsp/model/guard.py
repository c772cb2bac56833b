"""Reading the text of a model file with limits: what is no ordinary file of a sensible size is never opened.

Parsers written for friendly input hang on pipes, fill the memory with endless files, and stop at zero bytes without a
word. What is checked here needs no parser.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from fsp.errors import ModelError, UnsupportedError
from fsp.model.names import shorten

__all__ = ["bounded_reading", "read_text"]

#: Largest size of a file in bytes, by its kind. Networks that can be solved need a thousandth of it.
MAX_BYTES = {"SBML": 20_000_000, "Antimony": 2_000_000}


def read_text(path: Path, kind: str) -> str:
    """Return the text of a file.

    Parameters
    ----------
    path : Path
    kind : str
        A key of `MAX_BYTES`.

    Raises
    ------
    ModelError
        If there is no such file, it is no ordinary file, cannot be read, or is no text in UTF-8.
    UnsupportedError
        If it is too large.
    """
    try:
        with _open(path) as file:
            size = os.fstat(file).st_size
            if size > MAX_BYTES[kind]:
                message = (
                    f"'{path}' has {size:,} bytes; {kind} files of more than {MAX_BYTES[kind]:,} are not read: leave "
                    "annotations and comments out, or take a smaller model"
                )
                raise UnsupportedError(message)
            data = b"".join(iter(lambda: os.read(file, 1 << 20), b""))
    except OSError as error:
        message = f"'{shorten(str(path), 300)}' cannot be read: {error.strerror or error}"
        raise ModelError(message) from None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        message = f"'{path}' cannot be read: byte {error.start + 1} is no UTF-8 ({error.reason}); convert it to UTF-8"
        raise ModelError(message) from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        message = f"'{path}', line {line}: there is a zero byte; this is no text file"
        raise ModelError(message)
    if not text.strip():
        message = f"'{path}' is empty"
        raise ModelError(message)
    return text


@contextlib.contextmanager
def bounded_reading(source: str) -> Iterator[None]:
    """Turn what Python raises when a model is nested too deeply or too large into an error of ours.

    Examples
    --------
    >>> with bounded_reading("m.xml"):
    ...     raise RecursionError
    Traceback (most recent call last):
    fsp.errors.UnsupportedError: m.xml: formulas are nested, or need one another, too deeply; put them in one another
    """
    try:
        yield
    except RecursionError:
        message = f"{source}: formulas are nested, or need one another, too deeply; put them in one another"
        raise UnsupportedError(message) from None
    except MemoryError:
        message = f"{source}: reading it needs more memory than there is; take a smaller model"
        raise UnsupportedError(message) from None


@contextlib.contextmanager
def _open(path: Path) -> Iterator[int]:
    """Open an ordinary file; anything else could block, or never end."""
    file = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    try:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            message = f"'{path}' is no ordinary file: copy the model to one"
            raise ModelError(message)
        yield file
    finally:
        os.close(file)
