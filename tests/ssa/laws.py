"""Whether simulated states follow an exact law: Pearson's chi-square on joint states."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import stats

import fsp

#: A correct simulator fails one comparison with this probability (times the error of the chi-square law with large cells).
#: There are fewer than a hundred comparisons, so all of them together fail with a probability below 1e-6.
FALSE_ALARM = 1e-8
LEAST = 10.0  # expected in a cell


def chi_square(states: np.ndarray, law: Any) -> float:
    """Return the p-value of states, shape (n, n_species), under an exact distribution.

    States are sorted by probability, those that are expected less than `LEAST` times are merged, with all others.
    """
    n = len(states)
    place = law.space.index(states.astype(np.int64))
    expected = n * law.probabilities
    order = np.argsort(expected)
    rank = np.cumsum(expected[order])
    rest = max(0.0, n - rank[-1])
    cells = np.zeros(expected.size, np.int64)
    # Cells in the order of probability, closed as soon as they hold enough; cell 0 holds what the law does not list as well.
    cell, held = 0, rest
    for i in order:
        if held >= LEAST:
            cell, held = cell + 1, 0.0
        cells[i] = cell
        held += expected[i]
    if held < LEAST and cell:
        cells[cells == cell] = cell - 1
    size = int(cells.max()) + 1
    wanted = np.bincount(cells, expected, size)
    wanted[0] += rest
    found = np.bincount(np.where(place >= 0, cells[place], 0), minlength=size)
    if size == 1:
        return 1.0
    return float(stats.chi2.sf(((found - wanted) ** 2 / wanted).sum(), size - 1))


def follows(ensemble: fsp.Ensemble, exact: Any) -> bool:
    """Tell whether the states at each time follow the exact law."""
    values = [chi_square(ensemble.at(law.time), law) for law in exact]
    return min(values) > FALSE_ALARM
