"""First passages in files, pictures and on the command line."""

from __future__ import annotations

import json

import numpy as np
import pytest

import fsp
from fsp.cli import main

NETWORK = fsp.ReactionNetwork({"X": 10}, ["birth: 0 -> X @ k", "death: X -> 0 @ d"], {"k": 10.0, "d": 1.0})
TIMES = [0.0, 1.0, 4.0]


@pytest.fixture(scope="module")
def result():
    return fsp.first_passage(NETWORK, "X >= 20", TIMES, avoid="X <= 2", direction="adjoint")


def test_saved_and_loaded(result, tmp_path):
    path = tmp_path / "passage.nc"
    result.save(path)
    loaded = fsp.load_result(path)
    assert isinstance(loaded, fsp.FirstPassageResult)
    for name in ("cdf", "density", "avoided", "hit_probability", "mean", "variance", "conditional_mean"):
        assert getattr(loaded, name) == getattr(result, name)
    for name in (
        "target",
        "avoid",
        "method",
        "notes",
        "statistics",
        "tolerance",
        "ledger",
        "network",
        "version",
    ):
        assert getattr(loaded, name) == getattr(result, name)
    assert loaded.from_state([15]) == result.from_state([15])
    assert repr(loaded) == repr(result)
    transient = fsp.solve_transient(NETWORK, [1.0])
    transient.save(path)
    assert isinstance(fsp.load_result(path), fsp.TransientResult)


def test_control_a_damaged_record_is_refused(result, tmp_path):
    from fsp import storage

    dataset = result.to_xarray().drop_vars("cdf_lower")
    storage.write_dataset(dataset, tmp_path / "a.nc")
    with pytest.raises(fsp.ArgumentError, match="incomplete"):
        fsp.load_result(tmp_path / "a.nc")
    newer = result.to_xarray().assign_attrs(format=99)
    storage.write_dataset(newer, tmp_path / "b.nc")
    with pytest.raises(fsp.ArgumentError, match="layout 99"):
        fsp.load_result(tmp_path / "b.nc")


def test_table_and_picture(result):
    table = result.to_dataframe()
    assert table["cdf_lower"].tolist() == [c.lower for c in result.cdf]
    from matplotlib.figure import Figure

    axes = Figure().subplots(2, 1)
    top, bottom = result.plot(axes)
    assert top.get_ylabel() == "probability to have hit"
    np.testing.assert_array_equal(top.lines[0].get_ydata(), result.bounds_of_cdf[0])
    np.testing.assert_array_equal(bottom.lines[0].get_ydata(), result.bounds_of_density[0])
    with pytest.raises(fsp.ArgumentError, match="two Axes"):
        result.plot(axes[:1])
    with pytest.raises(fsp.ArgumentError, match="two times"):
        fsp.first_passage(NETWORK, "X >= 20", [1.0]).plot()


def test_command_line(tmp_path, capsys):
    picture, file = tmp_path / "p.png", tmp_path / "p.nc"
    words = ["first-passage", "gallery:birth_death", "--target", "X >= 25", "-t", "0:4:1"]
    assert main([*words, "--plot", str(picture), "-o", str(file)]) == 0
    text = capsys.readouterr().out
    assert "ever hit" in text
    assert picture.read_bytes().startswith(b"\x89PNG")
    loaded = fsp.load_result(file)
    assert main([*words, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["cdf_lower"] == [c.lower for c in loaded.cdf]
    assert found["hit_probability"]["lower"] == loaded.hit_probability.lower
    assert found["target"] == "X >= 25"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--target", "Z > 1"], "unknown name 'Z'"),
        (["--target", "X < 0"], "no state satisfies"),
        ([], "--target"),
        (["--target", "X > 20", "--plot", "p.png", "-t", "1"], "at least two times"),
        (["--target", "X > 20", "--plot", "p.xyz"], "ending"),
        (["--target", "X > 20", "--method", "magic"], "unknown method"),
    ],
)
def test_command_line_refusals(words, message, capsys):
    assert main(["first-passage", "gallery:birth_death", "-t", "1,2", *words]) == 2
    assert message in capsys.readouterr().err
