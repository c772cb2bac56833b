"""Pictures: what they show and say (how they look was judged by eye)."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure

import fsp
from fsp.cli_output import draw_result
from fsp.distribution import Distribution
from fsp.errors import ArgumentError
from fsp.figures import result_figure
from fsp.ledger import Ledger
from fsp.plot_style import colour
from fsp.results import TransientResult

mpl.use("Agg")


@pytest.fixture(scope="module")
def solved():
    return fsp.solve_transient(fsp.gallery.toggle_switch(), [0.0, 0.2, 0.4, 0.8], tolerance=1e-5)


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
    assert "at time 5" in texts(ax)
    assert ax.get_xlabel() == "X (count)"
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
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("X (count)", "Gene (count)")


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


def test_a_logarithmic_picture_draws_the_line_of_the_error_bound(ax):
    p = 10.0 ** -np.arange(1.0, 12.0)
    law = Distribution.from_states(np.arange(11), p / p.sum() * (1 - 1e-6), ["X"], error_bound=1e-6)
    law.plot(ax, log=True)
    assert any(line.get_ydata()[0] == 1e-6 for line in ax.lines)
    assert any("error bound" in text.get_text() for text in ax.texts)


def test_courses(result, ax):
    result.plot(["X"], ax=ax)
    drawn = [line for line in ax.lines if len(line.get_xdata()) == len(result)]
    assert drawn[0].get_ydata() == pytest.approx(result.mean("X"))
    quantiles = [[d.quantile("X", q) for d in result] for q in (0.05, 0.95)]
    assert [line.get_ydata().tolist() for line in drawn[1:]] == quantiles
    band = ax.collections[0].get_paths()[0].vertices
    assert band[:, 1].max() == pytest.approx((result.mean("X") + result.std("X")).max())
    assert "error" in texts(ax)
    assert ax.get_xlabel().startswith("time")
    assert ax.get_ylabel() == "X (count)"
    explained = [text.get_text() for text in ax.get_legend().get_texts()]
    assert explained == ["mean", "mean ± 1 standard deviation", "quantiles, 5 % and 95 %"]
    assert len(result.plot(["X"], ax=Figure().subplots(), quantiles=()).lines) == 1


def test_a_course_of_one_time_shows_bars(result, ax):
    alone = TransientResult(None, [5.0], [result.final], Ledger(), "m", "e", {})
    alone.plot(ax=ax)
    assert "at time 5" in texts(ax)
    assert [label.get_text() for label in ax.get_xticklabels()] == ["X", "Gene"]


@pytest.mark.parametrize("log", [False, True])
def test_heat_maps(result, ax, log):
    result.plot("X", ax=ax, kind="heatmap", log=log)
    mesh = ax.collections[0]
    shown = np.asarray(mesh.get_array().filled(0.0))
    assert shown.sum(axis=0) == pytest.approx(np.ones(5), abs=1e-2)
    assert ax.get_xlim() == (0.0, 5.0)
    assert "X" in texts(ax)
    assert "error" in texts(ax)
    ax.figure.canvas.draw()


def test_the_run(solved, ax):
    solved.plot(ax=ax, kind="states")
    assert ax.lines[0].get_ydata().tolist() == [d.n_states for d in solved]
    other = Figure().subplots()
    solved.plot(ax=other, kind="ledger")
    lines = {line.get_label(): line.get_ydata() for line in other.lines}
    assert lines["error bound"] == pytest.approx([d.error_bound for d in solved])
    assert lines["leaked"][-1] == solved.ledger.entries["leaked"]
    assert lines["tolerance"][0] == solved.tolerance
    assert other.get_yscale() == "log"


@pytest.mark.parametrize("kind", ["course", "heatmap", "distribution", "run", "auto"])
@pytest.mark.parametrize("log", [False, True])
def test_figures_of_every_kind(solved, result, kind, log):
    many = fsp.solve_transient(fsp.gallery.goutsias(), [0.0, 1.0], tolerance=1e-4)
    wild = np.array([[0, 7], [0, 9]])
    odd = Distribution.from_states(wild, [0.5, 0.5], ["_" + "x" * 60, "\u03b2"], error_bound=0.0, time=0.0)
    strange = TransientResult(None, [0.0, 1.0], [odd, odd], Ledger(), "m", "e", {})
    for shown in (solved, result, many, strange):
        figure = result_figure(shown, shown.species_names, kind, log=log)
        figure.canvas.draw()
        for ax in figure.axes:
            assert ax.get_xlabel() or ax.get_ylabel()


def test_pictures_that_cannot_be_are_refused(result, solved, tmp_path):
    with pytest.raises(ArgumentError, match="kind"):
        result.plot(kind="cake")
    with pytest.raises(ArgumentError, match="kind"):
        result_figure(result, ["X"], "cake")
    with pytest.raises(ArgumentError, match="one species"):
        result.plot(kind="heatmap")
    with pytest.raises(ArgumentError, match="did you mean 'Gene'"):
        result.plot("gene")
    with pytest.raises(ArgumentError, match="no output times"):
        TransientResult(None, [], [], Ledger(), "m", "e", {}).plot()
    with pytest.raises(ArgumentError, match="no probability"):
        Distribution(solved.final.space, 0 * solved.final.probabilities, error_bound=1.0).plot()
    solved.save(tmp_path / "moments.nc", save="moments")
    moments = fsp.load_result(tmp_path / "moments.nc")
    assert len(moments.plot(["U"], ax=Figure().subplots()).lines) == 1
    with pytest.raises(ArgumentError, match="not kept"):
        moments.plot("U", kind="heatmap")
    with pytest.raises(ArgumentError, match="not kept"):
        result_figure(moments, ["U"], "distribution")


@pytest.mark.parametrize(("names", "suffix"), [(["X"], "png"), (["X", "Gene"], "svg"), (["X"], "pdf")])
def test_pictures_are_files(result, tmp_path, names, suffix):
    path = tmp_path / f"picture.{suffix}"
    draw_result(result, names, path)
    assert path.stat().st_size > 5000
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


#: What people see who lack one kind of cones, in linear RGB: Machado, Oliveira and Fernandes (2009), IEEE TVCG 15:1291.
LACKING = {
    "red": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "green": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
    "blue": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
}


def nearest(tones, lacking):
    """Return the least distance between two colours as they are seen, in sRGB from 0 to 1."""
    rgb = np.array([[int(tone[i : i + 2], 16) / 255 for i in (1, 3, 5)] for tone in tones])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ np.array(LACKING[lacking]).T, 0.0, 1.0) ** (1 / 2.4)
    pairs = [np.linalg.norm(a - b) for k, a in enumerate(seen) for b in seen[k + 1 :]]
    return min(pairs)


@pytest.mark.parametrize("lacking", LACKING)
def test_species_have_colours_that_everyone_can_tell_apart(lacking):
    assert nearest([colour(k) for k in range(7)], lacking) > 0.1


def test_control_red_and_green_are_told_apart_by_some_only():
    assert nearest(["#a05a00", "#6b7a00"], "green") < 0.1 < nearest(["#a05a00", "#0072B2"], "green")
