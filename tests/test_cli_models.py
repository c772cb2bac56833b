"""Model files through the command line: what `fsp info` says, derived quantities, laws in closed form."""

from __future__ import annotations

import json
import math

import pytest

from fsp.cli import main

CELL = """
model cell
  compartment V = 2.5; species A in V, B in V;
  A = 8; B = 0; kf = 0.3; kr = 0.1;
  A -> B; V*(kf*A - kr*B);
  twice := 2*A; share := 100*A/(A + B + 1); gap := A - B;
end
"""
PAIRS = "model pairs\n A = 7; B = 0; k = 0.5;\n 2 A => B; k*A^2;\nend\n"


@pytest.fixture
def cell(tmp_path):
    path = tmp_path / "cell.ant"
    path.write_text(CELL, encoding="utf-8")
    return str(path)


def run(capsys, *words):
    code = main(list(words))
    printed = capsys.readouterr()
    assert "Traceback" not in printed.err
    return code, printed.out, printed.err


def test_info(cell, capsys):
    code, out, _ = run(capsys, "info", cell)
    assert code == 0
    lines = {" ".join(line.split()) for line in out.splitlines()}
    assert {"compartments V = 2.5", "species A = 20, B = 0"} <= lines
    assert any(line.startswith("derived twice = 2*(A/(5/2))") for line in lines)
    assert any(line.startswith("note the reversible reaction '_J0' was split into") for line in lines)
    code, out, _ = run(capsys, "info", cell, "--json")
    data = json.loads(out)
    assert data["compartments"] == {"V": 2.5}
    assert [quantity["name"] for quantity in data["derived"]] == ["twice", "share", "gap"]
    assert [reaction["propensity"] for reaction in data["reactions"]] == ["kf*A", "kr*B"]
    assert len(data["notes"]) == 1


def test_info_warns_of_squares(tmp_path, capsys):
    path = tmp_path / "pairs.ant"
    path.write_text(PAIRS, encoding="utf-8")
    _, out, _ = run(capsys, "info", str(path))
    assert "A*(A - 1), or half of it" in " ".join(out.split())
    code, _, err = run(capsys, "transient", str(path), "-t", "100")  # seven molecules: one is left over
    assert code == 2
    assert "{'A': 1, 'B': 3}" in err


def test_derived_quantities(cell, capsys):
    """Twenty molecules change between two forms: a binomial law (McQuarrie 1967)."""
    words = ["--json", "--species", "twice", "--species", "A", "--species", "gap"]
    code, out, _ = run(capsys, "transient", cell, "-t", "0:4:2", "--tolerance", "1e-9", *words)
    assert code == 0
    data = json.loads(out)
    assert data["species"] == ["twice", "A", "gap"]
    for time, mean, std, lower, upper in zip(
        data["times"], data["mean"], data["std"], data["mean_lower"], data["mean_upper"], strict=True
    ):
        share = 0.25 + 0.75 * math.exp(-0.4 * time)
        exact = [2 * 20 * share / 2.5, 20 * share, (20 * share - 20 * (1 - share)) / 2.5]
        deviation = math.sqrt(20 * share * (1 - share))
        assert mean == pytest.approx(exact, rel=1e-7, abs=1e-7)
        assert std == pytest.approx([0.8 * deviation, deviation, 0.8 * deviation], rel=1e-6, abs=1e-6)
        assert all(a - 1e-12 <= x <= b + 1e-12 for a, x, b in zip(lower, exact, upper, strict=True))


def test_derived_parameters_are_not_listed_without_being_asked_for(cell, capsys):
    _, out, _ = run(capsys, "transient", cell, "-t", "1", "--json")
    assert json.loads(out)["species"] == ["A", "B"]


def test_unknown_names(cell, capsys):
    code, _, err = run(capsys, "transient", cell, "-t", "1", "--species", "twise")
    assert code == 2
    assert "did you mean 'twice'" in err


def test_pictures_of_derived_quantities(cell, tmp_path, capsys):
    for name in ("gap", "share"):
        path = tmp_path / f"{name}.png"
        assert run(capsys, "transient", cell, "-t", "0:2:1", "--species", name, "--plot", str(path))[0] == 0
        assert path.stat().st_size > 5000
