"""Events of SBML files where species are concentrations, parameters are switches, and rules read what events change."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

import fsp


def load(tmp_path: Path, text: str) -> fsp.ReactionNetwork:
    path = tmp_path / "m.ant"
    path.write_text(text)
    return fsp.load_model(path)


def test_concentrations_become_counts(tmp_path):
    """In a compartment of size 20, 0.5 stands for 10 molecules, in triggers and in assignments."""
    network = load(
        tmp_path,
        "compartment c = 20; species S in c; S = 0.1; S => ; c*0.3*S; at time >= 1: S = 2*S + 0.5; at S > 0.8: S = 0;",
    )
    assert network.initial_state.tolist() == [2]
    result = fsp.solve_transient(network, [0.0, 1.0], tolerance=1e-9)
    low = {0: 10, 1: 12, 2: 14}
    p = dict(zip(result[1].states.ravel().tolist(), result[1].probabilities.tolist(), strict=True))
    q = math.exp(-0.3)
    for k, count in low.items():
        assert p[count] == pytest.approx(math.comb(2, k) * q**k * (1 - q) ** (2 - k), abs=1e-9)


def test_a_switch_that_a_reaction_flips_is_counted(tmp_path):
    network = load(tmp_path, "species S; S = 0; on = 1; => S; 5*on; at S >= 4: on = 0;")
    assert "on" in network.species_names
    assert any("'on' is counted like a species" in remark for remark in network.remarks)
    law = fsp.solve_transient(network, [50.0], tolerance=1e-9).final
    assert law.probability("S == 4 and on == 0").lower > 1 - 1e-8


def test_a_rate_that_time_changes_stays_a_parameter(tmp_path):
    network = load(tmp_path, "species S; S = 0; k = 1.5; => S; k; at time >= 2: k = 0.25;")
    assert network.species_names == ("S",)
    assert fsp.solve_transient(network, [4.0], tolerance=1e-9).final.mean("S") == pytest.approx(3.5, abs=1e-7)


def test_rules_see_the_parameters_of_the_moment(tmp_path):
    network = load(tmp_path, "species S; S = 4; k = 1.5; S => ; 0*S; y := k*S; at time >= 2: k = 0.25;")
    result = fsp.solve_transient(network, [1.0, 2.0, 3.0], tolerance=1e-9)
    assert [d.mean("y") for d in result] == pytest.approx([6.0, 1.0, 1.0])
    for d, y in zip(result, [6.0, 1.0, 1.0], strict=True):
        bounds = d.mean_bounds("y")
        assert bounds.lower <= y * (1 + 1e-12)
        assert y <= bounds.upper * (1 + 1e-12)


def test_a_rate_that_a_reaction_changes_is_refused(tmp_path):
    with pytest.raises(fsp.UnsupportedError, match="changes the parameter 'k'"):
        load(tmp_path, "species S; S = 0; k = 1.5; => S; k; at S >= 4: k = 0.5;")
