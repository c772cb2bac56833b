"""The arguments of `solve_transient`, checked before any work begins."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fsp.errors import ArgumentError, UnsupportedError
from fsp.generator.extended import extended_available
from fsp.summary import check_kind
from fsp.timed.modulated import refuse_state_events
from fsp.transient.protocol import find_stepper

if TYPE_CHECKING:
    from fsp.model.network import ReactionNetwork

__all__ = ["TIMED", "TransientOptions", "check_count", "check_number", "read_times"]

#: The method for rates that depend on time.
TIMED = "inhomogeneous"


@dataclass(frozen=True, eq=False)
class TransientOptions:
    """How a network is to be solved; see `fsp.solve_transient` for each option.

    Attributes
    ----------
    method, stepper : str
        What the user asked for, and the name of the stepper that this stands for.
    """

    times: NDArray[np.float64]
    tolerance: float
    method: str
    stepper: str
    max_states: int | None
    memory_limit: int | None
    precision: str
    threads: int | None
    progress: bool | None
    save: str
    checkpoint: str | os.PathLike[str] | None
    checkpoint_every: float

    @classmethod
    def checked(
        cls, network: ReactionNetwork, times: ArrayLike, *, tolerance: float, method: str, max_states: int | None,
        memory_limit: int | None, precision: str, threads: int | None, progress: bool | None, save: str,
        checkpoint: str | os.PathLike[str] | None, checkpoint_every: float,
    ) -> TransientOptions:  # fmt: skip
        """Return the options of a call, if they make sense for the network.

        Raises
        ------
        ArgumentError, UnsupportedError
            With the argument, what was expected, and what to do.
        """
        if not hasattr(network, "depends_on_time"):
            kind = type(network).__name__
            message = f"the network must be a ReactionNetwork, not {kind}; fsp.load_model(path) reads a file"
            raise ArgumentError(message)
        when = read_times(times)
        check_number("tolerance", tolerance, 0.0, 1.0)
        check_count("max_states", max_states)
        if memory_limit is not None:
            check_number("memory_limit", memory_limit, 0.0, float("inf"))
        check_count("threads", threads)
        check_kind(save)
        if checkpoint_every != 0.0:
            check_number("checkpoint_every", checkpoint_every, 0.0, float("inf"))
        stepper = _choose_stepper(network, method)
        if precision not in ("auto", "double", "extended"):
            message = f"precision must be 'auto', 'double' or 'extended', not {precision!r}"
            raise ArgumentError(message)
        if stepper == TIMED:
            _check_timed(network, precision)
        return cls(
            when, float(tolerance), method, stepper, max_states, memory_limit, precision, threads, progress, save,
            checkpoint, checkpoint_every,
        )  # fmt: skip

    @property
    def timed(self) -> bool:
        """Whether the method is the one for rates that depend on time."""
        return self.stepper == TIMED

    @property
    def may_extend(self) -> bool:
        """Whether the run may turn to extended precision where double precision is not enough."""
        return self.precision == "auto" and extended_available() and not self.timed


def _check_timed(network: ReactionNetwork, precision: str) -> None:
    """Refuse what the method for rates that depend on time cannot do."""
    if precision == "extended":
        message = (
            "rates that depend on time are solved in double precision only; leave out precision='extended'"
        )
        raise UnsupportedError(message)
    if network.events:
        refuse_state_events(network)


def read_times(times: ArrayLike) -> NDArray[np.float64]:
    """Return output times as an array, if they are finite, >= 0 and ascending."""
    try:
        when = np.atleast_1d(np.asarray(times, dtype=np.float64))
    except (TypeError, ValueError) as error:
        message = f"times must be numbers, not {times!r}"
        raise ArgumentError(message) from error
    if when.ndim != 1 or when.size == 0:
        message = f"times must be a list of at least one number, not an array of shape {when.shape}"
        raise ArgumentError(message)
    if not np.isfinite(when).all() or when[0] < 0.0:
        message = f"times must be finite and >= 0; got {when[~(np.isfinite(when) & (when >= 0))][0]}"
        raise ArgumentError(message)
    steps = np.diff(when)
    if (steps <= 0.0).any():
        i = int(np.argmax(steps <= 0.0))
        message = f"times must be ascending without repeats; {when[i]} is followed by {when[i + 1]}"
        raise ArgumentError(message)
    return when


def check_number(name: str, value: Any, low: float, high: float) -> None:
    """Refuse what is no number between two others."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not low < value < high:
        message = f"{name} must be a number between {low:g} and {high:g}, not {value!r}"
        raise ArgumentError(message)


def check_count(name: str, value: Any) -> None:
    """Refuse what is neither ``None`` nor a whole number >= 1."""
    number = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    if value is not None and not (number and float(value).is_integer() and value >= 1):
        message = f"{name} must be a whole number >= 1, not {value!r}"
        raise ArgumentError(message)


def _choose_stepper(network: ReactionNetwork, method: str) -> str:
    """Return the name of the stepper; networks whose rates depend on time need their own."""
    timed = [r.name for r in network.reactions if r.propensity.depends_on_time]
    if method == "auto":
        return TIMED if timed else "chebyshev"
    name = find_stepper(method).name
    if timed and name != TIMED:
        rates = f"the propensity of {', '.join(timed)} depends on time"
        message = f"{rates}, which method {name!r} cannot do; use 'auto' or {TIMED!r}"
        raise ArgumentError(message)
    return name
