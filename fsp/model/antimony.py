"""Reading Antimony: the ``antimony`` package translates it to SBML, and the SBML reader does the rest.

In Antimony ``->`` means reversible and ``=>`` irreversible; see `fsp.model.sbml` for when ``->`` is accepted.
"""

from __future__ import annotations

import re
from pathlib import Path

from fsp.errors import ModelError, UnsupportedError
from fsp.model.antimony_numbers import hide_long_numbers, restore_numbers
from fsp.model.names import shorten
from fsp.model.network import ReactionNetwork
from fsp.model.sbml import read_sbml

__all__ = ["antimony_to_sbml", "check_antimony", "read_antimony", "read_antimony_text"]

# The translator takes a time that grows with the square of both.
_MAX_LENGTH = 100_000
_MAX_STATEMENT = 8_000
_IGNORED = re.compile(r"//[^\n]*|#[^\n]*|/\*.*?(?:\*/|\Z)|\"[^\"]*\"", re.DOTALL)
_NUMBER = re.compile(r"(?<![\w.])([0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")


def check_antimony(text: str, source: str) -> None:
    """Check what the translator would get wrong without a word, or take too long for.

    Raises
    ------
    ModelError
        For numbers that are too large or too small for floating point: the translator reads ``1e999`` as 1.
    UnsupportedError
        For texts and statements that are too long.
    """
    if len(text) > _MAX_LENGTH:
        message = f"{source}: the text has {len(text):,} characters, more than {_MAX_LENGTH:,}; translate it to SBML"
        raise UnsupportedError(message)
    bare = _IGNORED.sub(lambda match: "\n" * match.group().count("\n"), text)
    for number, line in enumerate(bare.split("\n"), start=1):
        for match in _NUMBER.finditer(line):
            value = float(match.group())
            if value == float("inf") or (value == 0.0 and re.search("[1-9]", match[1])):
                message = (
                    f"{source}, line {number}: the number {shorten(match.group(), 40)} is outside the range of "
                    "floating-point numbers"
                )
                raise ModelError(message)
    longest = max(map(len, re.split("[;\n]", bare)))
    if longest > _MAX_STATEMENT:
        message = (
            f"{source}: a statement has {longest:,} characters, more than {_MAX_STATEMENT:,}; split it up, for "
            "example with ':=' rules"
        )
        raise UnsupportedError(message)


def antimony_to_sbml(text: str, source: str = "Antimony", folder: Path | None = None) -> str:
    """Return the SBML text of the main model of an Antimony text; ``import`` looks into the folder.

    Raises
    ------
    ModelError
        With the message of the Antimony parser, which names the line.
    """
    import antimony

    hidden, numbers = hide_long_numbers(text)
    antimony.clearPreviousLoads()
    if folder is not None:
        antimony.addDirectory(str(folder))
    try:
        if antimony.loadAntimonyString(hidden) < 0:
            what = " ".join((antimony.getLastError() or "it cannot be read").split())
            message = f"{source}: {what}"
            raise ModelError(message)
        sbml = antimony.getSBMLString(antimony.getMainModuleName())
    finally:
        antimony.clearPreviousLoads()
        antimony.clearDirectories()
        antimony.freeAll()
    if not sbml:
        message = f"{source} holds no model"
        raise ModelError(message)
    return restore_numbers(str(sbml), numbers)


def read_antimony_text(text: str, *, source: str = "", folder: Path | None = None) -> ReactionNetwork:
    """Read the text of an Antimony file; ``import`` looks into the folder.

    Raises
    ------
    ModelError, UnsupportedError
        As for SBML.
    """
    check_antimony(text, source or "Antimony")
    return read_sbml(antimony_to_sbml(text, source or "Antimony", folder), source=source)


def read_antimony(path: Path) -> ReactionNetwork:
    """Read an Antimony file.

    Raises
    ------
    ModelError, UnsupportedError
        As for SBML.
    """
    return read_antimony_text(path.read_text(encoding="utf-8-sig"), source=str(path), folder=path.parent)
