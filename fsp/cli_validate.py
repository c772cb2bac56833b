"""``fsp validate``: is a simulator right? Its samples, a program that is run, or a whole suite of cases.

Exit codes: 0 consistent; 1 inconsistent; 3 undecided; 2 for every error, so that none is taken for a verdict.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import click

import fsp
from fsp import cli_output, storage
from fsp.cli_arguments import check_picture, parse_times
from fsp.errors import ArgumentError, FSPError, StorageError

__all__ = ["validate"]

_EPILOG = (
    'Example: fsp validate model.xml runs.nc; fsp validate model.xml --simulator "mysim {model} -n {n} --seed {seed} -o '
    '{out}" -t 0:50:1; fsp validate --suite dsmts'
)
_CODES = {"consistent": 0, "inconsistent": 1, "undecided": 3, "error": 2}


@click.command(epilog=_EPILOG)
@click.argument("model", required=False)
@click.argument("samples", required=False)
@click.option(
    "--simulator", metavar="COMMAND", help="Run this program: {model} {n} {seed} {out} {times} are filled in."
)
@click.option("--suite", metavar="DIR", help="Run all cases of a folder in the format of the DSMTS.")
@click.option("-n", "--samples-number", "n", type=click.IntRange(min=2), metavar="N",
              help="Trajectories to simulate (default 10000), or samples behind means and deviations.")  # fmt: skip
@click.option(
    "--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Seed for the simulator."
)
@click.option(
    "-t", "--times", metavar="TIMES", help="Times to ask the simulator for: start:stop:step or a list."
)
@click.option("--timeout", type=click.FloatRange(min=0.0, min_open=True), default=600.0, show_default=True,
              metavar="SECONDS", help="Stop the simulator after this time.")  # fmt: skip
@click.option("--format", "form", type=click.Choice(("csv", "nc")), default="csv", show_default=True,
              help="What the simulator writes.")  # fmt: skip
@click.option("--species", multiple=True, metavar="NAME", help="Compare this species only (repeatable).")
@click.option(
    "--alpha", type=float, default=1e-6, show_default=True, help="Probability of a false alarm, in all."
)
@click.option("--calibration", type=click.Choice(("proven", "asymptotic")), default="proven", show_default=True,
              help="Kind of p-values.")  # fmt: skip
@click.option("--multiplicity", type=click.Choice(("holm", "bh")), default="holm", show_default=True,
              help="Correction for many tests.")  # fmt: skip
@click.option("--resolution", type=float, default=0.1, show_default=True,
              help="Shift of a mean, in standard deviations, that must show for the verdict 'consistent'.")  # fmt: skip
@click.option("--power", type=float, default=0.9, show_default=True, help="Probability that it shows.")
@click.option(
    "--min-expected", type=float, default=5.0, show_default=True, help="Samples that cells expect at least."
)
@click.option("--tolerance", type=float, help="Of the exact solution (default: from the number of samples).")
@click.option("--diagnose/--no-diagnose", default=True, help="Look for a known mistake (default).")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--plot", "picture", metavar="FILE.png", help="Draw a picture.")
@click.pass_context
def validate(context: click.Context, /, **options: Any) -> None:
    """Say whether samples of a simulator come from the exact law of MODEL.

    MODEL is an SBML file (.xml, .sbml), an Antimony file (.ant), or gallery:NAME; SAMPLES a .csv or .nc file. In the place
    of SAMPLES a program can be named with --simulator, and in the place of both a folder of cases with --suite.
    Exit code 0: consistent, 1: inconsistent, 3: undecided, 2: an error.
    """
    try:
        code = _suite(options) if options["suite"] is not None else _one(options)
    except (FSPError, OSError, MemoryError) as error:
        # Solvers and files have exit code 1 elsewhere, which here says that a simulator is wrong.
        click.echo(f"fsp: error: {str(error) or 'out of memory'}", err=True)
        code = 2
    context.exit(code)


def _settings(options: dict[str, Any]) -> dict[str, Any]:
    names = (
        "alpha",
        "calibration",
        "multiplicity",
        "resolution",
        "power",
        "min_expected",
        "tolerance",
        "diagnose",
    )
    return {name: options[name] for name in names}


def _one(options: dict[str, Any]) -> int:
    model, samples, command = options["model"], options["samples"], options["simulator"]
    if model is None or (samples is None) == (command is None):
        message = "give MODEL and SAMPLES, MODEL and --simulator COMMAND, or --suite DIR"
        raise ArgumentError(message)
    if options["picture"] is not None:
        storage.check_writable(check_picture(options["picture"]))
    network = fsp.load_model(model)
    species = list(dict.fromkeys(options["species"])) or None
    read: Any = samples
    n = options["n"]
    if command is not None:
        n = n or 10_000
        times = () if options["times"] is None else tuple(parse_times(options["times"]))
        read = _simulated(network, model, command, n, times, options)
    report = fsp.validate(read, network, n=n, species=species, **_settings(options))
    if options["as_json"]:
        click.echo(cli_output.to_json({"model": model, **report.to_dict(), "version": fsp.__version__}))
    else:
        click.echo(str(report))
    if options["picture"] is not None:
        _draw(report, options["picture"])
    return report.exit_code


def _draw(report: Any, path: str) -> None:
    try:
        with storage.replacing(path) as temporary:
            report.plot(str(temporary))
    except StorageError as error:
        click.echo(f"fsp: error: {error}", err=True)
        raise


def _simulated(
    network: Any, model: str, command: str, n: int, times: tuple[float, ...], options: dict[str, Any]
) -> Any:
    from fsp.validation.simulator import check_command, run_simulator

    words = check_command(command)
    if not times and any("{times}" in word for word in words):
        message = "the simulator's command has {times}: give them with --times"
        raise ArgumentError(message)
    given: dict[str, Any] = {"n": n, "seed": options["seed"], "times": times, "timeout": options["timeout"]}
    given["suffix"] = f".{options['form']}"
    if not model.startswith("gallery:"):
        return run_simulator(command, model, **given)
    with tempfile.TemporaryDirectory(prefix="fsp-model-") as folder:  # a file that other programs can read
        path = Path(folder) / "model.xml"
        network.to_sbml(path)
        return run_simulator(command, path, **given)


def _suite(options: dict[str, Any]) -> int:
    from fsp.validation.suite import Case, find_cases, run_suite, suite_verdict, table_head, table_of

    for name, wrong in (
        ("MODEL", "model"),
        ("--species", "species"),
        ("--times", "times"),
        ("--plot", "picture"),
    ):
        if options[wrong]:
            message = f"--suite takes models, species and times from its folder: leave out {name}"
            raise ArgumentError(message)
    cases = find_cases(options["suite"])
    n = options["n"] or 10_000
    command = options["simulator"]

    def simulate(case: Case) -> Any:
        if command is not None:
            network = None
            return _simulated(network, str(case.model), command, n, case.times, options)
        network = fsp.load_model(case.model)
        return fsp.simulate(network, times=list(case.times), n_trajectories=n, seed=options["seed"])

    as_json = options["as_json"]
    if not as_json:
        click.echo(table_head())
    outcomes = []
    for outcome in run_suite(cases, simulate, **_settings(options)):
        outcomes.append(outcome)
        if not as_json:
            click.echo(table_of(outcome))
    verdict = suite_verdict(outcomes)
    if as_json:
        data = {"suite": options["suite"], "verdict": verdict, "cases": [o.to_dict() for o in outcomes]}
        click.echo(cli_output.to_json({**data, "alpha": options["alpha"], "version": fsp.__version__}))
    else:
        share = f"{options['alpha'] / len(cases):.2g}"
        click.echo(f"{verdict}: {len(cases)} cases, level {options['alpha']:g} in all ({share} for each)")
    return _CODES[verdict]
