"""The command ``fsp``: the verbs of the Python interface, with files, tables and exit codes.

Exit codes: 0 done; 1 the solver could not reach what was asked, or a file could not be written; 2 the input
is wrong; 130 interrupted; 141 the reader of the output went away.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

import fsp
from fsp import cli_output, storage
from fsp.cli_arguments import FIGURES, SAVES, check_picture, parse_bounds, parse_memory, parse_times
from fsp.cli_export import export
from fsp.cli_first_passage import first_passage
from fsp.cli_modes import modes
from fsp.cli_simulate import simulate
from fsp.cli_stationary import stationary
from fsp.errors import ArgumentError, FSPError, SolverError, StorageError

__all__ = ["main"]

_SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
_MODEL_HELP = "MODEL is an SBML file (.xml, .sbml), an Antimony file (.ant), or gallery:NAME."


@click.group(context_settings=_SETTINGS, invoke_without_command=True)
@click.version_option(fsp.__version__, prog_name="fsp")
@click.pass_context
def commands(context: click.Context) -> None:
    """Exact probability distributions of reaction networks, with proven error bounds.

    Example: fsp transient gallery:birth_death -t 0:10:1
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


@commands.command(
    epilog="Example: fsp info gallery:toggle_switch", help=f"Describe a model.\n\n{_MODEL_HELP}"
)
@click.argument("model")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def info(model: str, as_json: bool) -> None:
    """Print species, reactions, conservation laws, structure and warnings."""
    network = _load(model)
    if as_json:
        click.echo(cli_output.to_json(cli_output.network_json(network, model)))
    else:
        click.echo(cli_output.describe_network(network, model))


@commands.command(
    epilog="Example: fsp transient model.xml -t 0:50:1 --tolerance 1e-6 --plot course.png",
    help=f"Compute the distribution at a list of times.\n\n{_MODEL_HELP}",
)
@click.argument("model")
@click.option("-t", "--times", required=True, metavar="TIMES", help="start:stop:step, or a list 1,10,100.")
@click.option("--tolerance", default=1e-8, show_default=True, help="Bound on the 1-norm of the error.")
@click.option(
    "--species",
    multiple=True,
    metavar="NAME",
    help="Show this species or derived quantity only (repeatable).",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("-o", "--output", metavar="FILE.nc", help="Save as NetCDF-4.")
@click.option(
    "--save", type=click.Choice(SAVES), default=SAVES[0], show_default=True, help="What to keep and to save."
)
@click.option("--plot", "picture", metavar="FILE.png", help="Draw a picture.")
@click.option(
    "--plot-kind", type=click.Choice(FIGURES), default=FIGURES[0], show_default=True, help="What to draw."
)
@click.option("--plot-log", is_flag=True, help="Logarithmic probabilities in the picture.")
@click.option(
    "--bounds", multiple=True, metavar="BOUNDS", help="Keep to U=300,V=20 or a condition 'U*V <= 5000'."
)
@click.option("--max-states", type=click.IntRange(min=1), metavar="N", help="Refuse to hold more states.")
@click.option("--memory-limit", metavar="SIZE", help="Refuse to use more memory, for example 4GiB.")
@click.option("--method", default="auto", show_default=True, help="How to advance in time.")
@click.option("--progress/--no-progress", default=None, help="Show progress (default: on a terminal).")
@click.option(
    "--checkpoint", metavar="FILE", help="Keep the state of the run here; the same command goes on from it."
)
@click.option(
    "--checkpoint-every",
    type=click.FloatRange(min=0.0),
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="Time between two checkpoints; 0: after each step.",
)
def transient(
    model: str,
    times: str,
    tolerance: float,
    species: tuple[str, ...],
    as_json: bool,
    output: str | None,
    save: str,
    picture: str | None,
    plot_kind: str,
    plot_log: bool,
    bounds: tuple[str, ...],
    max_states: int | None,
    memory_limit: str | None,
    method: str,
    progress: bool | None,
    checkpoint: str | None,
    checkpoint_every: float,
) -> None:
    """Solve, print, and write files."""
    # All that can be wrong is found before the work begins.
    wanted = parse_times(times)
    options: dict[str, Any] = {"tolerance": tolerance, "method": method, "progress": progress}
    options["bounds"] = parse_bounds(bounds)
    options["save"] = save
    options["max_states"] = max_states
    options["memory_limit"] = None if memory_limit is None else parse_memory(memory_limit)
    if checkpoint is not None:
        options |= {"checkpoint": checkpoint, "checkpoint_every": checkpoint_every}
    if not 0.0 < tolerance < 1.0:
        message = f"the tolerance must lie between 0 and 1, not {tolerance:g}"
        raise ArgumentError(message)
    if picture is not None:
        check_picture(picture)
        cli_output.check_figure(plot_kind, save, len(wanted))
    for path in (output, picture, checkpoint):
        if path is not None:
            storage.check_writable(path)
    if checkpoint is not None and _same_file(checkpoint, model, output, picture):
        message = (
            f"the checkpoint {checkpoint!r} needs a file of its own: give another name with --checkpoint"
        )
        raise ArgumentError(message)
    network = _load(model)
    names = list(dict.fromkeys(species)) or cli_output.shown_names(network)
    cli_output.check_names(network, names)
    try:
        result = _solve(network, wanted, options)
    except SolverError as error:
        if as_json:
            click.echo(cli_output.to_json(_failure(error, model, names)))
        raise
    failure: StorageError | None = None
    try:
        if output is not None:
            result.save(output)
        if picture is not None:
            cli_output.draw_result(result, names, picture, plot_kind, log=plot_log)
    except StorageError as error:  # the numbers are printed all the same
        failure = error
    if as_json:
        click.echo(cli_output.to_json(cli_output.result_json(result, model, names)))
    else:
        click.echo(cli_output.describe_result(result, model, names))
    if failure is not None:
        raise failure
    if checkpoint is not None:  # all that was asked for is written
        sys.stdout.flush()
        Path(checkpoint).resolve().unlink(missing_ok=True)


@commands.command(
    epilog="Example: fsp report run.nc -o report.html",
    help="Write a page about a saved result.\n\nRESULT is a file that fsp transient -o wrote.",
)
@click.argument("result")
@click.option("-o", "--output", metavar="FILE.html", help="Where to write (default: beside RESULT).")
@click.option("--species", multiple=True, metavar="NAME", help="Show this species only (repeatable).")
@click.option("--json", "as_json", is_flag=True, help="Print what the file holds as one JSON object.")
def report(result: str, output: str | None, species: tuple[str, ...], as_json: bool) -> None:
    """Read a result and write one self-contained page: model, tables, pictures, ledger, how to cite."""
    from fsp.report import write_report

    target = os.path.splitext(result)[0] + ".html" if output is None else output
    if os.path.abspath(target) == os.path.abspath(result):
        message = f"the report would take the place of the result {result!r}: give another name with -o"
        raise ArgumentError(message)
    storage.check_writable(target)
    loaded = _transient_result(result)
    listed = list(loaded.names) if loaded.network is None else cli_output.shown_names(loaded.network)
    names = list(dict.fromkeys(species)) or [name for name in listed if name in loaded.names]
    write_report(loaded, target, names)
    if as_json:
        click.echo(cli_output.to_json({**cli_output.result_json(loaded, result, names), "report": target}))
    else:
        click.echo(f"wrote {target}")


commands.add_command(export)
commands.add_command(stationary)
commands.add_command(first_passage)
commands.add_command(modes)
commands.add_command(simulate)


def _load(model: str) -> Any:
    return fsp.load_model(model)


def _transient_result(path: str) -> Any:
    loaded = fsp.load_result(path)
    if not hasattr(loaded, "times"):
        message = f"{path!r} holds a stationary distribution; reports are written about courses in time"
        raise ArgumentError(message)
    return loaded


def _solve(network: Any, times: list[float], options: dict[str, Any]) -> Any:
    from fsp.solve import solve_transient

    with warnings.catch_warnings():
        warnings.showwarning = lambda message, *_: click.echo(f"fsp: warning: {message}", err=True)
        return solve_transient(network, times, **options)


def _same_file(path: str, *others: str | None) -> bool:
    return any(o is not None and os.path.realpath(o) == os.path.realpath(path) for o in others)


def _failure(error: SolverError, model: str, names: list[str]) -> dict[str, Any]:
    partial = error.result
    return {
        "model": model,
        "error": {"type": type(error).__name__, "message": str(error)},
        "partial": cli_output.result_json(partial, model, names)
        if partial is not None and len(partial)
        else None,
    }


def _partial_note(error: SolverError) -> str:
    """Say what a solver that gave up had finished."""
    partial = error.result
    if partial is None or not hasattr(partial, "times"):
        return (
            "nothing was finished"
            if partial is None
            else f"reached: error {'bound' if partial.certified else 'estimate'} {partial.error_bound:.2e}, "
            f"{partial.n_states:,} states"
        )
    if not len(partial):
        return "nothing was finished"
    return (
        f"finished up to t = {partial.times[-1]:g} ({len(partial)} times), "
        f"error bound there {partial.final.error_bound:.2e}, {partial.final.n_states:,} states"
    )


def _complain(text: str) -> None:
    click.echo(f"fsp: error: {text}", err=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    Parameters
    ----------
    arguments : sequence of str, optional
        The words after ``fsp``; by default those of the process.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        code = _run(words)
        sys.stdout.flush()
    except BrokenPipeError:
        # Python flushes the stream once more at its end; that must not fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    return code


def _run(words: list[str]) -> int:
    try:
        with commands.make_context("fsp", words) as context:
            commands.invoke(context)
    except click.exceptions.Exit as done:
        return int(done.exit_code)
    except click.ClickException as error:
        _complain(error.format_message())
        context_of_error = getattr(error, "ctx", None)
        if context_of_error is not None:
            click.echo(f"see '{context_of_error.command_path} --help'", err=True)
        return 2
    except (KeyboardInterrupt, click.Abort) as stop:
        _complain(str(stop) or "interrupted")
        return 130
    except SolverError as error:
        _complain(str(error))
        click.echo(_partial_note(error), err=True)
        return 1
    except StorageError as error:
        _complain(str(error))
        return 1
    except FSPError as error:
        _complain(str(error))
        return 2
    except BrokenPipeError:
        raise
    except OSError as error:
        where = f" {error.filename!r}" if error.filename else ""
        _complain(f"cannot write or read{where}: {error.strerror or error}")
        return 1
    except MemoryError:
        _complain("out of memory; limit the states with --max-states or --memory-limit")
        return 1
    return 0
