"""Questions about states: conditions such as ``"U > 50 and V < 3"`` and functions such as ``"U*V"``.

The text is read by the parser of the model's expressions and evaluated by walking its tree; nothing in it is
ever executed. The parser is imported when the first question is asked, because it rests on SymPy.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fsp.errors import ExpressionError
from fsp.model.names import close_matches

__all__ = ["Columns", "read_condition", "read_function", "unknown_species"]

#: Counts by species, arrays of one length.
Columns = Mapping[str, NDArray[np.int64]]


def read_condition(
    text: str, names: Sequence[str]
) -> tuple[tuple[str, ...], Callable[[Columns], NDArray[np.bool_]]]:
    """Return the species that a condition reads, and the function that says where it holds.

    Raises
    ------
    ExpressionError
        When the text cannot be read or is no condition; the message names the culprit and its position. The
        returned function raises it where the condition is undefined.

    Examples
    --------
    >>> species, holds = read_condition("2 < U <= 4 or V == 0", ["U", "V", "W"])
    >>> species, holds({"U": np.array([2, 3, 9]), "V": np.array([1, 1, 0])}).tolist()
    (('U', 'V'), [False, True, True])
    """
    from fsp.model.propensity import Predicate

    predicate = Predicate(text, tuple(names))
    return predicate.species, predicate.evaluate


def read_function(
    text: str, names: Sequence[str]
) -> tuple[tuple[str, ...], Callable[[Columns], NDArray[np.float64]]]:
    """Return the species that an expression reads, and the function that gives its values.

    Raises
    ------
    ExpressionError
        When the text cannot be read. The returned function raises it where a value is not finite.

    Examples
    --------
    >>> species, values = read_function("U*(U - 1)/2", ["U", "V"])
    >>> species, values({"U": np.array([2, 3])}).tolist()
    (('U',), [1.0, 3.0])
    """
    from fsp.model.expressions import parse_expression
    from fsp.model.propensity import Propensity

    function: Any = Propensity(parse_expression(text, tuple(names)), tuple(names), {})

    def values(counts: Columns) -> NDArray[np.float64]:
        result: NDArray[np.float64] = function.evaluate(counts)
        bad = ~np.isfinite(result)
        if bad.any():
            row = int(np.argmax(bad))
            state = {name: int(column[row]) for name, column in counts.items()}
            message = f"'{text}' has no finite value at the state {state}"
            raise ExpressionError(message)
        return result

    return function.species, values


def unknown_species(name: object, known: Sequence[str]) -> str:
    """Return the message for a species that a distribution or result does not have.

    Examples
    --------
    >>> unknown_species("protien", ["protein", "mRNA"])
    "there is no species 'protien' here (did you mean 'protein'?)"
    """
    return f"there is no species {name!r} here{close_matches(str(name), known)}"
