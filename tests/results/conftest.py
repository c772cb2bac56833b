"""Results made by hand, as the solver would return them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

import fsp
from fsp.distribution import Distribution
from fsp.interval import Interval
from fsp.known_moments import StoredMoments
from fsp.ledger import Ledger
from fsp.results import TransientResult


def immigration_death(time, size=60, rate=10.0):
    """The exact law of immigration and death from 0, cut off; and what is missing."""
    mean = rate * -np.expm1(-time)
    p = stats.poisson.pmf(np.arange(size), mean)
    return p, float(stats.poisson.sf(size - 1, mean)), mean


@pytest.fixture
def result():
    times = np.array([0.0, 0.5, 1.0, 2.0, 5.0])
    ledger = Ledger()
    laws = []
    for t in times.tolist():
        p, missing, mean = immigration_death(t)
        exact = StoredMoments(
            {"X": Interval.around(mean, 1e-12)}, {"X": Interval.around(mean + mean**2, 1e-10)}, {"X": "known"}
        )
        states = [[x, y] for x in range(len(p)) for y in (0, 1)]
        joint = np.column_stack([0.25 * p, 0.75 * p]).ravel() * (1 - 1e-12)
        laws.append(
            Distribution.from_states(
                states,
                joint,
                ["X", "Gene"],
                error_bound=missing + 2e-12,
                time=t,
                moments=exact,
                support_bounds={"Gene": 1.0},
            )
        )
    ledger.book("leaked", laws[-1].error_bound * 0.9, "birth leaves the state set")
    ledger.book("rounding", laws[-1].error_bound * 0.1)
    return TransientResult(
        None,
        times,
        laws,
        ledger,
        "uniformisation",
        "small exit rates",
        {"products": 120, "states_peak": 120, "seconds": 0.25},
        tolerance=1e-8,
    )


@pytest.fixture(scope="session")
def _telegraph():
    return fsp.solve_transient(fsp.gallery.telegraph(), [0.0, 0.05, 0.1], tolerance=1e-7)


@pytest.fixture
def file(_telegraph, tmp_path):
    """The file of a result of the solver."""
    path = tmp_path / "run.nc"
    _telegraph.save(path)
    return path
