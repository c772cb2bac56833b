"""Samples in every form that they are read from, and what is refused."""

from __future__ import annotations

from collections import UserDict, UserList
from types import SimpleNamespace

import numpy as np
import pandas
import pytest
import xarray

from fsp.errors import ArgumentError, SampleError
from fsp.validation.readers import read_samples

TIMES = [0.0, 1.0, 2.5]
COUNTS = np.random.default_rng(1).integers(0, 5, size=(7, 3, 2))


def same(samples, counts=COUNTS, names=("A", "B"), times=TIMES):
    assert samples.names == tuple(names)
    assert samples.times == tuple(times)
    for k, table in enumerate(samples.tables):
        states, weights = np.unique(counts[:, k], axis=0, return_counts=True)
        assert table.states.tolist() == states.tolist()
        assert table.weights.tolist() == weights.tolist()


def long_frame(counts=COUNTS):
    rows = [[run, t, *counts[run, k]] for run in range(len(counts)) for k, t in enumerate(TIMES)]
    return pandas.DataFrame(rows, columns=["trajectory", "time", "A", "B"])


def dataset(counts=COUNTS):
    return xarray.Dataset(
        {name: (("run", "time"), counts[:, :, k]) for k, name in enumerate("AB")}, {"time": TIMES}
    )


def test_arrays():
    same(read_samples(COUNTS, times=TIMES, species=["A", "B"]))
    same(read_samples(COUNTS.astype(float).tolist(), times=TIMES, species=["A", "B"]))
    same(read_samples(COUNTS[:, :, 0], times=TIMES, species=["A"]), COUNTS[:, :, :1], ["A"])
    same(read_samples(COUNTS[:, 1], times=1.0, species=["A", "B"]), COUNTS[:, 1:2], times=[1.0])


def test_large_counts_are_tabulated_as_well():
    wide = np.array([[[0, 2**52]], [[2**51, 7]], [[0, 2**52]]])
    table = read_samples(wide, times=[1.0], species=["A", "B"]).tables[0]
    assert table.states.tolist() == [[0, 2**52], [2**51, 7]]
    assert table.weights.tolist() == [2, 1]


def test_an_ensemble_has_counts_times_and_names():
    same(read_samples(SimpleNamespace(counts=COUNTS, times=np.array(TIMES), species_names=("A", "B"))))


def test_gillespy_results():
    runs = UserList(
        UserDict(time=np.array(TIMES), A=run[:, 0].astype(float), B=run[:, 1].astype(float)) for run in COUNTS
    )
    same(read_samples(runs))


def test_rebop_datasets():
    runs = [
        xarray.Dataset({n: ("time", run[:, k]) for k, n in enumerate("AB")}, {"time": TIMES})
        for run in COUNTS
    ]
    same(read_samples(runs))
    same(read_samples(xarray.concat(runs, dim="trajectory")))
    same(read_samples(dataset()))


def test_netcdf(tmp_path):
    dataset().to_netcdf(tmp_path / "a.nc", engine="h5netcdf")
    same(read_samples(tmp_path / "a.nc"))
    counts = xarray.Dataset(
        {"counts": (("species", "trajectory", "time"), COUNTS.transpose(2, 0, 1))},
        {"time": TIMES, "species": ["A", "B"]},
    )
    counts.to_netcdf(tmp_path / "b.nc", engine="h5netcdf")
    same(read_samples(str(tmp_path / "b.nc")))


def test_csv_forms(tmp_path):
    def read(frame, name="a.csv"):
        frame.to_csv(tmp_path / name, index=False)
        return read_samples(tmp_path / name)

    frame = long_frame()
    same(read(frame))
    same(read(frame.sample(frac=1.0, random_state=1)))  # in any order
    same(read(frame.drop(columns="trajectory")))
    same(read_samples(frame))
    tidy = frame.melt(["trajectory", "time"], var_name="species", value_name="count")
    same(read(tidy))
    wide = pandas.DataFrame(
        {f"{n}@{t}": COUNTS[:, k, i] for k, t in enumerate(TIMES) for i, n in enumerate("AB")}
    )
    same(read(wide))
    histogram = frame.groupby(["time", "A", "B"]).size().rename("samples").reset_index()
    same(read(histogram))


def test_histograms_by_hand():
    one = read_samples({(0, 1): 3, (2, 2): 4}, times=1.0, species=["A", "B"]).tables[0]
    assert one.states.tolist() == [[0, 1], [2, 2]]
    assert one.weights.tolist() == [3, 4]
    several = read_samples({0.0: {5: 10}, 1.0: {4: 3, 5: 7}}, species=["A"])
    assert [t.n for t in several.tables] == [10, 10]
    by_species = read_samples({"A": {5: 10}, "B": {0: 4, 1: 6}}, times=2.0)
    assert [t.names for t in by_species.tables] == [("A",), ("B",)]


def test_means_and_deviations(tmp_path):
    table = pandas.DataFrame({"time": [0, 1], "A-mean": [5.0, 4.5], "A-sd": [0.0, 0.7], "B-mean": [1.0, 2.0]})
    rows = read_samples(table, n=100).moments
    assert [(r.time, r.name, r.mean, r.deviation, r.n) for r in rows][-2:] == [
        (1.0, "A", 4.5, 0.7, 100),
        (1.0, "B", 2.0, None, 100),
    ]
    pandas.DataFrame({"time": [0, 1], "A": [5.0, 4.5]}).to_csv(tmp_path / "x-mean.csv", index=False)
    pandas.DataFrame({"time": [0, 1], "A": [0.0, 0.7]}).to_csv(tmp_path / "x-sd.csv", index=False)
    assert read_samples(tmp_path / "x-mean.csv", n=50).moments[1].deviation == 0.7
    by_hand = read_samples({"mean": [[5.0], [4.5]], "sd": [[0.0], [0.7]]}, times=[0, 1], species=["A"], n=9)
    assert by_hand.moments[1].mean == 4.5
    with pytest.raises(SampleError, match="number of samples behind them"):
        read_samples(table)


BAD_ARRAYS = {
    "negative": (np.where(COUNTS == 0, -1, COUNTS), "is negative"),
    "NaN": (np.where(COUNTS == 0, np.nan, COUNTS), "is not a finite number"),
    "infinite": (np.where(COUNTS == 0, np.inf, COUNTS), "is not a finite number"),
    "fractions": (COUNTS + 0.5, "is not a whole number"),
    "huge": (COUNTS + 2.0**60, "too large"),
    "shape": (COUNTS[:, :2], "need the shape"),
    "flat": (COUNTS.ravel(), "need the shape"),
    "empty": (COUNTS[:0], "there are no samples"),
    "texts": (np.full((7, 3, 2), "x"), "not values of the type"),
    "ragged": ([[[1, 2]], [[1, 2], [3, 4]]], "same number of values"),
    "complex": (COUNTS + 1j, "not values of the type"),
}


@pytest.mark.parametrize("case", BAD_ARRAYS)
def test_bad_arrays_are_refused(case):
    array, problem = BAD_ARRAYS[case]
    with pytest.raises(SampleError, match=problem):
        read_samples(array, times=TIMES, species=["A", "B"])


def test_the_place_of_a_bad_value_is_named():
    bad = COUNTS.astype(float)
    bad[4, 1, 0] = -3
    with pytest.raises(
        SampleError, match=r"\(trajectory, time, species\): the value -3.0 at index \(4, 1, 0\)"
    ):
        read_samples(bad, times=TIMES, species=["A", "B"])


@pytest.mark.parametrize(
    ("times", "species", "problem"),
    [
        ([0.0, 2.0, 1.0], ["A", "B"], "ascend"),
        ([0.0, 1.0, np.nan], ["A", "B"], "finite"),
        ([-1.0, 0.0, 1.0], ["A", "B"], "at least 0"),
        (["x", "y", "z"], ["A", "B"], "no numbers"),
        (TIMES, ["A", "A"], "named twice"),
        (TIMES, [], "no species"),
        (None, ["A", "B"], "needs times="),
        (TIMES, None, "needs times= and species="),
    ],
)
def test_bad_times_and_names_are_refused(times, species, problem):
    with pytest.raises(SampleError, match=problem):
        read_samples(COUNTS, times=times, species=species)


def test_bad_histograms_are_refused():
    for histogram, options, problem in [
        ({}, {}, "no samples"),
        ({None: {0: 1}}, {"species": ["A"]}, "not all of these times are numbers"),
        ({0: 3}, {"species": ["A"]}, "needs times="),
        ({0: 3}, {"times": [1, 2], "species": ["A"]}, "needs one time"),
        ({0: 3}, {"times": 1.0}, "need species="),
        ({(0, 1): 3}, {"times": 1.0, "species": ["A"]}, "one count for each"),
        ({0: -3}, {"times": 1.0, "species": ["A"]}, "negative"),
        ({0: 0}, {"times": 1.0, "species": ["A"]}, "no samples"),
        ({0.5: 3}, {"times": 1.0, "species": ["A"]}, "not a whole number"),
        ({-1.0: {0: 3}}, {"species": ["A"]}, "at least 0"),
        ({"A": 3}, {"times": 1.0}, "species: {count: frequency}"),
    ]:
        with pytest.raises(SampleError, match=problem):
            read_samples(histogram, **options)


@pytest.mark.parametrize("what", [None, 3, object(), b"bytes", lambda: 1])
def test_unknown_forms_are_refused(what):
    with pytest.raises(SampleError, match="are not known|needs times"):
        read_samples(what)


BAD_FILES = {
    "a.csv": ("", "is empty"),
    "b.csv": ("trajectory,time,A\n", "no samples"),
    "c.csv": ("trajectory,A\n1,2\n", "no column 'time'"),
    "d.csv": ("trajectory,time,A\n1,0,2\n1,1,2\n2,0,3\n", "trajectory 2 has 1 times"),
    "e.csv": ("trajectory,time,A\n1,0,2\n2,1,3\n", "different times"),
    "f.csv": ("trajectory,time,A\n1,0,x\n", "not all of these are numbers|not values of the type"),
    "g.csv": ("trajectory,time,A\n1,0,\n", "not a finite number"),
    "h.csv": ("trajectory,time,A\n1,0,1.5\n", "not a whole number"),
    "i.csv": ("trajectory,time\n1,0\n", "no column for a species"),
    "j.csv": ("A@1,A@2,B@1\n1,2,3\n", "'B@2' is missing"),
    "k.csv": ("time,A,samples\n0,1,-4\n", "negative"),
    "l.csv": ("time,A-mean,A-sd\n0,1,nan\n", "number of samples"),
    "m.csv": ("time,A\n0,1,2,3\n0,1\n", "cannot be read|not|no"),
    "n.nc": ("not netcdf", "does not begin like"),
    "o.nc": ("\x89HDF\r\n\x1a\nrest", "cannot be read|does not begin"),
    "p.dat": ("x", ".csv and .nc"),
    "q.csv": ("trajectory,time,A\n1,nan,2\n", "missing or not finite"),
    "r.csv": ('trajectory,time,A\n1,0,"2\n', "cannot be read|not"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_bad_files_are_refused(name, tmp_path):
    text, problem = BAD_FILES[name]
    (tmp_path / name).write_bytes(text.encode("latin-1"))
    with pytest.raises(SampleError, match=problem):
        read_samples(tmp_path / name)


def test_missing_files_and_folders_are_refused(tmp_path):
    for path in (tmp_path / "no.csv", tmp_path):
        with pytest.raises(SampleError, match="there is no file"):
            read_samples(path)


def test_bad_runs_are_refused():
    runs = [{"time": TIMES, "A": [1, 2, 3]}, {"time": TIMES, "B": [1, 2, 3]}]
    with pytest.raises(SampleError, match="no values of 'A'"):
        read_samples(runs)
    with pytest.raises(SampleError, match="other times"):
        read_samples([{"time": TIMES, "A": [1, 2, 3]}, {"time": [0, 1, 2], "A": [1, 2, 3]}])
    with pytest.raises(SampleError, match="needs 3 values"):
        read_samples([{"time": TIMES, "A": [1, 2]}])


def test_bad_datasets_are_refused():
    with pytest.raises(SampleError, match="no 'time'"):
        read_samples(xarray.Dataset({"A": ("x", [1, 2])}))
    with pytest.raises(SampleError, match="dimension"):
        read_samples(xarray.Dataset({"A": (("a", "b", "time"), np.zeros((2, 2, 1)))}, {"time": [0.0]}))


def test_every_refusal_is_an_argument_error():
    assert issubclass(SampleError, ArgumentError)
