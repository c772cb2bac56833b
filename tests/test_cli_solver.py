"""The command line with the real solver."""

from __future__ import annotations

import math
import subprocess
import sys

import pytest
from strict_json import strict_json

from fsp import cli

IMMIGRATION = """
model immigration_death()
  substanceOnly species X
  X = 0
  immigration: -> X; k
  death: X -> ; g*X
  k = 8
  g = 0.5
end
"""


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "model.ant"
    path.write_text(IMMIGRATION)
    return str(path)


def run_here(capsys, *words):
    code = cli.main(words)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_a_model_file_is_solved_to_its_closed_form(model, capsys):
    tolerance = 1e-9
    code, out, err = run_here(
        capsys, "transient", model, "-t", "0:4:1", "--tolerance", str(tolerance), "--json"
    )
    assert (code, err) == (0, "")
    data = strict_json(out)
    assert max(data["error_bound"]) <= tolerance
    for k, t in enumerate(data["times"]):
        truth = 16 * -math.expm1(-0.5 * t)
        for key, value in (("mean", truth), ("std", math.sqrt(truth))):
            lower, upper = data[f"{key}_lower"][k][0], data[f"{key}_upper"][k][0]
            assert lower - 1e-14 * value <= value <= upper + 1e-14 * value
            assert data[key][k][0] == pytest.approx(value, abs=1e-7)
    # Control: the enclosures are too narrow for another model.
    assert not data["mean_lower"][1][0] <= 16 * -math.expm1(-0.51) <= data["mean_upper"][1][0]


def test_limits_and_bad_models_have_their_codes(model, tmp_path, capsys):
    code, _, err = run_here(capsys, "transient", model, "-t", "4", "--max-states", "5")
    assert code == 1
    assert "max_states" in err
    code, _, err = run_here(capsys, "transient", model, "-t", "4", "--method", "magic")
    assert code == 2
    assert "unknown method" in err
    code, _, err = run_here(capsys, "info", str(tmp_path / "absent.xml"))
    assert code == 2
    assert "no file" in err
    broken = tmp_path / "broken.ant"
    broken.write_text("model x(\n")
    code, _, err = run_here(capsys, "info", str(broken))
    assert code == 2
    assert err.startswith("fsp: error: ")


def test_bounds_keep_the_states_and_book_the_leak(model, capsys):
    words = ["transient", model, "-t", "1", "--bounds", "X=60", "--json"]
    code, out, _ = run_here(capsys, *words)
    assert code == 0
    assert strict_json(out)["n_states"] == [61]
    code, _, err = run_here(capsys, "transient", model, "-t", "9", "--bounds", "X=10")
    assert code == 1
    assert "leaked" in err


@pytest.mark.parametrize("save", ["distributions", "marginals", "moments"])
def test_only_what_was_asked_for_is_saved(model, tmp_path, capsys, save):
    out = tmp_path / "run.nc"
    words = ["transient", model, "-t", "0,1,4", "--json", "-o", str(out), "--save", save]
    code, text, err = run_here(capsys, *words)
    assert (code, err) == (0, "")
    from fsp.load import load_result

    loaded = load_result(out)
    assert loaded.kept == save
    assert loaded.network.name == "immigration_death"
    assert loaded.mean("X").tolist() == [row[0] for row in strict_json(text)["mean"]]
    assert ("state" in loaded.to_xarray()) == (save == "distributions")


@pytest.mark.parametrize("kind", ["auto", "course", "heatmap", "distribution", "run"])
def test_every_kind_of_picture_is_drawn(model, tmp_path, capsys, kind):
    sizes = set()
    for log in ([], ["--plot-log"]):
        picture = tmp_path / f"{kind}{len(log)}.png"
        words = ["transient", model, "-t", "0:4:1", "--plot", str(picture), "--plot-kind", kind, *log]
        assert run_here(capsys, *words)[0] == 0
        assert picture.read_bytes()[:4] == b"\x89PNG"
        sizes.add(picture.read_bytes())
    assert len(sizes) == (2 if kind in ("heatmap", "distribution") else 1)


def test_choices_are_those_of_the_library():
    from fsp.cli_arguments import FIGURES, SAVES
    from fsp.figures import KINDS as figures
    from fsp.summary import KINDS as saves

    assert (FIGURES, SAVES) == (figures, saves)


def test_the_module_is_the_command(model):
    done = subprocess.run(
        [sys.executable, "-m", "fsp", "info", model], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0
    assert "immigration" in done.stdout
