"""Reactions per second of `fsp.simulate` beside rebop and GillesPy2 (its C++ solver), on five networks.

rebop and GillesPy2 are not installed with the package: ``pip install rebop gillespy2``; what is not there is
reported as missing.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
from common import Options, interleaved, table, toggle_hill

import fsp

__all__ = ["section", "vilar_oscillator"]


def vilar_oscillator() -> fsp.ReactionNetwork:
    """Return the circadian oscillator of Vilar, Kueh, Barkai, Leibler, PNAS 99, 5988 (2002), with its rates."""
    rates = {
        "aA": 50.0, "aA1": 500.0, "aR": 0.01, "aR1": 50.0, "bA": 50.0, "bR": 5.0, "dMA": 10.0, "dMR": 0.5,
        "dA": 1.0, "dR": 0.2,
        "gA": 1.0, "gR": 1.0, "gC": 2.0, "tA": 50.0, "tR": 100.0,
    }  # fmt: skip
    reactions = [
        "DA + A -> DA1 @ gA", "DA1 -> DA + A @ tA", "DR + A -> DR1 @ gR", "DR1 -> DR + A @ tR", "DA1 -> MA + DA1 @ aA1",
        "DA -> MA + DA @ aA", "DR1 -> MR + DR1 @ aR1", "DR -> MR + DR @ aR", "MA -> A + MA @ bA", "MR -> R + MR @ bR",
        "A + R -> C @ gC", "C -> R @ dA", "A -> 0 @ dA", "R -> 0 @ dR", "MA -> 0 @ dMA", "MR -> 0 @ dMR",
    ]  # fmt: skip
    species = {"DA": 1, "DR": 1, "DA1": 0, "DR1": 0, "MA": 0, "MR": 0, "A": 0, "R": 0, "C": 0}
    return fsp.ReactionNetwork(species, reactions, rates)


def chain(n: int) -> fsp.ReactionNetwork:
    """Return a linear chain of conversions, fed at one end and emptied at the other."""
    moves = [f"S{i} -> S{i + 1} @ 1" for i in range(n - 1)]
    return fsp.ReactionNetwork({f"S{i}": 0 for i in range(n)}, ["0 -> S0 @ 10", *moves, f"S{n - 1} -> 0 @ 1"])


def line(n: int) -> fsp.ReactionNetwork:
    """Return molecules that diffuse along a line of voxels."""
    jumps = [r for i in range(n - 1) for r in (f"S{i} -> S{i + 1} @ 1", f"S{i + 1} -> S{i} @ 1")]
    return fsp.ReactionNetwork({f"S{i}": 1000 * (i == 0) for i in range(n)}, jumps)


@dataclass(frozen=True)
class Case:
    """A network, until when, and how many trajectories make a sample."""

    name: str
    network: fsp.ReactionNetwork
    until: float
    trajectories: int


def cases(quick: bool) -> list[Case]:
    """Return the networks; some millions of reactions in each sample."""
    scale = 8 if quick else 1
    return [
        Case("toggle_hill, t = 1000", toggle_hill(), 1000.0 / scale, 16),
        Case("goutsias, t = 1000", fsp.gallery.goutsias(), 1000.0 / scale, 64),
        Case("Vilar oscillator, t = 200", vilar_oscillator(), 200.0 / scale, 8),
        Case("chain of 50 species, t = 500", chain(50), 500.0 / scale, 16),
        Case("diffusion on 20 voxels, t = 50", line(20), 50.0 / scale, 48),
    ]


def _sides(reaction: Any) -> tuple[list[str], list[str]]:
    return tuple(
        [s for s, k in side.items() for _ in range(k)] for side in (reaction.reactants, reaction.products)
    )  # type: ignore[return-value]


def _constant(network: fsp.ReactionNetwork, r: int) -> float | None:
    """Return the rate constant of a reaction, per combination of its reactants; None if it is no mass action."""
    reaction = network.reactions[r]
    at = dict(zip(network.species_names, network.reactants[r], strict=True))
    value = float(network.propensities[r].evaluate({s: np.array(c) for s, c in at.items()}))
    twice = {s: 2 * int(c) + 1 for s, c in at.items()}
    ways = np.prod([_choose(twice[s], int(c)) for s, c in at.items()])
    there = float(network.propensities[r].evaluate({s: np.array(c) for s, c in twice.items()}))
    return (
        value
        if np.isclose(there, value * ways, rtol=1e-12)
        and set(network.propensities[r].species) <= set(reaction.reactants)
        else None
    )


def _choose(n: int, k: int) -> float:
    return float(np.prod([(n - i) / (i + 1) for i in range(k)]))


def rebop_runs(case: Case) -> Callable[[], int] | None:
    """Return a call that simulates with rebop and returns nothing of use; None if it is not installed.

    rebop counts A*(A - 1) for two equal reactants. Its sparse form, which is the faster one here, is asked for.
    """
    try:
        import rebop
    except ImportError:
        return None
    network = case.network
    values = {k: repr(float(v)) for k, v in network.parameters.items()}
    model = rebop.Gillespie()
    for r, reaction in enumerate(network.reactions):
        left, right = _sides(reaction)
        constant = _constant(network, r)
        if constant is None:
            text = str(network.propensities[r]).replace("**", "^")
            for name in sorted(values, key=len, reverse=True):
                text = text.replace(name, values[name])
            model.add_reaction(text, left, right)
        else:
            orders = np.prod([_choose(int(c), int(c)) * _factorial(int(c)) for c in network.reactants[r]])
            model.add_reaction(constant / float(orders), left, right)
    init = {s: int(c) for s, c in zip(network.species_names, network.initial_state, strict=True) if c}
    state = {"seed": 0}

    def run(steps: int = 1) -> int:
        n = 0
        for _ in range(case.trajectories):
            state["seed"] += 1
            n += int(model.run(init, case.until, steps, rng=state["seed"], sparse=True).sizes["time"])
        return n

    return run


def _fewer(case: Case) -> int:
    """Return how many trajectories GillesPy2 simulates in a sample: it takes longer."""
    return max(1, case.trajectories // 4)


def _factorial(n: int) -> float:
    return float(np.prod(np.arange(1, n + 1)))


def gillespy2_runs(case: Case) -> Callable[[], Any] | None:
    """Return a call that simulates with GillesPy2's C++ solver, compiled beforehand; None if it is not installed."""
    try:
        import gillespy2
    except ImportError:
        return None
    network = case.network
    model = gillespy2.Model(name="model")
    for s, c in zip(network.species_names, network.initial_state, strict=True):
        model.add_species(gillespy2.Species(name=s, initial_value=int(c), mode="discrete"))
    for k, v in network.parameters.items():
        model.add_parameter(gillespy2.Parameter(name=k, expression=float(v)))
    for r, reaction in enumerate(network.reactions):
        text = (
            str(network.propensities[r]).replace("(V/K)**h", "(V/K)*(V/K)").replace("(U/K)**h", "(U/K)*(U/K)")
        )
        model.add_reaction(
            gillespy2.Reaction(
                name=f"r{r}",
                reactants=dict(reaction.reactants),
                products=dict(reaction.products),
                propensity_function=text,
            )
        )
    model.timespan(gillespy2.TimeSpan([0.0, case.until]))
    try:
        solver = gillespy2.SSACSolver(model=model)
        solver.run(number_of_trajectories=1, seed=1)
    except Exception as error:
        print(f"GillesPy2: {error}")
        return None
    return lambda: solver.run(number_of_trajectories=_fewer(case), seed=int(time.time()) % 2**31)


def _versions() -> str:
    found = []
    for name in ("fsp-cme", "rebop", "gillespy2", "numba"):
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            found.append(f"{name} missing")
    return ", ".join(found)


def section(options: Options) -> str:
    """Return the table; rates are millions of reactions per second, of medians over interleaved rounds."""
    rows = []
    for case in cases(options.quick):
        seeds = iter(range(1, 10**6))
        last: dict[int, list[float]] = {1: [], 2: []}

        def ours(threads: int, case: Case = case, seeds: Any = seeds, last: Any = last) -> None:
            start = time.perf_counter()
            found = fsp.simulate(
                case.network, [case.until], case.trajectories, next(seeds), threads=threads, progress=False
            )
            last[threads].append(found.statistics["reactions"] / (time.perf_counter() - start))

        calls: dict[str, Callable[[], Any]] = {"one": lambda: ours(1), "two": lambda: ours(2)}
        rebop, gillespy2 = rebop_runs(case), gillespy2_runs(case)
        # The mean number of reactions is a property of the network; that of rebop is counted as a check of the model.
        each = np.mean(
            [fsp.simulate(case.network, [case.until], 64, s).statistics["reactions"] / 64 for s in (1, 2)]
        )
        if rebop is not None:
            calls["rebop"] = rebop
        if gillespy2 is not None:
            calls["gillespy2"] = gillespy2
        timings = interleaved(calls, options.repeats(5), warm=0)
        rate = {name: each * case.trajectories / timing.median for name, timing in timings.items()}
        if gillespy2 is not None:
            rate["gillespy2"] *= _fewer(case) / case.trajectories
        rate["one"], rate["two"] = float(np.median(last[1])), float(np.median(last[2]))

        def shown(name: str, rate: dict[str, float] = rate) -> str:
            return f"{rate[name] / 1e6:.3g} ({rate['one'] / rate[name]:.2f})" if name in rate else "missing"

        rows.append(
            [
                case.name, f"{case.network.n_reactions}", f"{each:,.0f}", f"{rate['one'] / 1e6:.3g}",
                f"{rate['two'] / 1e6:.3g} ({rate['two'] / rate['one']:.2f})", shown("rebop"), shown("gillespy2"),
            ]
        )  # fmt: skip
    header = (
        "Network", "reactions", "per trajectory", "fsp, 1 thread", "2 threads (ratio)", "rebop (fsp is faster by)",
        "GillesPy2 C++ (fsp is faster by)",
    )  # fmt: skip
    return f"{table(header, rows)}\n\nMillions of reactions per second. Versions: {_versions()}."
