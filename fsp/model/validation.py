"""What is checked of species and parameters before they are part of a network."""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from fsp.errors import ModelError
from fsp.model.names import check_name

__all__ = ["check_parameters", "check_species", "count_table", "frozen"]

_MAX_COUNT = 2**62


def check_species(species: Mapping[str, int]) -> dict[str, int]:
    """Return species with their initial counts, or refuse them."""
    if not isinstance(species, Mapping):
        message = 'species must be a mapping from names to initial counts, such as {"A": 10}'
        raise ModelError(message)
    if not species:
        message = "the network has no species: give at least one with its initial count"
        raise ModelError(message)
    result: dict[str, int] = {}
    for name, count in species.items():
        check_name(name, "species")
        if not _is_finite(count) or int(count) != count:
            message = f"the initial count of species '{name}' is {count!r}: it must be a whole number"
            raise ModelError(message)
        if not 0 <= count < _MAX_COUNT:
            message = (
                f"the initial count of species '{name}' is {count}: it must not be negative, and below 2^62"
            )
            raise ModelError(message)
        result[name] = int(count)
    return result


def check_parameters(parameters: Mapping[str, float], species: Mapping[str, int]) -> dict[str, float]:
    """Return parameters as floats, or refuse them."""
    if not isinstance(parameters, Mapping):
        message = 'parameters must be a mapping from names to numbers, such as {"k": 0.1}'
        raise ModelError(message)
    result: dict[str, float] = {}
    for name, value in parameters.items():
        check_name(name, "parameter")
        if name in species:
            message = f"'{name}' is the name of a species and of a parameter: rename one"
            raise ModelError(message)
        if not _is_finite(value):
            message = f"parameter '{name}' is {value!r}: it must be a finite number"
            raise ModelError(message)
        result[name] = float(value)
    return result


def _is_finite(value: object) -> bool:
    if not isinstance(value, numbers.Real) or isinstance(value, (bool, np.bool_)):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer beyond the range of floats
        return False


def count_table(sides: Sequence[Mapping[str, int]], index: Mapping[str, int]) -> NDArray[np.int64]:
    """Return the molecules on one side of each reaction as a read-only table."""
    table = np.zeros((len(sides), len(index)), dtype=np.int64)
    for row, side in zip(table, sides, strict=True):
        for name, n in side.items():
            row[index[name]] = n
    return frozen(table)


def frozen(array: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the array, read-only from here on."""
    array.setflags(write=False)
    return array
