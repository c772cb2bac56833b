"""Certified stationary laws against laws on much larger boxes, by another solver, from rates written out by hand."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
from box_reference import BoxReference, Reaction
from common import HERE, Options, gene_expression, process, repressilator, table, toggle_hill
from memory import status

import fsp

__all__ = ["CASES", "Case", "checked", "section", "toggle_of_munsky_and_khammash"]

TOLERANCE = 1e-8

#: Largest relative residual of a reference: rounding. Largest relative error of a moment.
ROUNDING, MOMENTS = 1e-14, 1e-8

#: So many times as many states as the certified law has a reference at least.
LARGER = 3.0


SOLVERS = {"superlu": "SciPy's SuperLU", "multilevel": "multilevel aggregation"}


class Case(NamedTuple):
    """A network, its reactions once more by hand, and the box of the reference."""

    label: str
    network: Callable[[], fsp.ReactionNetwork]
    reactions: list[Reaction]
    sides: tuple[int, ...]
    back: tuple[int, ...]  #: where what leaves the box comes back; not the most likely state
    solver: str = "superlu"


def toggle_of_munsky_and_khammash() -> fsp.ReactionNetwork:
    """Return the toggle switch with births 50/(1 + V^2.5) and 16/(1 + U)."""
    return fsp.ReactionNetwork(
        {"U": 0, "V": 0}, ["0 -> U ; 50/(1 + V^2.5)", "0 -> V ; 16/(1 + U)", "U -> 0 @ 1", "V -> 0 @ 1"]
    )


def _death(axis: int, n: int, rate: float = 1.0) -> Reaction:
    return tuple(-int(k == axis) for k in range(n)), lambda *x: rate * x[axis]


CASES = {
    "toggle_hill": Case(
        "`toggle_hill`", toggle_hill,
        [
            ((1, 0), lambda u, v: 100.0 / (1.0 + (v / 20.0) ** 2)), _death(0, 2),
            ((0, 1), lambda u, v: 100.0 / (1.0 + (u / 20.0) ** 2)), _death(1, 2),
        ],
        (300, 300), (20, 20),
    ),
    "munsky_khammash": Case(
        "toggle of Munsky and Khammash", toggle_of_munsky_and_khammash,
        [
            ((1, 0), lambda u, v: 50.0 / (1.0 + np.asarray(v, float) ** 2.5)), _death(0, 2),
            ((0, 1), lambda u, v: 16.0 / (1.0 + u)), _death(1, 2),
        ],
        (180, 100), (2, 2),
    ),
    "repressilator": Case(
        "`repressilator`", repressilator,
        [
            reaction
            for k in range(3)
            for reaction in (
                (
                    tuple(int(i == k) for i in range(3)),
                    lambda *x, k=k: 100.0 / (1.0 + 20.0 * np.asarray(x[(k + 1) % 3], float) ** 6),
                ),
                _death(k, 3),
            )
        ],
        (190, 190, 190), (5, 60, 5), "multilevel",
    ),
    "gene_expression": Case(
        "`gene_expression`", gene_expression,
        [
            ((1, 0), lambda m, p: 50.0), ((0, 1), lambda m, p: 4.0 * m), _death(0, 2, 0.5), _death(1, 2, 0.2),
        ],
        (250, 3800), (90, 1900),
    ),
}  # fmt: skip


# -- one case, in a process of its own -------------------------------------------------------------------------


def certified(case: Case) -> tuple[fsp.StationaryResult, dict[str, Any]]:
    """Return the certified law, and what it took."""
    fsp.solve_stationary(
        toggle_of_munsky_and_khammash(), tolerance=1e-3
    )  # loads most of the compiled kernels
    before = status("VmRSS")
    start = time.process_time()
    result = fsp.solve_stationary(case.network(), tolerance=TOLERANCE)
    found = {"seconds": time.process_time() - start, "memory": status("VmHWM") - before}
    return result, {
        **found, "states": result.n_states, "bound": result.error_bound, "certified": result.certified,
    }  # fmt: skip


def compared(case: Case) -> dict[str, Any]:
    """Return what the certified law took, and how far it is from the law on the box."""
    result, found = certified(case)
    start = time.process_time()
    box = BoxReference.of(case.sides, case.reactions)
    p = box.law(case.back, case.solver)
    found.update(
        reference_states=box.n_states, reference_seconds=time.process_time() - start, reference_peak=status("VmHWM"),
        residual=box.residual(p), difference=box.difference(result.distribution, p),
    )  # fmt: skip
    if case is CASES["gene_expression"]:
        states, probabilities = result.distribution.states, result.distribution.probabilities
        grid = np.indices(case.sides).reshape(2, -1).T
        d = result.distribution
        found["moments"] = {
            "returned": [*d.mean(), *(d.covariance(*pair) for pair in (("M", "M"), ("M", "P"), ("P", "P")))],
            "probabilities": _moments(states, probabilities),
            "reference": _moments(grid, p),
        }  # fmt: skip
    return found


def _moments(states: Any, p: Any) -> list[float]:
    """Return means, then the variance of the first count, the covariance, and the variance of the second."""
    mean = (p @ states) / p.sum()
    away = states - mean
    covariance = (away * p[:, None]).T @ away / p.sum()
    return [*mean.tolist(), covariance[0, 0], covariance[0, 1], covariance[1, 1]]


def closed_form() -> dict[str, Fraction]:
    """Return the stationary moments of gene expression: dm/dt = 50 - m/2, dp/dt = 4 m - p/5 and their second order."""
    k, translation, decay, dilution = Fraction(50), Fraction(4), Fraction(1, 2), Fraction(1, 5)
    m = k / decay
    p = translation * m / dilution
    covariance = translation * m / (decay + dilution)
    return {
        "E M": m,
        "E P": p,
        "Var M": m,
        "Cov(M, P)": covariance,
        "Var P": p + translation * covariance / dilution,
    }


# -- the tables ----------------------------------------------------------------------------------------------


def checked(name: str, found: dict[str, Any]) -> dict[str, Any]:
    """Return the figures, if everything holds that they are to show."""
    holds = {
        "proven": found["certified"] and found["bound"] <= TOLERANCE,
        "a much larger box": found["reference_states"] >= LARGER * found["states"],
        "residual of the reference": found["residual"] <= ROUNDING,
        "difference within the bound": found["difference"] <= found["bound"],
    }
    failed = [what for what, good in holds.items() if not good]
    if failed:
        message = f"{name}: {', '.join(failed)} fails: {found}"
        raise AssertionError(message)
    return found


def _moment_table(moments: dict[str, list[float]]) -> str:
    exact = closed_form()
    errors = {
        who: [abs(value / float(e) - 1.0) for value, e in zip(values, exact.values(), strict=True)]
        for who, values in moments.items()
    }
    if max(max(found) for found in errors.values()) > MOMENTS:
        message = f"gene_expression: moments are off by {errors}"
        raise AssertionError(message)
    rows = [
        (name, f"{float(value):,.10g}", *(f"{errors[who][k]:.1e}" for who in ("returned", "probabilities", "reference")))
        for k, (name, value) in enumerate(exact.items())
    ]  # fmt: skip
    header = ("moment", "closed form", "of the result", "of its probabilities alone", "of the reference")
    return table(header, rows)


def section(options: Options) -> str:
    """Return the tables."""
    script = str(HERE / "larger_boxes.py")
    rows, moments = [], ""
    for name, case in CASES.items():
        if options.quick and name == "repressilator":
            continue
        process([script, name, "--certified"])  # compiles, and would start out larger
        found = checked(name, json.loads(process([script, name])[1]))
        box = " x ".join(map(str, case.sides))
        rows.append((
            case.label, f"{found['states']:,}", f"{found['bound']:.2g}", f"{found['seconds']:.2g}",
            f"{found['memory'] / 1e6:,.0f} MB", f"{box}: {found['reference_states']:,} states",
            f"{SOLVERS[case.solver]}, {found['reference_seconds']:,.1f} s", f"{found['residual']:.1e}",
            f"{found['difference']:.2g}",
        ))  # fmt: skip
        if "moments" in found:
            moments = _moment_table(found["moments"])
    header = (
        "network", "states", "proven bound", "seconds", "memory", "reference", "by", "its residual", "difference",
    )  # fmt: skip
    return (
        table(header, rows)
        + "\n\nMoments of `gene_expression`, relative errors against the closed form:\n\n"
        + moments
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("case", choices=CASES)
    parser.add_argument("--certified", action="store_true", help="only the certified law")
    chosen = parser.parse_args()
    case = CASES[chosen.case]
    print(json.dumps(certified(case)[1] if chosen.certified else compared(case)))
