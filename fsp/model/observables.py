"""Observables: functions of the counts, and perhaps time, that have a name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fsp.errors import ModelError
from fsp.model.names import check_name

if TYPE_CHECKING:
    from fsp.model.propensity import Propensity

__all__ = ["Observable", "read_observables"]


@dataclass(frozen=True)
class Observable:
    """A named function of the counts.

    Parameters
    ----------
    name : str
        Its name.
    function : Propensity
        The function, bound to the parameter values of a network; it may have any sign.
    listed : bool, optional
        Whether tables show it among the species when no names are asked for, as with a species of a file
        that an assignment rule determines.
    """

    name: str
    function: Propensity
    listed: bool = True

    @property
    def species(self) -> tuple[str, ...]:
        """The species that it reads."""
        return self.function.species

    @property
    def depends_on_time(self) -> bool:
        """Whether it reads ``time``."""
        return self.function.depends_on_time

    def evaluate(
        self, counts: Mapping[str, Any], *, time: float | None = None, dtype: Any = np.float64
    ) -> NDArray[Any]:
        """Return its values at the counts of (at least) the species that it reads."""
        return self.function.evaluate(counts, time=time, dtype=dtype)

    def __str__(self) -> str:
        return f"{self.name} = {self.function}"


def read_observables(
    given: Mapping[str, str] | Iterable[Observable], species: Sequence[str], parameters: Mapping[str, float]
) -> dict[str, Observable]:
    """Return the observables of a network by name.

    Raises
    ------
    ModelError
        If a name is taken; `fsp.errors.ExpressionError` if an expression cannot be read.
    """
    found: dict[str, Observable] = {}
    items: list[Observable]
    if isinstance(given, Mapping):
        items = [_parse(name, text, species, parameters) for name, text in given.items()]
    else:
        items = [Observable(o.name, o.function.bind(species, parameters), o.listed) for o in given]
    for observable in items:
        name = check_name(observable.name, "observable")
        if name in species or name in parameters or name in found:
            message = f"the observable '{name}' has the name of something else: rename one"
            raise ModelError(message)
        found[name] = observable
    return found


def _parse(name: str, text: str, species: Sequence[str], parameters: Mapping[str, float]) -> Observable:
    from fsp.model.expressions import parse_expression
    from fsp.model.propensity import Propensity

    tree = parse_expression(text, (*species, *parameters, "time"), what=f"observable '{name}'")
    return Observable(name, Propensity(tree, species, parameters))
