"""The states on which a question about the stationary regime of a network is answered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from fsp.errors import ArgumentError, StateSpaceLimitError, UnsupportedError
from fsp.generator.growth import closure
from fsp.generator.tables import FactorTables
from fsp.initial import choose_coordinates, first_set, read_initial
from fsp.statespace.constraints import Bounds, Constraints
from fsp.statespace.fibres import FibreSet
from fsp.stationary.chain import FiniteChain
from fsp.stationary.relaxation import single_class
from fsp.stationary_run import StationaryRun

if TYPE_CHECKING:
    from fsp.model.network import ReactionNetwork

__all__ = ["Truncation", "truncation_for"]

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
    if network.depends_on_time or network.events:
        what = "events" if network.events else "rates that depend on time"
        message = f"the network has {what}: it has no generator that stays the same, and so no spectrum"
        raise UnsupportedError(message)
    if not 0.0 < tolerance < 1.0:
        message = f"tolerance must lie between 0 and 1, not {tolerance!r}"
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
            run = StationaryRun(
                given, tolerance=tolerance, initial=initial, bounds=None, method="auto", max_states=max_states,
                memory_limit=None, progress=None,
            )  # fmt: skip
            result = run.run()
            network, space = result.network, cast("FibreSet", result.distribution.space)
            bound = "at most" if result.certified else "about"
            described = (
                f"states that hold all but {bound} {result.error_bound:.1e} of the stationary probability"
            )
    chain = FiniteChain.of(network, space)
    keep = single_class(chain)
    if not keep.all():
        space = space.where(keep)
        chain = FiniteChain.of(network, space)
    complete = not chain.outflow.any()
    return Truncation(network, space, chain, complete, f"{described} ({space.n_states:,})")
