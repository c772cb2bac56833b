"""Whole solves: in yardsticks, against `expm_multiply` and against Storm."""

from __future__ import annotations

import time
from typing import Any

from common import Options, Timing, interleaved, repressilator, seconds, table, toggle_hill
from peers import Box, expm_multiply_time, storm_check
from product import yardstick

import fsp

__all__ = ["section"]

#: End of all solves, in the time unit of the models.
END = 10.0

#: Smallest boxes that lose at most 1e-8 until then, with about the same leak through every face.
BOXES = {"toggle_hill": (165, 165), "repressilator": (161, 165, 166)}

#: What pacmensl (one rank, Krylov) took, in yardsticks.
PACMENSL = {("toggle_hill", 1e-6): "58", ("repressilator", 1e-4): "29,400"}

GOALS = {("toggle_hill", 1e-6): "8", ("repressilator", 1e-4): "300"}


def _network(name: str) -> fsp.ReactionNetwork:
    return toggle_hill() if name == "toggle_hill" else repressilator()


def _solves(options: Options) -> tuple[str, dict[tuple[str, float], Timing]]:
    rows = []
    times: dict[tuple[str, float], Timing] = {}
    product = yardstick()
    for name, tolerance in (
        ("toggle_hill", 1e-6),
        ("toggle_hill", 1e-8),
        ("repressilator", 1e-4),
        ("repressilator", 1e-8),
    ):
        network = _network(name)
        results: list[Any] = []

        def solve(network: Any = network, tolerance: float = tolerance, results: list[Any] = results) -> None:
            results[:] = [fsp.solve_transient(network, [END], tolerance=tolerance)]

        samples: dict[str, list[float]] = {"solve": [], "unit": []}
        for _ in range(options.repeats(21 if name == "toggle_hill" else 7)):
            for key, timing in interleaved({"solve": solve}, 1).items():
                samples[key].extend(timing.samples)
            samples["unit"].extend(interleaved({"unit": product}, 1, inner=5)["unit"].samples)
        case = (name, tolerance)
        times[case] = Timing(tuple(samples["solve"]))
        unit = Timing(tuple(samples["unit"]))
        result = results[0]
        s = result.statistics
        rows.append((
            name, f"{tolerance:g}", times[case], seconds(unit.median), f"{times[case].median / unit.median:.1f}",
            GOALS.get(case, ""), PACMENSL.get(case, ""), f"{s['products']:,}", f"{s['states_peak']:,}",
            f"{s['states_final']:,}", f"{result.error_bound:.2g}",
        ))  # fmt: skip
    header = (
        "Model, t = 10", "Tolerance", "Time", "Yardstick", "Yardsticks", "Goal", "pacmensl", "Products", "States, peak",
        "States, end", "Error bound",
    )  # fmt: skip
    return table(header, rows), times


def _against_expm_multiply(options: Options, ours: dict[tuple[str, float], Timing]) -> str:
    rows = []
    for name, bounds in BOXES.items():
        box = Box(_network(name), bounds)
        big = box.n_states > 1_000_000
        if options.quick and big:
            continue
        leaked, more = box.leaked(END), box.smaller().leaked(END)
        mine = ours[name, 1e-8].median
        short, longer = (0.05, 0.2) if big else (0.5, 2.0)
        first, second = (expm_multiply_time(box, span) for span in (short, longer))
        slope = (second - first) / (longer - short)
        how = (
            f"{seconds(first)} to t = {short:g}, {seconds(second)} to {longer:g}, a straight line from there"
        )
        runs = [(second + slope * (END - longer), how)]
        if not big or options.full:
            runs.append((expm_multiply_time(box, END), "measured"))
        for taken, how in runs:
            rows.append((
                name, " x ".join(str(b + 1) for b in bounds), f"{box.n_states:,}", f"{leaked:.3g}", f"{more:.3g}",
                seconds(taken), how, seconds(mine), f"{taken / mine:,.0f}", "100" if how == runs[-1][1] else "",
            ))  # fmt: skip
    header = (
        "Model", "Box", "States of the box", "Lost", "Lost by the next smaller box", "expm_multiply", "How", "fsp at 1e-8",
        "Times as fast", "Goal",
    )  # fmt: skip
    return table(header, rows)


def _against_storm(options: Options) -> str:
    network = toggle_hill()
    box = Box(network, BOXES["toggle_hill"])
    check = storm_check(box, lambda counts: counts[:, 0] > 50, END, 1e-8, options.repeats(9))
    if check is None:
        return "`stormpy` is not installed: not measured."
    samples = []
    for _ in range(options.repeats(21) + 1):
        start = time.perf_counter()
        interval = fsp.solve_transient(network, [END], tolerance=1e-8)[-1].probability("U > 50")
        samples.append(time.perf_counter() - start)
    ours = Timing(tuple(samples[1:]))
    if not interval.lower - 1e-8 <= check.value <= interval.upper + 1e-8:
        message = f"Storm's {check.value!r} is not in {interval}"
        raise AssertionError(message)
    checking = Timing(tuple(check.checking))
    rows = [
        ("Storm, model checking alone", f"{check.n_states:,}", checking, f"{check.value:.10f}",
         f"{checking.median / ours.median:.1f}", "10"),
        ("Storm, building the model from a matrix included", f"{check.n_states:,}",
         seconds(checking.median + check.building), f"{check.value:.10f}",
         f"{(checking.median + check.building) / ours.median:.1f}", ""),
        ("fsp, the whole call and the query", "moving set", ours, f"[{interval.lower:.10f}, {interval.upper:.10f}]", "", ""),
    ]  # fmt: skip
    return table(("P(U > 50) of toggle_hill", "States", "Time", "Answer", "fsp is faster by", "Goal"), rows)


def section(options: Options) -> str:
    """Return the tables of solves."""
    solves, times = _solves(options)
    return (
        "Whole calls of `fsp.solve_transient` with a warm kernel cache; medians, in brackets the smallest and the largest "
        "time. The yardstick was timed between the solves.\n\n"
        + solves
        + "\n\nAgainst `scipy.sparse.linalg.expm_multiply` on the smallest box with an error of at most 1e-8. Where it "
        "takes hours, it is run to two earlier times and continued along a straight line: its number of products is "
        "proportional to `||A||_1 t`.\n\n"
        + _against_expm_multiply(options, times)
        + "\n\nAgainst Storm, precision 1e-8, on the same box with an absorbing state for what leaves it:\n\n"
        + _against_storm(options)
    )
