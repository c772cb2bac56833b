"""Names of species and parameters: which are allowed, and what a mistyped one may have meant."""

from __future__ import annotations

import difflib
from collections.abc import Collection

from fsp.errors import ModelError

__all__ = ["check_name", "close_matches", "is_reserved", "shorten"]

_MAX_COMPARED = 100  # characters: comparing longer names takes too long, and nobody mistypes them
_RESERVED = frozenset({"time", "and", "or", "not", "if", "else"})


def close_matches(name: str, known: Collection[str]) -> str:
    """Return ``" (did you mean 'a' or 'b'?)"`` for a mistyped name, or what is known when nothing is close.

    Examples
    --------
    >>> close_matches("beat", ["alpha", "beta"])
    " (did you mean 'beta'?)"
    """
    if len(name) > _MAX_COMPARED:
        return ""
    ordered = sorted(other for other in known if len(other) <= _MAX_COMPARED)
    close = difflib.get_close_matches(name, ordered, n=3, cutoff=0.6)
    if not close:
        close = [other for other in ordered if other.lower() == name.lower()]
    if close:
        return f" (did you mean {' or '.join(repr(c) for c in close)}?)"
    if not ordered:
        return ""
    listed = ", ".join(ordered[:12]) + (", ..." if len(ordered) > 12 else "")
    return f" (known: {listed})"


def is_reserved(name: str) -> bool:
    """Say whether a name has a meaning in expressions, so that nothing can be called by it."""
    return name in _RESERVED


def shorten(text: object, length: int = 80) -> str:
    """Return a text on one line, cut to a length that an error message can hold.

    Examples
    --------
    >>> shorten("k*A*(A - 1)", 8)
    'k*A*(...'
    """
    line = " ".join(str(text)[: 10 * length].split())
    return line if len(line) <= length else line[: length - 3] + "..."


def check_name(name: object, what: str) -> str:
    """Return the name of a species or a parameter, or refuse it.

    Raises
    ------
    ModelError
        If it is not an identifier, or reserved (``time``, ``and``, ``or``, ``not``, ``if``, ``else``).
    """
    if not isinstance(name, str) or not name.isidentifier():
        message = f"{what} {name!r} is not a name: use letters, digits and '_', not beginning with a digit"
        raise ModelError(message)
    if name in _RESERVED:
        message = f"{what} cannot be called '{name}': the name is reserved for expressions"
        raise ModelError(message)
    return name
