"""Random streams of trajectories: an exponential and a uniform deviate from each block of 128 bits.

Block ``b`` of trajectory ``i`` is Philox4x32-10 of the counter ``(b, i)`` under the key ``seed``, all of 64 bits.
Its first 64 bits make a standard exponential deviate ``-log(u)`` with ``u = (m + 1) 2^-53 in (0, 1]``, its last 64
bits a uniform deviate ``m 2^-53 in [0, 1)``; ``m`` are 53 bits each. The logarithm is that of fdlibm (error below 1
ulp), written without branches, so that a loop over blocks is vectorised and every machine gets the same bits.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, types
from numba.extending import intrinsic

from fsp.ssa.layout import BUFFER, DECK
from fsp.ssa.memory import pointer, put
from fsp.ssa.philox import philox4x32

__all__ = ["LAST_BLOCK", "deviates", "fill", "negative_log"]


_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)
_DROP = np.uint64(11)  # of 64 bits, 53 are used
_ULP = 2.0**-53
#: The block that initial states are drawn with.
LAST_BLOCK = np.uint64(0xFFFFFFFFFFFFFFFF)

# log: the exponent is chosen such that the mantissa lies in [sqrt(1/2), sqrt(2)).
_LN2_HIGH, _LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10
_L1, _L2, _L3, _L4 = (
    6.666666666666735130e-01,
    3.999999999940941908e-01,
    2.857142874366239149e-01,
    2.222219843214978396e-01,
)
_L5, _L6, _L7 = 1.818357216161805012e-01, 1.531383769920937332e-01, 1.479819860511658591e-01
_FRACTION, _ONE, _CARRY = (
    np.int64(0x000FFFFFFFFFFFFF),
    np.int64(0x3FF0000000000000),
    np.int64(0x0010000000000000),
)
_ABOVE_SQRT2 = np.int64(0x00095F6400000000)  # brings mantissas above sqrt(2) over into the exponent
_SHIFT, _BIAS = np.int64(52), np.int64(1023)


@intrinsic
def _as_integer(typing_context, value):  # type: ignore[no-untyped-def]
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.bitcast(args[0], context.get_value_type(types.int64))

    return types.int64(types.float64), codegen


@intrinsic
def _as_float(typing_context, value):  # type: ignore[no-untyped-def]
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.bitcast(args[0], context.get_value_type(types.float64))

    return types.float64(types.int64), codegen


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def negative_log(u):  # type: ignore[no-untyped-def]
    """Return ``-log(u)`` for a normal number ``u``."""
    word = _as_integer(u)
    carry = ((word & _FRACTION) + _ABOVE_SQRT2) & _CARRY
    k = np.float64((word >> _SHIFT) - _BIAS + (carry >> _SHIFT))
    f = _as_float((word & _FRACTION) | (carry ^ _ONE)) - 1.0
    half = 0.5 * f * f
    s = f / (2.0 + f)
    z = s * s
    w = z * z
    r = z * (_L1 + w * (_L3 + w * (_L5 + w * _L7))) + w * (_L2 + w * (_L4 + w * _L6))
    return ((half - (s * (half + r) + k * _LN2_LOW)) - f) - k * _LN2_HIGH


@njit(cache=True, nogil=True, error_model="numpy")
def fill(deck, start, n, key, trajectory, block):  # type: ignore[no-untyped-def]
    """Write the deviates of ``n`` blocks from ``block`` on.

    Parameters
    ----------
    deck : pointer to float64
        Exponential deviates are written from ``start`` on, uniform ones `BUFFER` further.
    start, n : int
    key, trajectory, block : uint64
    """
    k0, k1 = key & _LOW, key >> _HALF
    t0, t1 = trajectory & _LOW, trajectory >> _HALF
    for i in range(n):
        b = block + np.uint64(i)
        w0, w1, w2, w3 = philox4x32(b & _LOW, b >> _HALF, t0, t1, k0, k1)
        put(deck, start + BUFFER + i, np.float64(np.int64(((w3 << _HALF) | w2) >> _DROP)) * _ULP)
        u = np.float64(np.int64(((w1 << _HALF) | w0) >> _DROP) + np.int64(1)) * _ULP
        put(deck, start + i, negative_log(u))


@njit(cache=True, nogil=True, error_model="numpy")
def deviates(key, trajectories, block):  # type: ignore[no-untyped-def]
    """Return the exponential and the uniform deviate of one block for each trajectory."""
    deck = np.zeros(DECK)
    exponential, uniform = np.empty(trajectories.size), np.empty(trajectories.size)
    for i in range(trajectories.size):
        fill(pointer(deck), 0, 1, key, trajectories[i], block)
        exponential[i], uniform[i] = deck[0], deck[BUFFER]
    return exponential, uniform
