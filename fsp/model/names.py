"""Names of species and parameters: which are allowed, and what a mistyped one may have meant."""

from __future__ import annotations

import difflib
from collections.abc import Collection

from fsp.errors import ModelError

__all__ = ["check_name", "close_matches"]

_RESERVED = frozenset({"time", "and", "or", "not", "if", "else"})


def close_matches(name: str, known: Collection[str]) -> str:
    """Return ``" (did you mean 'a' or 'b'?)"`` for a mistyped name, or what is known when nothing is close.

    Examples
    --------
    >>> close_matches("beat", ["alpha", "beta"])
    " (did you mean 'beta'?)"
    """
    ordered = sorted(known)
    close = difflib.get_close_matches(name, ordered, n=3, cutoff=0.6)
    if not close:
        close = [other for other in ordered if other.lower() == name.lower()]
    if close:
        return f" (did you mean {' or '.join(repr(c) for c in close)}?)"
    if not ordered:
        return ""
    listed = ", ".join(ordered[:12]) + (", ..." if len(ordered) > 12 else "")
    return f" (known: {listed})"


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
