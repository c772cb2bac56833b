"""Simulate a model with libRoadRunner's Gillespie integrator: ``run_roadrunner.py MODEL N SEED OUT --end T``.

Trajectories are simulated one after the other, with ``resetAll`` in between; with ``--fresh`` each has an instance of its
own, with a seed of its own, which takes much longer.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import roadrunner
from driver import Task, read_task, write_counts


def new_runner(task: Task, seed: int) -> roadrunner.RoadRunner:
    runner = roadrunner.RoadRunner(task.model)
    runner.setIntegrator("gillespie")
    runner.getIntegrator().seed = seed % 2**31
    runner.getIntegrator().variable_step_size = False
    runner.timeCourseSelections = ["time", *names_of(runner)]
    return runner


def names_of(runner: roadrunner.RoadRunner) -> list[str]:
    return [*runner.model.getFloatingSpeciesIds(), *runner.model.getBoundarySpeciesIds()]


def main() -> None:
    task = read_task(__doc__, "fresh")
    roadrunner.Logger.setLevel(
        roadrunner.Logger.LOG_FATAL
    )  # it warns of events at times, once for each trajectory
    runner = new_runner(task, task.seed)
    names = names_of(runner)

    def trajectories() -> Iterator[np.ndarray]:
        nonlocal runner
        for seed in np.random.SeedSequence(task.seed).generate_state(task.n).tolist():
            if task.has("fresh"):
                runner = new_runner(task, seed)
            else:
                runner.resetAll()
            yield np.array(runner.simulate(0.0, task.end, task.steps + 1))[:, 1:]

    write_counts(task, names, trajectories())


if __name__ == "__main__":
    main()
