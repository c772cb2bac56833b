"""Every example runs to its end; the examples assert their own numbers."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
NAMES = sorted(path.stem for path in EXAMPLES.glob("*.py"))


def load(path: Path) -> ModuleType:
    """Import an example without running its ``main``."""
    spec = importlib.util.spec_from_file_location(f"example_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_there_are_examples() -> None:
    assert {"toggle_switch", "telegraph", "sbml_file", "custom_network", "stationary"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_example_runs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    load(EXAMPLES / f"{name}.py").main()
    assert not list(tmp_path.iterdir())


def test_toggle_switch_draws_its_picture(tmp_path: Path) -> None:
    picture = tmp_path / "toggle.png"
    load(EXAMPLES / "toggle_switch.py").main(str(picture))
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_control_a_wrong_number_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """With another closed form the telegraph example must fail."""
    module = load(EXAMPLES / "telegraph.py")
    right = module.stationary_law
    monkeypatch.setattr(module, "stationary_law", lambda a, b, k, most: right(a, b, 1.001 * k, most))
    with pytest.raises(AssertionError):
        module.main()
