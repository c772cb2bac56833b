"""Results over time: access, tables, files that are complete or absent."""

from __future__ import annotations

import errno
import os

import numpy as np
import pytest

from fsp import storage
from fsp.errors import ArgumentError
from fsp.ledger import Ledger
from fsp.results import TransientResult, load_result


def test_a_result_is_a_sequence_of_distributions(result):
    assert len(result) == 5
    assert [d.time for d in result] == result.times.tolist()
    assert result[-1] is result.final
    assert result[1:3] == [result[1], result[2]]
    assert result.at(0.5) is result[1]
    assert result.at(0.1 + 0.2 + 0.2) is result[1]
    assert result.error_bound == max(d.error_bound for d in result)
    assert result.certified
    with pytest.raises(ArgumentError, match=r"nearest are 0\.5, 1, 2"):
        result.at(1.1)


def test_courses_in_time(result):
    exact = 10.0 * -np.expm1(-result.times)
    assert result.mean("X") == pytest.approx(exact, abs=1e-9)
    assert result.std("X") == pytest.approx(np.sqrt(exact), abs=1e-6)
    assert result.mean().shape == result.std().shape == (5, 2)
    assert all(m in b for m, b in zip(exact, result.mean_bounds("X"), strict=True))
    assert result.probability("X == 0")[0].lower == pytest.approx(1.0)
    with pytest.raises(ArgumentError, match="did you mean 'Gene'"):
        result.mean("gene")


def test_tables(result):
    table = result.to_pandas()
    assert table["X"]["mean"].tolist() == result.mean("X").tolist()
    assert table.index.name == "time"
    data = result.to_xarray()
    assert data["mean"].sel(species="X", time=5.0).item() == result[-1].mean("X")
    assert data["marginal_Gene"].sum("count_Gene").values == pytest.approx(np.ones(5), abs=1e-10)
    assert "state" not in result.to_xarray(distributions=False)


def same(a, b):
    assert a.times.tolist() == b.times.tolist()
    for d, e in zip(a, b, strict=True):
        assert d.species_names == e.species_names
        assert d.tv_distance(e).upper <= d.error_bound + e.error_bound + 1e-14
        assert e.probabilities.tolist() == d.probabilities.tolist()
        assert (d.error_bound, d.certified, d.time) == (e.error_bound, e.certified, e.time)
        for name in d.species_names:
            assert e.mean_bounds(name).lower >= d.mean_bounds(name).lower
            assert e.mean_bounds(name).upper <= d.mean_bounds(name).upper
            assert e.mean(name) == pytest.approx(d.mean(name), abs=1e-10)
            assert e.std_bounds(name).width <= d.std_bounds(name).width * (1 + 1e-6)


def test_files_bring_everything_back(result, tmp_path):
    path = tmp_path / "run.nc"
    result.save(path)
    again = load_result(path)
    same(result, again)
    assert dict(again.ledger) == dict(result.ledger)
    assert again.ledger.leaks == result.ledger.leaks
    assert again.statistics == result.statistics
    assert (again.method, again.explanation, again.status) == (result.method, result.explanation, "finished")
    assert again.tolerance == result.tolerance
    assert os.listdir(tmp_path) == ["run.nc"]
    # Control: another result is told apart.
    with pytest.raises(AssertionError):
        same(result, TransientResult(None, result.times, [result[0]] * 5, Ledger(), "", "", {}))


def test_a_failed_write_leaves_the_old_file(result, tmp_path, monkeypatch):
    path = tmp_path / "run.nc"
    path.write_bytes(b"the old one")

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(storage.os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            result.save(path)
    assert path.read_bytes() == b"the old one"
    assert os.listdir(tmp_path) == ["run.nc"]
    result.save(path)
    assert load_result(path).times.tolist() == result.times.tolist()


def test_a_full_disk_is_an_error_without_a_partial_file(result):
    if not os.path.exists("/dev/full"):
        pytest.skip("needs /dev/full")
    with pytest.raises(ArgumentError, match="no folder"):
        result.save("/dev/full/run.nc")


@pytest.mark.parametrize("name", ["missing/run.nc", "."])
def test_places_that_cannot_be_written_are_refused(result, tmp_path, name):
    with pytest.raises(ArgumentError, match="cannot write"):
        result.save(tmp_path / name)


def test_files_of_others_are_refused(tmp_path):
    (tmp_path / "text.nc").write_text("no NetCDF")
    with pytest.raises(ArgumentError, match="cannot be read"):
        load_result(tmp_path / "text.nc")
    with pytest.raises(ArgumentError, match="no file"):
        load_result(tmp_path / "absent.nc")
    import xarray

    xarray.Dataset({"a": ("x", [1.0])}).to_netcdf(tmp_path / "other.nc", engine="h5netcdf")
    with pytest.raises(ArgumentError, match="not a result"):
        load_result(tmp_path / "other.nc")


def test_a_result_prints_a_table(result):
    text = repr(result)
    for piece in ("5 times", "mean X", "error bound", "uniformisation", "proven", "1e-08"):
        assert piece in text
    many = TransientResult(None, np.arange(100.0), [result[0]] * 100, Ledger(), "m", "e", {})
    assert len(repr(many).splitlines()) < 16


def test_times_and_distributions_must_fit(result):
    with pytest.raises(ArgumentError, match="as many times"):
        TransientResult(None, [0.0], list(result), Ledger(), "", "", {})
