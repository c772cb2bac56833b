"""Ctrl-C at a moment when it is seen.

Python raises `KeyboardInterrupt` between any two of its instructions, and where that is inside a callback of a library
(numba's, or one that frees memory) it is lost, or comes out as another error. During a run the signal is therefore only
noted, and raised at the next report of progress.
"""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any, Self

__all__ = ["DelayedInterrupt"]


class DelayedInterrupt:
    """Context in which the first Ctrl-C waits for `check`; the second one is raised at once.

    Where another handler than Python's own is in place, or in another thread than the main one, nothing is changed.
    """

    def __init__(self) -> None:
        self._noted = False
        self._before: Any = None

    def __enter__(self) -> Self:
        self._noted = False
        main = threading.current_thread() is threading.main_thread()
        if main and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            self._before = signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)
            self._before = None

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self._noted:
            signal.default_int_handler(number, frame)
        self._noted = True

    def check(self) -> None:
        """Raise `KeyboardInterrupt` if there was a Ctrl-C since the context was entered."""
        if self._noted:
            self._noted = False
            raise KeyboardInterrupt
