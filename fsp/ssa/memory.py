"""Access to arrays in the innermost loops through plain pointers.

numba counts references to arrays wherever a name stands for one, also in inlined functions; the counters are
atomic, and cost several times what a step of a simulation does. A pointer is a number. The caller keeps the arrays
alive and the indices inside.

With the environment variable ``FSP_BOUNDS_CHECK=1`` (set before import) the pointers are the arrays, and accesses
are checked.
"""

from __future__ import annotations

import os
from typing import Any

from numba import njit, types
from numba.core import cgutils
from numba.core.imputils import impl_ret_untracked
from numba.extending import intrinsic

__all__ = ["get", "pointer", "put"]


@intrinsic
def _pointer(typing_context, array):  # type: ignore[no-untyped-def]
    """Return a pointer to the first element of a contiguous array, which must be kept alive."""
    if not isinstance(array, types.Array):
        return None

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return cgutils.create_struct_proxy(signature.args[0])(context, builder, value=args[0]).data

    return types.CPointer(array.dtype)(array), codegen


@intrinsic
def _get(typing_context, start, index):  # type: ignore[no-untyped-def]
    """Return the element ``index`` (>= 0) after a pointer."""
    if not isinstance(start, types.CPointer) or not isinstance(index, types.Integer):
        return None

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        value = builder.load(builder.gep(args[0], [args[1]], inbounds=True))
        return impl_ret_untracked(context, builder, signature.return_type, value)

    return start.dtype(start, types.intp), codegen


@intrinsic
def _put(typing_context, start, index, value):  # type: ignore[no-untyped-def]
    """Set the element ``index`` (>= 0) after a pointer."""
    if not isinstance(start, types.CPointer) or not isinstance(index, types.Integer):
        return None

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.store(args[2], builder.gep(args[0], [args[1]], inbounds=True))
        return context.get_dummy_value()

    return types.void(start, types.intp, start.dtype), codegen


if os.environ.get("FSP_BOUNDS_CHECK") == "1":

    @njit(cache=True, nogil=True, inline="always")
    def pointer(array):  # type: ignore[no-untyped-def]
        """Return the array, as one row."""
        return array.reshape(-1)

    @njit(cache=True, nogil=True, boundscheck=True)
    def get(start, index):  # type: ignore[no-untyped-def]
        """Return ``start[index]``, checked."""
        return start[index]

    @njit(cache=True, nogil=True, boundscheck=True)
    def put(start, index, value):  # type: ignore[no-untyped-def]
        """Set ``start[index] = value``, checked."""
        start[index] = value

else:
    pointer, get, put = _pointer, _get, _put
