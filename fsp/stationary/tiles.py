"""Products of small matrices in vector registers: what the innermost loops of elimination consist of.

``add_tile(c, p, ldc, left, q, right, u, ldr)`` adds to a tile of ``c`` the product of a few rows of ``left``, with ``depth``
entries each, and as many rows of ``right``. All are vectors that hold matrices row by row: the tile begins at ``p``, with
rows ``ldc`` apart, ``left`` at ``q``, with rows `PANEL` apart, and ``right`` at ``u``, with rows ``ldr`` apart. The tile is
read once, and written once when all is read, in the order of its rows; in between it stays in registers.

Left to themselves compilers do the last columns one by one, and short rows are mostly last columns.
"""

from __future__ import annotations

import os
from typing import Any

from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

__all__ = ["LANES", "PANEL", "add_4_by_8", "add_4_by_16", "add_row_to_4_by_8", "add_row_to_4_by_16"]

#: Columns of a matrix on the left, and rows of one on the right.
PANEL = 16

#: Numbers in a vector. Where registers are shorter each takes several of them.
LANES = 8

VECTOR = ir.VectorType(ir.DoubleType(), LANES)
FUSED = ("contract",)


def _data(context: Any, builder: Any, array_type: Any, array: Any) -> Any:
    return cgutils.create_struct_proxy(array_type)(context, builder, value=array).data


def _tile(rows: int, columns: int, depth: int) -> Any:
    """Return a compiled function that adds to a tile of so many rows and columns."""
    if os.environ.get("FSP_BOUNDS_CHECK") == "1":
        return _checked_tile(rows, columns, depth)

    @intrinsic
    def add_tile(typing_context, c, p, ldc, left, q, right, u, ldr):  # type: ignore[no-untyped-def]
        def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
            c, left, right = (_data(context, builder, signature.args[k], args[k]) for k in (0, 3, 5))
            p, ldc, q, u, ldr = (args[k] for k in (1, 2, 4, 6, 7))
            index = p.type

            def at(data: Any, start: Any, offset: int) -> Any:
                place = builder.add(start, ir.Constant(index, offset))
                return builder.gep(data, [place], inbounds=True)

            def vector_at(data: Any, start: Any, offset: int) -> Any:
                return builder.bitcast(at(data, start, offset), VECTOR.as_pointer())

            def starts(start: Any, step: Any, count: int) -> list[Any]:
                found = [start]
                for _ in range(count - 1):
                    found.append(builder.add(found[-1], step))
                return found

            row_starts = starts(p, ldc, rows)
            offsets = range(0, columns, LANES)
            sums = [[builder.load(vector_at(c, s, j), align=8) for j in offsets] for s in row_starts]
            undefined = ir.Constant(VECTOR, ir.Undefined)
            first = ir.Constant(ir.IntType(32), 0)
            everywhere = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
            for k, start in enumerate(starts(u, ldr, depth)):
                across = [builder.load(vector_at(right, start, j), align=8) for j in offsets]
                for i in range(rows):
                    factor = builder.load(at(left, q, i * PANEL + k))
                    factors = builder.shuffle_vector(
                        builder.insert_element(undefined, factor, first), undefined, everywhere
                    )
                    for j, x in enumerate(across):
                        sums[i][j] = builder.fadd(sums[i][j], builder.fmul(factors, x, FUSED), FUSED)
            for s, row in zip(row_starts, sums, strict=True):
                for j, value in zip(offsets, row, strict=True):
                    builder.store(value, vector_at(c, s, j), align=8)
            return context.get_dummy_value()

        whole = types.intp
        return types.void(c, whole, whole, left, whole, right, whole, whole), codegen

    return add_tile


def _checked_tile(rows: int, columns: int, depth: int) -> Any:
    @njit(boundscheck=True)
    def add_tile(c, p, ldc, left, q, right, u, ldr):  # type: ignore[no-untyped-def]
        for i in range(rows):
            for j in range(columns):
                for k in range(depth):
                    c[p + i * ldc + j] += left[q + i * PANEL + k] * right[u + k * ldr + j]

    return add_tile


add_4_by_8 = _tile(4, 8, PANEL)
add_4_by_16 = _tile(4, 16, PANEL)
add_row_to_4_by_8 = _tile(4, 8, 1)
add_row_to_4_by_16 = _tile(4, 16, 1)
