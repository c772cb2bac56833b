"""Reading Antimony: the ``antimony`` package translates it to SBML, and the SBML reader does the rest.

In Antimony ``->`` means reversible and ``=>`` irreversible; see `fsp.model.sbml` for when ``->`` is accepted.
"""

from __future__ import annotations

from pathlib import Path

from fsp.errors import ModelError
from fsp.model.network import ReactionNetwork
from fsp.model.sbml import read_sbml

__all__ = ["antimony_to_sbml", "read_antimony"]


def antimony_to_sbml(path: Path) -> str:
    """Return the SBML text of the main model of an Antimony file.

    Raises
    ------
    ModelError
        With the message of the Antimony parser, which names the line.
    """
    import antimony

    antimony.clearPreviousLoads()
    try:
        if antimony.loadAntimonyFile(str(path)) < 0:
            what = " ".join((antimony.getLastError() or "it cannot be read").split())
            message = f"{path}: {what}"
            raise ModelError(message)
        text = antimony.getSBMLString(antimony.getMainModuleName())
    finally:
        antimony.clearPreviousLoads()
        antimony.freeAll()
    if not text:
        message = f"{path} holds no model"
        raise ModelError(message)
    return str(text)


def read_antimony(path: Path) -> ReactionNetwork:
    """Read an Antimony file.

    Raises
    ------
    ModelError, UnsupportedError
        As for SBML.
    """
    return read_sbml(antimony_to_sbml(path), source=str(path))
