"""Pictures: what they show and say (how they look was judged by eye)."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure

from fsp.cli_output import draw_result
from fsp.distribution import Distribution
from fsp.errors import ArgumentError

mpl.use("Agg")


@pytest.fixture
def ax():
    return Figure().subplots()


def texts(ax):
    return " ".join(ax.get_title(loc=side) for side in ("left", "center", "right"))


@pytest.mark.parametrize("log", [False, True])
def test_one_species(result, ax, log):
    law = result.final.marginal("X")
    assert law.plot(ax, log=log) is ax
    heights = np.array([bar.get_height() for bar in ax.patches])
    assert heights.sum() == pytest.approx(1.0, abs=1e-3)
    assert f"{law.error_bound:.1e}" in texts(ax)
    assert "t = 5" in texts(ax)
    assert ax.get_xlabel() == "X (molecules)"
    ax.figure.canvas.draw()


def test_many_counts_become_one_curve(ax):
    law = Distribution.from_states(np.arange(500), np.full(500, 1 / 500), ["X"])
    law.plot(ax)
    assert len(ax.patches) == 1
    assert "exact" in texts(ax)


@pytest.mark.parametrize("log", [False, True])
def test_two_species(result, ax, log):
    result.final.plot(ax, log=log)
    ax.figure.canvas.draw()
    assert "error" in texts(ax)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("X (molecules)", "Gene (molecules)")


def test_wide_ranges_are_summed_into_blocks(ax):
    n = 3000
    states = np.column_stack([np.arange(n), np.arange(n)])
    Distribution.from_states(states, np.full(n, 1 / n), ["A", "B"]).plot(ax)
    (mesh,) = ax.collections
    assert mesh.get_array().size <= 400**2
    assert float(np.asarray(mesh.get_array()).sum()) * 64 == pytest.approx(1.0, rel=0.05)


def test_three_species_need_a_marginal():
    with pytest.raises(ArgumentError, match="marginal"):
        Distribution.point({"A": 1, "B": 2, "C": 3}).plot()


def test_courses(result, ax):
    result.plot(["X"], ax=ax)
    (line,) = ax.lines
    assert line.get_ydata() == pytest.approx(result.mean("X"))
    assert "error" in texts(ax)


@pytest.mark.parametrize(("names", "suffix"), [(["X"], "png"), (["X", "Gene"], "svg")])
def test_pictures_are_files(result, tmp_path, names, suffix):
    path = tmp_path / f"picture.{suffix}"
    draw_result(result, names, path)
    assert path.stat().st_size > 5000
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
