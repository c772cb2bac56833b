"""A network of one's own: a gene that activates itself, and what can be asked of its distribution.

Run it with ``python examples/custom_network.py``.
"""

from __future__ import annotations

import fsp


def self_activation() -> fsp.ReactionNetwork:
    """Return a gene whose protein X activates its own production; some of it is made in bursts of four."""
    return fsp.ReactionNetwork(
        species={"X": 0},
        parameters={"basal": 1.0, "a": 40.0, "K": 20.0, "burst": 0.5, "d": 1.0},
        reactions=[
            "make: 0 -> X ; basal + a*X**4/(K**4 + X**4)",  # any propensity, a free expression
            "burst: 0 -> 4 X @ burst",  # a rate constant: mass action
            "decay: X -> 0 @ d",
        ],
        name="self-activating gene",
    )


def main() -> None:
    network = self_activation()
    tolerance = 1e-8
    direct = fsp.solve_transient(network, times=[5.0, 10.0], tolerance=tolerance)
    print(direct)

    # A probability is an interval, at most as wide as the error bound.
    high = direct[-1].probability("X > 20")
    print(f"P(X > 20) at t = 10 in {high}")
    assert 0.0 <= high.lower <= high.upper <= 1.0
    assert high.width <= 1.01 * direct[-1].error_bound

    # Two runs of half the time are one run: the error of the first is booked in the ledger of the second.
    first = fsp.solve_transient(network, times=[5.0], tolerance=tolerance / 2)
    second = fsp.solve_transient(network, times=[5.0], initial=first, tolerance=tolerance)
    distance = second[-1].tv_distance(direct[-1])
    print(f"one run against two: {distance}")
    assert second.ledger.entries["initial"] >= first[-1].error_bound
    assert distance.lower <= 0.5 * (second[-1].error_bound + direct[-1].error_bound)

    # A parameter changed, and a law instead of a state at the start.
    silent = network.with_parameters(a=0.0, burst=0.0)
    mixed = fsp.solve_transient(silent, times=[30.0], initial={"X": {0: 0.5, 30: 0.5}}, tolerance=tolerance)
    mean = mixed[-1].mean_bounds("X")
    print(f"without activation E[X] tends to basal/d = 1: {mean}")
    assert abs(mean.midpoint - 1.0) <= 1e-9

    # A box that is too small is refused, with the best result so far attached.
    reason, best = "not refused", direct
    try:
        fsp.solve_transient(network, times=[0.001, 10.0], bounds={"X": 12}, tolerance=tolerance)
    except fsp.ToleranceError as error:
        reason = str(error)
        best = error.result
    print(f"refused: {reason}; the best result so far has the times {best.times}")
    assert "leaked" in reason
    assert best.times[0] == 0.001
    assert best[0].error_bound <= tolerance


if __name__ == "__main__":
    main()
