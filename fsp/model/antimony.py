"""Reading Antimony: the ``antimony`` package translates it to SBML, and the SBML reader does the rest.

In Antimony ``->`` means reversible and ``=>`` irreversible; see `fsp.model.sbml` for when ``->`` is accepted.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from fsp.errors import ModelError, UnsupportedError
from fsp.model import antimony_worker
from fsp.model.antimony_numbers import hide_long_numbers, restore_numbers
from fsp.model.guard import read_text
from fsp.model.names import shorten
from fsp.model.network import ReactionNetwork
from fsp.model.sbml import read_sbml

__all__ = ["antimony_to_sbml", "check_antimony", "read_antimony", "read_antimony_text"]

# The translator takes a time that grows with the square of both.
_MAX_LENGTH = 100_000
_MAX_STATEMENT = 8_000
_MAX_WORD = 1000  # letters of a name
_WORD = re.compile(rf"\w{{{_MAX_WORD + 1},}}")
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
    long = _WORD.search(bare)
    if long:
        place = bare.count("\n", 0, long.start()) + 1
        word = shorten(long.group(), 40)
        message = (
            f"{source}, line {place}: '{word}' has {len(long.group()):,} characters, more than {_MAX_WORD}"
        )
        raise ModelError(message)
    longest = max(map(len, re.split("[;\n]", bare)))
    if longest > _MAX_STATEMENT:
        message = (
            f"{source}: a statement has {longest:,} characters, more than {_MAX_STATEMENT:,}; split it up, for "
            "example with ':=' rules"
        )
        raise UnsupportedError(message)


#: Limits of the process that translates: of processor time and of address space.
SECONDS, MEMORY = 2, 450_000_000
_PATIENCE = 60  # seconds on the clock, for a busy machine


def antimony_to_sbml(
    text: str, source: str = "Antimony", folder: Path | None = None, *, trusted: bool = False
) -> str:
    """Return the SBML text of the main model of an Antimony text; ``import`` looks into the folder.

    Parameters
    ----------
    text, source : str
    folder : Path, optional
    trusted : bool, optional
        Translate in this process. Otherwise a process of its own is started, with limits, because malformed texts
        can crash the parser.

    Raises
    ------
    ModelError
        With the message of the Antimony parser, which names the line.
    UnsupportedError
        If the parser crashes, or needs too much time or memory.
    """
    hidden, numbers = hide_long_numbers(text)
    where = str(folder) if folder is not None else ""
    sbml, error = (
        antimony_worker.translate(hidden, where) if trusted else _translate_apart(hidden, where, source)
    )
    if not sbml:
        message = f"{source}: {shorten(error, 600)}"
        raise ModelError(message)
    return restore_numbers(sbml, numbers)


def read_antimony_text(
    text: str, *, source: str = "", folder: Path | None = None, trusted: bool = False
) -> ReactionNetwork:
    """Read the text of an Antimony file; parameters as for `antimony_to_sbml`.

    Raises
    ------
    ModelError, UnsupportedError
        As for SBML.
    """
    check_antimony(text, source or "Antimony")
    sbml = antimony_to_sbml(text, source or "Antimony", folder, trusted=trusted)
    return read_sbml(sbml, source=source)


def read_antimony(path: Path) -> ReactionNetwork:
    """Read an Antimony file.

    Raises
    ------
    ModelError, UnsupportedError
        As for SBML.
    """
    return read_antimony_text(read_text(path, "Antimony"), source=str(path), folder=path.parent)


def _translate_apart(text: str, folder: str, source: str) -> tuple[str, str]:
    # -P: the folder of the program, where a module is called antimony, too, is not searched for modules.
    command = [sys.executable, "-P", antimony_worker.__file__, str(SECONDS), str(MEMORY), folder]
    try:
        done = subprocess.run(
            command, input=text.encode(), capture_output=True, timeout=_PATIENCE, check=False
        )
        output, code = done.stdout.decode(errors="replace"), done.returncode
    except subprocess.TimeoutExpired:
        output, code = "", 1
    if code != 0 or output[:1] not in ("S", "E"):
        message = (
            f"{source}: the Antimony parser crashed on this text, or needed more than {SECONDS} seconds or "
            f"{MEMORY // 10**6} MB; look for modules and rules that need themselves or multiply, or write the model as SBML"
        )
        raise UnsupportedError(message)
    return (output[1:], "") if output[0] == "S" else ("", output[1:])
