"""What stands on the command line, read and checked: times, bounds on counts, sizes of memory."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path

from fsp.errors import ArgumentError

__all__ = ["FIGURES", "SAVES", "check_picture", "parse_bounds", "parse_memory", "parse_times"]

#: What --save and --plot-kind can be, the default first; the names of ``fsp.summary`` and ``fsp.figures``, which
#: would take long to import for --help.
SAVES = ("distributions", "marginals", "moments")
FIGURES = ("auto", "course", "heatmap", "distribution", "run")
_MAX_TIMES = 1_000_000
_PICTURES = ("png", "pdf", "svg", "jpg", "jpeg", "tif", "tiff", "webp", "eps")
_UNITS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}
_MEMORY = re.compile(r"\s*([0-9]+(?:\.[0-9]*)?|\.[0-9]+)\s*([kmgt]?)(i?)(b?)\s*", re.IGNORECASE)
_BOUND = re.compile(r"\s*([^\W\d]\w*)\s*=\s*([^\s=]+)\s*")


def _number(text: str, whole: str) -> Decimal:
    try:
        value = Decimal(text.strip())
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite():
        message = f"times {whole!r}: {text.strip()!r} is not a number"
        raise ArgumentError(message)
    return value


def parse_times(text: str) -> list[float]:
    """Return the times that ``start:stop:step``, a list with commas, or one number stands for.

    Decimal arithmetic keeps ``0:1:0.1`` free of rounding: each time is the number that one would write down.

    Raises
    ------
    ArgumentError
        When the text is not of this form, a time is negative, the times do not ascend, or the step does not
        lead from start to stop.

    Examples
    --------
    >>> parse_times("0:1:0.25"), parse_times("1, 10,100"), parse_times("5")
    ([0.0, 0.25, 0.5, 0.75, 1.0], [1.0, 10.0, 100.0], [5.0])
    """
    if ":" in text:
        parts = text.split(":")
        if len(parts) != 3:
            message = f"times {text!r}: a range is start:stop:step, for example 0:50:1"
            raise ArgumentError(message)
        start, stop, step = (_number(part, text) for part in parts)
        if step <= 0 or stop < start:
            message = f"times {text!r}: a range needs start <= stop and a step above 0"
            raise ArgumentError(message)
        if (stop - start) / step >= _MAX_TIMES:
            message = f"times {text!r}: that is more than {_MAX_TIMES:,} times; take a larger step"
            raise ArgumentError(message)
        count = int((stop - start) / step)
        last = start + count * step
        if last != stop:
            message = (
                f"times {text!r}: steps of {step} from {start} reach {last} and {last + step}, but not "
                f"{stop}; give the times as a list, or change the step"
            )
            raise ArgumentError(message)
        values = [start + k * step for k in range(count + 1)]
    else:
        values = [_number(part, text) for part in text.split(",")]
    if values[0] < 0:
        message = f"times {text!r}: {values[0]} is negative; time begins at 0"
        raise ArgumentError(message)
    for before, after in itertools.pairwise(values):
        if after <= before:
            message = f"times {text!r}: times must ascend, but {after} follows {before}"
            raise ArgumentError(message)
    times = [float(value) for value in values]
    if times[-1] == float("inf"):
        message = f"times {text!r}: {values[-1]} is too large"
        raise ArgumentError(message)
    return times


def parse_bounds(texts: Sequence[str]) -> dict[str, int] | list[str] | None:
    """Return largest counts as ``{"U": 300}``, or a list of conditions if one of them is an expression.

    Each text is ``NAME=COUNT``, several of them with commas in between, or a condition such as
    ``"U*V <= 5000"``.

    Raises
    ------
    ArgumentError
        When a bound is neither, or a count is not a whole number of at least 0, or a name is bounded twice.

    Examples
    --------
    >>> parse_bounds(["U=300,V=20"])
    {'U': 300, 'V': 20}
    >>> parse_bounds(["U=300", "U*V <= 5000"])
    ['U <= 300', 'U*V <= 5000']
    """
    largest: dict[str, int] = {}
    conditions: list[str] = []
    for text in texts:
        pieces = [_BOUND.fullmatch(piece) for piece in text.split(",")]
        if any(piece is None for piece in pieces):
            if not re.search(r"[<>]|==", text):
                message = f"bounds {text!r}: write NAME=COUNT (U=300,V=20) or a condition ('U*V <= 5000')"
                raise ArgumentError(message)
            conditions.append(text)
            continue
        for piece in pieces:
            assert piece is not None
            name, count = piece.groups()
            if not re.fullmatch(r"[0-9]{1,18}", count):
                message = (
                    f"bounds {text!r}: the largest count of {name} must be a whole number, not {count!r}"
                )
                raise ArgumentError(message)
            if name in largest:
                message = f"bounds: {name} is bounded twice"
                raise ArgumentError(message)
            largest[name] = int(count)
    if not conditions:
        return largest or None
    return [f"{name} <= {count}" for name, count in largest.items()] + conditions


def parse_memory(text: str) -> int:
    """Return a number of bytes; units are k, M, G, T (powers of 1000) and Ki, Mi, Gi, Ti (powers of 1024).

    Raises
    ------
    ArgumentError
        When the text is not a size, or less than one mebibyte.

    Examples
    --------
    >>> parse_memory("4GiB"), parse_memory("500 MB")
    (4294967296, 500000000)
    """
    match = _MEMORY.fullmatch(text)
    if match is None or (match[3] and not match[2]):
        message = f"memory limit {text!r}: write a size such as 4GiB or 500MB"
        raise ArgumentError(message)
    size = int(Decimal(match[1]) * (1024 if match[3] else 1000) ** _UNITS[match[2].lower()])
    if size < 2**20:
        message = f"memory limit {text!r}: that is less than 1 MiB; write a size such as 4GiB"
        raise ArgumentError(message)
    return size


def check_picture(path: str) -> Path:
    """Return the path of a picture if its ending names a format that can be drawn.

    Raises
    ------
    ArgumentError
        When it does not.
    """
    target = Path(path)
    if target.suffix.lower().lstrip(".") not in _PICTURES:
        message = f"cannot draw {path!r}: its ending must be one of {', '.join('.' + p for p in _PICTURES)}"
        raise ArgumentError(message)
    return target
