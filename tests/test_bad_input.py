"""Bad input: our own error, a message that names the culprit, what was finished, and never a hang."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fsp
from fsp.cli import main
from fsp.errors import (
    ArgumentError,
    ExplosionError,
    ExpressionError,
    FSPError,
    ModelError,
    PropensityError,
    SolverError,
    StateSpaceLimitError,
    ToleranceError,
    UnsupportedError,
)

# Everything below must be refused at once; this is for a solver that hangs instead.
pytestmark = pytest.mark.timeout(120)

BIRTH = fsp.ReactionNetwork({"X": 0}, ["0 -> X @ 10", "X -> 0 @ 1"])


def network(*reactions: str, **species: int) -> fsp.ReactionNetwork:
    return fsp.ReactionNetwork(species or {"X": 1}, list(reactions), {"k": 2.0, "rate": 1.0})


# Expressions


@pytest.mark.parametrize(
    ("law", "culprits"),
    [
        ("kk*X", ["'kk'", "R1", "did you mean 'k'"]),
        ("rat*X", ["'rat'", "did you mean 'rate'"]),
        ("k*Y", ["'Y'", "R1"]),
        ("X.real", ["attribute", "X.real"]),
        ("X.__class__", ["attribute"]),
        ("().__class__.__bases__", []),
        ("__import__('os')", ["__import__"]),
        ("__import__('os').system('true')", []),
        ("eval('1')", ["eval"]),
        ("open('/etc/passwd')", ["open"]),
        ("print(X)", ["print"]),
        ("X[0]", ["["]),
        ("[X for X in (1, 2)]", []),
        ("lambda: X", ["lambda"]),
        ("(Y := X)", []),
        ("'text'", []),
        ("f'{X}'", []),
        ("X if X", []),
        ("k*", ["k*"]),
        ("", ["X -> 0"]),
        ("k*X)", []),
        ("X**", []),
        ("1e999*X", []),
    ],
)
def test_expressions(law, culprits):
    with pytest.raises(ModelError) as caught:
        network(f"X -> 0 ; {law}")
    for culprit in culprits:
        assert culprit in str(caught.value)


def test_an_expression_is_never_run(tmp_path):
    marker = tmp_path / "ran"
    for law in (f"open('{marker}', 'w')", f"__import__('pathlib').Path('{marker}').touch()", "X.__init__()"):
        with pytest.raises(ExpressionError):
            network(f"X -> 0 ; {law}")
        with pytest.raises(FSPError):
            fsp.solve_transient(BIRTH, [1.0], bounds=law)
        with pytest.raises(FSPError):
            fsp.solve_transient(BIRTH, [0.1]).final.probability(law)
    assert not marker.exists()


# Networks


@pytest.mark.parametrize(
    ("species", "reactions", "culprit"),
    [
        ({}, [], "no species"),
        ({"X": 1}, [], "no reactions"),
        ({"X": -1}, ["X -> 0 @ 1"], "'X' is -1"),
        ({"X": 1.5}, ["X -> 0 @ 1"], "'X' is 1.5"),
        ({"X": float("nan")}, ["X -> 0 @ 1"], "'X'"),
        ({"X": "many"}, ["X -> 0 @ 1"], "'X'"),
        ({"X": 1}, ["X -> Z @ 1"], "'Z'"),
        ({"X": 1}, ["X -> 0 @ -1"], "R1.*-1"),
        ({"X": 1}, ["X -> 0 @ X"], "R1.*'X'"),
        ({"X": 1}, ["X -> 0"], "X -> 0"),
        ({"X": 1}, ["X => 0 @ 1"], "X => 0"),
        ({"X": 1}, ["a: X -> 0 @ 1", "a: 0 -> X @ 1"], "'a'"),
        ({"X": 1}, "X -> 0 @ 1", "list"),
    ],
)
def test_networks(species, reactions, culprit):
    with pytest.raises(ModelError, match=culprit):
        fsp.ReactionNetwork(species, reactions)


# Propensities at reachable states


@pytest.mark.parametrize(
    ("reactions", "species", "culprits"),
    [
        (["X -> 0 @ k", "bad: 0 -> X ; 1/X"], {"X": 2}, ["bad", "not finite", "{'X': 0}"]),
        (["X -> 0 @ k", "bad: 0 -> X ; X/X"], {"X": 2}, ["bad", "not finite", "{'X': 0}", "nan"]),
        (["0 -> X @ k", "bad: 0 -> X ; k*(3 - X)"], {"X": 0}, ["bad", "negative", "'X': 4", "-2"]),
        (["0 -> X @ k", "bad: X -> 0 ; -k*X"], {"X": 0}, ["bad", "negative"]),
        (["bad: X -> 0 ; log(X - 1.5)"], {"X": 3}, ["bad", "negative", "{'X': 2}", "-0.69"]),
        (["0 -> X @ k", "bad: 0 -> X ; exp(800*X)"], {"X": 0}, ["bad", "not finite", "{'X': 1}", "inf"]),
        (["bad: X -> 0 ; k"], {"X": 2}, ["bad", "{'X': 0}", "'X' negative"]),
        (["bad: 2 X -> 0 ; k*X"], {"X": 5}, ["bad", "{'X': 1}", "'X' negative"]),
        (["X -> Y @ 1", "bad: X -> Y ; 1"], {"X": 2, "Y": 0}, ["bad", "'X': 0, 'Y': 2", "'X' negative"]),
        (
            ["X -> 0 @ 1", "Y -> 0 @ 1", "bad: X -> 0 ; X/(X + Y)"],
            {"X": 1, "Y": 1},
            ["bad", "'X': 0, 'Y': 0", "nan"],
        ),
        (["X -> 0 @ 1", "Y -> 0 @ 1", "bad: Y -> 0 ; Y*X/Y"], {"X": 1, "Y": 1}, ["bad", "'Y': 0", "nan"]),
    ],
)
@pytest.mark.parametrize("bounds", [None, {"X": 40, "Y": 40}])
def test_propensities(reactions, species, culprits, bounds):
    model = network(*reactions, **species)
    if bounds is not None:
        bounds = {name: bound for name, bound in bounds.items() if name in species}
    with pytest.raises(PropensityError) as caught:
        fsp.solve_transient(model, [0.5, 1.0], bounds=bounds)
    for culprit in culprits:
        assert culprit in str(caught.value)


def test_bad_propensities_that_cannot_be_reached_do_no_harm():
    model = network("0 -> X ; k*(5 - X)", "X -> 0 ; rate*X/(6 - X)", X=0)
    result = fsp.solve_transient(model, [0.5, 5.0], tolerance=1e-8)
    assert result.final.states.max() <= 5
    assert result.error_bound <= 1e-8


# Arguments


@pytest.mark.parametrize(
    ("times", "culprit"),
    [
        ([2.0, 1.0], "2.0 is followed by 1.0"),
        ([1.0, 1.0], "1.0 is followed by 1.0"),
        ([-1.0, 1.0], "-1.0"),
        (-3, "-3.0"),
        ([], "at least one"),
        ([0.0, float("nan")], "nan"),
        ([float("inf")], "inf"),
        ("soon", "'soon'"),
        ([1.0, "later"], "later"),
        ([1j], "1j"),
        ([[1.0, 2.0]], "shape"),
        (None, "nan"),
        ({"t": 1.0}, "'t'"),
    ],
)
def test_times(times, culprit):
    with pytest.raises(ArgumentError, match="times") as caught:
        fsp.solve_transient(BIRTH, times)
    assert culprit in str(caught.value)


@pytest.mark.parametrize(
    "tolerance", [0, 0.0, -1e-6, 1, 1.0, 7, float("nan"), float("inf"), "1e-6", None, True]
)
def test_tolerance(tolerance):
    with pytest.raises(ArgumentError, match="tolerance must be a number between 0 and 1") as caught:
        fsp.solve_transient(BIRTH, [1.0], tolerance=tolerance)
    assert repr(tolerance) in str(caught.value)


@pytest.mark.parametrize("tolerance", [1e-17, 1e-30, 5e-324])
def test_a_tolerance_below_rounding(tolerance):
    with pytest.raises(ToleranceError, match="rounding.*loosen the tolerance") as caught:
        fsp.solve_transient(BIRTH, [1.0], tolerance=tolerance)
    assert isinstance(caught.value.result, fsp.TransientResult)


@pytest.mark.parametrize(
    ("options", "culprit"),
    [
        ({"max_states": 0}, "max_states.*0"),
        ({"max_states": -4}, "max_states.*-4"),
        ({"max_states": 2.5}, "max_states.*2.5"),
        ({"max_states": float("nan")}, "max_states.*nan"),
        ({"max_states": "many"}, "max_states.*'many'"),
        ({"memory_limit": 0}, "memory_limit.*0"),
        ({"memory_limit": -1}, "memory_limit.*-1"),
        ({"memory_limit": "4GiB"}, "memory_limit.*'4GiB'"),
        ({"memory_limit": float("inf")}, "memory_limit.*inf"),
        ({"memory_limit": float("nan")}, "memory_limit.*nan"),
        ({"threads": 0}, "threads.*0"),
        ({"threads": "two"}, "threads.*'two'"),
        ({"method": "euler"}, "'euler'.*'uniformisation'"),
        ({"method": None}, "None"),
        ({"precision": "half"}, "'half'"),
        ({"bounds": {"Y": 3}}, "'Y'"),
        ({"bounds": {"X": -1}}, "X.*-1"),
        ({"bounds": "X + 1"}, "X \\+ 1"),
        ({"bounds": 7}, "7"),
        ({"initial": {"Y": 3}}, "'Y'"),
        ({"initial": {"X": -3}}, "X.*-3"),
    ],
)
def test_options(options, culprit):
    with pytest.raises(FSPError, match=culprit):
        fsp.solve_transient(BIRTH, [1.0], **options)


def test_bounds_below_the_initial_state():
    with pytest.raises(ArgumentError, match=r"\{'X': 5\} violates X <= 4"):
        fsp.solve_transient(network("0 -> X @ k", X=5), [1.0], bounds={"X": 4})
    with pytest.raises(ArgumentError, match="violates X < 5"):
        fsp.solve_transient(network("0 -> X @ k", X=5), [1.0], bounds="X < 5")


@pytest.mark.parametrize("model", ["model.xml", None, {"X": 1}, fsp.ReactionNetwork])
def test_not_a_network(model):
    if model is fsp.ReactionNetwork:
        model = object()
    with pytest.raises(ArgumentError, match="ReactionNetwork"):
        fsp.solve_transient(model, [1.0])


def test_rates_that_depend_on_time():
    with pytest.raises(UnsupportedError, match="R1.*mixes time and counts"):
        fsp.solve_transient(network("0 -> X ; 1/(1 + X + time)"), [1.0])
    with pytest.raises(UnsupportedError, match="atan cannot be enclosed"):
        fsp.solve_transient(network("0 -> X ; atan(time)"), [1.0])


# Limits


def check_partial(error: SolverError, times: list[float]) -> Any:
    """The best result so far is there, certified on its own terms."""
    result = error.result
    assert isinstance(result, fsp.TransientResult)
    assert result.status.startswith("stopped")
    finished = [t for t in result.times.tolist() if t in times]
    assert finished == times[: len(finished)]
    assert len(finished) < len(times)
    for distribution in result:
        total = distribution.probabilities.sum()
        assert 0.0 < total <= 1.0
        assert 1.0 - total <= distribution.error_bound + 1e-14
    return result


def test_max_states():
    times = [0.0, 0.01, 0.1, 10.0]
    with pytest.raises(StateSpaceLimitError, match="max_states = 40") as caught:
        fsp.solve_transient(network("0 -> X @ 100", X=0), times, max_states=40)
    result = check_partial(caught.value, times)
    assert {0.0, 0.01, 0.1} <= set(result.times.tolist())
    assert all(d.n_states <= 40 for d in result)
    assert result.times[-1] < 10.0


def test_max_states_below_the_first_set():
    with pytest.raises(StateSpaceLimitError, match="max_states = 3") as caught:
        fsp.solve_transient(network("0 -> X @ 100", X=0), [1.0], max_states=3)
    assert isinstance(caught.value.result, fsp.TransientResult)
    with pytest.raises(StateSpaceLimitError, match="max_states = 1"):
        fsp.solve_transient(BIRTH, [1.0], initial={(1,): 0.5, (2,): 0.5}, max_states=1)


def test_max_states_with_bounds():
    with pytest.raises(StateSpaceLimitError, match="max_states = 100"):
        fsp.solve_transient(
            network("0 -> X @ 1", "0 -> Y @ 1", X=0, Y=0), [1.0], bounds={"X": 50, "Y": 50}, max_states=100
        )


def peak_memory() -> int:
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


@pytest.mark.slow
def test_memory_limit():
    """Three species that grow without bound: refused long before the memory of the machine is gone."""
    times = [0.0, 0.001, 0.01, 5.0]
    model = network("0 -> X @ 1000", "0 -> Y @ 1000", "0 -> Z @ 1000", X=0, Y=0, Z=0)
    fsp.solve_transient(model, times[:2])
    before = peak_memory()
    with pytest.raises(StateSpaceLimitError, match="memory_limit.*bounds=") as caught:
        fsp.solve_transient(model, times, memory_limit=40_000_000)
    check_partial(caught.value, times)
    assert peak_memory() - before < 400_000_000


def test_memory_limit_with_bounds_that_hold_too_much():
    model = network("0 -> X @ 1", "0 -> Y @ 1", X=0, Y=0)
    with pytest.raises(StateSpaceLimitError, match="memory_limit|max_states"):
        fsp.solve_transient(model, [1.0], bounds={"X": 100_000, "Y": 100_000}, memory_limit=20_000_000)


# Explosions


@pytest.mark.parametrize(
    ("reactions", "species"),
    [
        (["X -> 2 X ; X**3"], {"X": 1}),
        (["2 X -> 3 X @ 1"], {"X": 2}),
        (["X -> 2 X ; X**2", "X -> 0 @ 1"], {"X": 3}),
        (["X -> 2 X ; X*Y", "Y -> 2 Y ; X*Y"], {"X": 1, "Y": 1}),
    ],
)
def test_explosive_networks(reactions, species):
    model = network(*reactions, **species)
    with pytest.raises(ExplosionError, match=r"explosive.*X = .*faster than linearly.*bounds=") as caught:
        fsp.solve_transient(model, [1e-4, 10.0])
    result = check_partial(caught.value, [1e-4, 10.0])
    assert 1e-4 in result.times.tolist()
    assert result.final.n_states < 1_000_000


def test_an_explosive_network_within_bounds_is_solved():
    model = network("X -> 2 X ; X**3", X=1)
    result = fsp.solve_transient(model, [1.0], bounds={"X": 20}, tolerance=0.999)
    assert result.ledger.entries["leaked"] > 0.3


def test_growth_that_is_linear_is_no_explosion():
    result = fsp.solve_transient(network("X -> 2 X @ 1", X=1), [5.0], tolerance=1e-4)
    assert result.final.mean("X") == pytest.approx(np.exp(5.0), rel=1e-2)


def test_too_stiff():
    with pytest.raises(ToleranceError, match=r"exit rate .* (rounding|products)") as caught:
        fsp.solve_transient(network("0 -> X @ 1e12", "X -> 0 @ 1e12", X=10), [1.0])
    assert isinstance(caught.value.result, fsp.TransientResult)


def test_the_end_of_time():
    with pytest.raises(SolverError):
        fsp.solve_transient(BIRTH, [1e300])


# Command line


def antimony(tmp_path: Path, reactions: str) -> str:
    path = tmp_path / "model.ant"
    path.write_text(f"model bad()\n{reactions}\nend\n")
    return str(path)


@pytest.mark.parametrize(
    ("reactions", "code", "culprits"),
    [
        ("J0: X -> 2 X; X^3; X = 1;", 1, ["explosive", "X"]),
        ("J0: -> X; 1/X; X = 5; J1: X -> ; X;", 2, ["J0", "not finite", "'X': 0"]),
        ("J0: X -> ; -k*X; X = 5; k = 2;", 2, ["J0", "negative", "'X': 5"]),
        ("J0: X -> ; k; X = 5; k = 2;", 2, ["J0", "'X': 0", "negative"]),
        ("J0: X -> ; X; X = -3;", 2, ["X", "-3"]),
        ("species X; X = 3;", 2, ["reaction"]),
    ],
)
def test_models_on_the_command_line(reactions, code, culprits, tmp_path, capsys):
    assert main(["transient", antimony(tmp_path, reactions), "-t", "0,1,10"]) == code
    printed = capsys.readouterr()
    assert printed.err.startswith("fsp: error:")
    assert "Traceback" not in printed.err
    for culprit in culprits:
        assert culprit in printed.err


@pytest.mark.parametrize(
    ("options", "culprit"),
    [
        (["-t", "2,1"], "1 follows 2"),
        (["-t", "-1,2"], "-1"),
        (["-t", "5:0:1"], "5:0:1"),
        (["-t", "0:1:0"], "0:1:0"),
        (["-t", "soon"], "soon"),
        (["-t", "1", "--tolerance", "0"], "tolerance"),
        (["-t", "1", "--tolerance", "nan"], "tolerance"),
        (["-t", "1", "--tolerance", "tiny"], "tiny"),
        (["-t", "1", "--species", "Q"], "Q"),
        (["-t", "1", "--bounds", "Q=3"], "Q"),
        (["-t", "1", "--bounds", "__import__('os') < 3"], "__import__"),
        (["-t", "1", "--max-states", "0"], "max-states"),
        (["-t", "1", "--memory-limit", "much"], "much"),
        (["-t", "1", "--method", "euler"], "euler"),
    ],
)
def test_options_on_the_command_line(options, culprit, capsys):
    assert main(["transient", "gallery:birth_death", *options]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert culprit in printed.err
    assert "Traceback" not in printed.err


def test_partial_results_on_the_command_line(tmp_path, capsys):
    model = antimony(tmp_path, "J0: -> X; 100; X = 0;")
    options = ["-t", "0,0.01,0.1,10", "--max-states", "40", "--json"]
    assert main(["transient", model, *options]) == 1
    printed = capsys.readouterr()
    assert "max_states" in printed.err
    answer = json.loads(printed.out)
    assert answer["error"]["type"] == "StateSpaceLimitError"
    assert answer["partial"]["times"][:3] == [0.0, 0.01, 0.1]
