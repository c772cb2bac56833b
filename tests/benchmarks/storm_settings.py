"""The precision of Storm's transient analysis, which can be set once in a process."""

from __future__ import annotations

import functools

#: For all that runs in a process of tests.
PRECISION = 1e-12


@functools.cache
def _tell(precision: float) -> None:
    from stormpy import developer

    developer.set_from_exploded_string(["--timebounded:precision", f"{precision:g}"])


def set_precision(precision: float | None = None) -> None:
    """Set it; `PRECISION` if no other one is asked for. Storm refuses a second one."""
    _tell(PRECISION if precision is None else precision)
