"""Simulate a model with libRoadRunner's Gillespie integrator: ``run_roadrunner.py MODEL N SEED OUT --end T``."""

from __future__ import annotations

import numpy as np
import roadrunner
from driver import read_task, write_counts


def main() -> None:
    task = read_task(__doc__)
    roadrunner.Logger.setLevel(roadrunner.Logger.LOG_ERROR)
    runner = roadrunner.RoadRunner(task.model)
    runner.setIntegrator("gillespie")
    runner.getIntegrator().seed = task.seed % (2**31)
    runner.getIntegrator().variable_step_size = False
    names = [*runner.model.getFloatingSpeciesIds(), *runner.model.getBoundarySpeciesIds()]
    runner.timeCourseSelections = ["time", *names]

    def trajectories():
        for _ in range(task.n):
            runner.resetAll()
            yield np.array(runner.simulate(0.0, task.end, task.steps + 1))[:, 1:]

    write_counts(task, names, trajectories())


if __name__ == "__main__":
    main()
