"""What every time stepper promises; a new one is tested by being registered.

The suite runs on each form of the generator, and on a double that keeps the state set and the vector in two parts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.linalg
from random_networks import breadth_first, brute_force
from two_parts import run_in_two_parts

import fsp
from fsp.errors import ArgumentError
from fsp.generator import FactorTables, FibreGenerator
from fsp.generator.assembled import AssembledGenerator
from fsp.generator.extended import ExtendedGenerator
from fsp.generator.listed import ListedGenerator
from fsp.statespace import Coordinates, FibreSet
from fsp.transient.protocol import STEPPERS, Progress, find_stepper

U = 2.0**-53


def birth_death() -> tuple[Any, list[tuple[int, ...]], float]:
    network = fsp.ReactionNetwork({"X": 3}, ["0 -> X @ 4", "X -> 0 @ 1"])
    return network, [(n,) for n in range(16)], 1.5


def closed() -> tuple[Any, list[tuple[int, ...]], float]:
    network = fsp.ReactionNetwork({"A": 12, "B": 0, "C": 0}, ["A -> B @ 1", "B -> A @ 2", "B -> C @ 0.25"])
    return network, sorted(breadth_first(network, [(12, 0, 0)], 40)), 2.0


def toggle() -> tuple[Any, list[tuple[int, ...]], float]:
    network = fsp.ReactionNetwork(
        {"U": 1, "V": 0}, ["0 -> U ; 8/(1 + V**2)", "0 -> V ; 8/(1 + U**2)", "U -> 0 @ 1", "V -> 0 @ 1"]
    )
    states = [(u, v) for u in range(14) for v in range(14) if u * v < 60 and (u, v) != (5, 5)]
    return network, states, 3.0


def bursts() -> tuple[Any, list[tuple[int, ...]], float]:
    network = fsp.ReactionNetwork(
        {"X": 1, "Y": 2},
        ["0 -> 3 X @ 1", "X -> X + Y @ 0.5", "2 X -> 0 @ 0.1", "X + Y -> Y @ 1", "Y -> 0 @ 1"],
    )
    return network, [(x, y) for x in range(11) for y in range(9)], 0.7


PROBLEMS: dict[str, Callable[[], Any]] = {
    "birth and death": birth_death, "closed": closed, "toggle": toggle, "bursts": bursts
}  # fmt: skip


class Run:
    """One step from the initial state, and what it should have given."""

    def __init__(self, problem: str, axis: int = -1) -> None:
        self.network, states, self.duration = PROBLEMS[problem]()
        coordinates = Coordinates.of(self.network)
        self.space = FibreSet.from_states(coordinates, states)
        self.tables = FactorTables(self.network, coordinates)
        self.start = np.zeros(self.space.n_states)
        self.start[self.space.index([self.network.initial_state])] = 1.0
        brute = brute_force(self.network, self.space)
        self.exact = scipy.linalg.expm(brute.matrix * self.duration) @ self.start
        # Time spent in each state, from the exponential of a block matrix (Van Loan 1978).
        n = self.space.n_states
        block = np.zeros((2 * n, 2 * n))
        block[:n, :n] = brute.matrix
        block[n:, :n] = np.eye(n)
        residence = (scipy.linalg.expm(block * self.duration) @ np.concatenate([self.start, np.zeros(n)]))[n:]
        self.leaks = residence @ brute.leaving


class Refused(Exception):
    """A signed stepper found that its bound exceeds the budget."""


def one_step(
    name: str, operator: Any, start: Any, duration: float, budget: float, allowances: Any = ()
) -> Any:
    """Make one step; come back at each of the allowances before going on without one."""
    stepper = find_stepper(name).load()()
    stepper.begin(operator, operator.new_vector(start.copy()), duration, budget)
    came_back = 0
    for allowance in allowances:
        came_back += stepper.advance(allowance) is Progress.OUTFLOW
    progress = stepper.advance(np.inf)
    if progress is Progress.REFUSED and STEPPERS[name].signed:
        raise Refused
    assert progress is Progress.DONE
    leaks = operator.leaks(stepper.residence)
    return np.asarray(operator.leading(stepper.finish())).copy(), stepper, leaks, came_back


def on_whole(kind: Any) -> Callable[..., Any]:
    def run(name: str, problem: Run, budget: float, allowances: Any = ()) -> Any:
        operator = kind(problem.tables, problem.space, threads=1)
        return one_step(name, operator, problem.start, problem.duration, budget, allowances)

    return run


def in_parts(share: float, **options: Any) -> Callable[..., Any]:
    def run(name: str, problem: Run, budget: float, allowances: Any = ()) -> Any:
        cut = max(1, int(share * problem.space.n_states))
        pieces = (problem.start[:cut], problem.start[cut:])

        def work(part: Any, rank: int) -> Any:
            return one_step(name, part, pieces[rank], problem.duration, budget, allowances)

        (a, stepper, leaks, back), (b, other, leaks_b, back_b) = run_in_two_parts(
            problem.network, problem.space, cut, work, **options
        )
        # Every collective answer is the same on both.
        assert (stepper.leaked, stepper.missing, stepper.products) == (
            other.leaked,
            other.missing,
            other.products,
        )
        assert leaks.tolist() == leaks_b.tolist()
        assert back == back_b
        return np.concatenate([a, b]), stepper, leaks, back

    return run


def on_extended(name: str, problem: Run, budget: float, allowances: Any = ()) -> Any:
    tables = FactorTables(problem.network, problem.space.coordinates, extended=True)
    operator = ExtendedGenerator(tables, problem.space)
    return one_step(name, operator, problem.start, problem.duration, budget, allowances)


def watching_segments(kind: Any) -> Callable[..., Any]:
    """Return a maker of generators that tell flows through boundary segments, as they do on large sets."""

    def make(*arguments: Any, **options: Any) -> Any:
        generator = kind(*arguments, **options)
        generator.by_segment = True
        return generator

    return make


OPERATORS = {
    "double-double": on_extended,
    "matrix-free": on_whole(FibreGenerator),
    "assembled": on_whole(AssembledGenerator),
    "matrix-free, by segment": on_whole(watching_segments(FibreGenerator)),
    "assembled, by segment": on_whole(watching_segments(AssembledGenerator)),
    "listed": on_whole(ListedGenerator),
    "two parts": in_parts(0.37),
    "two uneven parts": in_parts(0.05),
}

CONSTANT = [n for n, info in STEPPERS.items() if not info.timed]  # the others: test_time_dependent.py
every_stepper = pytest.mark.parametrize("name", CONSTANT)
PAIRS = [(n, o) for n in CONSTANT for o in OPERATORS if not (STEPPERS[n].signed and o == "double-double")]
every_stepper_and_operator = pytest.mark.parametrize(("name", "operator"), PAIRS)
every_problem = pytest.mark.parametrize("problem", PROBLEMS)


@every_stepper_and_operator
@every_problem
@pytest.mark.parametrize("budget", [1e-3, 1e-8, 1e-14])
def test_a_lower_bound_within_its_own_account(name, operator, problem, budget):
    run = Run(problem)
    try:
        p, stepper, leaks, _ = OPERATORS[operator](name, run, budget)
    except Refused:
        assert budget < 1e-3
        return
    # What leaked is known to a signed stepper up to its defect.
    blur = stepper.missing if STEPPERS[name].signed else 0.0
    slack = stepper.rounding + 200 * U  # SciPy's own rounding
    assert 0.0 <= stepper.missing <= budget + 1e-29
    assert 0.0 <= stepper.rounding < 1e-9
    assert (p >= 0).all()
    assert (p <= run.exact + slack * run.exact.max()).all()
    assert np.abs(run.exact - p).sum() <= stepper.missing + slack
    # What would have leaked in the part of the series that was cut off is booked as cut off.
    assert (leaks <= run.leaks + slack + blur).all()
    assert (leaks >= run.leaks - stepper.missing - slack).all()
    assert stepper.leaked == pytest.approx(leaks.sum(), rel=1e-13, abs=blur)
    # Nothing is lost that is not accounted for.
    assert -slack - blur <= 1.0 - p.sum() - stepper.leaked <= stepper.missing + slack


@every_stepper_and_operator
@every_problem
def test_coming_back_on_the_way_changes_nothing(name, operator, problem):
    run = Run(problem)
    budget = 1e-3 if STEPPERS[name].signed else 1e-10
    straight = OPERATORS[operator](name, run, budget)
    stops = [1e-9, 1e-7, 1e-5, 1e-3]
    paused = OPERATORS[operator](name, run, budget, stops)
    assert paused[0].tolist() == straight[0].tolist()
    assert paused[1].products == straight[1].products
    assert paused[2] == pytest.approx(straight[2], rel=1e-14, abs=0)
    assert (paused[3] > 0) == (run.leaks.sum() > 1e-6)


@pytest.mark.parametrize(("name", "operator"), [pair for pair in PAIRS if pair[1] != "matrix-free"])
@every_problem
def test_every_operator_gives_the_same_answer(name, operator, problem):
    run = Run(problem)
    signed = STEPPERS[name].signed
    budget = 1e-3 if signed else 1e-12
    p, stepper, leaks, _ = OPERATORS["matrix-free"](name, run, budget)
    q, other, leaks_other, _ = OPERATORS[operator](name, run, budget)
    difference = 1e-11 if signed else 1e-30  # the polynomials of a signed series magnify rounding
    assert np.abs(p - q).sum() <= (1e-9 if signed else 1e-14)
    assert q == pytest.approx(p, rel=1e-12, abs=difference)
    assert leaks_other == pytest.approx(leaks, rel=1e-12, abs=difference if signed else 0)
    assert other.products == stepper.products


@every_stepper
def test_control_a_part_that_forgets_its_ghosts(name):
    run = Run("toggle")
    budget = 1e-3 if STEPPERS[name].signed else 1e-12
    p, *_ = OPERATORS["matrix-free"](name, run, budget)
    q, *_ = in_parts(0.37, forget_ghosts=True)(name, run, budget)
    assert np.abs(p - q).sum() > 1e-3
    OPERATORS["forgetful"] = in_parts(0.37, forget_ghosts=True)
    try:
        with pytest.raises(AssertionError):
            test_a_lower_bound_within_its_own_account(name, "forgetful", "toggle", max(budget, 1e-8))
    finally:
        del OPERATORS["forgetful"]


@every_stepper
@pytest.mark.parametrize("kind", [FibreGenerator, AssembledGenerator, watching_segments(FibreGenerator)])
def test_the_set_may_grow_on_the_way(name, kind):
    """From a small set to a larger one as soon as something flows out: nothing more is lost than is booked."""
    network = fsp.ReactionNetwork({"X": 0}, ["0 -> X @ 4", "X -> 0 @ 1"])
    coordinates = Coordinates.of(network)
    tables = FactorTables(network, coordinates)
    space = FibreSet.from_states(coordinates, np.arange(6)[:, None])
    final = FibreSet.from_states(coordinates, np.arange(60)[:, None])
    matrix = brute_force(network, final).matrix
    duration = 0.5
    exact = scipy.linalg.expm(matrix * duration)[:, 0]
    stepper = find_stepper(name).load()(headroom=20.0)
    generator = kind(tables, space, threads=1)
    budget = 1e-6 if STEPPERS[name].signed else 1e-14
    stepper.begin(generator, generator.new_vector(np.eye(6)[0]), duration, budget)
    leaked = np.zeros(2)
    growths = 0
    while stepper.advance(1e-12) is Progress.OUTFLOW:
        flow, _ = generator.outflow(stepper.current)
        assert flow > 0.0
        leaked += generator.leaks(stepper.residence)
        larger = FibreSet.from_states(coordinates, np.arange(space.n_states + 7)[:, None])
        grown = kind(tables, larger, threads=1)
        vectors = [space.transfer(v, larger)[0] for v in stepper.vectors()]
        if not stepper.replace(grown, vectors):
            assert STEPPERS[name].signed
            leaked[:] = 0.0
            stepper.begin(grown, grown.new_vector(np.eye(larger.n_states)[0]), duration, budget)
        space, generator = larger, grown
        growths += 1
    leaked += generator.leaks(stepper.residence)
    p = np.zeros(60)
    p[: space.n_states] = generator.leading(stepper.finish())
    assert growths >= 2
    blur = stepper.missing if STEPPERS[name].signed else 0.0
    assert leaked.sum() == pytest.approx(stepper.leaked, rel=1e-12, abs=blur)
    assert 0 <= stepper.leaked <= 1e-12 * duration
    assert np.abs(exact - p).sum() <= stepper.leaked + stepper.missing + stepper.rounding + 100 * U


@every_stepper
def test_a_faster_state_makes_the_step_begin_anew(name):
    network = fsp.ReactionNetwork({"X": 0}, ["0 -> X @ 4", "X -> 0 @ 1"])
    coordinates = Coordinates.of(network)
    tables = FactorTables(network, coordinates)
    small, large = (
        FibreGenerator(tables, FibreSet.from_states(coordinates, np.arange(n)[:, None])) for n in (4, 400)
    )
    stepper = find_stepper(name).load()()
    stepper.begin(small, np.eye(4)[0], 1.0, 1e-5 if STEPPERS[name].signed else 1e-10)
    assert stepper.advance(1e-12) is Progress.OUTFLOW
    vectors = [small.space.transfer(v, large.space)[0] for v in stepper.vectors()]
    assert not stepper.replace(large, vectors)


@every_stepper
@pytest.mark.parametrize("duration", [0.0, 1e-12, 1e-3, 50.0])
def test_durations(name, duration):
    run = Run("closed")
    run.duration = duration
    brute = brute_force(run.network, run.space)
    exact = scipy.linalg.expm(brute.matrix * duration) @ run.start
    p, stepper, *_ = OPERATORS["matrix-free"](name, run, 1e-5 if STEPPERS[name].signed else 1e-12)
    assert np.abs(exact - p).sum() <= stepper.missing + stepper.rounding + 1e-13


@every_stepper
def test_a_set_without_reactions_stays(name):
    network = fsp.ReactionNetwork({"X": 3}, ["X -> 0 @ 0"])
    coordinates = Coordinates.of(network)
    generator = FibreGenerator(FactorTables(network, coordinates), FibreSet.from_states(coordinates, [[3]]))
    p, stepper, leaks, _ = one_step(name, generator, np.ones(1), 7.0, 1e-12)
    assert p[0] == pytest.approx(1.0, abs=stepper.missing + stepper.rounding + 1e-15)
    assert not leaks.any()


def test_names_of_methods():
    assert find_stepper("Uniformization").name == "uniformisation"
    with pytest.raises(ArgumentError, match=r"unknown method 'euler'.*'auto', .*'uniformisation'"):
        find_stepper("euler")
