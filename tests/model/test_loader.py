"""Loading models: files of either kind, shipped models, and clear errors."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from fsp.errors import ModelError, UnsupportedError
from fsp.model import ReactionNetwork, gallery, load_model
from fsp.model.loader import shipped_files

TOGGLE = """
// a comment
model toggle
  species U, V; U = 3; V = 0;
  a = 100; K = 20; h = 2; d = 1;
  -> U; a/(1 + (V/K)^h);
  U -> ; d*U;
  -> V; a/(1 + (U/K)^h);
  V => ; d*V;
end
"""
GROWING = """
model growing
  species M, D; M = 2; D = 6;
  size := 6.0e8*2^(time/2100);
  hog := 3*(size/(1 + size))^3.1;
  2 M -> D; 0.05e9/size*M*(M - 1)/2;
  D -> 2 M; piecewise(max(0, 3200 - 7710*hog), D == 1, 0.027, D == 2, 0);
end
"""


def write(folder, text, name="model.ant"):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("name", ["model.ant", "model.txt", "MODEL.ANT", "mödel with spaces.ant"])
def test_antimony(tmp_path, name):
    net = load_model(write(tmp_path, TOGGLE, name))
    assert net.species_names == ("U", "V")
    assert net.initial_state.tolist() == [3, 0]
    assert net.name == "toggle"
    ours = gallery.toggle_switch()
    states = np.random.default_rng(1).integers(0, 200, size=(50, 2))
    assert np.array_equal(net.evaluate_propensities(states), ours.evaluate_propensities(states))


def test_antimony_with_time(tmp_path):
    net = load_model(str(write(tmp_path, GROWING)))
    assert net.depends_on_time
    assert [p.split_time() is not None for p in net.propensities] == [True, False]
    rates = net.evaluate_propensities([[4, 1]], time=2100.0)
    assert rates[0, 0] == pytest.approx(0.05e9 / 1.2e9 * 6, rel=1e-15)


def test_antimony_does_not_remember(tmp_path):
    load_model(write(tmp_path, TOGGLE))
    second = load_model(write(tmp_path, "model other\n X = 2; X => ; 3*X; \nend"))
    assert second.name == "other"
    assert second.species_names == ("X",)


@pytest.mark.parametrize(
    ("text", "kind", "problem"),
    [
        ("model a\n X -> ; k**X\nend", ModelError, "line 2"),
        ("not a model at all (", ModelError, "line 1"),
        ("model a\n A = 5; A => ; k*A;\nend", ModelError, "parameter 'k' is used but has no value"),
        ("model a\n A => ; 2*A;\nend", ModelError, "species 'A' has no initial amount"),
        ("model a\n A = 1; B = 1; k = 1; A -> B; k*(A - B)^3;\nend", UnsupportedError, "_J0.*'?=>"),
        ("model a\n A = 1; A => ; A; at 2 after A > 5: A = 1;\nend", UnsupportedError, "event"),
        ("model a\n A = 1; A => ; A; k = 1; k' = 2;\nend", UnsupportedError, "rate rule of 'k'"),
        ("model a\n species A; A = 1;\nend", ModelError, "no reactions"),
    ],
)
def test_bad_antimony(tmp_path, text, kind, problem):
    path = write(tmp_path, text)
    with pytest.raises(kind, match=problem) as caught:
        load_model(path)
    assert "model.ant" in str(caught.value)


def test_bad_paths(tmp_path):
    with pytest.raises(ModelError, match="there is no file"):
        load_model(tmp_path / "missing.xml")
    with pytest.raises(ModelError, match="is a directory"):
        load_model(tmp_path)
    with pytest.raises(ModelError, match=r"unknown kind of file '\.json'"):
        load_model(write(tmp_path, "{}", "model.json"))
    with pytest.raises(ModelError, match="is empty"):
        load_model(write(tmp_path, " \n", "model.xml"))
    (tmp_path / "binary.xml").write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(ModelError, match="cannot be read"):
        load_model(tmp_path / "binary.xml")
    with pytest.raises(ModelError, match="line 1"):
        load_model(write(tmp_path, "hello", "model.sbml"))
    with pytest.raises(ModelError, match="did you mean 'toggle_switch'"):
        load_model("gallery:togle_switch")


def test_shipped_files_agree_with_the_gallery():
    assert shipped_files() == ("dimerisation.xml", "toggle_switch.xml")
    states = np.random.default_rng(1).integers(0, 200, size=(50, 2))
    for name in shipped_files():
        net, ours = load_model(f"gallery:{name}"), gallery.build(name.removesuffix(".xml"))
        assert dict(net.parameters) == dict(ours.parameters)
        assert net.initial_state.tolist() == ours.initial_state.tolist()
        assert np.array_equal(net.stoichiometry, ours.stoichiometry)
        assert np.array_equal(net.evaluate_propensities(states), ours.evaluate_propensities(states))


@pytest.mark.parametrize("name", gallery.names())
def test_gallery(name):
    net = load_model(f"gallery:{name}")
    assert isinstance(net, ReactionNetwork)
    assert net.name == name
    assert net.check() == []
    assert net.source
    assert "Closed form" in (getattr(gallery, name).__doc__ or "")
    assert net.source.split(",")[0].split()[-1] in (getattr(gallery, name).__doc__ or "")
    net.evaluate_propensities(net.initial_state)
    assert all(len(f.species) <= 1 for p in net.propensities for f in p.factors)


def test_gallery_laws_and_parameters():
    assert str(gallery.michaelis_menten(enzyme=3).conservation_laws()) == "E + ES = 3\nS + ES + P = 50"
    assert gallery.birth_death(birth=2.0, initial=7).parameters["birth"] == 2
    assert gallery.birth_death(initial=7).initial_state.tolist() == [7]
    with pytest.raises(ValueError, match="no model 'x'"):
        gallery.build("x")


def test_importing_is_light():
    code = (
        "import sys, fsp.model, fsp.model.gallery, fsp.model.loader\n"
        "heavy = {'sympy', 'libsbml', 'antimony', 'scipy', 'numba', 'matplotlib'} & set(sys.modules)\n"
        "sys.exit(len(heavy))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
