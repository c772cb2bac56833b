"""Files of results: what is read is equal to what was written, whole or in part."""

from __future__ import annotations

import gc
import weakref
from dataclasses import replace

import numpy as np
import pytest

import fsp
from fsp.distribution import Distribution
from fsp.errors import ArgumentError
from fsp.known_moments import StoredMoments
from fsp.ledger import Ledger
from fsp.load import load_result
from fsp.results import TransientResult
from fsp.summary import KINDS, Summary
from fsp.transient.loop import AdaptiveLoop

NAMES = ["toggle_switch", "telegraph", "gene_expression", "michaelis_menten", "schloegl"]


@pytest.fixture(scope="module")
def solved():
    """Results of the solver, with conserved species, infinite lattices and several kinds of moment bounds."""
    return {
        name: fsp.solve_transient(getattr(fsp.gallery, name)(), [0.0, 0.05, 0.1], tolerance=1e-7)
        for name in NAMES
    }


def questions(law):
    """Return all numbers that a distribution gives for its species."""
    names = law.species_names
    answers = [law.covariance(a, b) for a in names for b in names]
    for name in names:
        answers += [law.mean(name), law.std(name), law.variance(name), law.mean_bounds(name)]
        answers += [law.variance_bounds(name), law.std_bounds(name), law.moment_bounds(name, 2)]
    return answers


def marginal_questions(law):
    answers = []
    for name in law.species_names:
        answers += [law.moment_bounds(name, 3), law.moment(name, 3), law.median(name)]
        answers += [law.quantile_bounds(name, 0.975), law.marginal(name).probability(f"{name} > 2")]
        answers += [law.marginal(name).probabilities.tolist(), law.marginal(name).states.tolist()]
    return answers


# -- equal after reading -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_a_file_brings_an_equal_result_back(solved, tmp_path, name):
    result = solved[name]
    result.save(tmp_path / "run.nc")
    again = load_result(tmp_path / "run.nc")
    assert again == result
    assert again.network == result.network
    assert repr(again.network) == repr(result.network)
    assert again.statistics == result.statistics
    assert [type(v) for v in again.statistics.values()] == [type(v) for v in result.statistics.values()]
    for mine, theirs in zip(result, again, strict=True):
        assert mine.states.tolist() == theirs.states.tolist()
        assert mine.probabilities.tobytes() == theirs.probabilities.tobytes()
        assert questions(mine) == questions(theirs)
        assert marginal_questions(mine) == marginal_questions(theirs)
        some = mine.states[:: max(1, mine.n_states // 7)]
        assert mine.space.index(some).tolist() == theirs.space.index(some).tolist()
        assert mine.moments.how == theirs.moments.how
        assert mine.ledger == theirs.ledger


@pytest.mark.parametrize("save", KINDS[1:])
def test_what_is_kept_while_solving_is_what_a_whole_result_would_give(solved, tmp_path, save):
    whole = solved["telegraph"]
    kept = fsp.solve_transient(whole.network, whole.times, tolerance=1e-7, save=save)
    assert kept.kept == save
    assert all(isinstance(law, Summary) for law in kept)
    for mine, theirs in zip(whole, kept, strict=True):
        assert questions(mine) == questions(theirs)
        if save == "marginals":
            assert marginal_questions(mine) == marginal_questions(theirs)
    kept.save(tmp_path / "kept.nc")
    again = load_result(tmp_path / "kept.nc")
    assert again == kept
    # Saved with less than was kept, the file is that of a run which kept less.
    whole.save(tmp_path / "less.nc", save=save)
    less = load_result(tmp_path / "less.nc")
    assert list(less) == list(kept)
    assert (tmp_path / "less.nc").stat().st_size < 200_000


def test_less_cannot_become_more(solved, tmp_path):
    solved["telegraph"].save(tmp_path / "m.nc", save="moments")
    kept = load_result(tmp_path / "m.nc")
    law = kept.final
    for ask in (
        lambda: kept.save(tmp_path / "x.nc", save="distributions"),
        lambda: kept.to_xarray(save="marginals"),
        lambda: law.states,
        lambda: law.probabilities,
        lambda: law.sample(3),
        lambda: law.probability(f"{law.species_names[0]} > 1"),
        lambda: law.quantile(law.species_names[0], 0.5),
        lambda: law.tv_distance(law),
        lambda: law.to_pandas(),
        lambda: law.plot(),
        lambda: fsp.solve_transient(kept.network, [1.0], initial=kept),
    ):
        with pytest.raises(ArgumentError, match=r'solve with save="(marginals|distributions)"'):
            ask()
    assert not (tmp_path / "x.nc").exists()
    for wrong in ("everything", None, 3):
        with pytest.raises(ArgumentError, match="save is one of"):
            fsp.solve_transient(kept.network, [1.0], save=wrong)


def test_states_keep_their_order(tmp_path):
    # One fibre axis that is not the last species: the order is not lexicographic.
    net = fsp.ReactionNetwork({"A": 0, "B": 0}, ["0 -> A @ 40", "A -> 0 @ 1", "0 -> B @ 1", "B -> 0 @ 1"])
    result = fsp.solve_transient(net, [2.0], tolerance=1e-6)
    states = result.final.states
    assert states.tolist() != states[np.lexsort(states.T[::-1])].tolist()
    result.save(tmp_path / "run.nc")
    assert load_result(tmp_path / "run.nc") == result


def test_hand_made_results_are_saved_too(result, tmp_path):
    result.save(tmp_path / "run.nc")
    assert load_result(tmp_path / "run.nc") == result
    empty = TransientResult(
        result.network, [], [], Ledger(), "m", "e", {"n": np.int64(3), "x": np.float64(0.5)}
    )
    empty.save(tmp_path / "run.nc")
    assert load_result(tmp_path / "run.nc") == empty
    odd = TransientResult(
        None, [0.0], [result[0]], Ledger(), "m\0\n\u2264", "e" * 200_000, {}, status="stopped: \ud800"
    )
    odd.save(tmp_path / "run.nc")
    assert load_result(tmp_path / "run.nc") == odd


def test_equality_sees_every_difference(solved):
    result = solved["telegraph"]

    def copy(**changes):
        fields = {k: getattr(result, k) for k in ("network", "times", "ledger", "method", "explanation")}
        fields |= {k: getattr(result, k) for k in ("statistics", "status", "tolerance", "version")}
        return TransientResult(**{**fields, "distributions": list(result), **changes})

    def law(**changes):
        d = result.final
        fields = {k: getattr(d, k) for k in ("error_bound", "certified", "time", "moments", "support_bounds")}
        fields |= {"lower_bound": d.lower_bound, "ledger": d.ledger, "probabilities": d.probabilities}
        return Distribution(**{"space": d.space, **fields, **changes})

    assert copy() == result
    assert law() == result.final
    other = fsp.gallery.telegraph().with_parameters(**{next(iter(result.network.parameters)): 0.123})
    shifted = result.final.probabilities.copy()
    shifted[0] = np.nextafter(shifted[0], 1.0)
    ledger = result.ledger.copy()
    ledger.book("pruned", 1e-9)
    changes = [
        {"network": None},
        {"network": other},
        {"times": result.times + 1e-15},
        {"ledger": ledger},
        {"method": "x"},
        {"explanation": "x"},
        {"statistics": {}},
        {"status": "x"},
        {"tolerance": 0.5},
        {"version": "0"},
        {"distributions": [result[0], result[1], result[1]]},
        {"distributions": [*result[:2], law(probabilities=shifted)]},
    ]
    for change in changes:
        assert copy(**change) != result, change
    for change in (
        {"probabilities": shifted},
        {"error_bound": 0.5},
        {"certified": False},
        {"time": 1.0},
        {"moments": None},
        {"support_bounds": {}},
        {"lower_bound": False},
        {"ledger": None},
    ):
        assert law(**change) != result.final, change
    assert result != "a result"
    assert result.final != "a distribution"


def test_past_distributions_are_released_while_solving(monkeypatch):
    alive = []
    original = AdaptiveLoop.snapshot

    def snapshot(loop):
        made = original(loop)
        alive.append(weakref.ref(made.p))
        return made

    monkeypatch.setattr(AdaptiveLoop, "snapshot", snapshot)
    times = np.linspace(0.1, 1.0, 10)
    counts = []
    advance_to = AdaptiveLoop._advance_to

    def advance(loop, target):
        gc.collect()
        counts.append(sum(ref() is not None for ref in alive))
        advance_to(loop, target)

    monkeypatch.setattr(AdaptiveLoop, "_advance_to", advance)
    # Whole distributions are the control.
    for save, expected in (("moments", [0] * 10), ("distributions", list(range(10)))):
        alive.clear()
        counts.clear()
        kept = fsp.solve_transient(fsp.gallery.toggle_switch(), times, tolerance=1e-4, save=save)
        assert len(alive) == len(kept) == 10
        assert counts == expected


@pytest.fixture(scope="module")
def derived():
    """A network with observables: linear, of two species, with time, undefined at 0."""
    network = fsp.ReactionNetwork(
        {"X": 0, "Y": 3},
        ["0 -> X @ k", "X -> 0 @ 1", "Y -> 0 @ 0.2"],
        {"k": 4.0},
        observables={"total": "X + 2*Y", "product": "X*Y - k", "timed": "X*time", "only": "X^2"},
        name="derived",
    )
    return network, [0.0, 0.25, 0.5, 1.0]


@pytest.mark.parametrize("save", KINDS)
def test_networks_with_observables_come_back(derived, tmp_path, save):
    network, times = derived
    result = fsp.solve_transient(network, times, tolerance=1e-6, save=save)
    result.save(tmp_path / "run.nc")
    again = load_result(tmp_path / "run.nc")
    assert again == result
    assert again.network == network
    assert repr(again.network) == repr(network)
    assert again.names == result.names == ("X", "Y", "total", "product", "timed", "only")
    whole = fsp.solve_transient(network, times, tolerance=1e-6)
    for name in result.names:
        for loaded, kept, full in zip(again, result, whole, strict=True):
            assert loaded.mean(name) == kept.mean(name) == pytest.approx(full.mean(name), rel=1e-9, abs=1e-9)
            assert loaded.mean_bounds(name) == kept.mean_bounds(name)
            assert loaded.variance_bounds(name) == kept.variance_bounds(name)
            assert full.mean(name) in kept.mean_bounds(name) or full.mean(name) == pytest.approx(
                kept.mean(name)
            )
    if save == "distributions":
        assert again[-1].quantile("product", 0.5) == result[-1].quantile("product", 0.5)
        assert again[-1].probability("total > 3") == result[-1].probability("total > 3")
    else:
        with pytest.raises(ArgumentError, match="solve with save="):
            again[-1].quantile("product", 0.5)
    from fsp.figures import KINDS as figures
    from fsp.figures import result_figure
    from fsp.report import html_report

    page = html_report(again)
    for piece in ("product", "X*Y - k", "observable"):
        assert piece in page
    for kind in figures if save != "moments" else ("auto", "course", "run"):
        result_figure(again, again.names, kind).canvas.draw()
    with pytest.raises(ArgumentError, match="observable"):
        result_figure(again, ["product"], "heatmap")


def test_species_may_have_the_names_of_variables(tmp_path):
    names = [
        "entry",
        "error",
        "count",
        "offset",
        "probability",
        "edge",
        "record",
        "species",
        "state",
        "Ω",
        "order_low",
    ]
    law = Distribution.from_states(
        np.eye(len(names), dtype=int), np.full(len(names), 1 / len(names)), names, time=0.0
    )
    result = TransientResult(None, [0.0], [law], Ledger(), "m", "e", {})
    for save in KINDS:
        result.save(tmp_path / "run.nc", save=save)
        again = load_result(tmp_path / "run.nc")
        assert again.kept == save
        assert again.species_names == tuple(names)
        assert again.mean().tolist() == result.mean().tolist()
        if save != "moments":
            assert (
                again[0].marginal("count").probabilities.tolist()
                == law.marginal("count").probabilities.tolist()
            )


@pytest.mark.parametrize("save", KINDS)
def test_estimates_stay_estimates(result, tmp_path, save):
    guess = StoredMoments({"X": fsp.Interval(1.0, 50.0, certified=False)}, {"Gene": fsp.Interval(0.0, 3.0)})
    d = result.final
    law = Distribution(d.space, d.probabilities, error_bound=0.5, certified=False, time=0.0, moments=guess)
    assert not law.mean_bounds("X").certified
    estimated = TransientResult(None, [0.0], [law], Ledger(), "m", "e", {})
    estimated.save(tmp_path / "run.nc", save=save)
    again = load_result(tmp_path / "run.nc")
    assert not again.certified
    for name in ("X", "Gene"):
        assert again[0].mean_bounds(name) == law.mean_bounds(name)
        assert again[0].variance_bounds(name) == law.variance_bounds(name)
    assert (again == estimated) == (save == "distributions")


def test_a_network_that_a_file_cannot_keep_does_not_lose_the_numbers(result, tmp_path):
    class Odd(fsp.ReactionNetwork):
        def __eq__(self, other):
            return False

        __hash__ = None

    odd = Odd({"X": 0}, ["0 -> X @ 1"])
    whole = TransientResult(odd, result.times, list(result), result.ledger, "m", "e", {})
    with pytest.warns(UserWarning, match="without its network"):
        whole.save(tmp_path / "run.nc")
    again = load_result(tmp_path / "run.nc")
    assert again.network is None
    assert list(again) == list(result)


def test_a_ledger_with_other_entries_comes_back(result, tmp_path):
    ledger = Ledger({"initial": 0.0, "something new": 1e-9}, {"R1 crosses U <= 3": 1e-9, "R2": 0.0})
    law = result.final
    other = Distribution(law.space, law.probabilities, error_bound=law.error_bound, time=5.0, ledger=ledger)
    mixed = TransientResult(None, result.times, [*result[:4], other], ledger, "m", "e", {})
    mixed.save(tmp_path / "run.nc")
    assert load_result(tmp_path / "run.nc") == mixed
    assert replace(ledger) == ledger
