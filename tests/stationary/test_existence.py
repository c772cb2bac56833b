"""Networks without a stationary law are refused with the reason; where nothing is proven, that is what is said."""

from __future__ import annotations

import pytest

import fsp
from fsp import gallery


@pytest.mark.parametrize(
    ("species", "reactions", "reason"),
    [
        ({"X": 1}, ["X -> 2 X @ 1"], "no reaction lowers X"),
        ({"X": 0}, ["0 -> X @ 3"], "no reaction lowers X"),
        ({"X": 2}, ["2 X -> 3 X @ 1"], "no reaction lowers X"),  # explodes
        ({"A": 0, "B": 0}, ["0 -> A @ 1", "A -> 2 B @ 1", "2 B -> A @ 1"], "no reaction lowers 2 A \\+ B"),
        ({"X": 0}, ["0 -> X @ 1", "X -> 2 X @ 2", "X -> 0 @ 1"], "births"),  # transient
        ({"X": 0}, ["0 -> X @ 2", "X -> 2 X @ 1", "X -> 0 @ 1"], "births"),  # null recurrent or transient
        ({"X": 0}, ["0 -> X @ 1", "2 X -> 3 X @ 1", "X -> 0 @ 1"], "births"),  # explosive
        ({"X": 0}, ["0 -> X @ 1", "X -> 0 ; min(X, 1)"], "births"),  # a queue at its critical load
    ],
)
def test_no_stationary_law(species: dict[str, int], reactions: list[str], reason: str) -> None:
    with pytest.raises(fsp.NoStationaryLawError, match=reason):
        fsp.solve_stationary(fsp.ReactionNetwork(species, reactions))


def test_growth_without_end_is_told_at_the_limit() -> None:
    network = fsp.ReactionNetwork(
        {"A": 0, "B": 0}, ["0 -> A @ 1", "A -> 0 @ 1", "A -> A + B @ 1", "B -> 2 B @ 1.2", "B -> 0 @ 1"]
    )
    with pytest.raises(fsp.StateSpaceLimitError) as caught:
        fsp.solve_stationary(network, max_states=3_000)
    assert caught.value.result is None or not caught.value.result.certified


def test_limits_carry_the_best_result() -> None:
    with pytest.raises(fsp.StateSpaceLimitError, match="max_states = 5,000") as caught:
        fsp.solve_stationary(gallery.toggle_switch(), tolerance=1e-9, max_states=5_000)
    partial = caught.value.result
    assert partial.certified
    assert 1e-9 < partial.error_bound
    assert partial.n_states <= 5_000
    with pytest.raises(fsp.StateSpaceLimitError, match="memory_limit"):
        fsp.solve_stationary(gallery.toggle_switch(), memory_limit=2**20)


def test_bounds_that_cut_too_much() -> None:
    with pytest.raises(fsp.ToleranceError, match="bounds= cuts off") as caught:
        fsp.solve_stationary(gallery.immigration_death(), bounds={"X": 12})
    partial = caught.value.result
    assert partial.certified
    assert partial.distribution.states.max() == 12
    wide = fsp.solve_stationary(gallery.immigration_death(), bounds={"X": 80})
    assert wide.error_bound <= 1e-8


def test_several_closed_classes() -> None:
    result = fsp.solve_stationary(gallery.sir())
    assert result.certified
    assert len(result.classes) > 10
    assert all(found.absorbing for found in result.classes)
    there = fsp.solve_stationary(gallery.sir(), initial={"I": 0})
    assert there.certified
    assert there.n_states == 1


def test_rates_in_time_and_events_are_refused() -> None:
    timed = fsp.ReactionNetwork({"X": 0}, ["0 -> X ; 1 + sin(time)", "X -> 0 @ 1"])
    with pytest.raises(fsp.UnsupportedError, match="depend on time"):
        fsp.solve_stationary(timed)
    dosed = fsp.ReactionNetwork({"X": 0}, ["0 -> X @ 1", "X -> 0 @ 1"], events=["at time >= 5: X = 0"])
    with pytest.raises(fsp.UnsupportedError, match="events"):
        fsp.solve_stationary(dosed)


@pytest.mark.parametrize(
    "options",
    [{"tolerance": 0.0}, {"tolerance": "x"}, {"max_states": 0}, {"method": "nonsense"}, {"memory_limit": -1}],
)
def test_arguments_are_checked(options: dict[str, object]) -> None:
    with pytest.raises(fsp.ArgumentError):
        fsp.solve_stationary(gallery.immigration_death(), **options)
    with pytest.raises(fsp.ArgumentError, match="ReactionNetwork"):
        fsp.solve_stationary("model.xml")


def test_no_proof_is_no_certificate() -> None:
    """A rate that no polynomial of degree two bears: the answer is an estimate, and says so."""
    network = fsp.ReactionNetwork(
        {"A": 0, "B": 0},
        ["0 -> A @ 1", "A + B -> 2 A + B @ 0.01", "A -> B @ 1", "2 B -> B @ 1", "3 A -> 2 A @ 0.01"],
    )
    result = fsp.solve_stationary(network, tolerance=1e-4)
    if not result.certified:
        assert "no proof" in result.why
        assert "not proven" in repr(result)
        assert not result.probability("A > 3").certified
