"""Loading a model by file name, or from the gallery."""

from __future__ import annotations

import os
from importlib import resources
from pathlib import Path

from fsp.errors import ModelError
from fsp.model.guard import bounded_reading, read_text
from fsp.model.names import close_matches, shorten
from fsp.model.network import ReactionNetwork

__all__ = ["load_model", "shipped_files"]

_GALLERY = "gallery:"
_SBML = (".xml", ".sbml")
_ANTIMONY = (".ant", ".txt")


def load_model(path: str | os.PathLike[str]) -> ReactionNetwork:
    """Read a model.

    Parameters
    ----------
    path : str or path-like
        An SBML file (``.xml``, ``.sbml``; level 2 version 1 to level 3 version 2), an Antimony file (``.ant``,
        ``.txt``), or a model that comes with the package: ``"gallery:toggle_switch"`` for one of
        `fsp.model.gallery` at its default parameters, ``"gallery:toggle_switch.xml"`` for a shipped file.

    Returns
    -------
    ReactionNetwork

    Raises
    ------
    ModelError
        If the file does not exist, cannot be read, or is no well-formed model.
    UnsupportedError
        If the model holds something that is not supported; the message names it.

    Examples
    --------
    >>> load_model("gallery:dimerisation.xml").species_names
    ('P', 'P2')
    """
    name = os.fspath(path)
    if name.startswith(_GALLERY):
        return _from_gallery(name.removeprefix(_GALLERY))
    return _from_file(Path(name))


def shipped_files() -> tuple[str, ...]:
    """Return the names of the model files in the package, for ``load_model("gallery:NAME")``."""
    folder = resources.files("fsp.model") / "data"
    return tuple(sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".xml")))


def _from_gallery(name: str) -> ReactionNetwork:
    if name in shipped_files():
        from fsp.model.sbml import read_sbml

        text = (resources.files("fsp.model") / "data" / name).read_text(encoding="utf-8")
        return read_sbml(text, source=f"{_GALLERY}{name}")
    from fsp.model import gallery

    if name not in gallery.names():
        advice = close_matches(name, [*gallery.names(), *shipped_files()])
        message = f"the gallery has no model '{shorten(name, 100)}'{advice}"
        raise ModelError(message)
    return gallery.build(name)


def _from_file(path: Path) -> ReactionNetwork:
    kind = path.suffix.lower()
    try:
        found = path.exists()
    except (OSError, ValueError):  # the name is too long, or holds a zero byte
        found = False
    if not found:
        message = (
            f"there is no file '{shorten(str(path), 300)}' (a model of the gallery is called 'gallery:NAME')"
        )
        raise ModelError(message)
    if path.is_dir():
        message = f"'{path}' is a directory: give a model file (.xml, .sbml, .ant)"
        raise ModelError(message)
    if kind not in (*_SBML, *_ANTIMONY):
        message = (
            f"'{path}': unknown kind of file '{kind}': expected SBML (.xml, .sbml) or Antimony (.ant, .txt)"
        )
        raise ModelError(message)
    with bounded_reading(str(path)):
        if kind in _SBML:
            from fsp.model.sbml import read_sbml

            return read_sbml(read_text(path, "SBML"), source=str(path))
        from fsp.model.antimony import read_antimony

        return read_antimony(path)
