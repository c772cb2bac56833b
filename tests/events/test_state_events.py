"""Events that reactions fire, against closed forms, and how events meet."""

from __future__ import annotations

import math

import numpy as np
import pytest

import fsp
from fsp.model.phases import Phase


def rules(*events: str, species: tuple[str, ...] = ("X", "Y"), **parameters: float):
    network = fsp.ReactionNetwork(dict.fromkeys(species, 0), ["0 -> X @ 1"], parameters, events=list(events))
    return network.event_rules


def fire(*events: str, before: list[int], after: list[int]) -> list[int]:
    """Return where a transition leads."""
    found = rules(*events)
    states = np.array([before, after])
    true = found.triggers(states, Phase(0.0, False))
    return found.fire(states[1:], true[:1], Phase(0.0, False))[0].tolist()


@pytest.mark.parametrize("tolerance", [1e-6, 1e-11])
def test_a_counter_that_is_reset(tolerance):
    """Births at the rate k, set to 0 at N: Poisson modulo N."""
    k, n, t = 3.0, 5, 4.0
    network = fsp.ReactionNetwork({"X": 0}, ["0 -> X @ k"], {"k": k}, events=[f"at X >= {n}: X = 0"])
    law = fsp.solve_transient(network, [t], tolerance=tolerance).final
    exact = np.zeros(n)
    for i in range(200):
        exact[i % n] += math.exp(i * math.log(k * t) - k * t - math.lgamma(i + 1))
    p = np.zeros(n)
    p[law.states.ravel()] = law.probabilities
    assert law.n_states == n
    assert np.abs(p - exact).sum() <= law.error_bound + 1e-14
    assert law.error_bound <= tolerance


def test_first_passage_by_an_event():
    """Y counts one at the moment when X first reaches 3: the time of three births is of Gamma type."""
    network = fsp.ReactionNetwork({"X": 0, "Y": 0}, ["0 -> X @ 2"], events=["at X >= 3: Y = 1"])
    result = fsp.solve_transient(network, [0.5, 1.0, 3.0], tolerance=1e-10)
    for t, law in zip([0.5, 1.0, 3.0], result, strict=True):
        m = 2.0 * t
        exact = 1.0 - math.exp(-m) * (1 + m + m * m / 2)
        inside = law.probability("Y == 1")
        assert inside.lower <= exact + 1e-14
        assert exact <= inside.upper + 1e-14
        assert inside.width <= 1e-10


def test_a_trigger_that_stays_true_does_not_fire_again():
    network = fsp.ReactionNetwork({"X": 0, "Y": 0}, ["0 -> X @ 2"], events=["at X >= 3: Y = Y + 1"])
    assert fsp.solve_transient(network, [30.0], tolerance=1e-9).final.marginal("Y").states.max() == 1


def test_on_unbounded_lattices():
    """A burst of 100 at X = 10 in immigration and death; the same chain with the transition written as a reaction."""
    reactions = ["0 -> X @ 8", "X -> 0 @ 1"]
    with_event = fsp.ReactionNetwork({"X": 0}, reactions, events=["at X == 10: X = 100"])
    by_hand = fsp.ReactionNetwork(
        {"X": 0},
        ["0 -> X ; 8*(X != 9)", "0 -> 91 X ; 8*(X == 9)", "X -> 0 ; X*(X != 11)", "0 -> 89 X ; 11*(X == 11)"],
    )
    one, other = (fsp.solve_transient(n, [0.5, 4.0], tolerance=1e-9) for n in (with_event, by_hand))
    for a, b in zip(one, other, strict=True):
        p = dict(zip(map(tuple, a.states.tolist()), a.probabilities.tolist(), strict=True))
        q = dict(zip(map(tuple, b.states.tolist()), b.probabilities.tolist(), strict=True))
        assert sum(abs(p.get(s, 0) - q.get(s, 0)) for s in {*p, *q}) <= a.error_bound + b.error_bound
        assert math.isinf(a.mean_bounds("X").upper)  # the moment equations do not know about events


def test_conservation_laws_under_events():
    reactions = ["2 P -> D @ 0.01", "D -> 2 P @ 0.1"]
    species = {"P": 40, "D": 0}
    kept = fsp.ReactionNetwork(species, reactions, events=["at D > 10: P = 40, D = 0"])
    assert str(kept.conservation_laws()) == "P + 2 D = 40"
    assert str(
        fsp.ReactionNetwork(species, reactions, events=["at D > 10: P = P + 2*D, D = 0"]).conservation_laws()
    ) == ("P + 2 D = 40")
    lost = fsp.ReactionNetwork(species, reactions, events=["at D > 10: P = 41, D = 0"])
    assert len(lost.conservation_laws()) == 0
    assert len(kept.with_initial(P=42).conservation_laws()) == 0
    result = fsp.solve_transient(lost, [5.0], tolerance=1e-8)
    totals = set((result.final.states @ [1, 2]).tolist())
    assert totals == {40, 41}


def test_values_at_the_moment_of_triggering_may_break_a_law():
    """A swap in between: each event alone keeps A + B, together they do not."""
    events = ["at time >= 1: A = B, B = A; priority 2", "at time >= 1: A = 6 - B; priority 1"]
    network = fsp.ReactionNetwork({"A": 1, "B": 5}, ["A -> A @ 1"], events=events)
    assert len(network.conservation_laws()) == 0
    assert fsp.solve_transient(network, [1.0]).final.states.tolist() == [[1, 1]]
    events[1] += "; values at execution"
    again = fsp.ReactionNetwork({"A": 1, "B": 5}, ["A -> B @ 0", "B -> A @ 0"], events=events)
    assert str(again.conservation_laws()) == "A + B = 6"
    assert fsp.solve_transient(again, [1.0]).final.states.tolist() == [[5, 1]]


# -- how events meet ---------------------------------------------------------------------------------------


def test_cascade():
    assert fire("at X > 2: Y = 5", "at Y > 4: X = 9", "at X > 8: Y = 1", before=[2, 0], after=[3, 0]) == [
        9,
        1,
    ]


def test_priorities_decide():
    first = ("at X > 2: Y = 5; priority 2", "at X > 2: Y = 7; priority 1")
    assert fire(*first, before=[2, 0], after=[3, 0]) == [3, 7]
    assert fire(first[0], "at X > 2: Y = 7; priority X", before=[2, 0], after=[3, 0]) == [3, 5]


def test_priorities_are_evaluated_anew():
    """After E1 the priorities of E2 and E3 have changed places."""
    events = [
        "at X > 2: X = 3, Y = 9; priority 100",
        "at X > 2: X = 10*X + 4; priority Y; values at execution",
        "at X > 2: X = 10*X + 5; priority 1; values at execution",
    ]
    assert fire(*events, before=[2, 0], after=[3, 0]) == [345, 9]


def test_persistence():
    drop = "at X > 2: X = 0; priority 2"
    assert fire(drop, "at X > 2: Y = 7; priority 1", before=[2, 0], after=[3, 0]) == [0, 7]
    assert fire(drop, "at X > 2: Y = 7; priority 1; not persistent", before=[2, 0], after=[3, 0]) == [0, 0]


def test_events_without_order_that_agree():
    assert fire("at X > 2: X = 0", "at X > 2: Y = 7", before=[2, 0], after=[3, 0]) == [0, 7]
    assert fire("at X > 2: Y = 7", "at X > 2: Y = 3 + 4; priority 1", before=[2, 0], after=[3, 0]) == [3, 7]
    many = [f"at X > 2: Y = Y + {i}; values at execution" for i in range(1, 9)]  # 8! orders
    assert fire(*many, before=[2, 0], after=[3, 0]) == [3, 36]


@pytest.mark.parametrize(
    ("events", "error", "words"),
    [
        (
            ["at X > 2: Y = 7", "at X > 2: Y = 3"],
            fsp.UnsupportedError,
            "'E1' and 'E2' fire at the same moment",
        ),
        (
            ["at X > 2: Y = 7; priority 1", "at X > 2: Y = 3; priority 1"],
            fsp.UnsupportedError,
            "different priorities",
        ),
        (["at X > 2: Y = 7; priority 1", "at X > 2: Y = 3"], fsp.UnsupportedError, "different priorities"),
        (["at X > 2: X = 0", "at X == 0: X = 5"], fsp.ModelError, "do not come to an end"),
        (["at X > 2: Y = X/2"], fsp.ModelError, "event 'E1' sets 'Y' to 1.5 at the state {'X': 3, 'Y': 0}"),
        (["at X > 2: Y = Y - 1"], fsp.ModelError, "'Y' to -1 at the state"),
        (["at X > 2: Y = 1/Y"], fsp.ModelError, "'Y' to inf at the state"),
        (["at X > 2: Y = 1e30"], fsp.ModelError, "'Y' to 1e+30"),
        (
            ["at X > 2: Y = 1; priority 1/Y"],
            fsp.ModelError,
            "the priority of event 'E1' is not a finite number",
        ),
        (["at X/Y > 2: Y = 1"], fsp.ModelError, "the trigger of event 'E1' is undefined"),
        (
            ["at X > 2: X = 0; priority 3", "at X > 2: Y = 7; priority 1", "at X == 0: X = 9; priority 2"],
            fsp.UnsupportedError,
            "'E2' is triggered again while it waits",
        ),
    ],
)
def test_refusals(events, error, words):
    with pytest.raises(error) as caught, np.errstate(all="ignore"):
        fire(*events, before=[2, 0] if "X/Y" not in events[0] else [0, 0], after=[3, 0])
    assert words in str(caught.value)


def test_refusals_reach_the_user():
    network = fsp.ReactionNetwork({"X": 0}, ["0 -> X @ 1"], events=["half: at X > 4: X = X/2"])
    with pytest.raises(fsp.ModelError, match="event 'half' sets 'X' to 2.5"):
        fsp.solve_transient(network, [1.0])


def test_rounding_of_whole_numbers():
    """0.1 X at X = 30 is 3, though 0.1 is no binary number."""
    network = fsp.ReactionNetwork({"X": 29}, ["0 -> X @ 1"], {"f": 0.1}, events=["at X == 30: X = f*X"])
    assert fsp.solve_transient(network, [3.0], tolerance=1e-6).final.marginal("X").states.min() == 3


def test_time_and_counts_mixed():
    """Armed at time 1: states that are above then fire at once, others when they get there."""
    network = fsp.ReactionNetwork({"X": 0}, ["0 -> X @ 2"], events=["at time >= 1 and X >= 2: X = 0"])
    result = fsp.solve_transient(network, [0.999999, 1.0, 2.0], tolerance=1e-9)
    assert result[0].marginal("X").states.max() > 5
    low = math.exp(-2.0) * 2.0  # one birth until then
    assert all(law.states.max() == 1 for law in result[1:])
    found = result[1].probability("X == 1")
    assert found.lower - 1e-14 <= low <= found.upper + 1e-14
    # From there on, X alternates between 0 and 1 at the rate 2.
    odd = 0.5 * (1 - math.exp(-4.0))
    exact = low * (1 - odd) + (1 - low) * odd
    found = result[2].probability("X == 1")
    assert found.lower - 1e-14 <= exact <= found.upper + 1e-14


def test_rates_of_time_are_refused_with_such_events():
    network = fsp.ReactionNetwork({"X": 0}, ["0 -> X ; 1 + time"], events=["at X > 4: X = 0"])
    with pytest.raises(fsp.UnsupportedError, match="time"):
        fsp.solve_transient(network, [1.0])


def test_rates_of_time_and_moments_after_an_event():
    """Where rates depend on time, the moment equations, which count time from the law, are not started again."""
    network = fsp.ReactionNetwork({"X": 0}, ["0 -> X ; 1 + time"], events=["at time >= 1: X = 4"])
    result = fsp.solve_transient(network, [1.0, 2.0], tolerance=1e-6)
    exact = 4 + 1 + (4 - 1) / 2
    bounds = result.final.mean_bounds("X")
    assert bounds.lower <= exact <= bounds.upper


def test_signed_and_safe_series_agree():
    """Chebyshev series, whose compiled loop does not know events, and uniformisation."""
    toggle = fsp.gallery.toggle_switch()
    network = fsp.ReactionNetwork(
        {"U": 0, "V": 0},
        [str(r) for r in toggle.reactions],
        dict(toggle.parameters),
        events=["at U > 60 and V < 40: U = 0, V = V + 5", "at time >= 2: V = floor(V/2)"],
    )
    signed, safe = (
        fsp.solve_transient(network, [2.0, 6.0], tolerance=1e-6, method=m)
        for m in ("chebyshev", "uniformisation")
    )
    assert signed.statistics["signed_steps"] > 0
    assert safe.statistics["signed_steps"] == 0
    for a, b in zip(signed, safe, strict=True):
        p = dict(zip(map(tuple, a.states.tolist()), a.probabilities.tolist(), strict=True))
        q = dict(zip(map(tuple, b.states.tolist()), b.probabilities.tolist(), strict=True))
        assert sum(abs(p.get(s, 0) - q.get(s, 0)) for s in {*p, *q}) <= a.error_bound + b.error_bound
        assert a.error_bound <= 1e-6
