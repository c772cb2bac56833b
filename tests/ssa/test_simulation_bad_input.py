"""Bad input gets an error of ours that says what is wrong."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fsp
from fsp.ssa.methods import METHODS

NET = fsp.gallery.immigration_death()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_trajectories": 0}, "n_trajectories"),
        ({"n_trajectories": 2.5}, "n_trajectories"),
        ({"n_trajectories": None}, "n_trajectories"),
        ({"seed": -1}, "seed"),
        ({"seed": 2**64}, "seed"),
        ({"seed": 1.5}, "seed"),
        ({"seed": True}, "seed"),
        ({"threads": 0}, "threads"),
        ({"max_events": 0}, "max_events"),
        ({"method": "tau-leaping"}, "no method 'tau-leaping'; known: auto, direct"),
        ({"method": "direkt"}, "did you mean"),
        ({"record": "all"}, "record"),
        ({"times": []}, "times"),
        ({"times": [2.0, 1.0]}, "ascending"),
        ({"times": [-1.0]}, "times"),
        ({"times": [np.nan]}, "times"),
        ({"initial": {"Y": 1}}, "no species 'Y'"),
        ({"initial": {"X": -1}}, ">= 0"),
        ({"initial": {(1,): 0.5}}, "add up"),
        ({"resume": 3}, "resume"),
    ],
)
def test_arguments(options: dict[str, Any], message: str) -> None:
    with pytest.raises(fsp.ArgumentError, match=message):
        fsp.simulate(**{"network": NET, "times": [1.0], "n_trajectories": 10, **options})


def test_no_network() -> None:
    with pytest.raises(fsp.ArgumentError, match="ReactionNetwork"):
        fsp.simulate("model.xml", [1.0])  # type: ignore[arg-type]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("reactions", "message"),
    [
        (["0 -> X @ 5", "X -> 0 ; X*(3 - X)"], "is negative at the state {'X': 4}"),
        (["0 -> X @ 5", "X -> 0 ; 1/(X - 3)^2"], "is not finite at the state {'X': 3}"),
        (["0 -> X @ 5", "X -> 0 ; log(X - 2)"], "is not finite"),
        (["X -> 0 ; 2"], "would make 'X' negative"),
        (["0 -> X ; 2", "3 X -> 0 ; X"], "would make 'X' negative"),
        (["0 -> X ; exp(400*X)*exp(400*X)"], "is not finite"),
    ],
)
def test_propensities(reactions: list[str], message: str, method: str) -> None:
    network = fsp.ReactionNetwork({"X": 0}, reactions)
    with pytest.raises(fsp.PropensityError, match=message):
        fsp.simulate(network, [100.0], 5, method=method)


def test_factors_may_be_negative_where_the_product_is_not() -> None:
    network = fsp.ReactionNetwork(
        {"X": 0, "Y": 2}, ["0 -> X ; (X - 5)*(X - 5)*(Y - 3)^2", "X -> 0 @ 1", "Y -> 0 ; (3 - Y)*(9 - Y)*0"]
    )
    for method in METHODS:
        ensemble = fsp.simulate(network, [1.0], 100, method=method)
        assert ensemble.counts[:, 0, 0].max() <= 5


@pytest.mark.parametrize(
    ("reactions", "error"),
    [
        (["0 -> X ; 1/(X + time)"], fsp.UnsupportedError),
        (["0 -> X ; 1 - time"], fsp.PropensityError),
        (["0 -> X ; 1/(time - 0.5)^2"], fsp.FSPError),
    ],
)
def test_rates_that_depend_on_time(reactions: list[str], error: type[Exception]) -> None:
    with pytest.raises(error):
        fsp.simulate(fsp.ReactionNetwork({"X": 1}, reactions), [2.0], 10)
    with pytest.raises(fsp.ArgumentError, match="thins"):
        fsp.simulate(
            fsp.ReactionNetwork({"X": 1}, ["0 -> X ; exp(-time)"]), [2.0], 10, method="next-reaction"
        )


@pytest.mark.parametrize(
    ("events", "error", "message"),
    [
        (["at X > 3: X = 0", "at X > 3: X = 1"], fsp.UnsupportedError, "order"),
        (["at X > 4: X = X/2"], fsp.ModelError, "whole numbers"),
        (["at X > 4: X = X - 9"], fsp.ModelError, "whole numbers"),
        (["at (X - 3)/(X - 3) > 5: X = 0"], fsp.ModelError, "undefined"),
    ],
)
def test_events(events: list[str], error: type[Exception], message: str) -> None:
    network = fsp.ReactionNetwork({"X": 0}, ["0 -> X @ 10"], events=events)
    with pytest.raises(error, match=message):
        fsp.simulate(network, [2.0], 10)
