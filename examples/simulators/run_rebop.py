"""Simulate a model with rebop: ``run_rebop.py MODEL N SEED OUT --end T``.

rebop reads no SBML: fsp reads the file, and hands mass action over as numbers and other laws as expressions. A number k
means k*A*(A - 1) for two molecules of a kind, so that the constants of files, for k*A*(A - 1)/2, are divided by 2 here;
``--literal`` hands them over unchanged, which is a mistake to expect.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import numpy as np
import rebop
from driver import read_task, write_counts
from mass_action import expression, permutations, rate_constant

import fsp


def build(network: fsp.ReactionNetwork, literal: bool) -> rebop.Gillespie:
    simulator = rebop.Gillespie()
    for reaction in network.reactions:
        left = [s for s, k in reaction.reactants.items() for _ in range(k)]
        right = [s for s, k in reaction.products.items() for _ in range(k)]
        rate = rate_constant(network, reaction)
        if rate is None:
            simulator.add_reaction(expression(network, reaction).replace("**", "^"), left, right)
        else:
            simulator.add_reaction(rate if literal else rate / permutations(reaction), left, right)
    return simulator


def main() -> None:
    task = read_task(__doc__, "literal")
    network = fsp.load_model(task.model)
    if network.events or network.depends_on_time:
        sys.exit("rebop knows neither events nor rates that depend on time")
    simulator = build(network, task.has("literal"))
    names = network.species_names
    initial = dict(zip(names, network.initial_state.tolist(), strict=True))

    def trajectories() -> Iterator[np.ndarray]:
        for seed in np.random.SeedSequence(task.seed).spawn(task.n):
            run = simulator.run(initial, task.end, task.steps, rng=np.random.default_rng(seed))
            columns = [np.asarray(run[s]) if s in run else np.full(task.steps + 1, initial[s]) for s in names]
            yield np.stack(columns, axis=1)

    write_counts(task, names, trajectories())


if __name__ == "__main__":
    main()
