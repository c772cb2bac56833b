"""A line on the terminal that says how many trajectories are done."""

from __future__ import annotations

import sys
import time as clock
from typing import Any, Self

__all__ = ["SimulationProgress"]


class SimulationProgress:
    """Counts trajectories and reactions.

    Parameters
    ----------
    total : int
        Trajectories to be simulated.
    enabled : bool, optional
        True shows the line at once, False never; None on a terminal, after a second.

    Examples
    --------
    >>> with SimulationProgress(10, enabled=False) as line:
    ...     line.update(5, 1000)
    """

    def __init__(self, total: int, enabled: bool | None = None) -> None:
        self._total = total
        stream = sys.stderr
        terminal = bool(stream is not None and not stream.closed and stream.isatty())
        self._active = terminal if enabled is None else bool(enabled)
        self._start = clock.monotonic()
        self._delay = 1.0 if enabled is None else 0.0
        self._done = self._reactions = 0
        self._bar: Any = None

    def update(self, trajectories: int, reactions: int) -> None:
        """Report that more trajectories are done, and how many reactions they had."""
        self._done += trajectories
        self._reactions += reactions

    def show(self) -> None:
        """Bring the line up to date."""
        elapsed = clock.monotonic() - self._start
        if not self._active or elapsed < self._delay:
            return
        if self._bar is None:
            from tqdm import tqdm

            self._bar = tqdm(
                total=self._total, file=sys.stderr, leave=False, dynamic_ncols=True, unit=" trajectories"
            )
            self._bar.start_t -= elapsed
        self._bar.n = self._done
        self._bar.set_postfix_str(f"{self._reactions / max(elapsed, 1e-9):,.0f} reactions/s", refresh=False)
        self._bar.refresh()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None
