"""``y += beta w x`` for stored weights, eight states at a time; see `fsp.generator.blocks` for the masks.

Vectors are written out in LLVM's terms because a compiler cannot know that ``y`` and ``x`` do not overlap, and would
check it for every run of a few states.
"""

from __future__ import annotations

import os

from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from fsp.generator.blocks import LANES, Emitter

__all__ = ["add_4_weighted", "add_weighted", "add_weighted_end"]


@intrinsic
def _add_weighted(typing_context, y, x, w, o, beta, w1, x1):  # type: ignore[no-untyped-def]
    i8, f8 = types.intp, types.float64

    def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
        emit = Emitter(context, builder)
        data = [emit.data(signature.args[k], args[k]) for k in range(3)]
        o, beta, w1, x1 = args[3:]
        weight = emit.multiply(emit.splat(beta), emit.load(data[2], w1))
        total = emit.add(emit.load(data[0], o), emit.multiply(weight, emit.load(data[1], x1)))
        emit.store(total, data[0], o)
        return context.get_dummy_value()

    return types.void(y, x, w, i8, f8, i8, i8), codegen


@intrinsic
def _add_weighted_end(typing_context, y, x, w, o, n, beta, w1, x1):  # type: ignore[no-untyped-def]
    i8, f8 = types.intp, types.float64

    def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
        emit = Emitter(context, builder)
        data = [emit.data(signature.args[k], args[k]) for k in range(3)]
        o, n, beta, w1, x1 = args[3:]
        lanes = ir.Constant(ir.VectorType(emit.index, LANES), list(range(LANES)))
        mask = builder.icmp_signed("<", lanes, emit.splat(n))
        weight = emit.multiply(emit.splat(beta), emit.load(data[2], w1, mask))
        value = emit.multiply(weight, emit.load(data[1], x1, mask))
        emit.store(emit.add(emit.load(data[0], o, mask), value), data[0], o, mask)
        return context.get_dummy_value()

    return types.void(y, x, w, i8, i8, f8, i8, i8), codegen


@intrinsic
def _add_4_weighted(typing_context, y, x, w, o, beta, w1, x1, w2, x2, w3, x3, w4, x4):  # type: ignore[no-untyped-def]
    i8, f8 = types.intp, types.float64

    def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
        emit = Emitter(context, builder)
        data = [emit.data(signature.args[k], args[k]) for k in range(3)]
        o, beta, *places = args[3:]
        value = None
        for k in range(4):
            term = emit.multiply(emit.load(data[2], places[2 * k]), emit.load(data[1], places[2 * k + 1]))
            value = term if value is None else emit.add(value, term)
        total = emit.add(emit.load(data[0], o), emit.multiply(emit.splat(beta), value))
        emit.store(total, data[0], o)
        return context.get_dummy_value()

    return types.void(y, x, w, i8, f8, i8, i8, i8, i8, i8, i8, i8, i8), codegen


@njit(cache=True, nogil=True, boundscheck=True)
def _checked_end(y, x, w, o, n, beta, w1, x1):  # type: ignore[no-untyped-def]
    for i in range(min(n, LANES)):
        y[o + i] += beta * w[w1 + i] * x[x1 + i]


@njit(cache=True, nogil=True, boundscheck=True)
def _checked(y, x, w, o, beta, w1, x1):  # type: ignore[no-untyped-def]
    _checked_end(y, x, w, o, LANES, beta, w1, x1)


@njit(cache=True, nogil=True, boundscheck=True)
def _checked_4(y, x, w, o, beta, w1, x1, w2, x2, w3, x3, w4, x4):  # type: ignore[no-untyped-def]
    for i in range(LANES):
        value = w[w1 + i] * x[x1 + i] + w[w2 + i] * x[x2 + i]
        value += w[w3 + i] * x[x3 + i] + w[w4 + i] * x[x4 + i]
        y[o + i] += beta * value


if os.environ.get("FSP_BOUNDS_CHECK") == "1":
    add_weighted, add_weighted_end, add_4_weighted = _checked, _checked_end, _checked_4
else:
    add_weighted, add_weighted_end, add_4_weighted = _add_weighted, _add_weighted_end, _add_4_weighted
