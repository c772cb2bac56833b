"""Compiled products and series that go through the lists of `fsp.generator.programs`.

With ``FSP_BOUNDS_CHECK=1`` an ordinary loop takes the place of the vectors (see `fsp.generator.blocks`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from fsp.generator.blocks import CHECKED, LANES, Emitter
from fsp.generator.kernels import add_scaled, boundary_flow
from fsp.generator.pointers import read, write

__all__ = [
    "chebyshev_program",
    "power_blocks",
    "power_program",
    "product_program",
    "reference_blocks",
    "signed_blocks",
]


class _BlockEmitter(Emitter):
    """Emits the parts of a block."""

    def __init__(self, context: Any, builder: Any, x: Any, tables: Any) -> None:
        super().__init__(context, builder)
        self.x, self.tables = x, tables
        self.total = cgutils.alloca_once(builder, self.real)

    def number(self, value: int) -> Any:
        return ir.Constant(self.index, value)

    def lanes(self, word: Any) -> Any:
        """Return the mask in the lowest bits of a word."""
        bits = self.builder.trunc(word, ir.IntType(LANES))
        return self.builder.bitcast(bits, self.mask)

    def term(self, records: Any, weights: Any, row: Any, shift: int, tabled: bool) -> Any:
        """Add the term of a record to the sum; return its second word."""
        word = self.at(records, self.builder.add(row, self.number(1)))
        mask, source = self.lanes(word), self.builder.ashr(word, self.number(shift))
        weight = self.splat(self.at(weights, row))
        if tabled:
            place = self.at(records, self.builder.add(row, self.number(2)))
            weight = self.multiply(weight, self.load(self.tables, place, mask))
        value = self.multiply(weight, self.load(self.x, source, mask))
        self.builder.store(self.add(self.builder.load(self.total), value), self.total)
        return word


def _make_blocks(signed: bool) -> Any:
    """Return the intrinsic for uniformisation or, ``signed``, for the three-term recurrence with norms."""

    @intrinsic
    def any_blocks(  # type: ignore[no-untyped-def]
        typing_context, x, y, total, exits, tables, head, records, weights, extra, extra_weights, plain, tabled, first,
        last, more, alpha, beta, old_weight, own_weight, sums,
    ):  # fmt: skip
        def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
            arrays = [
                cgutils.create_struct_proxy(signature.args[k])(context, builder, value=args[k])
                for k in range(10)
            ]
            x_, y_, total_, exits_, tables_, head_, records_, weights_, extra_, extra_weights_ = (
                a.data for a in arrays
            )
            plain_, tabled_, first_, last_, more_, alpha_, beta_, old_weight_, own_weight_ = args[10:19]
            emit = _BlockEmitter(context, builder, x_, tables_)
            zero, one, two, three = (emit.number(k) for k in range(4))
            alphas, betas = emit.splat(alpha_), emit.splat(beta_)
            old_factor, own_factor = emit.splat(old_weight_), emit.splat(own_weight_)
            more = cgutils.alloca_once_value(builder, more_)  # the next extra record
            norms = emit.data(signature.args[19], args[19])
            length, magnitude = (
                cgutils.alloca_once_value(builder, emit.load(norms, place))
                for place in (zero, emit.number(LANES))
            )
            adds = builder.fcmp_ordered("!=", own_weight_, ir.Constant(ir.DoubleType(), 0.0))
            width = builder.add(builder.mul(plain_, two), builder.mul(tabled_, three))

            def loop(unrolled: bool) -> None:
                stride = emit.number(10) if unrolled else width
                with cgutils.for_range_slice(builder, first_, last_, one, inc=True) as (b, _):
                    row = builder.mul(b, stride)
                    word = emit.at(head_, b)
                    valid, state = emit.lanes(word), builder.ashr(word, emit.number(9))
                    builder.store(emit.zero, emit.total)
                    if unrolled:
                        for k, with_table in ((0, False), (2, False), (4, True), (7, True)):
                            emit.term(records_, weights_, builder.add(row, emit.number(k)), 8, with_table)
                    else:
                        middle = builder.add(row, builder.mul(plain_, two))
                        end = builder.add(row, stride)
                        with cgutils.for_range_slice(builder, row, middle, two, inc=True) as (r, _):
                            emit.term(records_, weights_, r, 8, False)
                        with cgutils.for_range_slice(builder, middle, end, three, inc=True) as (r, _):
                            emit.term(records_, weights_, r, 8, True)
                    flag = builder.trunc(builder.ashr(word, emit.number(8)), ir.IntType(1))
                    with builder.if_then(flag, likely=False):
                        again = builder.append_basic_block("extra")
                        after = builder.append_basic_block("after")
                        builder.branch(again)
                        builder.position_at_end(again)
                        r = builder.load(more)
                        found = emit.term(extra_, extra_weights_, r, 9, True)
                        builder.store(builder.add(r, three), more)
                        last = builder.trunc(builder.ashr(found, emit.number(8)), ir.IntType(1))
                        builder.cbranch(last, after, again)
                        builder.position_at_end(after)
                    rate = emit.load(exits_, state, valid)
                    own = emit.load(x_, state, valid)
                    with builder.if_then(adds):
                        old = emit.multiply(old_factor, emit.load(y_, state, valid))
                        sum_ = emit.add(emit.load(total_, state, valid), old)  # in the order of the series
                        emit.store(emit.add(sum_, emit.multiply(own_factor, own)), total_, state, valid)
                    kept = emit.multiply(emit.subtract(alphas, emit.multiply(betas, rate)), own)
                    value = emit.add(kept, emit.multiply(betas, builder.load(emit.total)))
                    if signed:
                        value = emit.subtract(value, emit.load(y_, state, valid))
                        size = emit.magnitude(value)  # masked lanes are zero
                        builder.store(emit.add(builder.load(length), size), length)
                        most = builder.load(magnitude)
                        larger = builder.fcmp_ordered(">", size, most)
                        builder.store(builder.select(larger, size, most), magnitude)
                    emit.store(value, y_, state, valid)

            usual = builder.and_(
                builder.icmp_signed("==", plain_, two), builder.icmp_signed("==", tabled_, two)
            )
            with builder.if_else(usual) as (then, otherwise):
                with then:
                    loop(True)
                with otherwise:
                    loop(False)
            if signed:
                emit.store(builder.load(length), norms, zero)
                emit.store(builder.load(magnitude), norms, emit.number(LANES))
            return context.get_dummy_value()

        i8, f8 = types.intp, types.float64
        arrays = (x, y, total, exits, tables, head, records, weights, extra, extra_weights)
        return types.void(*arrays, i8, i8, i8, i8, i8, f8, f8, f8, f8, sums), codegen

    return any_blocks


@njit(cache=True, nogil=True, boundscheck=True)
def reference_blocks(  # type: ignore[no-untyped-def]
    x, y, total, exits, tables, head, records, weights, extra, extra_weights, plain, tabled, first, last, more, alpha,
    beta, old_weight, own_weight, sums, signed,
):  # fmt: skip
    """Set ``y = alpha x + beta A x`` (minus ``y``, if ``signed``) in the blocks from ``first`` to ``last``, lane by lane.

    Before, ``old_weight y + own_weight x`` is added to ``total``, unless ``own_weight`` is 0. If ``signed``, the 1-norms of
    the lanes of ``y`` are added to ``sums``, with the largest magnitudes behind them. ``more`` is the position of the first
    extra record.
    """
    width = 2 * plain + 3 * tabled
    for b in range(first, last):
        state = head[b] >> 9
        end = more
        if head[b] >> 8 & 1:
            while not extra[end + 1] >> 8 & 1:
                end += 3
            end += 3
        for lane in range(LANES):
            if not head[b] >> lane & 1:
                continue
            flow = 0.0
            for k in range(plain):
                at = b * width + 2 * k
                if records[at + 1] >> lane & 1:
                    flow += weights[at] * x[(records[at + 1] >> 8) + lane]
            for k in range(tabled):
                at = b * width + 2 * plain + 3 * k
                if records[at + 1] >> lane & 1:
                    flow += weights[at] * tables[records[at + 2] + lane] * x[(records[at + 1] >> 8) + lane]
            for at in range(more, end, 3):
                if extra[at + 1] >> lane & 1:
                    flow += extra_weights[at] * tables[extra[at + 2] + lane] * x[(extra[at + 1] >> 9) + lane]
            i = state + lane
            if own_weight != 0.0:
                total[i] = (total[i] + old_weight * y[i]) + own_weight * x[i]
            value = (alpha - beta * exits[i]) * x[i] + beta * flow
            if signed:
                value -= y[i]
                sums[lane] += abs(value)
                sums[LANES + lane] = max(sums[LANES + lane], abs(value))
            y[i] = value
        more = end


@njit(cache=True, nogil=True)
def _checked_power(*arguments):  # type: ignore[no-untyped-def]
    reference_blocks(*arguments, False)


@njit(cache=True, nogil=True)
def _checked_signed(*arguments):  # type: ignore[no-untyped-def]
    reference_blocks(*arguments, True)


power_blocks, signed_blocks = (
    (_checked_power, _checked_signed) if CHECKED else (_make_blocks(False), _make_blocks(True))
)


@njit(cache=True, nogil=True)
def product_program(x, y, total, alpha, beta, weight, program):  # type: ignore[no-untyped-def]
    """``y = alpha x + beta A x``, then ``total += weight y``."""
    _, _, blocks = program
    sums = np.zeros(2 * LANES, np.float64)
    power_blocks(x, y, total, *blocks, 0, blocks[2].size, 0, alpha, beta, 0.0, 0.0, sums)
    if weight > 0.0:
        add_scaled(total, 0, y.size, y, 0, weight)


# -- whole series --------------------------------------------------------------------------------------------

# Two products are made in one sweep: as soon as a part and the next one have been through the first product, the part goes
# through the second, while it is in the first-level cache. Parts that are not next to each other have nothing to do with
# each other (`cut_program`), so the second product may take the place of what the first one started from.


@njit(cache=True, nogil=True)
def _power_part(x, y, total, program, part, beta, old_weight, own_weight, sums):  # type: ignore[no-untyped-def]
    cuts, more, blocks = program
    power_blocks(
        x, y, total, *blocks, cuts[part], cuts[part + 1], more[part], 1.0, beta, old_weight, own_weight, sums
    )


@njit(cache=True, nogil=True)
def _signed_part(x, y, total, program, part, beta, old_weight, own_weight, sums):  # type: ignore[no-untyped-def]
    cuts, more, blocks = program
    signed_blocks(
        x,
        y,
        total,
        *blocks,
        cuts[part],
        cuts[part + 1],
        more[part],
        2.0,
        2.0 * beta,
        old_weight,
        own_weight,
        sums,
    )


@njit(cache=True, nogil=True)
def power_program(  # type: ignore[no-untyped-def]
    v, scratch, total, k, weights, later, beta, allowance, positions, rates, residence, program
):
    """Do what `fsp.generator.series.power_series` does, by a program.

    The second product of a sweep is forgotten if the first one made the outflow too large.
    """
    leaked = 0.0
    dense = rates.size == v.size
    here = np.empty(0 if dense else rates.size, np.float64)
    sums = np.zeros(2 * LANES, np.float64)
    parts = program[0].size - 1
    swapped = False
    n = weights.size - 1
    before = last = 0.0  # weights of ``scratch`` and ``v`` that are not yet in the total
    ahead = False  # whether the next vector has been computed, and stands in ``scratch``
    while k < n:
        flow = boundary_flow(v, positions, rates, here)
        if flow * later[k + 1] > allowance:
            break
        felt = later[k + 1] * beta
        leaked += flow * felt
        add_scaled(residence, 0, rates.size, v if dense else here, 0, felt)
        k += 1
        if ahead:  # the second product of the last sweep
            ahead = False
            before = last
        else:
            ahead = k < n and parts > 2
            for part in range(parts + 1):
                if part < parts:
                    _power_part(v, scratch, total, program, part, beta, before, last, sums)
                if part > 0 and ahead:
                    _power_part(scratch, v, total, program, part - 1, beta, 0.0, 0.0, sums)
            before = 0.0
        last = weights[k]
        v, scratch = scratch, v
        swapped = not swapped
    if before > 0.0:
        add_scaled(total, 0, v.size, scratch, 0, before)
    if last > 0.0:
        add_scaled(total, 0, v.size, v, 0, last)
    return k, leaked, swapped


@njit(cache=True, nogil=True, fastmath={"contract", "nsz"}, error_model="numpy")
def _stay(v, positions, felt, residence):  # type: ignore[no-untyped-def]
    """Add the time that a term of a series spends in the boundary states."""
    if positions.size == 0:
        add_scaled(residence, 0, residence.size, v, 0, felt)
        return
    for i in range(positions.size):
        write(residence, i, read(residence, i) + felt * read(v, read(positions, i)))


@njit(cache=True, nogil=True)
def _note(sums, k, lengths, magnitudes):  # type: ignore[no-untyped-def]
    """Write down the norms of a term, and set the sums back."""
    lengths[k] = 0.0
    magnitudes[k] = 0.0
    for lane in range(LANES):
        lengths[k] += sums[lane]
        magnitudes[k] = max(magnitudes[k], sums[LANES + lane])
    sums[:] = 0.0


@njit(cache=True, nogil=True)
def chebyshev_program(  # type: ignore[no-untyped-def]
    previous, v, total, k, weights, integrals, beta, per_column, lengths, magnitudes, wanted, refuse, positions, rates,
    residence, program,
):  # fmt: skip
    """Do what `fsp.generator.recurrence.chebyshev_series` does, by a program; a term takes the place of the last but one.

    The second term of a sweep is forgotten if the first one was the last that is needed.
    """
    sums = np.zeros(2 * LANES, np.float64)
    next_sums = np.zeros(2 * LANES, np.float64)
    parts = program[0].size - 1
    unit = 2.0**-53
    leaked = -np.dot(rates, residence)
    rounding = 0.0
    before = last = 0.0  # weights of ``previous`` and ``v`` that are not yet in the total
    ahead = False  # whether the next term has been computed, and stands in ``previous``
    while True:
        _stay(v, positions, 2.0 * beta * integrals[k], residence)
        rounding += integrals[k] * (per_column * lengths[k] + unit * lengths[k - 1])
        defect = integrals[k + 1] * lengths[k] + integrals[k] * (2.0 * lengths[k] + lengths[k - 1])
        if defect <= wanted or not rounding <= refuse or k + 2 >= weights.size:
            break
        k += 1
        if ahead:  # the second product of the last sweep
            ahead = False
            _note(next_sums, k, lengths, magnitudes)
            before = last
        else:
            ahead = parts > 2 and k + 2 < weights.size
            for part in range(parts + 1):
                if part < parts:
                    _signed_part(v, previous, total, program, part, beta, before, last, sums)
                if part > 0 and ahead:
                    _signed_part(previous, v, total, program, part - 1, beta, 0.0, 0.0, next_sums)
            _note(sums, k, lengths, magnitudes)
            before = 0.0
        last = weights[k]
        previous, v = v, previous
    if before != 0.0:
        add_scaled(total, 0, v.size, previous, 0, before)
    if last != 0.0:
        add_scaled(total, 0, v.size, v, 0, last)
    return k, leaked + np.dot(rates, residence)
