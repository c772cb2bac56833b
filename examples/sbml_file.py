"""A model from an SBML file, its conservation laws, and a check against a dense matrix exponential.

Run it with ``python examples/sbml_file.py``.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy.linalg import expm

import fsp


def dense_solution(network: fsp.ReactionNetwork, time: float) -> dict[tuple[int, ...], float]:
    """Return the whole distribution from the matrix exponential of the generator on all reachable states."""
    states = [tuple(network.initial_state.tolist())]
    index = {states[0]: 0}
    entries = []
    for n, state in enumerate(states):  # the list grows while it is walked through
        rates = network.evaluate_propensities([state])[0]
        for rate, change in zip(rates, network.stoichiometry, strict=True):
            if rate > 0.0:
                target = tuple((np.array(state) + change).tolist())
                if target not in index:
                    index[target] = len(states)
                    states.append(target)
                entries.append((index[target], n, rate))
    generator = np.zeros((len(states), len(states)))
    for row, column, rate in entries:
        generator[row, column] += rate
        generator[column, column] -= rate
    start = np.zeros(len(states))
    start[0] = 1.0
    return dict(zip(states, expm(time * generator) @ start, strict=True))


def main() -> None:
    network = fsp.load_model(Path(__file__).with_name("enzyme.xml"))
    print(network)
    print(network.conservation_laws())
    assert len(network.conservation_laws()) == 2  # the enzyme, and the substrate in all its forms

    tolerance = 1e-9
    result = fsp.solve_transient(network, times=[1.0, 5.0, 100.0], tolerance=tolerance)
    print(result)
    for law in result:
        assert (law.states[:, 1] + law.states[:, 2] == 5).all()
        # Conserved totals bound every count, so the moments are enclosed too.
        assert law.mean_bounds("P").width <= 20 * law.error_bound + 1e-12

    # The conserved totals leave 111 states: few enough for a dense matrix.
    exact = fsp.Distribution.from_dict(dense_solution(network, 5.0), network.species_names, error_bound=1e-12)
    distance = result.at(5.0).tv_distance(exact)
    print(f"total variation distance from the dense solution at t = 5: {distance}")
    assert distance.lower <= 1e-12
    assert distance.upper <= tolerance + 1e-12

    # In the end all substrate is product.
    done = result.at(100.0).probability("P == 20")
    print(f"P(all substrate turned over by t = 100) in {done}")
    assert done.lower > 0.999


if __name__ == "__main__":
    main()
