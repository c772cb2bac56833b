"""The errors of the package: each says what is wrong, where, what was expected and what to do."""

from __future__ import annotations

from typing import Any

__all__ = [
    "ArgumentError",
    "CheckpointError",
    "ExplosionError",
    "ExpressionError",
    "FSPError",
    "ModelError",
    "NoStationaryLawError",
    "PropensityError",
    "SampleError",
    "SimulatorError",
    "SolverError",
    "StateSpaceLimitError",
    "StorageError",
    "ToleranceError",
    "UnsupportedError",
]


class FSPError(Exception):
    """Base class of every error that the package raises on purpose."""


class ArgumentError(FSPError, ValueError):
    """An argument of a function or an option of a command is out of its range."""


class CheckpointError(ArgumentError):
    """A checkpoint is damaged, is another kind of file, or belongs to another call."""


class ModelError(FSPError, ValueError):
    """A network is not well formed."""


class ExpressionError(ModelError):
    """A mathematical expression cannot be read, or uses a name or a function that is not known."""


class UnsupportedError(ModelError):
    """A model file holds something that the package does not support."""


class PropensityError(ModelError):
    """A propensity is negative or not finite at a state, or would make a count negative."""


class NoStationaryLawError(FSPError):
    """The network has no stationary law; the message says why."""


class SampleError(ArgumentError):
    """Samples that are to be validated cannot be read, or are no molecule counts."""


class SimulatorError(FSPError, RuntimeError):
    """A simulator that was to be validated failed, did not end, or wrote nothing that can be read."""


class StorageError(FSPError, OSError):
    """A file could not be written or read: the disk is full, a permission is missing, ...

    Parameters
    ----------
    message : str
        What happened to which file.
    number : int, optional
        The system's error number, as in ``errno``.
    """

    def __init__(self, message: str, number: int | None = None) -> None:
        super().__init__(message)
        self.errno = number


class SolverError(FSPError, RuntimeError):
    """A solver stopped early; ``result`` is what it had finished, or ``None``.

    Parameters
    ----------
    message : str
        What happened, and what to do.
    result : object, optional
        The best result up to the stop, with its own (larger) error bound.
    """

    def __init__(self, message: str, result: Any = None) -> None:
        super().__init__(message)
        self.result = result


class StateSpaceLimitError(SolverError):
    """The state set would outgrow ``max_states`` or ``memory_limit``."""


class ToleranceError(SolverError):
    """The requested tolerance cannot be reached."""


class ExplosionError(SolverError):
    """The network seems to reach infinitely many molecules in finite time."""
