"""Files that are damaged, not ours, or of another layout are refused."""

from __future__ import annotations

import numpy as np
import pytest

from fsp import restore, storage
from fsp.errors import ArgumentError
from fsp.load import load_result


def test_truncated_files_are_refused(file):
    whole = file.read_bytes()
    rng = np.random.default_rng(3)
    places = {*range(9), *range(len(whole) - 90, len(whole)), *rng.integers(0, len(whole), 200).tolist()}
    for place in sorted(places):
        file.write_bytes(whole[:place])
        with pytest.raises(ArgumentError, match=r"run\.nc"):
            load_result(file)
    for more in (b"\0", b"x" * 74, whole):
        file.write_bytes(whole + more)
        with pytest.raises(ArgumentError, match=r"run\.nc"):
            load_result(file)
    file.write_bytes(whole)
    assert load_result(file).kept == "distributions"  # control


def test_flipped_bits_are_noticed_everywhere(file):
    whole = bytearray(file.read_bytes())
    rng = np.random.default_rng(4)
    places = {*range(16), *range(len(whole) - 80, len(whole)), *rng.integers(0, len(whole), 300).tolist()}
    for place in sorted(places):
        bit = 1 << int(rng.integers(8))
        whole[place] ^= bit
        file.write_bytes(whole)
        with pytest.raises(ArgumentError, match=r"run\.nc"):
            load_result(file)
        whole[place] ^= bit
    file.write_bytes(whole)
    assert load_result(file).kept == "distributions"  # control


def test_files_of_others_are_refused(tmp_path):
    import h5py
    import xarray

    (tmp_path / "text.nc").write_text("no NetCDF")
    (tmp_path / "empty.nc").write_bytes(b"")
    (tmp_path / "old.nc").write_bytes(b"CDF\x01" + bytes(200))
    (tmp_path / "noise.nc").write_bytes(np.random.default_rng(0).bytes(5000))
    xarray.Dataset({"a": ("x", [1.0])}).to_netcdf(tmp_path / "other.nc", engine="h5netcdf")
    with h5py.File(tmp_path / "plain.h5", "w") as other:
        other["a"] = np.arange(4)
    (tmp_path / "folder.nc").mkdir()
    for name, problem in [
        ("text.nc", "cannot be read"),
        ("empty.nc", "empty"),
        ("old.nc", "cannot be read"),
        ("noise.nc", "cannot be read"),
        ("other.nc", "not a result"),
        ("plain.h5", "not a result"),
        ("folder.nc", "folder"),
        ("absent.nc", "no file"),
    ]:
        with pytest.raises(ArgumentError, match=problem) as caught:
            load_result(tmp_path / name)
        assert name in str(caught.value)
    # Sealed as ours are, but holding something else.
    storage.write_dataset(xarray.Dataset({"a": ("x", [1.0])}), tmp_path / "sealed.nc")
    with pytest.raises(ArgumentError, match="not a result"):
        load_result(tmp_path / "sealed.nc")


def test_other_layouts_and_incomplete_contents_are_refused(result, tmp_path):
    path = tmp_path / "run.nc"
    for layout, advice in ((restore.FORMAT + 1, "upgrade"), (1, "before the first release")):
        storage.write_dataset(result.to_xarray().assign_attrs(format=layout), path)
        with pytest.raises(ArgumentError, match=advice):
            load_result(path)
    for lacking in ("record", "offset", "probability", "error_bound", "proven_mean_lower", "largest_count"):
        storage.write_dataset(result.to_xarray().drop_vars(lacking), path)
        with pytest.raises(ArgumentError, match="incomplete"):
            load_result(path)
    for record in ("{", "[]", '{"species": 3}'):
        data = result.to_xarray()
        data["record"] = ((), np.array(record, dtype=object))
        storage.write_dataset(data, path)
        with pytest.raises(ArgumentError, match="incomplete"):
            load_result(path)


def test_no_pickle_is_ever_read():
    for module in ("storage", "dataset", "restore", "results", "summary", "known_moments"):
        text = (storage.Path(storage.__file__).parent / f"{module}.py").read_text(encoding="utf-8")
        assert "import pickle" not in text
        assert "eval(" not in text
