"""The three-term recurrence of a Chebyshev series in one compiled call, and the reductions that its proof needs."""

from __future__ import annotations

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from fsp.generator.assembled_kernels import assembled_product
from fsp.generator.blocks import CHECKED, LANES, Emitter
from fsp.generator.kernels import add_scaled, boundary_flow, product
from fsp.generator.pointers import read, write

__all__ = ["chebyshev_series", "clip", "combine", "norms", "recurrence_in_place"]

#: States after which a finished part of a term is added to the sum, while it is in the second-level cache; a multiple of
#: the blocks of the assembled product.
_PIECE = 16384

# Sums of magnitudes may be added up in any order: their relative error is at most n u, which the stepper allows for.
_SUMS = {"contract", "nsz", "reassoc"}


@njit(cache=True, nogil=True, fastmath=_SUMS, error_model="numpy")
def norms(i0, i1, x):  # type: ignore[no-untyped-def]
    """1-norm, largest magnitude and largest entry of ``x`` from ``i0`` to ``i1``; the last one is not below -1e300."""
    total = 0.0
    magnitude = 0.0
    largest = -1e300
    for i in range(i0, i1):
        value = read(x, i)
        size = abs(value)
        total += size
        magnitude = size if size > magnitude else magnitude
        largest = value if value > largest else largest
    return total, magnitude, largest


@intrinsic
def _combine_blocks(typing_context, image, previous, total, first, last, weight, sums):  # type: ignore[no-untyped-def]
    """Do what `combine` does for whole blocks; add the lanes' 1-norms to ``sums[:8]``, the largest magnitudes go behind.

    The compiler does not see that the three arrays are different, and would do one state at a time.
    """

    def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
        emit = Emitter(context, builder)
        y, x, t, norm = (emit.data(signature.args[k], args[k]) for k in (0, 1, 2, 6))
        first, last, weight = args[3:6]
        length, magnitude = (cgutils.alloca_once_value(builder, emit.zero) for _ in range(2))
        factor = emit.splat(weight)
        step = ir.Constant(emit.index, LANES)
        with cgutils.for_range_slice(builder, first, last, step, inc=True) as (i, _):
            value = emit.subtract(emit.load(y, i), emit.load(x, i))
            emit.store(value, y, i)
            emit.store(emit.add(emit.load(t, i), emit.multiply(factor, value)), t, i)
            size = emit.magnitude(value)
            builder.store(emit.add(builder.load(length), size), length)
            most = builder.load(magnitude)
            larger = builder.fcmp_ordered(">", size, most)
            builder.store(builder.select(larger, size, most), magnitude)
        emit.store(builder.load(length), norm, ir.Constant(emit.index, 0))
        emit.store(builder.load(magnitude), norm, step)
        return context.get_dummy_value()

    i8 = types.intp
    return types.void(image, previous, total, i8, i8, types.float64, sums), codegen


@njit(cache=True, nogil=True, error_model="numpy")
def combine(i0, i1, image, previous, total, weight):  # type: ignore[no-untyped-def]
    """``image -= previous; total += weight image``; return the 1-norm and the largest magnitude of ``image``."""
    length = 0.0
    magnitude = 0.0
    start = i0
    if not CHECKED:
        start = i1 - (i1 - i0) % LANES
        sums = np.zeros(2 * LANES, np.float64)
        _combine_blocks(image, previous, total, i0, start, weight, sums)
        for lane in range(LANES):
            length += sums[lane]
            magnitude = max(magnitude, sums[LANES + lane])
    for i in range(start, i1):
        value = read(image, i) - read(previous, i)
        write(image, i, value)
        write(total, i, read(total, i) + weight * value)
        length += abs(value)
        magnitude = max(magnitude, abs(value))
    return length, magnitude


@njit(cache=True, nogil=True, error_model="numpy")
def clip(i0, i1, x, eta):  # type: ignore[no-untyped-def]
    """``x = max(x - eta, 0)``, rounded down; return how much that changed ``x`` in the 1-norm."""
    lost = 0.0
    for i in range(i0, i1):
        value = read(x, i)
        rest = (value - eta) * (1.0 - 2.0**-51)
        rest = rest if rest > 0.0 else 0.0
        lost += abs(value - rest)
        write(x, i, rest)
    return lost


@njit(cache=True, nogil=True)
def chebyshev_series(  # type: ignore[no-untyped-def]
    previous, v, scratch, total, k, weights, integrals, beta, per_column, lengths, magnitudes, wanted, refuse,
    positions, rates, residence, fibres, assembled,
):  # fmt: skip
    """Terms ``t_{k+1} = 2 B t_k - t_{k-1}`` with ``B = I + beta A``, summed with ``weights``.

    Starts with ``t_0`` in ``previous`` and ``t_1`` in ``v``, whose norms are in ``lengths`` and ``magnitudes``, and ends as
    soon as the defect of the series, ``J_{k+1} |t_k| + J_k |t_{k+1}|``, is at most ``wanted`` in the 1-norm, or the bound
    on rounding is above ``refuse``, or the weights end. ``per_column`` bounds the rounding error of a product,
    relative to the 1-norm. Returns ``k``, the outflow and the two buffers' parity.
    """
    dense = rates.size == v.size
    here = np.empty(0 if dense else rates.size, np.float64)
    offset = fibres[1]
    n_fibres = fibres[0].size
    unit = 2.0**-53
    leaked = 0.0
    rounding = 0.0
    while True:
        felt = 2.0 * beta * integrals[k]
        flow = boundary_flow(v, positions, rates, here)
        leaked += flow * felt
        add_scaled(residence, 0, rates.size, v if dense else here, 0, felt)
        rounding += integrals[k] * (per_column * lengths[k] + unit * lengths[k - 1])
        defect = integrals[k + 1] * lengths[k] + integrals[k] * (2.0 * lengths[k] + lengths[k - 1])
        if defect <= wanted or not rounding <= refuse or k + 2 >= weights.size:
            return k, leaked
        k += 1
        length = 0.0
        magnitude = 0.0
        start = 0
        f = 0
        while start < v.size:  # in pieces that stay in the first-level cache
            g = f
            if assembled[0].size > 0:
                stop = min(start + _PIECE, v.size)
                assembled_product(start, stop, v, scratch, 2.0, 2.0 * beta, 0.0, scratch, *assembled)
            else:
                stop = start
                while g < n_fibres and stop < start + _PIECE:
                    g += 1
                    stop = offset[g]
                product(f, g, v, scratch, 2.0, 2.0 * beta, 0.0, scratch, *fibres)
            more, most = combine(start, stop, scratch, previous, total, weights[k])
            length += more
            magnitude = max(magnitude, most)
            start = stop
            f = g
        lengths[k] = length
        magnitudes[k] = magnitude
        previous, v, scratch = v, scratch, previous


@njit(cache=True, nogil=True)
def recurrence_in_place(begin, end, x, previous, total, beta, weight, fibres, assembled):  # type: ignore[no-untyped-def]
    """``previous = 2 x + beta A x - previous; total += weight previous``; return 1-norm and largest magnitude.

    From fibre ``begin`` to ``end``, or from state to state if ``assembled`` holds exit rates. Needs memory for a piece
    of the vector only.
    """
    offset = fibres[1]
    is_assembled = assembled[0].size > 0
    length = 0.0
    magnitude = 0.0
    buffer = np.empty(_PIECE, np.float64)
    a = begin
    while a < end:
        b = a
        if is_assembled:
            b = min(a + _PIECE, end)
            start, stop = a, b
        else:
            start = stop = offset[a]
            while b < end and stop < start + _PIECE:
                b += 1
                stop = offset[b]
        if stop - start > buffer.size:
            buffer = np.empty(stop - start, np.float64)
        for i in range(stop - start):
            write(buffer, i, read(previous, start + i))
        if is_assembled:
            assembled_product(start, stop, x, previous, 2.0, beta, 0.0, previous, *assembled)
        else:
            product(a, b, x, previous, 2.0, beta, 0.0, previous, *fibres)
        more, most = combine(0, stop - start, previous[start:stop], buffer, total[start:stop], weight)
        length += more
        magnitude = max(magnitude, most)
        a = b
    return length, magnitude
