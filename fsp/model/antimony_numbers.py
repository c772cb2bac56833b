"""Keeping all digits of the numbers in an Antimony file.

The translation to SBML writes numbers with 15 digits, so that 0.30000000000000004 would be read as 0.3. Numbers with
more digits, or too small for all digits, are therefore replaced before the translation by others, of 15 digits and
used nowhere else in the file, and put back into the SBML after it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

__all__ = ["hide_long_numbers", "restore_numbers"]

_TOKEN = re.compile(
    r"(?P<skip>//[^\n]*|#[^\n]*|/\*.*?\*/|\"[^\"]*\"|[^\W\d]\w*)"
    r"|(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)",
    re.DOTALL,
)
_DIGITS = 15
_SMALL = 1e-300  # near the smallest floats, which have fewer digits


def hide_long_numbers(text: str) -> tuple[str, dict[str, str]]:
    """Return the text with its long numbers replaced, and what stands for what.

    Examples
    --------
    >>> hidden, numbers = hide_long_numbers("k = 0.30000000000000004; m = 0.3;")
    >>> hidden, numbers
    ('k = 8.00000000000001; m = 0.3;', {'8.00000000000001': '0.30000000000000004'})
    """
    numbers: dict[str, str] = {}
    names: dict[str, str] = {}
    fresh = _unused(text)

    def replace(match: re.Match[str]) -> str:
        number = match["number"]
        if number is None or (len(_significant(number)) <= _DIGITS and not 0 < float(number) < _SMALL):
            return match.group()
        if number not in names:
            names[number] = next(fresh)
            numbers[names[number]] = number
        return names[number]

    return _TOKEN.sub(replace, text), numbers


def restore_numbers(sbml: str, numbers: dict[str, str]) -> str:
    """Put the long numbers back into the SBML.

    Examples
    --------
    >>> restore_numbers('<parameter id="k" value="8.00000000000001"/>', {"8.00000000000001": "0.30000000000000004"})
    '<parameter id="k" value="0.30000000000000004"/>'
    """
    if not numbers:
        return sbml
    return re.sub("|".join(map(re.escape, numbers)), lambda match: numbers[match.group()], sbml)


def _significant(number: str) -> str:
    return re.split("[eE]", number)[0].replace(".", "").strip("0")


def _unused(text: str) -> Iterator[str]:
    for i in range(1, 10**13):
        candidate = f"8.{i:014d}"
        if i % 10 and candidate not in text:
            yield candidate
