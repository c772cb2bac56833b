"""Simulate a model with GillesPy2, read by its own SBML importer: ``run_gillespy2.py MODEL N SEED OUT --end T``.

``--solver numpy`` takes the solver in Python, otherwise the one in C++ is compiled.
"""

from __future__ import annotations

import os
import sys
import sysconfig

import numpy as np
from driver import read_task, write_counts
from gillespy2 import NumPySSASolver, SSACSolver, TimeSpan
from gillespy2.core import import_SBML

# GillesPy2 compiles with the interpreter that a virtual environment was made from, which does not see SCons in it.
os.environ["PYTHONPATH"] = sysconfig.get_path("purelib")


def main() -> None:
    solver_name = "c"
    if "--solver" in sys.argv:
        at = sys.argv.index("--solver")
        solver_name = sys.argv[at + 1]
        del sys.argv[at : at + 2]
    task = read_task(__doc__)
    model, problems = import_SBML(task.model)
    if problems:
        print(problems, file=sys.stderr)
    for species in model.get_all_species().values():
        species.mode = "discrete"
    model.timespan(TimeSpan(np.array(task.times)))
    names = list(model.get_all_species())
    solver = {"c": SSACSolver, "numpy": NumPySSASolver}[solver_name]
    seed = task.seed % (2**31 - 1) + 1
    results = model.run(solver=solver(model=model), number_of_trajectories=task.n, seed=seed)
    runs = list(results) if task.n > 1 else [results]
    write_counts(task, names, (np.stack([run[name] for name in names], axis=1) for run in runs))


if __name__ == "__main__":
    main()
