"""Stationary laws of truncated chains: `auto` against SciPy and Storm, on the same chains, at what residual each reaches."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from common import Options, Timing, gene_expression, lattice, seconds, table, toggle_hill
from numpy.typing import NDArray
from scipy.sparse.linalg import eigs, spsolve

import fsp
from fsp.stationary.chain import FiniteChain
from fsp.stationary.gth import GTH
from fsp.stationary.selection import SelectedSolver

__all__ = ["section"]

FloatArray = NDArray[np.float64]

#: A peer that took longer than this once is not repeated.
ONCE = 2.0

#: Power iteration stops after so many seconds, or at the residual of the others.
POWER_SECONDS = 5.0

#: Relative residuals up to this count as equal: all are rounding.
EQUAL = 1e-12


class Case(NamedTuple):
    """A truncated chain, as matrices: making them is not counted for anyone."""

    name: str
    chain: FiniteChain
    reference: int
    generator: sp.csc_array  #: all outflow comes back at the reference state

    def residual(self, law: FloatArray) -> float:
        """Return the 1-norm of the residual relative to the flow through the states."""
        return float(np.abs(self.generator @ law).sum() / (self.chain.exit @ np.abs(law)))


def _case(name: str, chain: FiniteChain, reference: int) -> Case:
    return Case(name, chain, reference, chain.closed(reference).generator().tocsc())


def _cases(
    network: fsp.ReactionNetwork, name: str, sizes: tuple[int, int], mode: tuple[int, int]
) -> list[Case]:
    """Return the chain on a box, and on the states that carry 1 - 1e-10 of its law."""
    tables, space = lattice(network, *sizes)
    box = FiniteChain.of(network, space, tables)
    reference = int(space.index([mode])[0])
    law = GTH(box).stationary(reference)
    order = np.argsort(law)[::-1]
    keep = np.zeros(box.n_states, bool)
    keep[order[: int(np.searchsorted(np.cumsum(law[order]), 1.0 - 1e-10)) + 1]] = True
    small_space = space.where(keep)
    small = FiniteChain.of(network, small_space, tables)
    return [
        _case(f"{name}, states that carry 1 - 1e-10", small, int(small_space.index([mode])[0])),
        _case(f"{name}, box {sizes[0]} x {sizes[1]}", box, reference),
    ]


def _auto(case: Case) -> Callable[[], FloatArray]:
    def solve() -> FloatArray:
        # A new chain, so that orders, sums and the transpose are made anew and counted.
        chain = FiniteChain(case.chain.inflow, case.chain.outflow, case.chain.space)
        return SelectedSolver(chain).stationary(case.reference)

    return solve


def _spsolve(case: Case) -> Callable[[], FloatArray]:
    n = case.chain.n_states
    rows = case.generator.tocsr()
    ones = sp.csr_array(np.ones((1, n)))
    r = case.reference
    matrix = sp.vstack([rows[:r], ones, rows[r + 1 :]]).tocsc()
    right = np.zeros(n)
    right[r] = 1.0
    return lambda: np.asarray(spsolve(matrix, right))


def _eigs(case: Case) -> Callable[[], FloatArray]:
    shift = 1e-8 * float(case.chain.exit.max())
    start = np.full(case.chain.n_states, 1.0)

    def solve() -> FloatArray:
        _, vectors = eigs(case.generator, k=1, sigma=shift, v0=start)
        law = vectors[:, 0].real
        return np.asarray(law / law.sum())

    return solve


def _power(case: Case) -> Callable[[], FloatArray]:
    rate = 1.01 * float(case.chain.exit.max())
    step = (sp.eye_array(case.chain.n_states) + case.generator / rate).tocsr()

    def solve() -> FloatArray:
        law = np.full(case.chain.n_states, 1.0 / case.chain.n_states)
        end = time.perf_counter() + POWER_SECONDS
        while time.perf_counter() < end:
            for _ in range(200):
                law = step @ law
            law /= law.sum()
            if case.residual(law) <= EQUAL:
                break
        return law

    return solve


def _storm(case: Case, sound: bool) -> Callable[[], FloatArray] | None:
    """Return a call of Storm: its sound default, or the settings that were found fastest among those that are accurate."""
    try:
        import stormpy
        from stormpy import analysis, datastructures, environments, models
    except ImportError:
        return None
    n = case.chain.n_states
    rates = case.chain.closed(case.reference).outgoing.tocoo()
    order = np.lexsort([rates.col, rates.row])
    builder = datastructures.SparseMatrixBuilder[float](rows=n, columns=n, entries=rates.nnz)
    builder.add_next_values(rates.row[order].tolist(), rates.col[order].tolist(), rates.data[order].tolist())
    labels = models.StateLabeling(n)
    labels.add_label("init")
    labels.add_label_to_state("init", case.reference)
    components = models.SparseModelComponents[float](
        transition_matrix=builder.build(), state_labeling=labels, rate_transitions=True
    )
    chain = models.SparseCtmc[float](components)

    def solve() -> FloatArray:
        environment: Any = environments.sound() if sound else environments.Environment()
        if sound:
            environment.solver().native().precision = stormpy.Rational(1e-10)
        else:
            algorithm = environments.SteadyStateDistributionAlgorithm.EXPECTED_VISITING_TIMES
            environment.modelchecker().steady_state_distribution_algorithm = algorithm
            environment.solver().set_linear_equation_solver_type(environments.EquationSolverType.EIGEN)
        found = analysis.compute_steady_state_distribution(chain, environment=environment)
        return np.asarray(found.get_value_vector(), np.float64)

    return solve


def _in_child(solve: Callable[[], FloatArray], limit: float) -> tuple[float, FloatArray] | None:
    """Run a call that may take for ever in a forked process; return seconds and law, or None past the limit."""
    from multiprocessing import get_context

    context = get_context("fork")
    receiver, sender = context.Pipe(duplex=False)

    def work() -> None:
        start = time.perf_counter()
        law = solve()
        sender.send((time.perf_counter() - start, law))

    child = context.Process(target=work)
    child.start()
    answer = receiver.recv() if receiver.poll(limit) else None
    child.kill()
    child.join()
    return answer


def _measure(case: Case, options: Options) -> list[tuple[str, ...]]:
    limit = 5.0 if options.quick else 15.0
    calls: dict[str, Callable[[], FloatArray] | None] = {
        "fsp, `auto`": _auto(case),
        "SciPy `eigs`, shift-invert": _eigs(case),
        "SciPy `spsolve`, a row of ones": _spsolve(case),
        "power iteration": _power(case),
        "Storm, sound": _storm(case, True),
        "Storm, expected visiting times, Eigen's sparse LU": _storm(case, False),
    }
    samples: dict[str, list[float]] = {}
    laws: dict[str, FloatArray | None] = {}
    notes: dict[str, str] = {}
    for round_ in range(options.repeats(7)):  # in turn, so that a change of the machine's mood meets all
        for name, call in calls.items():
            if call is None:
                notes[name] = "not installed"
                continue
            slow = not name.startswith("fsp") and max(samples.get(name, [0.0])) > ONCE
            if name in notes or slow:
                continue
            if round_ == 0 and not name.startswith(("fsp", "power")):
                answer = _in_child(call, limit)  # the first call also warms up
                if answer is None:
                    notes[name] = f"no answer in {limit:.0f} s"
                    continue
                took, laws[name] = answer
            else:
                if round_ > 0 and min(samples.get(name, [1.0])) < 1.0:
                    call()  # find its own data in the cache
                start = time.perf_counter()
                laws[name] = call()
                took = time.perf_counter() - start
            if round_ > 0 or (took > ONCE and not name.startswith("fsp")):
                samples.setdefault(name, []).append(took)
    rows = []
    ours = Timing(tuple(samples["fsp, `auto`"])).median
    for name in calls:
        if name in notes:
            rows.append((case.name, f"{case.chain.n_states:,}", name, notes[name], "", ""))
            continue
        timing, law = Timing(tuple(samples[name])), laws[name]
        residual = case.residual(law)  # type: ignore[arg-type]
        ratio = "" if name.startswith("fsp") else f"{timing.median / ours:.1f}"
        if residual > EQUAL:
            ratio = f"({ratio}, not as accurate)"
        shown = seconds(timing.median) if len(timing.samples) == 1 else str(timing)
        rows.append((case.name, f"{case.chain.n_states:,}", name, shown, f"{residual:.1e}", ratio))
    return rows


def section(options: Options) -> str:
    """Return the table of stationary laws."""
    cases = _cases(toggle_hill(), "toggle_hill", (150, 150), (96, 4))
    if not options.quick:
        cases += _cases(gene_expression(), "gene_expression", (128, 2900), (100, 2000))
    rows = [row for case in cases for row in _measure(case, options)]
    header = ("Chain", "States", "Solver", "Time", "Relative residual", "fsp is faster by")
    return (
        "The stationary law of a truncated chain whose outflow comes back at a state near the mode; the matrices are "
        "handed over ready-made. The time of `auto` holds its choice and the checks of its result. Medians of calls in "
        f"turn, except where one call took more than {ONCE:.0f} s.\n\n" + table(header, rows)
    )
