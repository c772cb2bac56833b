"""Simulate a model with GillesPy2, read by its own SBML importer: ``run_gillespy2.py MODEL N SEED OUT --end T``.

The solver is the one in C++, which is compiled, or with ``--numpy`` the one in Python. With ``--by-hand`` fsp reads the
file, and mass action becomes ``Reaction(rate=k)`` with the file's k, which stands for k*A*(A - 1)/2; other laws become
propensity functions.
"""

from __future__ import annotations

import os
import re
import sys
import sysconfig
from collections.abc import Iterator

import gillespy2
import numpy as np
from driver import Task, read_task, write_counts
from gillespy2.core import import_SBML
from gillespy2.core.gillespyError import BuildError, SimulationError

# GillesPy2 compiles with the interpreter that a virtual environment was made from, which does not see SCons in it.
os.environ["PYTHONPATH"] = os.pathsep.join(
    filter(None, [os.environ.get("PYTHONPATH"), sysconfig.get_path("purelib")])
)


def by_importer(task: Task) -> gillespy2.Model:
    model, problems = import_SBML(task.model)
    if problems:
        print(problems, file=sys.stderr)
    return model


def by_hand(task: Task) -> gillespy2.Model:
    from mass_action import expression, rate_constant

    import fsp

    network = fsp.load_model(task.model)
    model = gillespy2.Model(name="model")
    for name, count in zip(network.species_names, network.initial_state.tolist(), strict=True):
        model.add_species(gillespy2.Species(name=name, initial_value=count))
    for k, reaction in enumerate(network.reactions):
        sides = {"reactants": dict(reaction.reactants), "products": dict(reaction.products)}
        rate = rate_constant(network, reaction)
        if rate is None:  # GillesPy2's name for time is t
            law = re.sub(r"\btime\b", "t", expression(network, reaction))
            model.add_reaction(gillespy2.Reaction(name=f"R{k}", propensity_function=law, **sides))
        else:
            model.add_parameter(gillespy2.Parameter(name=f"k{k}", expression=rate))
            model.add_reaction(gillespy2.Reaction(name=f"R{k}", rate=f"k{k}", **sides))
    return model


def root_of(error: BaseException) -> str:
    """Return what an error goes back to, in one line."""
    while error.__cause__ is not None:
        error = error.__cause__
    text = " ".join(str(error).split()).partition(" Return code")[0]
    return f"{type(error).__name__}: {text[:200]}"


def main() -> None:
    task = read_task(__doc__, "numpy", "by-hand")
    model = by_hand(task) if task.has("by-hand") else by_importer(task)
    for species in model.get_all_species().values():
        species.mode = "discrete"
    model.timespan(gillespy2.TimeSpan(np.array(task.times)))
    names = list(model.get_all_species())
    solver = gillespy2.NumPySSASolver if task.has("numpy") else gillespy2.SSACSolver
    seed = task.seed % (2**31 - 1) + 1
    try:
        results = model.run(solver=solver(model=model), number_of_trajectories=task.n, seed=seed)
    except (SimulationError, BuildError, SyntaxError) as error:
        sys.exit(root_of(error))

    def trajectories() -> Iterator[np.ndarray]:
        for run in results:
            yield np.stack([run[name] for name in names], axis=1)

    write_counts(task, names, trajectories())


if __name__ == "__main__":
    main()
