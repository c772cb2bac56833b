"""Translating Antimony to SBML, in this process or, run as a program, in one of its own.

The parser of the ``antimony`` package crashes on some malformed texts (a module that contains itself, for example),
and its work can grow exponentially with the text. As a program this file sets limits on itself, reads the text from
its standard input and writes the outcome to its standard output; it imports nothing of this package.
"""

from __future__ import annotations

import contextlib
import os
import sys

__all__ = ["translate"]


def translate(text: str, folder: str = "") -> tuple[str, str]:
    """Return the SBML of the main model and an error message, one of which is empty.

    Parameters
    ----------
    text : str
        Antimony.
    folder : str, optional
        Where ``import`` looks for files.
    """
    import antimony

    antimony.clearPreviousLoads()
    if folder:
        antimony.addDirectory(folder)
    try:
        if antimony.loadAntimonyString(text) < 0:
            return "", str(antimony.getLastError() or "it cannot be read")
        sbml = antimony.getSBMLString(antimony.getMainModuleName())
        return (str(sbml), "") if sbml else ("", "it holds no model")
    finally:
        antimony.clearPreviousLoads()
        antimony.clearDirectories()
        antimony.freeAll()


def _limit(seconds: int, memory: int) -> None:
    try:
        import resource
    except ImportError:  # not on this system; the caller's time-out is left
        return
    for kind, most in (
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_CORE, 0),
    ):
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(kind, (most, most))


def _main() -> None:
    seconds, memory, folder = sys.argv[1:]
    _limit(int(seconds), int(memory))
    output = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what the parser prints is not the answer
    sbml, error = translate(sys.stdin.buffer.read().decode("utf-8"), folder)
    with output:
        output.write(b"S" + sbml.encode() if sbml else b"E" + error.encode())


if __name__ == "__main__":
    _main()
