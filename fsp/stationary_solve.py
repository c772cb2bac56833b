"""`solve_stationary`: from a network to its stationary distribution with a bound on the error."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fsp.statespace.constraints import Bounds
from fsp.stationary_long_run import LongRun
from fsp.stationary_options import Options, check
from fsp.stationary_result import StationaryResult

if TYPE_CHECKING:
    from fsp.model.network import ReactionNetwork

__all__ = ["solve_stationary"]


def solve_stationary(
    network: ReactionNetwork,
    *,
    tolerance: float = 1e-8,
    initial: Any = None,
    bounds: Bounds | None = None,
    method: str = "auto",
    max_states: int | None = None,
    memory_limit: int | None = None,
    progress: bool | None = None,
) -> StationaryResult:
    """Compute the stationary distribution of a network, with a proven bound on the error where one is found.

    The states are chosen such that the bound is within the tolerance. It covers everything: the states that are left out,
    the residual of the linear solver, and rounding. It rests on a function whose mean change is negative everywhere but at
    one state, on the whole infinite lattice, which also proves that a stationary law exists and is unique.

    Parameters
    ----------
    network : ReactionNetwork
        Without events, and with rates that do not depend on time.
    tolerance : float
        Largest acceptable error bound, 1-norm (twice the total variation).
    initial : optional
        A state, or a law, as for `solve_transient`; it says which conserved totals hold, and which closed classes are
        reached. By default the initial counts.
    bounds : dict, str, or a sequence of these, optional
        Constraints on the states that are kept. They do not change the network: what they cut off is part of the bound.
    method : str
        How to solve linear systems: ``"auto"``, or the name of a solver (``"gth"``, ``"lu"``, ...).
    max_states : int, optional
        Largest number of states to hold.
    memory_limit : int, optional
        Largest number of bytes to use; by default three quarters of the machine's memory.
    progress : bool, optional
        Show a progress line; by default if the run is long and the standard error stream is a terminal.

    Returns
    -------
    StationaryResult
        With several closed classes the law to which the network settles from the initial law; each is in ``classes``.
        ``certified`` says whether the bound is proven. If not, ``why`` says which part of the proof failed, and the bound is
        an estimate.

    Raises
    ------
    NoStationaryLawError
        If the network is shown to have no stationary law.
    UnsupportedError
        For events, or rates that depend on time.
    StateSpaceLimitError, ToleranceError
        If the tolerance cannot be reached within the limits; ``error.result`` holds the best result.
    ArgumentError, PropensityError
        As for `solve_transient`.

    Notes
    -----
    Foster-Lyapunov functions: Meyn and Tweedie, Adv. Appl. Prob. 25:518-548 (1993). The cost is that of some ten sparse
    solves with the generator on the states that are kept. See docs/stationary.md.

    Examples
    --------
    >>> import fsp
    >>> network = fsp.ReactionNetwork({"X": 0}, ["0 -> X @ k", "X -> 0 @ d"], {"k": 10.0, "d": 1.0})
    >>> result = fsp.solve_stationary(network, tolerance=1e-8)
    >>> result.certified, result.error_bound <= 1e-8, round(result.distribution.mean("X"), 6)
    (True, True, 10.0)
    """
    check(network, tolerance, max_states, memory_limit)
    options = Options(float(tolerance), bounds, str(method), max_states, memory_limit)
    return LongRun(network, initial, options, progress).run()
