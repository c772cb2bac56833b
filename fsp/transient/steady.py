"""When a distribution has stopped changing, and what it can be wrong by if it is taken as it is from then on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fsp.generator.fibre_generator import FibreGenerator
from fsp.transient.planning import MOST_JUMPS
from fsp.transient.vectors import empty_like

__all__ = ["decay_at_rest"]


def decay_at_rest(
    generator: FibreGenerator, p: NDArray[np.float64], left: float, room: float
) -> float | None:
    """Return a rate ``r`` with ``exp(tA) p >= exp(-r t) p`` in every state, if that loses at most ``room`` in the time left.

    If ``P p >= (1 - eta) p`` in every state for the uniformised chain P, then ``P^k p >= (1 - eta)^k p``, because P is
    non-negative; averaging over the Poisson number of jumps, ``exp(tA) p >= exp(-eta Lambda t) p``. So the scaled
    vector stays a lower bound, and the mass that the scaling takes away bounds the error.

    Costs one product. If the rest of the run is short, it is not tried.
    """
    beta = 1.0 / max(generator.max_exit_rate() * 1.02, 1e-300)
    if left / beta <= MOST_JUMPS:
        return None
    image = empty_like(p)
    generator.product(p, image, 1.0, beta)
    eta = generator.largest_decrease(p, image)
    decay: float = (eta + 2.0 * generator.product_error) / beta
    return decay if decay * left <= room else None
