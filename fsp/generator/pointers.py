"""Unchecked access to vectors in the innermost loops.

Slicing an array inside a compiled loop costs reference counting, and indexing costs the handling of negative indices;
both keep short loops slow. These two operations compile to one load or store each.

With the environment variable ``FSP_BOUNDS_CHECK=1`` (set before import) they become ordinary checked accesses.
"""

from __future__ import annotations

import os
from typing import Any

from numba import njit, types
from numba.core import cgutils
from numba.core.imputils import impl_ret_untracked
from numba.extending import intrinsic

__all__ = ["read", "write"]


def _pointer(context: Any, builder: Any, array_type: Any, array: Any, index: Any) -> Any:
    data = cgutils.create_struct_proxy(array_type)(context, builder, value=array).data
    return builder.gep(data, [index], inbounds=True)


def _is_vector(array: Any, index: Any) -> bool:
    return isinstance(array, types.Array) and array.ndim == 1 and isinstance(index, types.Integer)


@intrinsic
def _read(typing_context, array, index):  # type: ignore[no-untyped-def]
    if not _is_vector(array, index):
        return None

    def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
        value = builder.load(_pointer(context, builder, signature.args[0], *args))
        return impl_ret_untracked(context, builder, signature.return_type, value)

    return array.dtype(array, types.intp), codegen


@intrinsic
def _write(typing_context, array, index, value):  # type: ignore[no-untyped-def]
    if not _is_vector(array, index):
        return None

    def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
        builder.store(args[2], _pointer(context, builder, signature.args[0], args[0], args[1]))
        return context.get_dummy_value()

    return types.void(array, types.intp, array.dtype), codegen


@njit(boundscheck=True)
def _checked_read(array, index):  # type: ignore[no-untyped-def]
    return array[index]


@njit(boundscheck=True)
def _checked_write(array, index, value):  # type: ignore[no-untyped-def]
    array[index] = value


if os.environ.get("FSP_BOUNDS_CHECK") == "1":
    read, write = _checked_read, _checked_write
else:
    read, write = _read, _write
