"""Simulate a model with rebop: ``run_rebop.py MODEL N SEED OUT --end T``.

rebop multiplies a numeric rate by A (A - 1) for two molecules of a kind, without the half of combinatorial mass action;
``--literal`` hands the numbers over unchanged, which is the mistake to expect.
"""

from __future__ import annotations

import sys

import numpy as np
import rebop
from driver import read_task, write_counts

import fsp
from fsp.stationary.complexes import ComplexGraph


def build(network: fsp.ReactionNetwork, literal: bool) -> rebop.Gillespie:
    """Make mass action of what is mass action, and expressions of the rest."""
    simulator = rebop.Gillespie()
    for reaction in network.reactions:
        alone = fsp.ReactionNetwork(
            dict(zip(network.species_names, network.initial_state.tolist(), strict=True)),
            [reaction], dict(network.parameters),
        )  # fmt: skip
        graph = ComplexGraph.of(alone)
        left = [s for s, k in reaction.reactants.items() for _ in range(k)]
        right = [s for s, k in reaction.products.items() for _ in range(k)]
        source = None if graph is None or not graph.rates else graph.complexes[next(iter(graph.rates))[0]]
        molecules = tuple(reaction.reactants.get(s, 0) for s in network.species_names)
        if source == molecules:
            rate = float(next(iter(graph.rates.values())))
            if literal and max(molecules) > 1:
                rate *= float(np.prod([np.prod(np.arange(1, m + 1)) for m in molecules]))
            simulator.add_reaction(rate, left, right)
        else:
            values = {name: float(v) for name, v in network.parameters.items()}
            text = str(reaction.propensity.expression.subs(values)).replace("**", "^")
            simulator.add_reaction(text, left, right)
    return simulator


def main() -> None:
    literal = "--literal" in sys.argv
    sys.argv = [a for a in sys.argv if a != "--literal"]
    task = read_task(__doc__)
    network = fsp.load_model(task.model)
    if network.events or network.depends_on_time:
        sys.exit("rebop knows neither events nor rates that depend on time")
    simulator = build(network, literal)
    names = network.species_names
    initial = dict(zip(names, network.initial_state.tolist(), strict=True))
    seeds = np.random.SeedSequence(task.seed).spawn(task.n)

    def trajectories():
        for seed in seeds:
            run = simulator.run(initial, task.end, task.steps, rng=np.random.default_rng(seed))
            columns = [np.asarray(run[s]) if s in run else np.full(task.steps + 1, initial[s]) for s in names]
            yield np.stack(columns, axis=1)

    write_counts(task, names, trajectories())


if __name__ == "__main__":
    main()
