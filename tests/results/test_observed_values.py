"""Derived quantities that read parameters which events change: the values of each time, before and after a file."""

from __future__ import annotations

import json

import numpy as np
import pytest

import fsp
from fsp.distribution import Distribution
from fsp.errors import ArgumentError
from fsp.ledger import Ledger
from fsp.load import load_result
from fsp.model.event_parameters import parameters_at
from fsp.observed_values import observables_of, record_observables
from fsp.report import html_report
from fsp.restore import from_dataset
from fsp.results import TransientResult
from fsp.summary import KINDS

TIMES = [0.0, 0.5, 1.0, 1.5, 2.0, 2.5]
#: What the events below make of c; at 2 the trigger is not yet true.
VALUES = [2.0, 2.0, 5.0, 5.0, 5.0, 15.0]
OBSERVABLES = {"dose": "c*X", "both": "c*X + Y", "par": "c", "fix": "e*Y"}


@pytest.fixture(scope="module")
def network():
    return fsp.ReactionNetwork(
        {"X": 0, "Y": 3},
        ["0 -> X @ k", "X -> 0 @ 1", "Y -> 0 @ 1"],
        {"k": 4.0, "c": 2.0, "e": 0.5},
        events=["at time >= 1: c = 5, k = 8, X = X + 1", "at time > 2: c = 3*c"],
        observables=OBSERVABLES,
    )


@pytest.fixture(scope="module")
def solved(network):
    return {save: fsp.solve_transient(network, TIMES, tolerance=1e-8, save=save) for save in KINDS}


def answers(law, save):
    """Return all that can be asked about the derived quantities."""
    found = [
        (law.mean(n), law.std(n), law.mean_bounds(n), law.std_bounds(n), law.moment_bounds(n, 2))
        for n in OBSERVABLES
    ]
    if save == "distributions":
        found += [law.probability(f"{n} > 10") for n in OBSERVABLES]
        found += [law.quantile(n, 0.9) for n in OBSERVABLES]
    if save == "marginals":
        part = law.marginal("X")
        found += [part.mean("dose"), part.std("dose"), part.probability("dose > 10"), part.mean("par")]
    return found


@pytest.mark.parametrize(("kept", "save"), [(k, s) for i, k in enumerate(KINDS) for s in KINDS[i:]])
def test_every_time_has_its_own_values_after_loading(solved, tmp_path, kept, save):
    result = solved[kept]
    result.save(tmp_path / "run.nc", save=save)
    again = load_result(tmp_path / "run.nc")
    assert again == solved[save] or kept != save
    for mine, theirs in zip(solved[save], again, strict=True):
        assert answers(mine, save) == answers(theirs, save)
    for law, c in zip(again, VALUES, strict=True):
        assert law.mean("dose") == pytest.approx(c * law.mean("X"), rel=1e-12)
        assert law.mean("par") == c
    again.save(tmp_path / "again.nc")  # and what was read can be written
    assert load_result(tmp_path / "again.nc") == again


def test_the_values_at_the_start_would_be_seen(network, solved):
    """The control of the test above: with the network's own values the answers differ."""
    law = solved["distributions"][-1]
    wrong = Distribution.from_states(
        law.states, law.probabilities, law.species_names, error_bound=law.error_bound, time=law.time,
        observables=network.observables,
    )  # fmt: skip
    assert wrong.mean("dose") != law.mean("dose")
    assert wrong.probability("dose > 10") != law.probability("dose > 10")
    assert wrong.observables != law.observables


def test_distributions_of_a_run_know_their_values(solved):
    for save in ("distributions", "marginals"):
        for law, c in zip(solved[save], VALUES, strict=True):
            part = law.marginal("X")
            assert part.observables["dose"].function.values["c"] == c
            assert record_observables(law)["values"]["c"] == c


def test_values_follow_the_events(network, solved):
    assert [values["c"] for values in parameters_at(network, TIMES)] == VALUES
    assert [values["k"] for values in parameters_at(network, TIMES)] == [4.0, 4.0, 8.0, 8.0, 8.0, 8.0]
    assert parameters_at(network, [2.5, 0.0]) == [{"c": 15.0, "k": 8.0}, {"c": 2.0, "k": 4.0}]
    assert parameters_at(network, []) == []
    assert parameters_at(fsp.gallery.birth_death(), [1.0]) == [{}]
    early = fsp.ReactionNetwork(
        {"X": 0}, ["0 -> X @ k"], {"k": 1.0},
        events=["at time >= 0: k = 2; initially false", "at time > 0: k = 3"],
        observables={"rate": "k"},
    )  # fmt: skip
    assert parameters_at(early, [0.0, 1e-3]) == [{"k": 2.0}, {"k": 3.0}]
    assert fsp.solve_transient(early, [0.0, 1e-3], tolerance=1e-6).mean("rate").tolist() == [2.0, 3.0]


@pytest.mark.parametrize("save", KINDS[:2])
def test_files_that_contradict_their_events_are_refused(solved, save):
    data = solved[save].to_xarray()
    from_dataset(data)
    for place, change, problem in (
        ("values", {"c": 2.5}, "'c' = 2.5 at time 0, where the network has 2.0"),
        ("values", {"z": 1.0}, "'z'"),
        ("names", ["other"], "no observable 'other'"),
    ):
        record = json.loads(str(data["record"].values[()]))
        record["observables"]["different"][0][place] = change
        bad = data.assign(record=((), np.array(json.dumps(record), dtype=object)))
        with pytest.raises(ArgumentError, match="contradicts itself.*" + problem):
            from_dataset(bad)


def test_observables_of_another_network_are_not_saved(network, solved, tmp_path):
    law = solved["distributions"][0]
    other = network.with_parameters(e=1.0)
    result = TransientResult(other, [0.0], [law], Ledger(), "none", "by hand", {})
    with pytest.raises(ArgumentError, match="'e' = 0.5 at time 0, where the network has 1.0"):
        result.save(tmp_path / "run.nc")
    plain = fsp.ReactionNetwork({"X": 0, "Y": 3}, ["X -> 0 @ 1"], {"c": 2.0, "e": 0.5})
    with pytest.raises(ArgumentError, match="no observable 'dose'"):
        TransientResult(plain, [0.0], [law], Ledger(), "none", "by hand", {}).save(tmp_path / "run.nc")
    renamed = fsp.ReactionNetwork(
        {"X": 0, "Y": 3}, ["X -> 0 @ 1"], {"c": 2.0, "e": 0.5}, observables={**OBSERVABLES, "dose": "c*Y"}
    )
    with pytest.raises(ArgumentError, match="'dose' at time 0.0 is not that of the network"):
        TransientResult(renamed, [0.0], [law], Ledger(), "none", "by hand", {}).save(tmp_path / "run.nc")
    with pytest.warns(UserWarning, match="without its observables"):
        TransientResult(None, [0.0], [law], Ledger(), "none", "by hand", {}).save(tmp_path / "run.nc")
    assert load_result(tmp_path / "run.nc").names == ("X", "Y")


def test_laws_without_observables_stay_so(network, tmp_path):
    law = Distribution.point({"X": 1, "Y": 0}, time=0.0)
    result = TransientResult(network, [0.0], [law], Ledger(), "none", "by hand", {})
    result.save(tmp_path / "run.nc")
    assert load_result(tmp_path / "run.nc") == result
    assert observables_of(network, {"names": [], "values": {}}) == {}


def test_the_report_shows_events_and_the_course_of_parameters(solved):
    for result in solved.values():
        page = html_report(result, ["X", "dose"])
        for piece in ("Events", "c = 3*c", "Parameters over time", "15</td>"):
            assert piece in page


def test_going_on_from_a_result_does_not_forget_parameters_silently(network, solved):
    before = solved["distributions"]
    with pytest.warns(UserWarning, match=r"with_parameters\(c=15.0, k=8.0\)"):
        fsp.solve_transient(network, [0.5], tolerance=1e-6, initial=before)
    kept = fsp.ReactionNetwork(
        {"X": 0, "Y": 3}, ["0 -> X @ k", "X -> 0 @ 1", "Y -> 0 @ 1"], {"k": 8.0, "c": 15.0, "e": 0.5},
        observables=OBSERVABLES,
    )  # fmt: skip
    after = fsp.solve_transient(kept, [0.5], tolerance=1e-6, initial=before)  # without a warning
    through = fsp.solve_transient(network, [3.0], tolerance=1e-6)
    assert after.mean("dose")[0] == pytest.approx(through.mean("dose")[0], rel=1e-5)
    early = fsp.solve_transient(network, [0.5], tolerance=1e-8)
    fsp.solve_transient(network, [0.5], tolerance=1e-6, initial=early)  # nothing has changed yet
