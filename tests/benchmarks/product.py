"""Products with the generator: against SciPy's CSR product, and against copying the vector."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from common import (
    Options,
    birth_death_lattice,
    interleaved,
    lattice,
    repressilator,
    seconds,
    table,
    toggle_hill,
)

from fsp.generator.assembled import AssembledGenerator
from fsp.generator.fibre_generator import FibreGenerator
from fsp.generator.select import make_generator

__all__ = ["section", "yardstick"]


def yardstick() -> Callable[[], Any]:
    """Return the product whose time is the unit of solve times: CSR on the 1000 x 1000 toggle switch."""
    tables, space = lattice(toggle_hill(), 1000, 1000)
    matrix = FibreGenerator(tables, space, threads=1).to_scipy()
    x = np.full(space.n_states, 1.0 / space.n_states)
    return lambda: matrix @ x


def _in_cache(options: Options) -> str:
    cases = [
        ("toggle_hill", (1000, 1000), toggle_hill(), "7"),
        ("repressilator", (100, 100, 100), repressilator(), "4"),
        ("six birth-death species", (8,) * 6, birth_death_lattice(6), "1.5"),
    ]
    rows = []
    for name, sizes, network, goal in cases:
        tables, space = lattice(network, *sizes)
        chosen = make_generator(tables, space, threads=1)
        forms = [chosen]
        if chosen.kind == "assembled":
            forms.append(FibreGenerator(tables, space, threads=1))
        else:
            forms.append(AssembledGenerator(tables, space, threads=1))
        matrix = chosen.to_scipy()
        if matrix.indices.dtype != np.int32:
            message = f"the competitor has {matrix.indices.dtype} indices"
            raise AssertionError(message)
        x = np.random.default_rng(1).random(space.n_states)
        out = np.empty_like(x)
        calls: dict[str, Callable[[], Any]] = {"csr": lambda m=matrix, x=x: m @ x}
        for form in forms:
            form.product(x, out, 0.0, 1.0)
            np.testing.assert_allclose(out, matrix @ x, rtol=1e-11, atol=1e-11 * np.abs(matrix @ x).max())
            calls[form.kind] = lambda g=form, x=x, out=out: g.product(x, out, 0.0, 1.0)
        calls["copy"] = lambda x=x, out=out: np.copyto(out, x)
        times = interleaved(calls, options.repeats(21), inner=5, warm=6)
        for form in forms:
            ours = times[form.kind]
            used = form is chosen
            rows.append((
                f"{name}, {' x '.join(map(str, sizes))}", f"{space.n_states:,}", times["csr"],
                form.kind + ("" if used else " (not chosen)"), ours,
                f"{times['csr'].median / ours.median:.1f}", goal if used else "",
                f"{ours.median / times['copy'].median:.1f}", f"{ours.median / space.n_states * 1e9:.2f}",
            ))  # fmt: skip
    return table(
        (
            "Lattice",
            "States",
            "CSR `A @ x`",
            "Form of fsp",
            "fsp",
            "Times as fast",
            "Goal",
            "fsp / copy",
            "ns / state",
        ),
        rows,
    )


def _copy_in_two(x: np.ndarray, out: np.ndarray, pool: ThreadPoolExecutor) -> None:
    half = x.size // 2
    other = pool.submit(np.copyto, out[half:], x[half:])
    np.copyto(out[:half], x[:half])
    other.result()


def half_a_page_on(x: np.ndarray) -> np.ndarray:
    """Return a vector of zeros that begins half a page further in its page than ``x``.

    Where two vectors begin at the same place of their pages, what is read of one looks to the processor like what was just
    written to the other, and waits for it: about a tenth of the time.
    """
    page = 4096
    block = np.zeros(x.nbytes + 2 * page, np.uint8)
    start = (x.ctypes.data + page // 2 - block.ctypes.data) % page
    return block[start : start + x.nbytes].view(x.dtype)


def _out_of_cache(options: Options) -> str:
    sides = (1000, 3163) if options.quick else (1000, 3163, 10_000)
    per_state: dict[int, float] = {}
    rows = []
    with ThreadPoolExecutor(1) as pool:
        for side in sides:
            tables, space = lattice(toggle_hill(), side, side)
            one = FibreGenerator(tables, space, threads=1)
            two = FibreGenerator(tables, space, threads=2)
            x = np.random.default_rng(1).random(space.n_states)
            out = half_a_page_on(x)
            calls: dict[str, Callable[[], Any]] = {
                "one": lambda g=one, x=x, out=out: g.product(x, out, 0.0, 1.0),
                "copy": lambda x=x, out=out: np.copyto(out, x),
                "two": lambda g=two, x=x, out=out: g.product(x, out, 0.0, 1.0),
                "copy two": lambda x=x, out=out: _copy_in_two(x, out, pool),
            }
            inner, warm = (1, 1) if side > 2000 else (5, 6)
            times = interleaved(calls, options.repeats(21), inner, warm)
            t1, t2, copy, copy2 = (times[k].median for k in ("one", "two", "copy", "copy two"))
            per_state[side] = t1 / space.n_states
            rows.append((
                f"{side} x {side}", f"{space.n_states:,}", times["one"], times["copy"], f"{t1 / copy:.2f}",
                f"{per_state[side] * 1e9:.2f}", f"{16 * space.n_states / t1 / 1e9:.1f}", seconds(t2), f"{t1 / t2:.2f}",
                f"{copy / copy2:.2f}",
            ))  # fmt: skip
            del one, two, x, out, calls
    text = table(
        ("Lattice", "States", "fsp, 1 thread", "Copy, 1 thread", "fsp / copy", "ns / state", "GB/s", "fsp, 2 threads",
         "Gain of 2 threads", "Gain in copying"),
        rows,
    )  # fmt: skip
    if 10_000 in per_state:
        growth = per_state[10_000] / per_state[3163]
        text += f"\n\nTime for each state grows by a factor of {growth:.2f} from 10^7 to 10^8 states (goal: at most 1.3)."
    return text


def section(options: Options) -> str:
    """Return the tables of products."""
    return (
        "One thread; medians, in brackets the smallest and the largest time. All competitors of a row take turns, a few "
        "calls each, so that each finds its own data in the cache if it fits, as in a solve.\n\n"
        + _in_cache(options)
        + "\n\nSymmetric toggle switch, in cache and out of cache:\n\n"
        + _out_of_cache(options)
    )
