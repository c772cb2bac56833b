"""What the drivers of simulators have in common: arguments, and the table of counts that `fsp validate` reads."""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Task:
    """Simulate ``model`` ``n`` times and report the counts at evenly spaced times; ``flags`` are those that were given."""

    model: str
    n: int
    seed: int
    out: Path
    end: float
    steps: int
    flags: frozenset[str] = frozenset()

    @property
    def times(self) -> list[float]:
        return [self.end * k / self.steps for k in range(self.steps + 1)]

    def has(self, flag: str) -> bool:
        return flag in self.flags


def read_task(description: str, *flags: str) -> Task:
    """Read the command line; ``flags`` are the simulator's own switches."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("model", help="an SBML file")
    parser.add_argument("n", type=int, help="number of trajectories")
    parser.add_argument("seed", type=int)
    parser.add_argument("out", type=Path, help="the CSV file to write: trajectory,time,species...")
    parser.add_argument("--end", type=float, required=True, help="last time")
    parser.add_argument("--steps", type=int, default=4, help="number of equal steps to it (4)")
    for flag in flags:
        parser.add_argument(f"--{flag}", action="store_true")
    given = vars(parser.parse_args())
    found = frozenset(flag for flag in flags if given.pop(flag.replace("-", "_")))
    return Task(**given, flags=found)


def write_counts(
    task: Task, species: Sequence[str], trajectories: Iterable[Iterable[Sequence[float]]]
) -> None:
    """Write a row for each trajectory and time, with the values as the simulator has them."""
    with task.out.open("w", newline="", encoding="ascii") as stream:
        writer = csv.writer(stream)
        writer.writerow(["trajectory", "time", *species])
        for i, rows in enumerate(trajectories):
            for time, row in zip(task.times, rows, strict=True):
                writer.writerow([i, time, *(f"{value:.17g}" for value in row)])
