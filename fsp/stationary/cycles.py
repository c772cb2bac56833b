"""The stationary law from one cycle: expected times between two visits of a reference state."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from fsp.errors import SolverError
from fsp.stationary.chain import FiniteChain

__all__ = ["law_of_cycles"]

FloatArray = NDArray[np.float64]


def law_of_cycles(
    chain: FiniteChain,
    reference: int,
    occupation: Callable[[FloatArray], FloatArray],
) -> FloatArray:
    """Return the stationary law of the chain in which all that leaves the set comes back at the reference state.

    The law is proportional to the expected times in the states between leaving the reference state and coming back, which is
    what a solver with the chain that ends there gives (`FiniteChain.until`). Outflow ends a cycle as well, so it costs
    nothing. No equation is left out or replaced, and no sum is forced on the solution before the end.

    Raises
    ------
    SolverError
        If the times are not finite, or if there are none.
    """
    start = np.zeros(chain.n_states)
    first, last = chain.outgoing.indptr[reference : reference + 2]
    start[chain.outgoing.indices[first:last]] = chain.outgoing.data[first:last]
    law = occupation(start) if start.any() else start
    law[reference] = 1.0
    total = law.sum()
    if not np.isfinite(total) or total <= 0.0:
        message = (
            f"the expected times between two visits of state {reference} of {chain.n_states:,} are not finite (their sum is "
            f"{total}); take a reference state that is visited more often"
        )
        raise SolverError(message)
    law /= total
    return law
