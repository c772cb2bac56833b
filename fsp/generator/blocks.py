"""Eight states at a time: the inner step of a product on short fibres and at the ends of long ones, in LLVM's vectors.

The ends of a fibre, and what its length leaves over, take most of the time when fibres are short: an ordinary loop
does them one state at a time. Here the lanes of a vector that lie outside a segment, or outside the fibre, are masked
(https://llvm.org/docs/LangRef.html#masked-vector-load-and-store-intrinsics), so one block of eight costs the same
wherever it lies. Masked lanes are neither read nor written.

With ``FSP_BOUNDS_CHECK=1`` an ordinary loop takes its place, which is also the reference that tests compare with.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

__all__ = [
    "CHECKED",
    "LANES",
    "RECORD_COLUMNS",
    "Emitter",
    "block",
    "fused_2s2t",
    "fused_4s2t",
    "fused_part",
    "open_block",
    "pack_segments",
    "place_segments",
    "reference_block",
]

#: States in a block.
LANES = 8

#: Whether ordinary loops with checked access take the place of what is written in vectors.
CHECKED = os.environ.get("FSP_BOUNDS_CHECK") == "1"


#: Columns of the records of segments with four numbers of so many bytes, and a weight of eight.
RECORD_COLUMNS = {4: 6, 8: 5}


@njit(cache=True, nogil=True)
def fused_part(length, pointer, records, fuse_lo, fuse_hi):  # type: ignore[no-untyped-def]
    """Find the part of each fibre that all its segments cover; 0, 0 if there is none."""
    for f in range(length.size):
        a = np.int64(0)
        b = np.int64(length[f])
        for k in range(pointer[f], pointer[f + 1]):
            a = max(a, np.int64(records[k, 0]))
            b = min(b, np.int64(records[k, 1]))
        fuse_lo[f] = a if b > a else 0
        fuse_hi[f] = b if b > a else 0


@njit(cache=True, nogil=True)
def pack_segments(  # type: ignore[no-untyped-def]
    length, s_ptr, s_lo, s_hi, s_source, s_c, t_ptr, t_lo, t_hi, t_source, t_c, t_table, fuse_lo, fuse_hi, pointer, middle,
    records, weights,
):  # fmt: skip
    """Write the segments of each fibre behind one another, as rows ``lo, hi, source, table, c`` of 24 or 40 bytes.

    ``weights`` is the same memory as ``records``, read as floats, with ``c`` in the last column. From ``middle`` on the
    segments have a table. ``fuse_lo`` and ``fuse_hi`` become the part of each fibre that all its segments cover; 0, 0 if
    there is none.
    """
    m = 0
    column = weights.shape[1] - 1
    for f in range(pointer.size - 1):
        for k in range(s_ptr[f], s_ptr[f + 1]):
            records[m, 0] = s_lo[k]
            records[m, 1] = s_hi[k]
            records[m, 2] = s_source[k]
            records[m, 3] = 0
            weights[m, column] = s_c[k]
            m += 1
        middle[f] = m
        for k in range(t_ptr[f], t_ptr[f + 1]):
            records[m, 0] = t_lo[k]
            records[m, 1] = t_hi[k]
            records[m, 2] = t_source[k]
            records[m, 3] = t_table[k]
            weights[m, column] = t_c[k]
            m += 1
        pointer[f + 1] = m
    fused_part(length, pointer, records, fuse_lo, fuse_hi)


@njit(cache=True, nogil=True)
def place_segments(tabled, ptr, lo, hi, source, c, table, at, records, weights):  # type: ignore[no-untyped-def]
    """Write the segments of one reaction as `pack_segments` does, from the rows ``at`` on, which move by as many."""
    column = weights.shape[1] - 1
    for f in range(at.size):
        m = at[f]
        for k in range(ptr[f], ptr[f + 1]):
            records[m, 0] = lo[k]
            records[m, 1] = hi[k]
            records[m, 2] = source[k]
            records[m, 3] = table[k] if tabled else 0
            weights[m, column] = c[k]
            m += 1
        at[f] = m


@njit(cache=True, nogil=True, boundscheck=True)
def reference_block(y, x, tables, o, n, p, d, beta, base, first, middle, last, records, weights):  # type: ignore[no-untyped-def]
    """Set ``y`` for the states ``p`` to ``p + 8`` (at most ``n``) of the fibre that starts at ``o``; see `product`."""
    for i in range(p, min(p + LANES, n)):
        value = (d - beta * tables[base + i]) * x[o + i]
        for k in range(first, last):
            if records[k, 0] <= i < records[k, 1]:
                slope = tables[records[k, 3] + i] if k >= middle else 1.0
                value += beta * weights[k, weights.shape[1] - 1] * slope * x[records[k, 2] + i]
        y[o + i] = value


class Emitter:
    """Emits vector instructions for one block."""

    def __init__(self, context: Any, builder: Any) -> None:
        self.context, self.builder = context, builder
        self.index = ir.IntType(64)
        self.real = ir.VectorType(ir.DoubleType(), LANES)
        self.mask = ir.VectorType(ir.IntType(1), LANES)
        self.zero = ir.Constant(self.real, [0.0] * LANES)

    def data(self, array_type: Any, array: Any) -> Any:
        """Return the address of an array's first entry."""
        return cgutils.create_struct_proxy(array_type)(self.context, self.builder, value=array).data

    def splat(self, value: Any) -> Any:
        """Return a vector of one value."""
        vector = ir.VectorType(value.type, LANES)
        first = self.builder.insert_element(
            ir.Constant(vector, ir.Undefined), value, ir.Constant(ir.IntType(32), 0)
        )
        lanes = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
        return self.builder.shuffle_vector(first, ir.Constant(vector, ir.Undefined), lanes)

    def at(self, data: Any, position: Any) -> Any:
        """Load one entry of an array."""
        return self.builder.load(self.builder.gep(data, [position], inbounds=True))

    def inside(self, lanes: Any, lo: Any, hi: Any) -> Any:
        """Return the mask of the lanes with ``lo <= lane < hi``."""
        after = self.builder.icmp_signed(">=", lanes, self.splat(lo))
        return self.builder.and_(after, self.builder.icmp_signed("<", lanes, self.splat(hi)))

    def _pointer(self, data: Any, position: Any) -> Any:
        return self.builder.bitcast(self.builder.gep(data, [position]), self.real.as_pointer())

    def load(self, data: Any, position: Any, mask: Any = None) -> Any:
        """Load eight entries; masked ones are zero and not read."""
        pointer = self._pointer(data, position)
        if mask is None:
            return self.builder.load(pointer, align=8)
        kind = ir.FunctionType(self.real, [pointer.type, ir.IntType(32), self.mask, self.real])
        name = f"llvm.masked.load.v{LANES}f64.p0"
        function = cgutils.get_or_insert_function(self.builder.module, kind, name)
        return self.builder.call(function, [pointer, ir.Constant(ir.IntType(32), 8), mask, self.zero])

    def store(self, value: Any, data: Any, position: Any, mask: Any = None) -> None:
        """Store eight entries, but not the masked ones."""
        pointer = self._pointer(data, position)
        if mask is None:
            self.builder.store(value, pointer, align=8)
            return
        kind = ir.FunctionType(ir.VoidType(), [self.real, pointer.type, ir.IntType(32), self.mask])
        name = f"llvm.masked.store.v{LANES}f64.p0"
        function = cgutils.get_or_insert_function(self.builder.module, kind, name)
        self.builder.call(function, [value, pointer, ir.Constant(ir.IntType(32), 8), mask])

    def multiply(self, a: Any, b: Any) -> Any:
        """Multiply, free to fuse with an addition."""
        return self.builder.fmul(a, b, flags=("contract",))

    def add(self, a: Any, b: Any) -> Any:
        """Add, free to fuse with a multiplication."""
        return self.builder.fadd(a, b, flags=("contract",))

    def magnitude(self, a: Any) -> Any:
        """Return absolute values."""
        kind = ir.FunctionType(self.real, [self.real])
        function = cgutils.get_or_insert_function(self.builder.module, kind, f"llvm.fabs.v{LANES}f64")
        return self.builder.call(function, [a])

    def subtract(self, a: Any, b: Any) -> Any:
        """Subtract, free to fuse with a multiplication."""
        return self.builder.fsub(a, b, flags=("contract",))


def _diagonal(
    emit: Emitter, x: Any, tables: Any, o: Any, base: Any, d: Any, beta: Any, mask: Any = None
) -> Any:
    rate = emit.load(tables, base, mask)
    own = emit.load(x, o, mask)
    return emit.multiply(emit.subtract(emit.splat(d), emit.multiply(emit.splat(beta), rate)), own)


def _make_block(masked: bool) -> Any:
    """Return the intrinsic for any number of segments, with masks or for a block that all segments cover."""

    @intrinsic
    def any_block(  # type: ignore[no-untyped-def]
        typing_context, y, x, tables, o, n, p, d, beta, base, first, middle, last, records, weights
    ):
        i8, f8 = types.intp, types.float64

        def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
            emit = Emitter(context, builder)
            y_, x_, tables_, records_ = (emit.data(signature.args[k], args[k]) for k in (0, 1, 2, 12))
            width = ir.Constant(emit.index, RECORD_COLUMNS[signature.args[12].dtype.bitwidth // 8])
            o_, n_, p_, d_, beta_, base_, first_, middle_, last_ = args[3:12]
            iota = ir.Constant(ir.VectorType(emit.index, LANES), list(range(LANES)))
            lanes = builder.add(emit.splat(p_), iota)
            valid = builder.icmp_signed("<", lanes, emit.splat(n_)) if masked else None
            total = cgutils.alloca_once(builder, emit.real)
            state = builder.add(o_, p_)
            builder.store(
                _diagonal(emit, x_, tables_, state, builder.add(base_, p_), d_, beta_, valid), total
            )

            def column(row: Any, k: int) -> Any:
                value = emit.at(records_, builder.add(row, ir.Constant(emit.index, k)))
                return value if value.type == emit.index else builder.sext(value, emit.index)

            def weight_of(row: Any) -> Any:
                place = builder.gep(records_, [builder.add(row, ir.Constant(emit.index, 4))], inbounds=True)
                return builder.load(builder.bitcast(place, ir.DoubleType().as_pointer()), align=8)

            edges = [builder.mul(edge, width) for edge in (first_, middle_, last_)]
            for begin, end, tabulated in ((edges[0], edges[1], False), (edges[1], edges[2], True)):
                with cgutils.for_range_slice(builder, begin, end, width, inc=True) as (row, _):
                    inside = None
                    if masked:
                        inside = emit.inside(lanes, column(row, 0), column(row, 1))
                    value = emit.load(x_, builder.add(column(row, 2), p_), inside)
                    weight = emit.splat(builder.fmul(beta_, weight_of(row)))
                    if tabulated:
                        slope = emit.load(tables_, builder.add(column(row, 3), p_), inside)
                        weight = emit.multiply(weight, slope)
                    builder.store(emit.add(builder.load(total), emit.multiply(weight, value)), total)
            emit.store(builder.load(total), y_, state, valid)
            return context.get_dummy_value()

        signature = types.void(y, x, tables, i8, i8, i8, f8, f8, i8, i8, i8, i8, records, weights)
        return signature, codegen

    return any_block


def _fused(context: Any, builder: Any, signature: Any, args: Any, plain: int) -> Any:
    """Emit a block of eight states with ``plain`` segments without a table, and two with one, without any loop."""
    emit = Emitter(context, builder)
    y, x, tables = (emit.data(signature.args[k], args[k]) for k in range(3))
    state, d, beta, base = args[3:7]
    rest = list(args[7:])
    total = _diagonal(emit, x, tables, state, base, d, beta)
    for k in range(plain + 2):
        source, c = rest[:2]
        del rest[:2]
        weight = emit.splat(c)
        if k >= plain:
            weight = emit.multiply(weight, emit.load(tables, rest.pop(0)))
        total = emit.add(total, emit.multiply(weight, emit.load(x, source)))
    emit.store(total, y, state)
    return context.get_dummy_value()


@intrinsic
def _fused_2s2t(typing_context, y, x, tables, o, d, beta, base, x1, c1, x2, c2, x3, c3, t3, x4, c4, t4):  # type: ignore[no-untyped-def]
    i8, f8 = types.intp, types.float64

    def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
        return _fused(context, builder, signature, args, 2)

    return types.void(y, x, tables, i8, f8, f8, i8, i8, f8, i8, f8, i8, f8, i8, i8, f8, i8), codegen


@intrinsic
def _fused_4s2t(  # type: ignore[no-untyped-def]
    typing_context, y, x, tables, o, d, beta, base, x1, c1, x2, c2, x5, c5, x6, c6, x3, c3, t3, x4, c4, t4
):
    i8, f8 = types.intp, types.float64

    def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
        return _fused(context, builder, signature, args, 4)

    plain = (i8, f8, i8, f8, i8, f8, i8, f8)
    return types.void(y, x, tables, i8, f8, f8, i8, *plain, i8, f8, i8, i8, f8, i8), codegen


@njit(cache=True, nogil=True, boundscheck=True)
def _checked_4s2t(y, x, tables, o, d, beta, base, x1, c1, x2, c2, x5, c5, x6, c6, x3, c3, t3, x4, c4, t4):  # type: ignore[no-untyped-def]
    for i in range(LANES):
        value = (d - beta * tables[base + i]) * x[o + i] + c1 * x[x1 + i] + c2 * x[x2 + i]
        value += c5 * x[x5 + i] + c6 * x[x6 + i]
        value += c3 * tables[t3 + i] * x[x3 + i] + c4 * tables[t4 + i] * x[x4 + i]
        y[o + i] = value


@njit(cache=True, nogil=True)
def _checked_2s2t(y, x, tables, o, d, beta, base, x1, c1, x2, c2, x3, c3, t3, x4, c4, t4):  # type: ignore[no-untyped-def]
    _checked_4s2t(y, x, tables, o, d, beta, base, x1, c1, x2, c2, o, 0.0, o, 0.0, x3, c3, t3, x4, c4, t4)


if CHECKED:
    block, open_block, fused_2s2t, fused_4s2t = reference_block, reference_block, _checked_2s2t, _checked_4s2t
else:
    block, open_block, fused_2s2t, fused_4s2t = (
        _make_block(True),
        _make_block(False),
        _fused_2s2t,
        _fused_4s2t,
    )
