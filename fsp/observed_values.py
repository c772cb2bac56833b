"""Observables in files: which ones there are at each time, and the parameter values that they read there.

Events may change parameters, so that an observable of a network is another function at another time.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fsp.distribution import Distribution
from fsp.errors import ArgumentError
from fsp.model.observables import Observable, read_observables
from fsp.summary import Summary

if TYPE_CHECKING:
    from fsp.model.network import ReactionNetwork

__all__ = ["check_kept", "check_values", "observables_of", "record_observables"]


def _observables(law: Distribution) -> dict[str, Observable]:
    """Return the observables of a distribution, or of the marginals that are left of it."""
    parts = law.marginals.values() if isinstance(law, Summary) else [law]
    return {name: observable for part in parts for name, observable in part.observables.items()}


def record_observables(law: Distribution) -> dict[str, Any]:
    """Return the names of the observables of a distribution, and the values of the parameters that they read.

    Examples
    --------
    >>> found = read_observables({"dose": "c*X"}, ["X"], {"c": 2.0, "d": 1.0})
    >>> record_observables(Distribution.from_dict({1: 1.0}, ["X"], observables=found))
    {'names': ['dose'], 'values': {'c': 2.0}}
    """
    found = _observables(law)
    functions = [observable.function for observable in found.values()]
    return {"names": list(found), "values": {p: float(f.values[p]) for f in functions for p in f.parameters}}


def observables_of(network: ReactionNetwork | None, record: Mapping[str, Any]) -> dict[str, Observable]:
    """Return the observables that a record names, with the values that hold there; none without a network.

    Raises
    ------
    ArgumentError
        If the network does not have them.
    """
    if network is None:
        return {}
    for kind, names, known in (
        ("observable", record["names"], network.observables),
        ("parameter", record["values"], network.parameters),
    ):
        for name in names:
            if name not in known:
                message = f"the network has no {kind} '{name}'"
                raise ArgumentError(message)
    named = [network.observables[name] for name in record["names"]]
    return read_observables(named, network.species_names, {**network.parameters, **record["values"]})


def check_values(
    network: ReactionNetwork | None, times: Sequence[float], records: Sequence[Mapping[str, Any]]
) -> None:
    """Compare the values at each time with those that the events of the network lead to.

    Raises
    ------
    ArgumentError
        If they differ; it names the parameter and the time.
    """
    if network is None:
        return
    from fsp.model.event_parameters import parameters_at  # rests on SymPy

    for time, record, changed in zip(times, records, parameters_at(network, times), strict=True):
        expected = {**network.parameters, **changed}
        for name, value in record["values"].items():
            if value != expected.get(name):
                there = f"the network has {expected[name]!r}" if name in expected else "the network has none"
                message = (
                    f"an observable reads the parameter '{name}' = {value!r} at time {time:g}, where {there}"
                )
                raise ArgumentError(message)


def check_kept(network: ReactionNetwork | None, times: Sequence[float], laws: Sequence[Distribution]) -> None:
    """Look for observables that cannot be had back from the network and the values of its parameters.

    Without a network there are none to be had back, of which a warning is given.

    Raises
    ------
    ArgumentError
        If the network has another one of that name, or none, or its parameters have other values then.
    """
    records = [record_observables(law) for law in laws]
    check_values(network, times, records)
    restored: dict[Any, dict[str, Observable]] = {}  # the same for many times
    for law, record in zip(laws, records, strict=True):
        found = _observables(law)
        if found and network is None:
            message = (
                f"fsp: the result is saved without its observables ({', '.join(found)}): it has no network"
            )
            warnings.warn(message, stacklevel=4)
            return
        key = (*record["names"], *record["values"].items())
        if key not in restored:
            restored[key] = observables_of(network, record)
        for name, observable in found.items():
            if restored[key][name] != observable:
                message = f"the observable '{name}' at time {law.time} is not that of the network"
                raise ArgumentError(message)
