"""Unchecked access to vectors in the innermost loops, with the promise that input and output do not overlap.

Slicing an array inside a compiled loop costs reference counting, and indexing costs the handling of negative indices;
both keep short fibres slow. These three operations compile to one load or store each. The stores carry LLVM's alias
scopes (https://llvm.org/docs/LangRef.html#noalias-and-alias-scope-metadata), so that loops vectorise without run-time
overlap checks: output arrays given to `write` must not overlap arrays given to `read`.

With the environment variable ``FSP_BOUNDS_CHECK=1`` (set before import) they become ordinary checked accesses.
"""

from __future__ import annotations

import os
from typing import Any

from numba import njit, types
from numba.core import cgutils
from numba.core.imputils import impl_ret_untracked
from numba.extending import intrinsic

__all__ = ["peek", "read", "write"]


def _scope(builder: Any) -> Any:
    module = builder.module
    domain = module.add_metadata(["fsp"])
    return module.add_metadata([module.add_metadata(["fsp output", domain])])


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
        value.set_metadata("noalias", _scope(builder))
        return impl_ret_untracked(context, builder, signature.return_type, value)

    return array.dtype(array, types.intp), codegen


@intrinsic
def _peek(typing_context, array, index):  # type: ignore[no-untyped-def]
    if not _is_vector(array, index):
        return None

    def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
        value = builder.load(_pointer(context, builder, signature.args[0], *args))
        value.set_metadata("alias.scope", _scope(builder))
        return impl_ret_untracked(context, builder, signature.return_type, value)

    return array.dtype(array, types.intp), codegen


@intrinsic
def _write(typing_context, array, index, value):  # type: ignore[no-untyped-def]
    if not _is_vector(array, index):
        return None

    def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
        store = builder.store(args[2], _pointer(context, builder, signature.args[0], args[0], args[1]))
        store.set_metadata("alias.scope", _scope(builder))
        return context.get_dummy_value()

    return types.void(array, types.intp, array.dtype), codegen


@njit(boundscheck=True)
def _checked_read(array, index):  # type: ignore[no-untyped-def]
    return array[index]


@njit(boundscheck=True)
def _checked_write(array, index, value):  # type: ignore[no-untyped-def]
    array[index] = value


if os.environ.get("FSP_BOUNDS_CHECK") == "1":
    read, peek, write = _checked_read, _checked_read, _checked_write
else:
    read, peek, write = _read, _peek, _write
