"""Chains for model checkers: Storm reads the files, and its answers lie where fsp says."""

from __future__ import annotations

import platform
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from random_networks import Brute, networks

import fsp
from fsp.chain_files import prism_names
from fsp.errors import ArgumentError, StateSpaceLimitError, UnsupportedError

if sys.platform != "linux" or platform.machine() != "x86_64":
    pytest.skip("there are no wheels of stormpy for this system", allow_module_level=True)
import stormpy
from stormpy import environments

sys.path.insert(0, str(Path(__file__).parent / "benchmarks"))
from storm_settings import set_precision

BIRTH_DEATH = fsp.ReactionNetwork({"X": 0}, ["0 -> X @ 10", "X -> 0 @ 1"])
TOGGLE = fsp.gallery.toggle_switch(a=20.0, K=8.0)


class Prism:
    """PRISM's files, read line by line by the description in its manual."""

    def __init__(self, stem: Path) -> None:
        text = {
            e: stem.with_name(stem.name + e).read_text().splitlines()
            for e in (".tra", ".sta", ".lab", ".init")
        }
        self.n, n_transitions = map(int, text[".tra"][0].split())
        self.rates: dict[tuple[int, int], float] = {}
        for line in text[".tra"][1:]:
            i, j, rate = line.split()
            assert (int(i), int(j)) not in self.rates
            self.rates[int(i), int(j)] = float(rate)
        assert len(self.rates) == n_transitions
        assert list(self.rates) == sorted(self.rates)
        self.variables = text[".sta"][0].strip("()").split(",")
        self.states = []
        for i, line in enumerate(text[".sta"][1:]):
            assert line.startswith(f"{i}:(")
            self.states.append(tuple(map(int, line.partition("(")[2].rstrip(")").split(","))))
        assert len(self.states) == self.n
        assert self.states == sorted(self.states)
        names = dict(re.findall(r'(\d+)="(\w+)"', text[".lab"][0]))
        assert names["0"] == "init"
        assert names["1"] == "deadlock"
        self.labels: dict[str, set[int]] = {name: set() for name in names.values()}
        for line in text[".lab"][1:]:
            state, _, found = line.partition(":")
            for number in found.split():
                self.labels[names[number]].add(int(state))
        self.initial = [float(line) for line in text[".init"]]
        assert len(self.initial) == self.n

    def for_storm(self, folder: Path) -> Any:
        """Storm's older explicit format differs in the headers only."""
        lines = ["ctmc", *(f"{i} {j} {rate!r}" for (i, j), rate in self.rates.items())]
        (folder / "x.tra").write_text("\n".join(lines) + "\n")
        lines = ["#DECLARATION", " ".join(self.labels), "#END"]
        for state in range(self.n):
            found = [name for name, states in self.labels.items() if state in states]
            if found:
                lines.append(f"{state} {' '.join(found)}")
        (folder / "x.lab").write_text("\n".join(lines) + "\n")
        return stormpy.build_model_from_explicit(str(folder / "x.tra"), str(folder / "x.lab"))


def check(model: Any, formula: str, state: int) -> float:
    set_precision()
    (formula,) = stormpy.parse_properties(formula)
    result = stormpy.model_checking(model, formula, environment=environments.Environment())
    return float(result.get_value(state))


def load(chain: fsp.ExportedChain, folder: Path) -> tuple[Any, int]:
    if chain.format == "storm":
        model = stormpy.build_model_from_drn(str(chain.files[0]))
    else:
        model = Prism(chain.files[0].with_suffix("")).for_storm(folder)
    (start,) = model.initial_states
    return model, start


@pytest.mark.parametrize("format", ["prism", "storm"])
@pytest.mark.parametrize(
    ("network", "condition", "time"),
    [
        (TOGGLE, "U > 8 and V < 3", 2.0),
        (BIRTH_DEATH, "X > 12", 3.0),
        (fsp.gallery.telegraph(), "M >= 4", 1.0),
        (fsp.ReactionNetwork({"A": 5, "B": 0}, ["2 A -> B @ 1", "A -> 0 @ 0.1"]), "B == 2", 0.7),
    ],
    ids=["toggle", "birth-death", "telegraph", "absorbing"],
)
def test_storm_agrees(
    network: fsp.ReactionNetwork, condition: str, time: float, format: str, tmp_path: Path
) -> None:
    chain = fsp.export_chain(
        network, tmp_path / "c", format=format, time=time, tolerance=1e-6, labels={"high": condition}
    )
    model, start = load(chain, tmp_path)
    assert (model.nr_states, model.nr_transitions) == (chain.n_states + 1, chain.n_transitions)
    low = check(model, f'P=? [ F[{time},{time}] "high" ]', start)
    lost = check(model, f'P=? [ F<={time} "sink" ]', start)
    truth = fsp.solve_transient(network, [time], tolerance=1e-11).final.probability(condition)
    rounding = 1e-11
    assert low <= truth.upper + rounding
    assert truth.lower <= low + lost + rounding
    assert chain.loss_bound is not None
    assert lost <= chain.loss_bound + rounding
    assert chain.loss_bound <= 1e-6
    assert low > 1e-3  # the condition is no trivial one


def test_bounds_leak_into_the_sink(tmp_path: Path) -> None:
    network = BIRTH_DEATH
    bounds = {"X": 10}
    chain = fsp.export_chain(network, tmp_path / "c", format="storm", bounds=bounds, labels={"high": "X > 8"})
    assert (chain.n_states, chain.time, chain.loss_bound) == (11, None, None)
    model, start = load(chain, tmp_path)
    lost = check(model, 'P=? [ F<=2 "sink" ]', start)
    low = check(model, 'P=? [ F[2,2] "high" ]', start)
    result = fsp.solve_transient(network, [2.0], tolerance=0.9, bounds=bounds)
    assert lost == pytest.approx(result.ledger.entries["leaked"], rel=1e-8)
    assert low == pytest.approx(result.final.probability("X > 8").lower, rel=1e-8)
    truth = fsp.solve_transient(network, [2.0]).final.probability("X > 8")
    assert low < truth.lower < truth.upper < low + lost  # the loss matters here, and the bounds hold


@settings(max_examples=25)
@given(networks(max_species=3))
def test_prism_files_hold_the_generator(tmp_path_factory: pytest.TempPathFactory, network: Any) -> None:
    folder = tmp_path_factory.mktemp("chain")
    bounds = dict.fromkeys(network.species_names, 5)
    chain = fsp.export_chain(
        network, folder / "c", bounds=bounds, labels={"even": "A == 0 or A == 2 or A == 4"}
    )
    files = Prism(folder / "c")
    assert files.variables == list(prism_names(network.species_names).values())
    assert files.states[chain.sink] == (-1,) * network.n_species
    assert files.labels["sink"] == {chain.sink}
    assert [files.states[i] for i in files.labels["init"]] == [tuple(network.initial_state.tolist())]
    assert files.labels["even"] == {i for i, s in enumerate(files.states) if s[0] in (0, 2, 4)}
    brute = Brute(network, np.array(files.states[1:]))
    matrix = np.zeros((files.n, files.n))
    for (i, j), rate in files.rates.items():
        matrix[i, j] = rate
    assert np.diag(matrix)[matrix.sum(axis=1) != np.diag(matrix)].sum() == 0.0
    inside = matrix[1:, 1:] - np.diag(np.diag(matrix)[1:])
    np.testing.assert_allclose(inside.T, brute.matrix - np.diag(np.diag(brute.matrix)), rtol=1e-13)
    np.testing.assert_allclose(matrix[1:, 0], brute.leaving.sum(axis=1), rtol=1e-13)
    stuck = inside.sum(axis=1) + matrix[1:, 0] == 0
    np.testing.assert_array_equal(np.diag(matrix)[1:], stuck.astype(float))


def test_an_initial_distribution(tmp_path: Path) -> None:
    law = {(0,): 0.25, (3,): 0.75}
    fsp.export_chain(BIRTH_DEATH, tmp_path / "c", bounds={"X": 6}, initial=law)
    files = Prism(tmp_path / "c")
    assert {files.states[i]: p for i, p in enumerate(files.initial) if p} == law
    assert files.labels["init"] == {1, 4}
    with pytest.raises(ArgumentError, match="Storm starts in one state"):
        fsp.export_chain(BIRTH_DEATH, tmp_path / "c", format="storm", bounds={"X": 6}, initial=law)


def test_given_states(tmp_path: Path) -> None:
    network = BIRTH_DEATH.with_initial(X=2)
    start = 2
    chain = fsp.export_chain(network, tmp_path / "c", states=[[start], [start + 1], [start + 3]])
    files = Prism(tmp_path / "c")
    assert chain.n_states == 3
    assert files.states[1:] == [(start,), (start + 1,), (start + 3,)]
    with pytest.raises(ArgumentError, match="contain the initial state"):
        fsp.export_chain(network, tmp_path / "c", states=[[start + 1]])


def test_names_that_prism_keeps() -> None:
    assert prism_names(["S", "P", "A", "x"]) == {"S": "S_", "P": "P_", "A": "A_", "x": "x"}
    assert len(set(prism_names(["U", "U_", "é", "_"]).values())) == 4


def test_closed_networks_need_no_bounds(tmp_path: Path) -> None:
    network = fsp.ReactionNetwork({"A": 3, "B": 0}, ["A -> B @ 1", "B -> A @ 2"])
    assert fsp.export_chain(network, tmp_path / "c").n_states == 4


@pytest.mark.parametrize(
    ("options", "kind", "problem"),
    [
        ({"format": "xml"}, ArgumentError, "'prism' or 'storm'"),
        ({}, ArgumentError, "infinitely many"),
        ({"bounds": {"X": 5}, "labels": {"sink": "X > 1"}}, ArgumentError, "'sink'"),
        ({"bounds": {"X": 5}, "labels": {"a b": "X > 1"}}, ArgumentError, "'a b'"),
        ({"bounds": {"X": 5}, "labels": {"high": "Y > 1"}}, fsp.ExpressionError, "'Y'"),
        ({"bounds": {"X": 5}, "states": [[0]]}, ArgumentError, "not both"),
        ({"states": [[0, 1]]}, ArgumentError, "shape"),
        ({"states": [[-1]]}, ArgumentError, "negative"),
        ({"time": -1.0}, ArgumentError, "time"),
        ({"time": 1.0, "tolerance": 2.0}, ArgumentError, "tolerance"),
        ({"bounds": "X*X < 1000000", "max_states": 100}, StateSpaceLimitError, "100"),
        ({"time": 5.0, "max_states": 10}, StateSpaceLimitError, "10"),
    ],
)
def test_refused(options: Any, kind: Any, problem: str, tmp_path: Path) -> None:
    with pytest.raises(kind, match=problem):
        fsp.export_chain(BIRTH_DEATH, tmp_path / "c", **options)
    assert list(tmp_path.iterdir()) == []


def test_rates_that_depend_on_time_are_refused(tmp_path: Path) -> None:
    network = fsp.ReactionNetwork({"X": 0}, ["wave: 0 -> X ; 1 + sin(time)"])
    with pytest.raises(UnsupportedError, match="wave depends on time"):
        fsp.export_chain(network, tmp_path / "c", bounds={"X": 5})


def test_failed_writing_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network = BIRTH_DEATH
    fsp.export_chain(network, tmp_path / "c", bounds={"X": 5})
    before = {path.name: path.read_text() for path in tmp_path.iterdir()}

    def full(*_: Any) -> None:
        message = "No space left on device"
        raise OSError(28, message)

    monkeypatch.setitem(fsp.chain_files.FORMATS["prism"], ".init", full)
    with pytest.raises(OSError, match="No space"):
        fsp.export_chain(network, tmp_path / "c", bounds={"X": 7})
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == before


def test_control_a_wrong_rate_is_noticed(tmp_path: Path) -> None:
    network = BIRTH_DEATH
    chain = fsp.export_chain(network, tmp_path / "c", format="storm", time=3.0, labels={"high": "X > 12"})
    text = chain.files[0].read_text()
    lines = text.splitlines()
    place = next(i for i, line in enumerate(lines) if line.startswith("state 5 "))
    lines[place + 2] = re.sub(r": .*", ": 9.0", lines[place + 2])
    chain.files[0].write_text("\n".join(lines) + "\n")
    model, start = load(chain, tmp_path)
    low = check(model, 'P=? [ F[3,3] "high" ]', start)
    truth = fsp.solve_transient(network, [3.0], tolerance=1e-9).final.probability("X > 12")
    assert not truth.lower - 1e-8 <= low <= truth.upper + 1e-8
