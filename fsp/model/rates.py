"""Values of all propensities of a network at given states, checked."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fsp.errors import ArgumentError, PropensityError

if TYPE_CHECKING:
    from fsp.model.network import ReactionNetwork

__all__ = ["evaluate_propensities"]


def evaluate_propensities(
    network: ReactionNetwork, states: ArrayLike, time: float | None
) -> NDArray[np.float64]:
    """Return all propensities at the given states; see `ReactionNetwork.evaluate_propensities`."""
    counts = _read_states(network, states)
    table = dict(zip(network.species_names, counts.T, strict=True))
    result = np.empty((len(counts), network.n_reactions))
    for r, propensity in enumerate(network.propensities):
        needed = {name: table[name] for name in propensity.species} or {
            network.species_names[0]: counts[:, 0]
        }
        result[:, r] = propensity.evaluate(needed, time=time)
        _check_values(network, r, counts, result[:, r])
    return result


def _read_states(network: ReactionNetwork, states: ArrayLike) -> NDArray[np.int64]:
    counts = np.asarray(states)
    if counts.ndim == 1:
        counts = counts[np.newaxis]
    if counts.ndim != 2 or counts.shape[1] != network.n_species or counts.dtype.kind not in "iu":
        wanted = f"integers of shape (n_states, {network.n_species})"
        message = f"states must be {wanted}, not {counts.dtype} of shape {counts.shape}"
        raise ArgumentError(message)
    counts = counts.astype(np.int64)
    if counts.size and counts.min() < 0:
        state = _describe(network, counts[np.argmin(counts.min(axis=1))])
        message = f"states must not be negative: {state}"
        raise ArgumentError(message)
    return counts


def _check_values(
    network: ReactionNetwork, r: int, counts: NDArray[np.int64], values: NDArray[np.float64]
) -> None:
    """Refuse values that are no rates, and rates where firing would make a count negative."""
    bad = ~np.isfinite(values) | (values < 0)
    reaction = network.reactions[r]
    if bad.any():
        i = int(np.argmax(bad))
        kind = "negative" if values[i] < 0 and math.isfinite(values[i]) else "not finite"
        message = (
            f"the propensity of reaction '{reaction}' is {kind} at the state "
            f"{_describe(network, counts[i])}: {values[i]}"
        )
        raise PropensityError(message)
    target = counts + network.stoichiometry[r]
    bad = (values > 0) & (target < 0).any(axis=1)
    if bad.any():
        i = int(np.argmax(bad))
        culprit = network.species_names[int(np.argmin(target[i]))]
        message = (
            f"the propensity of reaction '{reaction}' is {values[i]:g} at the state "
            f"{_describe(network, counts[i])}, where firing would make '{culprit}' negative: it must be "
            "zero there"
        )
        raise PropensityError(message)


def _describe(network: ReactionNetwork, state: NDArray[np.int64]) -> dict[str, int]:
    return dict(zip(network.species_names, state.tolist(), strict=True))
