"""Memory for recorded reactions, shared by all threads of a simulation."""

from __future__ import annotations

import threading

from fsp.errors import SolverError

__all__ = ["Budget"]


class Budget:
    """So many bytes may be taken.

    Parameters
    ----------
    total : int

    Examples
    --------
    >>> budget = Budget(100)
    >>> budget.take(60)
    >>> budget.take(60)
    Traceback (most recent call last):
    fsp.errors.SolverError: the recorded reactions need more than ...
    """

    def __init__(self, total: int) -> None:
        self.total = total
        self._taken = 0
        self._lock = threading.Lock()

    def take(self, size: int) -> None:
        """Take some bytes.

        Raises
        ------
        SolverError
            If there are not so many left.
        """
        with self._lock:
            self._taken += size
            if self._taken > self.total:
                message = (
                    f"the recorded reactions need more than {self.total / 1e9:.2g} GB of memory: simulate fewer "
                    "trajectories, to earlier times, or without record='events'"
                )
                raise SolverError(message)
