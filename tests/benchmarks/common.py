"""What the benchmarks share: models, lattices, timing, tables, and a description of the machine."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import fsp
from fsp.generator.growth import closure
from fsp.generator.tables import FactorTables
from fsp.statespace.constraints import Constraints
from fsp.statespace.coordinates import Coordinates
from fsp.statespace.fibres import FibreSet

__all__ = [
    "Options", "Timing", "birth_death_lattice", "gene_expression", "interleaved", "lattice", "machine", "process",
    "repressilator", "seconds", "table", "toggle_hill",
]  # fmt: skip

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Options:
    """How much to measure."""

    quick: bool = False  #: few repeats and small sizes: to see that the scripts work, not for figures
    full: bool = False  #: also what takes longer than a quarter of an hour

    def repeats(self, n: int) -> int:
        return max(3, n // 7) if self.quick else n


# -- models ------------------------------------------------------------------------------------------------


def toggle_hill(a: float = 100.0, K: float = 20.0) -> fsp.ReactionNetwork:
    """Return the symmetric toggle switch from (0, 0): a = 100, K = 20, h = 2, d = 1 unless told otherwise."""
    return fsp.gallery.toggle_switch(a=a, K=K, h=2.0, d=1.0)


def repressilator(k: float = 100.0) -> fsp.ReactionNetwork:
    """Return the repressilator without mRNA, from (21, 0, 0): k = 100, c = 20, n = 6, d = 1 unless told otherwise."""
    return fsp.gallery.repressilator(k=k, c=20.0, n=6.0, d=1.0, initial=21)


def gene_expression() -> fsp.ReactionNetwork:
    """Return two-stage gene expression with 100 messengers and 2000 proteins on average (SSIT, "GeneExpression_SS")."""
    return fsp.ReactionNetwork(
        {"M": 100, "P": 2000},
        ["0 -> M @ t1", "M -> M + P @ t2", "M -> 0 @ t3", "P -> 0 @ t4"],
        {"t1": 50.0, "t2": 4.0, "t3": 0.5, "t4": 0.2},
    )


def triple_repressor() -> fsp.ReactionNetwork:
    """Return three genes that repress one another, with messengers and proteins (SSIT, "TripleRepressor_SS")."""
    on, own = {"A": 10.0, "B": 9.0, "C": 11.0}, {"A": 1.5, "B": 4.0, "C": 1.5}
    off, by = {"A": 7.0, "B": 10.0, "C": 9.0}, {"A": ("C", 2.0), "B": ("A", 4.0), "C": ("B", 2.0)}
    transcription, translation = {"A": 1.5, "B": 1.0, "C": 1.1}, {"A": 9.5, "B": 11.0, "C": 10.0}
    decay_m, decay_p = {"A": 0.5, "B": 0.3, "C": 0.425}, {"A": 14.5, "B": 15.0, "C": 11.0}
    reactions = []
    for x in "ABC":
        other, strength = by[x]
        reactions += [
            f"0 -> G{x} ; ({on[x]} + {own[x]}*P{x})*(1 - G{x})", f"G{x} -> 0 ; ({off[x]} + {strength}*P{other})*G{x}",
            f"0 -> M{x} ; {transcription[x]}*G{x}", f"M{x} -> 0 @ {decay_m[x]}",
            f"M{x} -> M{x} + P{x} @ {translation[x]}", f"P{x} -> 0 @ {decay_p[x]}",
        ]  # fmt: skip
    return fsp.ReactionNetwork({kind + x: 0 for kind in "GMP" for x in "ABC"}, reactions)


def birth_death_lattice(n_species: int, k: float = 3.0, initial: int = 0) -> fsp.ReactionNetwork:
    """Return independent birth-death processes with stationary mean ``k``."""
    names = [f"X{i + 1}" for i in range(n_species)]
    reactions = [r for x in names for r in (f"0 -> {x} @ k", f"{x} -> 0 @ d")]
    return fsp.ReactionNetwork(dict.fromkeys(names, initial), reactions, {"k": k, "d": 1.0})


def lattice(network: fsp.ReactionNetwork, *sizes: int) -> tuple[FactorTables, FibreSet]:
    """Return tables and the box of ``sizes`` states along the species."""
    coordinates = Coordinates.of(network)
    tables = FactorTables(network, coordinates)
    bounds = {name: size - 1 for name, size in zip(network.species_names, sizes, strict=True)}
    start = FibreSet.from_states(coordinates, [network.initial_state])
    return tables, closure(tables, start, Constraints(network, bounds), 10**9)


# -- timing ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Timing:
    """Repeated wall-clock times in seconds."""

    samples: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.samples)

    def __str__(self) -> str:
        return f"{seconds(self.median)} ({seconds(min(self.samples))} to {seconds(max(self.samples))})"


def interleaved(
    calls: Mapping[str, Callable[[], Any]], rounds: int, inner: int = 1, warm: int = 1
) -> dict[str, Timing]:
    """Time competitors in turn, so that a change of the machine's mood meets all of them.

    In each round every competitor is called ``warm`` times without a clock, so that it finds its own data in the cache (a
    last-level cache takes about five calls to forget what streamed through it), and then ``inner`` times with one.
    """
    samples: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            for _ in range(warm):
                call()
            for _ in range(inner):
                start = time.perf_counter()
                call()
                samples[name].append(time.perf_counter() - start)
    return {name: Timing(tuple(values)) for name, values in samples.items()}


def process(arguments: Sequence[str], environment: Mapping[str, str] | None = None) -> tuple[float, str]:
    """Run a fresh Python with these arguments; return its wall-clock time and what it printed."""
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
    )
    elapsed = time.perf_counter() - start
    if done.returncode:
        message = f"python {' '.join(arguments)} failed:\n{done.stderr}"
        raise RuntimeError(message)
    return elapsed, done.stdout


# -- output ------------------------------------------------------------------------------------------------


def seconds(value: float) -> str:
    """Return a time with three significant digits and a unit."""
    factor, unit = (1e6, "µs") if value < 1e-3 else (1e3, "ms") if value < 1.0 else (1.0, "s")
    number = value * factor
    return f"{number:.3g} {unit}" if number < 999.5 else f"{number:,.0f} {unit}"


def table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Return a Markdown table with aligned columns."""
    cells = [[str(c) for c in row] for row in (header, *rows)]
    width = [max(len(row[i]) for row in cells) for i in range(len(header))]
    lines = ["| " + " | ".join(c.ljust(w) for c, w in zip(row, width, strict=True)) + " |" for row in cells]
    lines.insert(1, "|" + "|".join("-" * (w + 2) for w in width) + "|")
    return "\n".join(lines)


def _cpu() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _caches() -> str:
    found = []
    for index in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        kind, level, size = ((index / name).read_text().strip() for name in ("type", "level", "size"))
        if kind != "Instruction":
            found.append(
                f"L{level} {size.removesuffix('K')} KiB" if size.endswith("K") else f"L{level} {size}"
            )
    return ", ".join(found)


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def machine() -> str:
    """Return what the figures depend on, as Markdown."""
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    packages = ", ".join(f"{name} {_version(name)}" for name in ("numpy", "scipy", "numba", "stormpy"))
    rows = [
        ("processor", f"{_cpu()}, {cores} cores"),
        ("caches of one core", _caches() or "unknown"),
        ("memory", f"{memory:.3g} GiB"),
        ("system", f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"),
        ("packages", f"fsp-cme {_version('fsp-cme')}, {packages}"),
    ]
    return table(("Machine", ""), rows)
