"""Samples from whatever a simulator hands out: arrays, files, datasets, lists of runs, histograms."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fsp.errors import SampleError
from fsp.validation.frames import from_frame, moment_rows
from fsp.validation.samples import (
    Samples,
    Table,
    check_names,
    check_times,
    from_counts,
    tabulate,
    whole_numbers,
)

__all__ = ["read_samples"]

_RUNS = ("trajectory", "run", "replicate", "sample", "simulation", "realization")
_KNOWN = (
    "an array (with times= and species=), a .csv or .nc file, an Ensemble, a pandas or xarray table, GillesPy2 results, a "
    "list of datasets, a histogram {state: frequency}, or {'mean': ..., 'sd': ...} (with n=)"
)


def read_samples(
    samples: Any,
    *,
    times: ArrayLike | None = None,
    species: Sequence[str] | None = None,
    n: int | None = None,
) -> Samples:
    """Return samples in the form that the tests read.

    Parameters
    ----------
    samples : optional
        What a simulator gave; see docs/validation.md for all forms.
    times : array_like, optional
        Where the form itself names no times: arrays, histograms, means.
    species : sequence of str, optional
        Where the form itself names no species: the columns of an array, of states, of means.
    n : int, optional
        The number of samples behind means and deviations.

    Raises
    ------
    SampleError
        When the samples have no known form, or hold a value that is no count.

    Examples
    --------
    >>> read_samples({0: 70, 1: 30}, times=1.0, species=["A"]).tables[0].n
    100
    """
    if isinstance(samples, Samples):
        return samples
    if isinstance(samples, str | os.PathLike):
        return _from_file(Path(samples), n)
    if all(hasattr(samples, name) for name in ("counts", "times", "species_names")):
        return from_counts(samples.counts, samples.times, samples.species_names, type(samples).__name__)
    if hasattr(samples, "data_vars"):
        return _from_dataset(samples, "dataset")
    if hasattr(samples, "columns") and hasattr(samples, "to_numpy"):
        return from_frame(samples, "table", n)
    if _is_run(samples):
        return _from_runs([samples])
    if isinstance(samples, Mapping):
        return _from_mapping(samples, times, species, n)
    is_list = isinstance(samples, Sequence) and not isinstance(samples, bytes) and len(samples) > 0
    if is_list and all(_is_run(item) for item in samples):
        return _from_runs(samples)
    if is_list and all(hasattr(item, "data_vars") for item in samples):
        return _from_datasets(samples)
    if not (isinstance(samples, np.ndarray) or isinstance(samples, Sequence)) or isinstance(samples, bytes):
        message = f"samples of the type {type(samples).__name__} are not known; give {_KNOWN}"
        raise SampleError(message)
    if times is None or species is None:
        message = "an array of samples needs times= and species= (the names of its last axis)"
        raise SampleError(message)
    return from_counts(samples, times, species)


def _is_run(item: Any) -> bool:
    """Say whether an object is one trajectory as GillesPy2 has it: a mapping with ``time`` and species."""
    return isinstance(item, Mapping) and "time" in item


def _from_runs(runs: Sequence[Mapping[str, Any]]) -> Samples:
    names = check_names([str(key) for key in runs[0] if key != "time"], "list of runs")
    grid = check_times(runs[0]["time"], "run 0")
    blocks = []
    for k, run in enumerate(runs):
        missing = [name for name in names if name not in run]
        if missing:
            message = f"run {k} has no values of '{missing[0]}', which run 0 has"
            raise SampleError(message)
        if not np.array_equal(np.asarray(run["time"], dtype=float), grid):
            message = f"run {k} has other times than run 0; samples need the same times for all"
            raise SampleError(message)
        columns = [np.asarray(run[name]) for name in names]
        if any(column.shape != grid.shape for column in columns):
            message = f"run {k} needs {len(grid)} values of each species, one for each time"
            raise SampleError(message)
        blocks.append(np.stack(columns, axis=-1))
    return from_counts(np.stack(blocks), grid, names, "list of runs")


def _from_datasets(datasets: Sequence[Any]) -> Samples:
    """Read several runs as rebop hands them out: one dataset for each."""
    runs = []
    for k, dataset in enumerate(datasets):
        if "time" not in dataset.coords and "time" not in dataset.data_vars:
            message = f"dataset {k} has no 'time'"
            raise SampleError(message)
        runs.append(
            {"time": dataset["time"].values, **{str(v): dataset[v].values for v in dataset.data_vars}}
        )
    return _from_runs(runs)


def _from_dataset(dataset: Any, source: str) -> Samples:
    """Read a dataset: one variable for each species over time and runs, or ``counts`` over runs, time, species."""
    if "time" not in dataset.coords and "time" not in dataset.data_vars:
        message = (
            f"{source}: it has no 'time'; found are {', '.join(map(str, dataset.variables))[:200] or 'none'}"
        )
        raise SampleError(message)
    times = np.atleast_1d(dataset["time"].values)
    if "counts" in dataset.data_vars and "species" in dataset["counts"].dims:
        counts = dataset["counts"]
        if "time" not in counts.dims or counts.ndim != 3:
            message = f"{source}: 'counts' has the dimensions {counts.dims}, not (trajectory, time, species)"
            raise SampleError(message)
        (run,) = (d for d in counts.dims if d not in ("time", "species"))
        names = [str(name) for name in dataset["species"].values]
        return from_counts(counts.transpose(run, "time", "species").values, times, names, source)
    over = [name for name in dataset.data_vars if "time" in dataset[name].dims]
    runs = {d for name in over for d in dataset[name].dims if d != "time"}
    if not over or len(runs) > 1 or any(dataset[name].ndim > 2 for name in over):
        message = (
            f"{source}: samples are one variable for each species over the dimensions 'time' and one of runs "
            f"({', '.join(_RUNS[:3])}, ...), or 'counts' over (trajectory, time, species); found are "
            f"{', '.join(f'{v}{dataset[v].dims}' for v in dataset.data_vars)[:200] or 'none'}"
        )
        raise SampleError(message)
    if not runs:
        blocks = [dataset[name].values[np.newaxis, :] for name in over]
    else:
        (run,) = runs
        lonely = [str(name) for name in over if run not in dataset[name].dims]
        if lonely:
            message = f"{source}: '{lonely[0]}' has no dimension '{run}'"
            raise SampleError(message)
        blocks = [dataset[name].transpose(run, "time").values for name in over]
    return from_counts(np.stack(blocks, axis=-1), times, [str(name) for name in over], source)


def _from_mapping(
    samples: Mapping[Any, Any], times: ArrayLike | None, species: Sequence[str] | None, n: int | None
) -> Samples:
    if "mean" in samples and set(samples) <= {"mean", "sd"}:
        if times is None or species is None:
            message = "means and deviations need times= and species= (the names of their columns)"
            raise SampleError(message)
        names = check_names(species, "means")
        grid = check_times(times, "means")
        tables = {
            key: np.asarray(value, dtype=float).reshape(len(grid), -1) for key, value in samples.items()
        }
        given = [("sd" in tables)] * len(names)
        spread = tables.get("sd", np.zeros_like(tables["mean"]))
        return moment_rows(grid, names, tables["mean"], spread, n, "means", given)
    if not samples:
        message = "histogram: there are no samples in it"
        raise SampleError(message)
    if any(isinstance(value, Mapping) for value in samples.values()) and not isinstance(
        next(iter(samples)), str
    ):
        parts = [_histogram(samples[time], float(time), species) for time in _sorted_times(samples)]
    else:
        if times is None:
            message = "a histogram needs times= (its time), or a mapping {time: histogram}"
            raise SampleError(message)
        grid = check_times(times, "histogram")
        if len(grid) != 1:
            message = f"one histogram needs one time, not {len(grid)}; give {{time: histogram}} for several"
            raise SampleError(message)
        parts = [_histogram(samples, float(grid[0]), species)]
    return Samples(tuple(table for part in parts for table in part), source="histogram")


def _sorted_times(samples: Mapping[Any, Any]) -> list[Any]:
    try:
        return sorted(samples, key=float)
    except (TypeError, ValueError) as error:
        message = f"histograms need {{time: {{state: frequency}}}}, and not all of these times are numbers ({error})"
        raise SampleError(message) from error


def _histogram(samples: Mapping[Any, Any], time: float, species: Sequence[str] | None) -> list[Table]:
    """Read ``{state: frequency}``, or ``{species: {count: frequency}}``, at one time."""
    what = f"histogram at time {time:g}"
    check_times([time], what)
    if samples and all(isinstance(key, str) for key in samples):
        if not all(isinstance(value, Mapping) for value in samples.values()):
            message = f"{what}: write {{species: {{count: frequency}}}}"
            raise SampleError(message)
        return [t for name, value in samples.items() for t in _histogram(value, time, [name])]
    if species is None:
        message = f"{what}: states need species= (the names of their counts)"
        raise SampleError(message)
    names = check_names(species, what)
    rows = [key if isinstance(key, tuple) else (key,) for key in samples]
    if any(len(row) != len(names) for row in rows):
        message = f"{what}: each state needs one count for each of {', '.join(names)}"
        raise SampleError(message)
    states = whole_numbers(np.array(rows), what)
    weights = whole_numbers(np.array(list(samples.values())), what, wanted="numbers of samples")
    if not weights.sum():
        message = f"{what}: there are no samples in it"
        raise SampleError(message)
    return [tabulate(time, names, states[weights > 0], weights[weights > 0])]


def _from_file(path: Path, n: int | None) -> Samples:
    """Read a .csv or .nc file; ``NAME-mean.csv`` is read with ``NAME-sd.csv`` beside it."""
    if not path.is_file():
        message = f"there is no file {str(path)!r}"
        raise SampleError(message)
    if not path.stat().st_size:
        message = f"{str(path)!r}: the file is empty"
        raise SampleError(message)
    if path.suffix.lower() in (".nc", ".nc4", ".netcdf", ".h5"):
        return _from_dataset(_open_dataset(path), str(path))
    if path.suffix.lower() not in (".csv", ".txt", ".tsv"):
        message = f"{str(path)!r}: samples are read from .csv and .nc files"
        raise SampleError(message)
    if path.stem.endswith("-mean"):
        return _from_pair(path, n)
    return from_frame(_open_frame(path), str(path), n)


def _open_dataset(path: Path) -> Any:
    import xarray

    with path.open("rb") as file:
        head = file.read(8)
    engine = {b"\x89HDF": "h5netcdf", b"CDF\x01": "scipy", b"CDF\x02": "scipy"}.get(head[:4])
    if engine is None:
        message = f"{str(path)!r} does not begin like a NetCDF file"
        raise SampleError(message)
    try:
        return xarray.load_dataset(path, engine=engine, decode_times=False)
    except (OSError, ValueError, KeyError, RuntimeError, TypeError, IndexError) as error:
        message = f"{str(path)!r} cannot be read as a NetCDF file: {' '.join(str(error).split())[:200]}"
        raise SampleError(message) from error


def _open_frame(path: Path) -> Any:
    import pandas

    try:
        return pandas.read_csv(path, sep=None, engine="python") if path.suffix == ".txt" else pandas.read_csv(
            path, sep="\t" if path.suffix == ".tsv" else ",", skipinitialspace=True
        )  # fmt: skip
    except (pandas.errors.ParserError, pandas.errors.EmptyDataError, ValueError, OSError) as error:
        message = f"{str(path)!r} cannot be read as a table: {' '.join(str(error).split())[:200]}"
        raise SampleError(message) from error


def _from_pair(path: Path, n: int | None) -> Samples:
    """Read means from one file and deviations from the other, as simulators write them for the DSMTS."""
    means = _open_frame(path)
    names = [str(c).strip() for c in means.columns]
    means = means.set_axis([c if c == "time" else f"{c.removesuffix('-mean')}-mean" for c in names], axis=1)
    other = path.with_name(path.name.replace("-mean", "-sd"))
    if other.is_file():
        spread = _open_frame(other)
        names = [str(c).strip() for c in spread.columns]
        spread = spread.set_axis([c if c == "time" else f"{c.removesuffix('-sd')}-sd" for c in names], axis=1)
        if (
            len(spread) != len(means)
            or "time" not in spread
            or not np.array_equal(spread["time"], means.get("time"))
        ):
            message = f"{str(path)!r} and {str(other)!r} have different times"
            raise SampleError(message)
        means = means.merge(spread, on="time")
    return from_frame(means, str(path), n)
