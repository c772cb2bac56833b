"""Samples from tables with named columns: CSV files and pandas DataFrames. The forms: see docs/validation.md."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fsp.errors import SampleError
from fsp.validation.samples import (
    MomentRow,
    Samples,
    Table,
    check_names,
    check_times,
    from_counts,
    tabulate,
    whole_numbers,
)

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["from_frame", "moment_rows"]

#: Columns that number the trajectories, and that say how many samples a row stands for.
_TRAJECTORY = ("trajectory", "run", "replicate", "sample", "simulation")
_SAMPLES = ("samples", "frequency")
_WIDE = re.compile(r"^(?P<name>[^\W\d]\w*)@(?P<time>[0-9.eE+-]+)$")
_MOMENT = re.compile(r"^(?P<name>[^\W\d]\w*)-(?P<kind>mean|sd)$")
_FORMS = (
    "write one row for each trajectory and time (trajectory,time,A,B), one row for each trajectory (A@1.0,A@2.0), "
    "frequencies (time,A,B,samples), or moments (time,A-mean,A-sd)"
)


def from_frame(frame: pd.DataFrame, source: str, n: int | None = None) -> Samples:
    """Return the samples of a table, whatever its form is.

    Parameters
    ----------
    frame : DataFrame
    source : str
        What error messages call it.
    n : int, optional
        The number of samples behind means and deviations.

    Raises
    ------
    SampleError
        When the table is empty or has none of the known forms.

    Examples
    --------
    >>> import pandas
    >>> frame = pandas.DataFrame({"trajectory": [1, 1, 2, 2], "time": [0, 1, 0, 1], "A": [5, 4, 5, 5]})
    >>> from_frame(frame, "runs").tables[1].states.ravel().tolist()
    [4, 5]
    """
    names = [str(column).strip() for column in frame.columns]
    check_names(names, source)
    frame = frame.set_axis(names, axis=1)
    if not len(frame):
        message = f"{source}: there are no samples in it, only the header {','.join(names)[:100]}"
        raise SampleError(message)
    lower = {name.lower(): name for name in names}
    trajectory = next((lower[key] for key in _TRAJECTORY if key in lower), None)
    weight = next((lower[key] for key in _SAMPLES if key in lower), None)
    if any(_MOMENT.match(name) for name in names):
        return _moments(frame, source, n)
    wide = [name for name in names if _WIDE.match(name)]
    if wide:
        rest = [name for name in names if name not in wide and name != trajectory]
        if rest:
            message = f"{source}: the columns {', '.join(rest)} stand beside columns of the form NAME@TIME"
            raise SampleError(message)
        return _from_wide(frame, wide, source)
    if "time" not in lower:
        message = f"{source}: there is no column 'time' (found: {', '.join(names)[:200]}); {_FORMS}"
        raise SampleError(message)
    frame = frame.rename(columns={lower["time"]: "time"})
    if weight is not None:
        return _histograms(frame, weight, source)
    if {"species", "count"} <= set(lower) and trajectory is not None:
        return _from_tidy(frame, trajectory, lower["species"], lower["count"], source)
    return _from_long(frame, trajectory, source)


def _numbers(frame: pd.DataFrame, column: str, source: str) -> NDArray[np.float64]:
    try:
        return np.asarray(frame[column].to_numpy(dtype=np.float64))
    except (TypeError, ValueError) as error:
        message = f"{source}: the column '{column}' holds something that is no number ({error})"
        raise SampleError(message) from error


def _from_long(frame: pd.DataFrame, trajectory: str | None, source: str) -> Samples:
    """Read one row for each trajectory and time; without a column of numbers a run ends where time goes back."""
    species = [name for name in frame.columns if name not in ("time", trajectory)]
    if not species:
        message = f"{source}: there is no column for a species; {_FORMS}"
        raise SampleError(message)
    times = _numbers(frame, "time", source)
    if not bool(np.all(np.isfinite(times))):
        message = (
            f"{source}: a time in row {int(np.argmax(~np.isfinite(times))) + 1} is missing or not finite"
        )
        raise SampleError(message)
    if trajectory is None:
        order: NDArray[Any] = np.arange(len(frame))
        runs: NDArray[Any] = np.concatenate([[0], np.cumsum(np.diff(times) <= 0.0)])
    else:
        _, runs = np.unique(frame[trajectory].to_numpy(), return_inverse=True)
        order = np.lexsort((times, runs))
        runs, times = runs[order], times[order]
    n_runs = int(runs[-1]) + 1
    rows = np.bincount(runs)
    if len(set(rows.tolist())) != 1:
        bad = int(np.argmax(rows != rows[0]))
        message = (
            f"{source}: trajectory {bad + 1} has {rows[bad]} times and the first one {rows[0]}; each trajectory needs "
            "all times"
        )
        raise SampleError(message)
    grid = times.reshape(n_runs, -1)
    if not bool(np.all(np.abs(grid - grid[0]) <= 1e-9 * np.abs(grid[0]).max())):
        message = f"{source}: the trajectories have different times; samples need the same times for all"
        raise SampleError(message)
    values = frame[species].to_numpy()[order].reshape(n_runs, -1, len(species))
    return from_counts(values, grid[0], species, source)


def _from_tidy(frame: pd.DataFrame, trajectory: str, species: str, count: str, source: str) -> Samples:
    keys = [trajectory, "time", species]
    if bool(frame.duplicated(keys).any()):
        message = f"{source}: a trajectory has two counts of one species at one time"
        raise SampleError(message)
    wide = frame.pivot(index=[trajectory, "time"], columns=species, values=count).reset_index()
    wide.columns.name = None
    return _from_long(wide, trajectory, source)


def _from_wide(frame: pd.DataFrame, columns: Sequence[str], source: str) -> Samples:
    places: dict[tuple[str, float], str] = {}
    for column in columns:
        match = _WIDE.match(column)
        assert match is not None
        try:
            places[match["name"], float(match["time"])] = column
        except ValueError:
            message = f"{source}: '{match['time']}' in the column '{column}' is no time"
            raise SampleError(message) from None
    species = list(dict.fromkeys(name for name, _ in places))
    times = sorted({time for _, time in places})
    missing = [f"{name}@{time:g}" for name in species for time in times if (name, time) not in places]
    if missing:
        message = f"{source}: the column '{missing[0]}' is missing; each species needs all times"
        raise SampleError(message)
    ordered = [places[name, time] for time in times for name in species]
    values = frame[ordered].to_numpy().reshape(len(frame), len(times), len(species))
    return from_counts(values, times, species, source)


def _histograms(frame: pd.DataFrame, weight: str, source: str) -> Samples:
    species = [name for name in frame.columns if name not in ("time", weight)]
    if not species:
        message = f"{source}: there is no column for a species beside time and {weight}"
        raise SampleError(message)
    times = _numbers(frame, "time", source)
    weights = whole_numbers(
        frame[weight].to_numpy(), f"{source}, column '{weight}'", wanted="numbers of samples"
    )
    states = whole_numbers(frame[species].to_numpy(), f"{source}, axes (row, species)")
    moments = check_times(np.unique(times), source)
    tables: list[Table] = []
    for time in moments.tolist():
        rows = (times == time) & (weights > 0)
        if not rows.any():
            message = f"{source}: there are no samples at time {time:g}"
            raise SampleError(message)
        tables.append(tabulate(time, species, states[rows], weights[rows]))
    return Samples(tuple(tables), source=source)


def _moments(frame: pd.DataFrame, source: str, n: int | None) -> Samples:
    if "time" not in frame.columns:
        message = f"{source}: means and deviations need a column 'time'"
        raise SampleError(message)
    odd = [name for name in frame.columns if name != "time" and not _MOMENT.match(name)]
    if odd:
        message = f"{source}: the column '{odd[0]}' is neither NAME-mean nor NAME-sd nor time"
        raise SampleError(message)
    names = [name.removesuffix("-mean") for name in frame.columns if name.endswith("-mean")]
    lonely = [name for name in frame.columns if name.endswith("-sd") and name[:-3] not in names]
    if lonely:
        message = f"{source}: the column '{lonely[0]}' has no '{lonely[0][:-3]}-mean' beside it"
        raise SampleError(message)
    times = _numbers(frame, "time", source)
    means = np.stack([_numbers(frame, f"{name}-mean", source) for name in names], axis=1)
    deviations = np.full(means.shape, np.nan)
    given = [f"{name}-sd" in frame.columns for name in names]
    for k, name in enumerate(names):
        if given[k]:
            deviations[:, k] = _numbers(frame, f"{name}-sd", source)
    return moment_rows(times, names, means, deviations, n, source, given)


def moment_rows(
    times: Any, names: Sequence[str], means: Any, deviations: Any, n: int | None, source: str,
    given: Sequence[bool] | None = None,
) -> Samples:  # fmt: skip
    """Return samples of which only means and standard deviations are known.

    Parameters
    ----------
    times : array_like, shape (n_times,)
    names : sequence of str
    means, deviations : array_like, shape (n_times, n_names)
    n : int
        The number of samples behind them.
    source : str
    given : sequence of bool, optional
        For which names there are deviations.

    Raises
    ------
    SampleError
        When ``n`` is missing, or a value is not finite or negative.
    """
    if n is None or n != int(n) or n < 2:
        message = f"{source}: means and deviations need the number of samples behind them (n >= 2), not {n!r}"
        raise SampleError(message)
    moments = check_times(times, source)
    known = [True] * len(names) if given is None else list(given)
    rows: list[MomentRow] = []
    mean, deviation = (np.asarray(values, dtype=np.float64) for values in (means, deviations))
    for table, what in ((mean, "mean"), (deviation, "sd")):
        if table.shape != (len(moments), len(names)):
            message = f"{source}: {what} needs one row for each time and one column for each species"
            raise SampleError(message)
    for i, time in enumerate(moments.tolist()):
        for k, name in enumerate(names):
            values = [mean[i, k], *([deviation[i, k]] if known[k] else [])]
            if not all(np.isfinite(value) and value >= 0.0 for value in values):
                message = (
                    f"{source}: mean and sd of {name} at time {time:g} are {', '.join(f'{v:g}' for v in values)}; they "
                    "must be finite and not negative"
                )
                raise SampleError(message)
            spread = float(deviation[i, k]) if known[k] else None
            rows.append(MomentRow(time, name, float(mean[i, k]), spread, int(n)))
    return Samples(moments=tuple(rows), source=source)
