"""See what seeds do: is a run repeatable, are its trajectories different, and does another seed give others?

``check_seeds.py [N]`` prints the table of docs/validation.md, from N trajectories (2,000) of a toggle switch at 8 times,
which two independent trajectories share with next to no probability.
"""

from __future__ import annotations

import csv
import os
import subprocess
import sys
import tempfile
from itertools import groupby
from pathlib import Path

import numpy as np
from check_all import HERE, TOOLS


def trajectories(driver: str, n: int, seed: int) -> list[tuple[float, ...]]:
    """Return the counts of each trajectory at all times, in one tuple."""
    path = os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), str(HERE.resolve().parents[1])]))
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "samples.csv"
        name, *options = driver.split()
        words = [sys.executable, name, "models/toggle_switch.xml", str(n), str(seed), str(out), *options]
        env = {**os.environ, "PYTHONPATH": path}
        subprocess.run(
            [*words, "--end", "4", "--steps", "8"], cwd=HERE, env=env, check=True, capture_output=True
        )
        with out.open(encoding="ascii") as stream:
            rows = list(csv.reader(stream))[1:]
    groups = groupby(rows, key=lambda row: row[0])
    return [tuple(float(value) for row in run for value in row[2:]) for _, run in groups]


def main(n: int = 2000) -> None:
    print(
        "| tool | same seed, same run | repeated in a run | also in the run of seed 2 | correlation of neighbours |"
    )
    print("|---|---|---|---|---|")
    for tool, (_, driver, _) in TOOLS.items():
        first, again, other = (trajectories(driver, n, seed) for seed in (1, 1, 2))
        repeated = n - len(set(first))
        shared = len(set(first) & set(other))
        last = np.array(first)[:, -1]
        correlation = np.corrcoef(last[:-1], last[1:])[0, 1]
        same = "yes" if first == again else "no"
        print(
            f"| {tool} | {same} | {repeated} of {n:,} | {shared} of {n:,} | {correlation:.3f} |", flush=True
        )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
