"""Programs for expressions that are no products of small factors: a stack machine in compiled code.

`fsp.ssa.programs` writes the programs. Undefined values are NaN and stay so, as in `fsp.model.evaluation`; logic
has three values, 1, 0 and NaN.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from fsp.ssa.memory import get, pointer, put

__all__ = ["OPERATIONS", "run_program", "tabulate"]

_NAMES = (
    "end", "number", "count", "time", "add", "multiply", "divide", "power", "whole_power", "less", "less_equal", "greater",
    "greater_equal", "equal", "unequal", "and", "or", "not", "choose", "minimum", "maximum", "binomial", "factorial", "sqrt",
    "exp", "log", "log10", "abs", "floor", "ceil", "sign", "sin", "cos", "tan", "sinh", "cosh", "tanh", "asin",
    "acos", "atan",
    "asinh", "acosh", "atanh",
)  # fmt: skip
#: The number of each operation.
OPERATIONS = {name: number for number, name in enumerate(_NAMES)}

(
    _END, _NUMBER, _COUNT, _TIME, _ADD, _MULTIPLY, _DIVIDE, _POWER, _WHOLE_POWER, _LESS, _LESS_EQUAL, _GREATER,
    _GREATER_EQUAL, _EQUAL, _UNEQUAL, _AND, _OR, _NOT, _CHOOSE, _MINIMUM, _MAXIMUM, _BINOMIAL, _FACTORIAL, _SQRT,
    _EXP, _LOG, _LOG10, _ABS, _FLOOR, _CEIL, _SIGN, _SIN, _COS, _TAN, _SINH, _COSH, _TANH, _ASIN, _ACOS, _ATAN,
    _ASINH, _ACOSH, _ATANH,
) = range(len(_NAMES))  # fmt: skip


@njit(cache=True, nogil=True, error_model="numpy")
def _one(operation, a):  # type: ignore[no-untyped-def]
    """Return a function of one number; NaN outside its domain."""
    if operation == _SQRT:
        return math.sqrt(a) if a >= 0.0 else np.nan
    if operation == _EXP:
        return np.exp(a)
    if operation == _LOG:
        return np.log(a)
    if operation == _LOG10:
        return np.log10(a)
    if operation == _ABS:
        return abs(a)
    if operation == _FLOOR:
        return np.floor(a)
    if operation == _CEIL:
        return np.ceil(a)
    if operation == _SIGN:
        return np.sign(a)
    if operation == _SIN:
        return np.sin(a)
    if operation == _COS:
        return np.cos(a)
    if operation == _TAN:
        return np.tan(a)
    if operation == _SINH:
        return np.sinh(a)
    if operation == _COSH:
        return np.cosh(a)
    if operation == _TANH:
        return np.tanh(a)
    if operation == _ASIN:
        return np.arcsin(a)
    if operation == _ACOS:
        return np.arccos(a)
    if operation == _ATAN:
        return np.arctan(a)
    if operation == _ASINH:
        return np.arcsinh(a)
    if operation == _ACOSH:
        return np.arccosh(a)
    if operation == _ATANH:
        return np.arctanh(a)
    if operation == _FACTORIAL:
        if not (a >= 0.0 and a == np.floor(a)):
            return np.nan
        value = 1.0
        for i in range(2, int(min(a, 171.0)) + 1):
            value *= i
        return value if a <= 170.0 else np.inf
    return np.nan


@njit(cache=True, nogil=True, error_model="numpy")
def _binomial(n, k):  # type: ignore[no-untyped-def]
    if not (n == np.floor(n) and k == np.floor(k) and n >= 0.0):
        return np.nan
    if k < 0.0 or k > n:
        return 0.0
    k = min(k, n - k)
    if k > 1000.0:
        return np.exp(math.lgamma(n + 1.0) - math.lgamma(k + 1.0) - math.lgamma(n - k + 1.0))
    value = 1.0
    for i in range(int(k)):
        value = value * (n - i) / (i + 1.0)
    return value


@njit(cache=True, nogil=True, error_model="numpy")
def _whole_power(base, exponent):  # type: ignore[no-untyped-def]
    """Return a power by repeated squaring."""
    result = 1.0
    left = abs(exponent)
    while left:
        if left & 1:
            result *= base
        left >>= 1
        base *= base
    return 1.0 / result if exponent < 0 else result


@njit(cache=True, nogil=True, error_model="numpy")
def _two(operation, a, b):  # type: ignore[no-untyped-def]
    """Return a function of two numbers."""
    if operation == _POWER:
        return a**b if a >= 0.0 or b == np.floor(b) else np.nan
    if operation == _AND:
        return 0.0 if a == 0.0 or b == 0.0 else a * b
    if operation == _OR:
        return 1.0 if a == 1.0 or b == 1.0 else a + b
    if operation == _BINOMIAL:
        return _binomial(a, b)
    if np.isnan(a) or np.isnan(b):
        return np.nan
    if operation == _LESS:
        return 1.0 if a < b else 0.0
    if operation == _LESS_EQUAL:
        return 1.0 if a <= b else 0.0
    if operation == _GREATER:
        return 1.0 if a > b else 0.0
    if operation == _GREATER_EQUAL:
        return 1.0 if a >= b else 0.0
    if operation == _EQUAL:
        return 1.0 if a == b else 0.0
    if operation == _UNEQUAL:
        return 1.0 if a != b else 0.0
    if operation == _MINIMUM:
        return min(a, b)
    return max(a, b)


@njit(cache=True, nogil=True, error_model="numpy")
def run_program(place, x, at, time, code, numbers, stack):  # type: ignore[no-untyped-def]
    """Return the value of the program at ``place`` at the counts ``x[at:]`` and a time.

    Parameters
    ----------
    place : int
    x, code, numbers, stack : pointers
    at : int
    time : float
    """
    top = -1
    while True:
        operation, argument = get(code, place), get(code, place + 1)
        place += 2
        if operation == _END:
            return get(stack, 0)
        if operation == _COUNT:
            top += 1
            put(stack, top, np.float64(get(x, at + argument)))
        elif operation == _NUMBER:
            top += 1
            put(stack, top, get(numbers, argument))
        elif operation == _TIME:
            top += 1
            put(stack, top, time)
        elif operation == _ADD:
            top -= 1
            put(stack, top, get(stack, top) + get(stack, top + 1))
        elif operation == _MULTIPLY:
            top -= 1
            put(stack, top, get(stack, top) * get(stack, top + 1))
        elif operation == _DIVIDE:
            top -= 1
            put(stack, top, get(stack, top) / get(stack, top + 1))
        elif operation == _WHOLE_POWER:
            put(stack, top, _whole_power(get(stack, top), argument))
        elif operation == _NOT:
            put(stack, top, 1.0 - get(stack, top))
        elif operation == _CHOOSE:  # (value otherwise, value, condition)
            top -= 2
            test = get(stack, top + 2)
            if test == 1.0:
                put(stack, top, get(stack, top + 1))
            elif test != 0.0:
                put(stack, top, np.nan)
        elif operation >= _SQRT or operation == _FACTORIAL:
            put(stack, top, _one(operation, get(stack, top)))
        else:
            top -= 1
            put(stack, top, _two(operation, get(stack, top), get(stack, top + 1)))


@njit(cache=True, nogil=True, error_model="numpy")
def tabulate(place, species, x, code, numbers, depth, length):  # type: ignore[no-untyped-def]
    """Return the values of a program that reads one species, at its counts from 0 to ``length - 1``.

    Parameters
    ----------
    place, species : int
    x : ndarray of int64
        Room for a state.
    code, numbers : ndarray
    depth, length : int

    Returns
    -------
    ndarray of float64
    """
    values, stack = np.empty(length), np.zeros(depth + 1)
    for count in range(length):
        x[species] = count
        values[count] = run_program(
            place, pointer(x), 0, np.nan, pointer(code), pointer(numbers), pointer(stack)
        )
    return values
