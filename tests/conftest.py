"""Settings of all tests: floating-point errors raise, hypothesis is deterministic."""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

# Helper modules for tests, such as closed_forms.
sys.path.insert(0, str(Path(__file__).parent))

settings.register_profile("fixed", derandomize=True, deadline=None)
settings.load_profile("fixed")


@pytest.fixture(autouse=True)
def _floating_point_errors_raise() -> Iterator[None]:
    """Turn invalid operations, divisions by zero and overflow into exceptions."""
    with np.errstate(invalid="raise", divide="raise", over="raise"):
        yield
