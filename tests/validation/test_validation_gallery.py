"""The simulator of this package, through its own oracle: every model of the gallery, by every exact method.

A right simulator fails any of these tests with a probability of at most `SUITE_ALPHA`: each run has an equal part of it
(union bound), and within a run p-values are proven for any number of samples and joined by Holm's method.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fsp
from fsp.model import gallery
from fsp.ssa import tables
from fsp.ssa.methods import METHODS

SUITE_ALPHA = 1e-6
N = 10_000
#: Output times. Some are shorter than would be interesting, so that the exact law is cheap.
TIMES = {
    "birth_death": [1.0, 10.0],
    "immigration_death": [2.0, 20.0],
    "telegraph": [0.5, 5.0],
    "gene_expression": [1.0, 5.0],
    "dimerisation": [0.5, 50.0],
    "isomerisation": [0.1, 2.0],
    "michaelis_menten": [1.0, 20.0],
    "toggle_switch": [0.3, 3.0],
    "schloegl": [0.05, 0.2],
    "lotka_volterra": [0.2, 1.0],
    "repressilator": [0.1, 0.5],
    "goutsias": [2.0, 20.0],
    "sir": [1.0, 10.0],
    "enzymatic_futile_cycle": [0.2, 2.0],
}
_RUNS = len(gallery.names()) * len(METHODS)
_EXACT: dict[str, fsp.TransientResult] = {}


def exact(name: str) -> fsp.TransientResult:
    """Return the law of a model, solved once for all methods."""
    if name not in _EXACT:
        _EXACT[name] = fsp.solve_transient(gallery.build(name), TIMES[name], tolerance=1e-12)
    return _EXACT[name]


def report(name: str, method: str) -> fsp.ValidationReport:
    ensemble = fsp.simulate(gallery.build(name), TIMES[name], N, seed=2026, method=method)
    return fsp.validate(ensemble, exact(name), alpha=SUITE_ALPHA / _RUNS, diagnose=False)


def test_every_model_has_times() -> None:
    assert set(TIMES) == set(gallery.names())


@pytest.mark.parametrize("method", list(METHODS))
@pytest.mark.parametrize("name", gallery.names())
def test_simulated_gallery(name: str, method: str) -> None:
    found = report(name, method)
    assert found.verdict == "consistent", str(found)
    assert found.certified
    assert found.false_alarm_rate <= SUITE_ALPHA / _RUNS


@pytest.mark.parametrize("method", list(METHODS))
def test_control_a_stale_propensity_is_found(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first reaction of the toggle switch is not told when the species that represses it changes."""
    real = tables.dependents

    def stale(changes: np.ndarray, reads: list[list[int]]) -> list[list[int]]:
        found = real(changes, reads)
        found[2] = [r for r in found[2] if r != 0]
        return found

    monkeypatch.setattr(tables, "dependents", stale)
    assert report("toggle_switch", method).verdict == "inconsistent"


@pytest.mark.parametrize("method", list(METHODS))
def test_control_pairs_of_one_molecule_with_itself_are_found(
    method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The number of pairs is taken as X^2/2 in place of X (X - 1)/2."""
    real = tables._linear_parts

    def squares(*arguments: Any) -> tuple[float, list[int]] | None:
        found = real(*arguments)
        return None if found is None else (found[0], [0] * len(found[1]))

    monkeypatch.setattr(tables, "_linear_parts", squares)
    assert report("dimerisation", method).verdict == "inconsistent"
