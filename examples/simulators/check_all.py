"""Check all simulators on all models, and print the table of docs/validation.md: ``check_all.py [WORD ...] [-n N]``.

With words, only rows that have one of them in their model or tool. A row can be repeated alone, with the command that
``--commands`` prints in the place of running it.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent

#: Model and last time.
MODELS = {
    "dimerisation": 50.0,
    "homodimer": 4.0,
    "homodimer_square": 4.0,
    "telegraph": 4.0,
    "toggle_switch": 4.0,
    "michaelis_menten": 20.0,
    "sir": 20.0,
    "reversible": 10.0,
    "event_at_time": 4.0,
    "event_when_quiet": 4.0,
    "event_at_count": 6.0,
    "seasonal": 4.0,
}
#: Name, package, driver with its options, number of trajectories.
TOOLS = {
    "rebop": ("rebop", "run_rebop.py", 10_000),
    "GillesPy2, C++": ("gillespy2", "run_gillespy2.py", 10_000),
    "GillesPy2, NumPy": ("gillespy2", "run_gillespy2.py --numpy", 10_000),
    "libRoadRunner": ("libroadrunner", "run_roadrunner.py", 10_000),
}


@dataclass(frozen=True)
class Row:
    """One line of the table; ``given`` is the file that the simulator gets, where it is not the model's."""

    model: str
    tool: str
    package: str
    driver: str
    n: int
    given: str = "{model}"
    what: str = ""

    def command(self, n: int | None = None, seed: int = 1) -> list[str]:
        driver, *options = self.driver.split()
        rest = [*options, "--end", f"{MODELS[self.model]:g}"]
        simulator = " ".join(["python", driver, self.given, "{n} {seed} {out}", *rest])
        model = f"models/{self.model}.xml"
        return [
            "fsp",
            "validate",
            model,
            "-n",
            str(n or self.n),
            "--seed",
            str(seed),
            "--simulator",
            simulator,
        ]


def rows() -> list[Row]:
    found = [Row(model, tool, *of) for model in MODELS for tool, of in TOOLS.items()]
    square = "models/homodimer_square.xml"
    own = [  # what a constant k for 2 A -> D means differs: here it is handed over as each tool has it
        Row("homodimer", "rebop", "rebop", "run_rebop.py --literal", 10_000, what="k as a number"),
        Row("homodimer", "GillesPy2, C++", "gillespy2", "run_gillespy2.py --by-hand", 10_000,
            what="`Reaction(rate=k)`"),
        Row("homodimer", "GillesPy2, NumPy", "gillespy2", "run_gillespy2.py --by-hand --numpy", 10_000,
            what="`Reaction(rate=k)`"),
        Row("homodimer", "libRoadRunner", "libroadrunner", "run_roadrunner.py", 10_000, given=square,
            what="law `k*A^2`"),
        Row("event_when_quiet", "libRoadRunner", "libroadrunner", "run_roadrunner.py --fresh", 2_000),
        Row("seasonal", "GillesPy2, C++", "gillespy2", "run_gillespy2.py --by-hand", 10_000),
        Row("seasonal", "GillesPy2, NumPy", "gillespy2", "run_gillespy2.py --by-hand --numpy", 10_000),
        Row("seasonal", "libRoadRunner", "libroadrunner", "run_roadrunner.py --steps 1", 10_000),
    ]  # fmt: skip
    return sorted(found + own, key=lambda row: list(MODELS).index(row.model))


def run(row: Row, n: int | None, seed: int) -> tuple[str, str]:
    """Return the verdict and what explains it, or "refused" and the error."""
    fsp, *rest = row.command(n, seed)
    words = [sys.executable, "-m", fsp, *rest, "--json", "--timeout", "3600"]
    at = words.index("--simulator") + 1
    words[at] = shlex.quote(sys.executable) + words[at].removeprefix("python")
    path = os.pathsep.join(
        filter(None, [os.environ.get("PYTHONPATH"), str(Path(__file__).resolve().parents[2])])
    )
    done = subprocess.run(
        words, cwd=HERE, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=False
    )
    if done.returncode not in (0, 1, 3):
        return "error", " ".join(done.stderr.split()).rpartition("it said: ")[2].removeprefix("fsp: error: ")
    answer = json.loads(done.stdout)
    return answer["verdict"], named(answer.get("diagnosis"))


def named(diagnosis: dict[str, Any] | None) -> str:
    if diagnosis is None:
        return ""
    if diagnosis["explanation"] is None:
        return "none of the known mistakes"
    others = [other["text"] for other in diagnosis["alternatives"]]
    return "; as well: ".join([diagnosis["explanation"]["text"], *others])


def line(row: Row, n: int | None, verdict: str, why: str) -> str:
    driver = row.driver if row.given == "{model}" else f"{row.driver}, given {row.given}"
    model = row.model + (f", {row.what}" if row.what else "")
    tool = f"{row.tool} {importlib.metadata.version(row.package)}"
    cells = [
        model,
        tool,
        f"`{driver}`",
        f"{n or row.n:,}" if verdict != "error" else "",
        verdict,
        why.replace("|", "\\|"),
    ]
    return f"| {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("words", nargs="*", help="only rows with one of these words")
    parser.add_argument("-n", type=int, help="trajectories, in the place of the table's")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--commands", action="store_true", help="print the commands, run nothing")
    options = parser.parse_args()
    chosen = [
        row
        for row in rows()
        if not options.words or any(w.lower() in f"{row.model} {row.tool}".lower() for w in options.words)
    ]
    if options.commands:
        for row in chosen:
            print(shlex.join(row.command(options.n, options.seed)))
        return
    print("| model | tool | driver | n | verdict | diagnosis |\n|---|---|---|---|---|---|")
    for row in chosen:
        print(line(row, options.n, *run(row, options.n, options.seed)), flush=True)


if __name__ == "__main__":
    main()
