"""Initial laws: a state, a distribution, or independent laws of the species."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fsp.distribution import Distribution
from fsp.errors import ArgumentError
from fsp.statespace.constraints import Constraints
from fsp.statespace.coordinates import Coordinates
from fsp.statespace.fibres import FibreSet

if TYPE_CHECKING:
    from fsp.model.network import ReactionNetwork

__all__ = ["InitialLaw", "choose_coordinates", "first_set", "read_initial"]

#: A law that the user gives may miss or exceed one by this much; it is then taken as it is.
_SLACK = 1e-9

#: States that a product of species laws may have.
_MOST_STATES = 20_000_000


@dataclass(frozen=True)
class InitialLaw:
    """Probabilities of finitely many states.

    Attributes
    ----------
    states : ndarray of int64, shape (n_states, n_species)
    probabilities : ndarray of float64, shape (n_states,)
    missing : float
        Bound on the 1-norm distance to the law that is meant: the error bound of an earlier result.
    certified : bool
        Whether ``missing`` is proven.
    lower_bound : bool
        Whether the probabilities are known to be lower bounds.
    """

    states: NDArray[np.int64]
    probabilities: NDArray[np.float64]
    missing: float = 0.0
    certified: bool = True
    lower_bound: bool = True


def read_initial(network: ReactionNetwork, initial: Any = None) -> InitialLaw:
    """Return the initial law that the argument ``initial`` of the solvers describes.

    Parameters
    ----------
    network : ReactionNetwork
    initial : optional
        ``None`` (the initial counts of the network); counts, ``{"U": 3}`` (others as in the network) or ``[3, 0]``;
        a law ``{(3, 0): 0.5, (4, 0): 0.5}``; laws of single species, independent of one another,
        ``{"U": {3: 0.5, 4: 0.5}, "V": [0.1, 0.9]}``; a `Distribution`, or a result, whose last distribution counts. It
        brings no parameters along: a warning is given if those that events had changed are back at their old values.

    Raises
    ------
    ArgumentError
        For unknown species, counts that are not integers >= 0, or probabilities that do not add up to one.
    """
    if initial is None:
        return InitialLaw(network.initial_state[None, :].copy(), np.ones(1))
    if not isinstance(initial, Distribution | Mapping) and hasattr(initial, "final"):
        _warn_of_old_values(network, initial)
        initial = initial.final
    if isinstance(initial, Distribution):
        return _from_distribution(network, initial)
    if isinstance(initial, Mapping):
        if initial and all(isinstance(key, tuple) for key in initial):
            states = [_state(network, key) for key in initial]
            weights = [_probability(state, q) for state, q in zip(states, initial.values(), strict=True)]
            return _checked(np.array(states, np.int64), np.array(weights))
        return _from_species(network, initial)
    if isinstance(initial, Sequence | np.ndarray):
        return InitialLaw(np.array([_state(network, initial)], np.int64), np.ones(1))
    message = (
        f"initial: cannot read {type(initial).__name__}; give counts by species, a dictionary of states and "
        "probabilities, a Distribution, or a result"
    )
    raise ArgumentError(message)


def _warn_of_old_values(network: ReactionNetwork, result: Any) -> None:
    """Warn if events of the earlier run have changed parameters that have their old values again in the new one."""
    earlier = result.network
    if earlier is None or not earlier.events or not earlier.event_rules.changed:
        return
    from fsp.model.event_parameters import parameters_at

    (end,) = parameters_at(earlier, [float(result.times[-1])])
    forgotten = {
        name: value
        for name, value in end.items()
        if value != earlier.parameters[name] and network.parameters.get(name) == earlier.parameters[name]
    }
    if forgotten:
        values = ", ".join(f"{name}={value!r}" for name, value in forgotten.items())
        message = (
            "fsp: initial= takes the law of an earlier result, not the parameters that its events have changed: the new run "
            f"starts at time 0 without them; to keep them, solve network.with_parameters({values})"
        )
        warnings.warn(message, stacklevel=4)


def choose_coordinates(network: ReactionNetwork, law: InitialLaw) -> tuple[ReactionNetwork, Coordinates]:
    """Return coordinates in which all initial states can be expressed, and the network with their totals."""
    laws = network.conservation_laws()
    totals = law.states @ laws.coefficients.T
    if len(laws) and (totals != totals[0]).any():
        return network, Coordinates.of(network, eliminate=False)
    if len(laws) and (totals[0] != laws.totals).any():
        network = network.with_initial(
            **dict(zip(network.species_names, law.states[0].tolist(), strict=True))
        )
        # Whether events keep a law may depend on its total, so that there may be others now.
        totals = law.states @ network.conservation_laws().coefficients.T
        if (totals != totals[0]).any():
            return network, Coordinates.of(network, eliminate=False)
    return network, Coordinates.of(network)


def first_set(
    coordinates: Coordinates, law: InitialLaw, constraints: Constraints
) -> tuple[FibreSet, NDArray[np.float64]]:
    """Return the states of a law as a set, and its probabilities.

    Raises
    ------
    ArgumentError
        If a state violates the user's constraints.
    """
    bad = ~constraints.allowed(law.states)
    if bad.any():
        state = law.states[bad][0]
        text = dict(zip(coordinates.species_names, state.tolist(), strict=True))
        message = f"bounds: the initial state {text} violates {constraints.crossed(state)}"
        raise ArgumentError(message)
    space = FibreSet.from_states(coordinates, law.states)
    p = np.zeros(space.n_states)
    np.add.at(p, space.index(law.states), law.probabilities)
    return space, p


def _from_distribution(network: ReactionNetwork, law: Distribution) -> InitialLaw:
    if set(law.species_names) != set(network.species_names):
        message = (
            f"initial: the distribution is over {', '.join(law.species_names)}, the network has "
            f"{', '.join(network.species_names)}"
        )
        raise ArgumentError(message)
    order = [law.species_names.index(name) for name in network.species_names]
    keep = law.probabilities > 0.0
    return InitialLaw(
        law.states[keep][:, order],
        np.array(law.probabilities[keep]),
        law.error_bound,
        law.certified,
        law.lower_bound,
    )


def _from_species(network: ReactionNetwork, laws: Mapping[Any, Any]) -> InitialLaw:
    for name in laws:
        if name not in network.species_names:
            near = get_close_matches(str(name), network.species_names, 3)
            hint = f"; did you mean {' or '.join(near)}?" if near else ""
            message = (
                f"initial: there is no species {name!r} (known: {', '.join(network.species_names)}){hint}"
            )
            raise ArgumentError(message)
    supports: list[list[tuple[int, float]]] = []
    for name, default in zip(network.species_names, network.initial_state.tolist(), strict=True):
        law = laws.get(name, default)
        if isinstance(law, Mapping):
            pairs = [(_count(name, n), _probability(name, q)) for n, q in law.items()]
        elif isinstance(law, Sequence | np.ndarray) and not isinstance(law, str):
            pairs = [(n, _probability(name, q)) for n, q in enumerate(law)]
        else:
            pairs = [(_count(name, law), 1.0)]
        _check_total(f"the probabilities of {name}", [q for _, q in pairs])
        supports.append([pair for pair in pairs if pair[1] != 0.0])
    size = math.prod(len(s) for s in supports)
    if size > _MOST_STATES:
        message = f"initial: the product of the species laws has {size:,} states, more than {_MOST_STATES:,}"
        raise ArgumentError(message)
    states = np.array(list(product(*([n for n, _ in s] for s in supports))), np.int64)
    weights = np.ones(1)
    for support in supports:
        weights = np.multiply.outer(weights, [q for _, q in support]).ravel()
    return _checked(states.reshape(-1, network.n_species), weights)


def _count(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        message = f"initial: the count of {name} must be an integer >= 0, not {value!r}"
        raise ArgumentError(message)
    if not (math.isfinite(value) and float(value).is_integer() and value >= 0):
        message = f"initial: the count of {name} must be an integer >= 0, not {value!r}"
        raise ArgumentError(message)
    return int(value)


def _state(network: ReactionNetwork, values: Any) -> list[int]:
    if len(values) != network.n_species:
        message = f"initial: a state has {network.n_species} counts ({', '.join(network.species_names)}), not {len(values)}"
        raise ArgumentError(message)
    return [_count(name, v) for name, v in zip(network.species_names, values, strict=True)]


def _probability(of: Any, value: Any) -> float:
    number = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    if not number or not (math.isfinite(value) and value >= 0):
        message = f"initial: the probability of {of} must be a finite number >= 0, not {value!r}"
        raise ArgumentError(message)
    return float(value)


def _check_total(what: str, p: Iterable[float]) -> None:
    total = math.fsum(p)
    if abs(total - 1.0) > _SLACK:
        message = f"initial: {what} add up to {total!r} instead of 1"
        raise ArgumentError(message)


def _checked(states: NDArray[np.int64], p: NDArray[np.float64]) -> InitialLaw:
    _check_total("the probabilities", p)
    total = math.fsum(p)
    # Decimal probabilities such as 0.1 add up to one but for rounding; what is beyond that is booked, and an excess is
    # taken away, so that the law stays a lower bound of one of mass one.
    missing = abs(total - 1.0) if abs(total - 1.0) > 1e-14 * p.size else 0.0
    p = p / total if missing and total > 1.0 else p
    return InitialLaw(states[p > 0.0], p[p > 0.0], missing)
