"""The toggle switch: two genes that repress each other, solved exactly, with its picture.

Run it with ``python examples/toggle_switch.py [picture.png]``.
"""

from __future__ import annotations

import sys

import fsp


def main(picture: str | None = None) -> None:
    network = fsp.load_model("gallery:toggle_switch.xml")
    result = fsp.solve_transient(network, times=[1.0, 5.0, 10.0], tolerance=1e-6)
    print(result)
    print(result.ledger)

    last = result[-1]
    assert last.certified
    assert last.error_bound <= 1e-6

    # The network is the same with U and V exchanged, and so is every distribution from (0, 0).
    u_wins = last.probability("U > V")
    v_wins = last.probability("V > U")
    print(f"P(U > V) in {u_wins}, P(V > U) in {v_wins}")
    assert u_wins.lower <= v_wins.upper
    assert v_wins.lower <= u_wins.upper

    # By t = 10 one gene has won in most cells: there are two modes, one on each side of the diagonal.
    modes = last.modes(2)
    print("modes:", *(mode.state for mode in modes))
    first, second = (mode.state for mode in modes)
    assert (first["U"] > first["V"]) != (second["U"] > second["V"])

    # Repression only slows production, so E[U] is at most the mean without it, a/d (1 - exp(-d t)) < 100.
    mean = last.mean_bounds("U")
    print(f"E[U] in {mean}")
    assert mean.is_finite
    assert mean.upper < 100.0

    if picture is not None:
        last.plot(log=True).figure.savefig(picture)


if __name__ == "__main__":
    main(*sys.argv[1:2])
