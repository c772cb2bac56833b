"""Files that are not part of the project: tests that need them are skipped without them, but not in CI."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

__all__ = ["need_folder"]


def need_folder(folder: Path, what: str) -> None:
    """Skip the test if a folder is missing; in CI it fails."""
    if not folder.is_dir():
        if os.environ.get("CI", "").lower() == "true":
            pytest.fail(f"{what} missing: {folder}")
        pytest.skip(f"{what} not here: {folder}")
