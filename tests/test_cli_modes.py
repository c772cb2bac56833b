"""The command ``fsp modes``."""

from __future__ import annotations

from pathlib import Path

import pytest
from strict_json import strict_json

from fsp.cli import main

RARE = ["modes", "gallery:schloegl", "--bounds", "X=700", "-k", "2"]


def test_the_table_names_rates_and_metastable_sets(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(RARE) == 0
    out = capsys.readouterr().out
    assert "2 modes on 701 states, detailed balance; errors proven on this set only" in out
    assert "0.16212572" in out
    assert "probability 0.76" in out
    assert "around X = 95; to 2 at 0.0386203" in out


def test_json_holds_what_python_gives(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["modes", "gallery:isomerisation", "-k", "3", "--json"]) == 0
    data = strict_json(capsys.readouterr().out)
    assert data["certified"] is True
    assert data["complete"] is True
    assert [round(rate, 9) for rate in data["rates"]] == [2.0, 4.0, 6.0]
    assert data["frequencies"] == [0.0, 0.0, 0.0]
    assert data["metastable_sets"] is None
    assert all(bound <= 1e-8 for bound in data["error_bounds"])
    assert main([*RARE, "--json"]) == 0
    data = strict_json(capsys.readouterr().out)
    assert data["certified"] is False
    assert data["certified_on_set"] is True
    assert sorted(data["metastable_sets"]["peaks"]) == [[95], [392]]


def test_a_picture_is_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = tmp_path / "modes.png"
    assert main([*RARE, "--plot", str(picture)]) == 0
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["modes", "gallery:schloegl", "--tolerance", "2"], "tolerance"),
        (["modes", "gallery:isomerisation", "--sets", "9"], "between 2 and 5 sets"),
        (["modes", "gallery:isomerisation", "-k", "0"], "-k"),
        (["modes", "gallery:isomerisation", "--plot", "no/such/place.png"], "no/such"),
        (["modes", "gallery:isomerisation", "--method", "magic"], "unknown method"),
    ],
)
def test_wrong_use_is_code_2(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    assert message in capsys.readouterr().err
