"""The states on which a question about the stationary regime of a network is answered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fsp.errors import ArgumentError, StateSpaceLimitError, UnsupportedError
from fsp.generator.growth import closure
from fsp.generator.tables import FactorTables
from fsp.initial import choose_coordinates, first_set, read_initial
from fsp.statespace.constraints import Bounds, Constraints
from fsp.statespace.coordinates import Coordinates
from fsp.statespace.fibres import FibreSet
from fsp.stationary.chain import FiniteChain
from fsp.stationary.relaxation import single_class
from fsp.stationary_long_run import LongRun
from fsp.stationary_options import Options

if TYPE_CHECKING:
    from fsp.model.network import ReactionNetwork
    from fsp.stationary_result import StationaryResult

__all__ = ["Truncation", "truncation_for", "truncation_of"]

#: So many states are tried before a network without conservation laws is taken to reach infinitely many.
FEW = 2_000


@dataclass(frozen=True)
class Truncation:
    """A finite set of states of a network.

    Attributes
    ----------
    network : ReactionNetwork
    space : FibreSet
    chain : FiniteChain
    complete : bool
        These are all states that can be reached: nothing leaves the set.
    description : str
    """

    network: ReactionNetwork
    space: FibreSet
    chain: FiniteChain
    complete: bool
    description: str


def truncation_for(
    network: ReactionNetwork,
    tolerance: float,
    *,
    bounds: Bounds | None = None,
    initial: Any = None,
    max_states: int = 1_000_000,
) -> Truncation:
    """Return all states within bounds or conservation laws, or those that carry the stationary law.

    Parameters
    ----------
    network : ReactionNetwork
    tolerance : float
        The stationary probability that may be left out, where the set is chosen by it.
    bounds : optional
        As for `solve_transient`.
    initial : optional
        As for `solve_transient`; it selects the conserved totals.
    max_states : int

    Raises
    ------
    ArgumentError
        If there are several closed classes of states.
    UnsupportedError
        For networks with events or with rates that depend on time.
    """
    if not hasattr(network, "depends_on_time"):
        message = f"the network must be a ReactionNetwork, not {type(network).__name__}; fsp.load_model(path) reads a file"
        raise ArgumentError(message)
    if network.depends_on_time or network.events:
        what = "events" if network.events else "rates that depend on time"
        message = f"the network has {what}: it has no generator that stays the same, and so no spectrum"
        raise UnsupportedError(message)
    if not (isinstance(tolerance, int | float | np.number) and 0.0 < tolerance < 1.0):
        message = f"tolerance must lie between 0 and 1, not {tolerance!r}"
        raise ArgumentError(message)
    if not isinstance(max_states, int | np.integer) or isinstance(max_states, bool) or max_states < 1:
        message = f"max_states must be a whole number of at least 1, not {max_states!r}"
        raise ArgumentError(message)
    law = read_initial(network, initial)
    given = network
    network, coordinates = choose_coordinates(network, law)
    constraints = Constraints(network, bounds)
    finite = bool(np.isfinite(network.conservation_laws().upper_bounds).all())
    start, _ = first_set(coordinates, law, constraints)
    tables = FactorTables(network, coordinates)
    described = "all states" if bounds is None else "all states within the bounds"
    if finite or bounds is not None:
        space = closure(tables, start, constraints, max_states)
    else:
        try:
            space = closure(tables, start, constraints, min(max_states, FEW))
        except StateSpaceLimitError:
            options = Options(float(tolerance), None, "auto", max_states, None)
            return truncation_of(LongRun(given, initial, options, None).run())
    return _on(network, space, described)


def truncation_of(result: StationaryResult) -> Truncation:
    """Return the states of a stationary distribution.

    Raises
    ------
    ArgumentError
        If the result was read from a file that holds no network.
    """
    network, law = result.network, result.distribution
    if network is None:
        message = "the stationary distribution was saved without its network: solve it anew"
        raise ArgumentError(message)
    space = law.space
    if not isinstance(space, FibreSet):  # read from a file
        space = FibreSet.from_states(Coordinates.of(network), law.states)
    bound = "at most" if result.certified else "about"
    described = f"states that hold all but {bound} {result.error_bound:.1e} of the stationary probability"
    return _on(network, space, described)


def _on(network: ReactionNetwork, space: FibreSet, described: str) -> Truncation:
    """Return a set without states that lead to classes that only the truncation has closed."""
    chain = FiniteChain.of(network, space)
    keep = single_class(chain)
    if not keep.all():
        space = space.where(keep)
        chain = FiniteChain.of(network, space)
    complete = not chain.outflow.any()
    return Truncation(network, space, chain, complete, f"{described} ({space.n_states:,})")
