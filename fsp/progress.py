"""A line on the terminal that says how far a run has come."""

from __future__ import annotations

import sys
import time as clock
from typing import Any, Self, TextIO

__all__ = ["Progress"]


class Progress:
    """Shows the time reached, the number of states, the lost mass and the products per second.

    Parameters
    ----------
    end : float
        The time at which the run ends, in the model's unit.
    enabled : bool, optional
        True shows the line at once, False never. None shows it when ``stream`` is a terminal and the run has
        taken ``delay`` seconds.
    stream : TextIO, optional
        Where to write, by default the standard error stream.
    delay : float
        Seconds before the line appears when ``enabled`` is None.

    Examples
    --------
    >>> with Progress(10.0, enabled=False) as progress:
    ...     progress.update(time=5.0, states=1000, lost=1e-9, products=20)
    """

    #: Seconds between two changes of the line.
    INTERVAL = 0.2

    def __init__(
        self, end: float, enabled: bool | None = None, *, stream: TextIO | None = None, delay: float = 1.0
    ) -> None:
        self._end = float(end)
        self._stream = sys.stderr if stream is None else stream
        wanted = _is_terminal(self._stream) if enabled is None else enabled
        self._active = bool(wanted)
        self._start = clock.monotonic()
        self._next = self._start + (delay if enabled is None else 0.0)
        self._last = (self._start, 0)  # when the line last changed, and the products done then
        self._bar: Any = None

    def update(self, *, time: float, states: int, lost: float, products: int) -> None:
        """Report the time reached, the states held now, the mass lost and the products done so far.

        Cheap enough to be called after every step: it returns at once unless the line is due.
        """
        if not self._active:
            return
        now = clock.monotonic()
        if now < self._next:
            return
        self._next = now + self.INTERVAL
        if self._bar is None:
            self._bar = self._open()
            self._bar.start_t -= now - self._start  # the time that is shown is that of the run
        then, before = self._last
        self._last = (now, products)
        # The present speed, which changes with the set; products count from 0 again when a run begins anew.
        rate = max(products - before, 0) / max(now - then, 1e-9)
        self._bar.n = min(max(float(time), 0.0), self._end)
        self._bar.set_postfix_str(
            f"{states:,} states, lost {lost:.1e}, {products:,} products, {_speed(rate)}/s", refresh=False
        )
        self._bar.refresh()

    def _open(self) -> Any:
        from tqdm import tqdm

        # The bar counts time, so its own rate would mean nothing: products per second stand in the note.
        return tqdm(
            total=self._end,
            file=self._stream,
            leave=False,
            dynamic_ncols=True,
            bar_format="t = {n:.4g} of {total:.4g} |{bar:12}| {elapsed}{postfix}",
        )

    def close(self) -> None:
        """Take the line away; further reports are ignored."""
        self._active = False
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _speed(rate: float) -> str:
    return f"{rate:,.0f}" if rate >= 10.0 else f"{rate:.2g}"


def _is_terminal(stream: TextIO) -> bool:
    try:
        return stream.isatty()
    except (AttributeError, ValueError):  # no stream at all, or a closed one
        return False
