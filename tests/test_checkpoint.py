"""Checkpoints: a run that is stopped anywhere goes on to the same bits."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from checkpoint_runs import RUNS, birth_death, same, step_by_step

import fsp
from fsp.transient import saved
from fsp.transient.loop import AdaptiveLoop
from fsp.transient.planning import Planner


@pytest.mark.parametrize("kind", RUNS)
def test_restart_at_every_step(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every boundary between two steps is a point of restart, one after the other in one run."""
    network, options = RUNS[kind]()
    path = tmp_path / "run.ckpt"
    reference = fsp.solve_transient(network, **options)
    result, sessions = step_by_step(
        lambda: fsp.solve_transient(network, **options, checkpoint=path, checkpoint_every=0), monkeypatch
    )
    assert same(result, reference)
    for name in network.observables:
        assert [law.mean(name) for law in result] == [law.mean(name) for law in reference]
        assert [law.std_bounds(name) for law in result] == [law.std_bounds(name) for law in reference]
    assert sessions >= min(3, int(reference.statistics["steps"]))
    assert os.listdir(tmp_path) == ["run.ckpt"]


def test_the_runs_are_of_every_kind() -> None:
    """The control of the test above: its runs do go through what could go wrong."""
    seen = {kind: fsp.solve_transient(network, **options) for kind, (network, options) in
            ((k, make()) for k, make in RUNS.items())}  # fmt: skip
    assert seen["growing"].statistics["signed_steps"] > 0
    assert seen["growing"].statistics["growths"] > 0
    assert seen["uniformisation"].statistics["growths"] > 0
    assert "double-double" in seen["fallen back"].explanation
    assert "because rounding" in seen["fallen back"].explanation
    assert seen["settled"].ledger.entries["steady_state"] > 0.0
    assert "assembled" in seen["short fibres"].explanation
    assert "listed" in seen["growing"].explanation
    assert "double-double" in seen["events, fallen back"].explanation
    assert seen["rates of time"].method == "inhomogeneous"
    assert seen["events"][4].mean("X") > seen["events"][1].mean("X")
    axes = {law.space.coordinates.axes for law in seen["turning"]}
    assert len(axes) > 1, "no change of axes"
    assert seen["law with error"].ledger.entries["initial"] > 0.0


def spoil_planner(state: dict[str, Any]) -> None:
    state["planner"]["jumps"] = 32.0


def spoil_ledger(state: dict[str, Any]) -> None:
    state["ledger"]["entries"]["rounding"] += 1e-17


def spoil_headroom(state: dict[str, Any]) -> None:
    state["own"]["_headroom"] = 1.3


def spoil_vector(state: dict[str, Any]) -> None:
    state["p"] = state["p"] * (1.0 - 2.0**-53)


@pytest.mark.parametrize("spoil", [spoil_planner, spoil_ledger, spoil_headroom, spoil_vector])
def test_what_is_kept_matters(
    spoil: Callable[[dict[str, Any]], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: a state that is a little wrong gives another result."""
    network, options = RUNS["uniformisation"]()
    reference = fsp.solve_transient(network, **options)
    restore = saved.restore_loop

    def restore_wrongly(loop: AdaptiveLoop, state: dict[str, Any]) -> None:
        spoil(state)
        restore(loop, state)

    monkeypatch.setattr("fsp.transient.loop.restore_loop", restore_wrongly)
    result, _ = step_by_step(
        lambda: fsp.solve_transient(network, **options, checkpoint=tmp_path / "c", checkpoint_every=0),
        monkeypatch,
    )
    assert not same(result, reference)


@pytest.mark.parametrize("kind", RUNS)
def test_every_attribute_is_accounted_for(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control of the refusal below: nothing is overlooked, and the planner has its fields only."""
    loops: list[AdaptiveLoop] = []
    begin = AdaptiveLoop._begin
    monkeypatch.setattr(AdaptiveLoop, "_begin", lambda self, *a: (loops.append(self), begin(self, *a))[1])
    network, options = RUNS[kind]()
    fsp.solve_transient(network, **options, checkpoint=tmp_path / "run.ckpt")
    for loop in loops:
        assert vars(loop._planner).keys() - {"loop"} == Planner.__dataclass_fields__.keys()
        assert vars(loop.tables).keys() >= {"low", "high", "cancellation"}


def test_unknown_attributes_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new attribute of the loop has to be kept (`AdaptiveLoop.OWN`), or be named in `saved.py`."""
    prepare = AdaptiveLoop._prepare

    def prepare_more(self: AdaptiveLoop) -> None:
        prepare(self)
        self._mood = "new"  # type: ignore[attr-defined]

    monkeypatch.setattr(AdaptiveLoop, "_prepare", prepare_more)
    network, options = RUNS["growing"]()
    assert fsp.solve_transient(network, **options).status == "finished"
    with pytest.raises(fsp.UnsupportedError, match="_mood"):
        fsp.solve_transient(network, **options, checkpoint=tmp_path / "run.ckpt")


def test_steppers_keep_nothing_between_steps() -> None:
    """Steppers are not saved: two steps with one stepper are those of two steppers."""
    from fsp.transient.protocol import STEPPERS

    for info in STEPPERS.values():
        if info.name not in ("uniformisation", "chebyshev"):
            continue
        once, twice = (run_two_steps(info.load(), again) for again in (False, True))
        assert once.tobytes() == twice.tobytes(), info.name


def run_two_steps(make: Any, again: bool) -> Any:
    from fsp.generator.select import make_generator
    from fsp.generator.tables import FactorTables
    from fsp.statespace.coordinates import Coordinates
    from fsp.statespace.fibres import FibreSet

    network = birth_death()
    coordinates = Coordinates.of(network)
    space = FibreSet.from_states(coordinates, np.arange(120)[:, None])
    generator = make_generator(FactorTables(network, coordinates), space, threads=1)
    p = np.zeros(120)
    p[3] = 1.0
    stepper = make()
    for duration in (0.3, 0.7):
        stepper.headroom = 1.1
        stepper.begin(generator, p.copy(), np.longdouble(duration), 1e-9)
        stepper.advance(1.0)
        p = stepper.finish()
        stepper = stepper if again else make()
    return p
