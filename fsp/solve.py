"""`solve_transient`: from a network and times to distributions with a bound on their error."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from numpy.typing import ArrayLike

from fsp.results import TransientResult
from fsp.statespace.constraints import Bounds
from fsp.transient_options import TransientOptions
from fsp.transient_run import TransientRun

if TYPE_CHECKING:
    from fsp.model.network import ReactionNetwork

__all__ = ["solve_transient"]


def solve_transient(
    network: ReactionNetwork,
    times: ArrayLike,
    *,
    tolerance: float = 1e-8,
    initial: Any = None,
    method: str = "auto",
    bounds: Bounds | None = None,
    max_states: int | None = None,
    memory_limit: int | None = None,
    precision: str = "auto",
    threads: int | None = None,
    progress: bool | None = None,
    save: str = "distributions",
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_every: float = 60.0,
) -> TransientResult:
    """Solve the chemical master equation up to given times, with a proven bound on the error.

    The distribution is computed on a finite set of states that follows the probability. Every entry is a lower bound
    on the true probability (but where rates depend on time), and the 1-norm of the error is at most
    ``error_bound <= tolerance``.

    Parameters
    ----------
    network : ReactionNetwork
        Its rates may depend on ``time``, which is 0 at the initial law. Its events fire at their moments, counted from
        time 0; an output at the moment of an event is the law after it.
    times : array_like of float
        Output times >= 0 in the time unit of the model, ascending; the initial law holds at time 0.
    tolerance : float
        Largest acceptable error bound, 1-norm.
    initial : optional
        Counts ``{"U": 3}``, a law ``{(3, 0): 0.5, (4, 0): 0.5}``, independent species laws
        ``{"U": {3: 0.5, 4: 0.5}}``, a `Distribution`, or an earlier result (its end). By default the initial counts of
        the network.
    method : str
        ``"auto"``, ``"uniformisation"``, or ``"chebyshev"``, a signed series that makes long steps with fewer products
        where its bound allows (else uniformisation makes the step). ``"auto"`` lets both take turns; where tails are
        wanted with all their digits, which is where ``bounds`` fix the set, it takes uniformisation. Rates that depend on
        time are for ``"inhomogeneous"`` alone, and ``"auto"`` takes it; its results are no lower bounds.
    bounds : dict, str, or a sequence of these, optional
        Constraints on the states: ``{"U": 300}`` for largest counts, conditions such as ``"U*V <= 5000"``. If largest
        counts and conservation laws bound every species, all states within them are kept, so that tails come out
        with all their digits; what leaves them is booked as leaked.
    max_states : int, optional
        Largest number of states to hold at one time.
    memory_limit : int, optional
        Largest number of bytes to use; by default three quarters of the machine's memory.
    precision : str
        ``"double"``; ``"extended"`` for double-double arithmetic, some twenty times slower; or ``"auto"``: extended where
        the worst-case rounding of double precision would exceed the tolerance.
    threads : int, optional
        Largest number of threads; by default ``FSP_NUM_THREADS`` or all cores. Small sets use one.
    progress : bool, optional
        Show a progress line; by default if the run is long and the standard error stream is a terminal.
    save : str
        What to keep for each time: ``"distributions"``, or only ``"marginals"`` (with moments) or ``"moments"``; then
        the memory of each distribution is released before the next one is computed.
    checkpoint : path, optional
        A file that holds the state of the run from time to time. If the run is killed, the same call goes on from there
        and ends with the same result, bit by bit. Ctrl-C writes a checkpoint before it stops the run. The file is
        kept when the run is finished; then the same call returns the result at once.
    checkpoint_every : float
        Seconds between two checkpoints; 0 for one after each step.

    Returns
    -------
    TransientResult
        One `Distribution` for each time, or a `Summary` of it.

    Raises
    ------
    ArgumentError
        For times that are not ascending and >= 0, a tolerance outside (0, 1), an unknown method, ...
    PropensityError
        If a propensity is negative or not finite at a reachable state, or would make a count negative.
    StateSpaceLimitError, ToleranceError, ExplosionError
        If the answer cannot be had within the limits; ``error.result`` holds what was finished.
    ModelError
        If an event makes a count negative or not whole, or the events do not come to an end.
    UnsupportedError
        If a propensity mixes time and counts in a way that is no sum of products, if a network has events that
        reactions can fire and rates that depend on time, or if what events do depends on their order and the order is
        undefined.
    CheckpointError
        If the checkpoint is damaged, or belongs to another call; it says what differs.

    Notes
    -----
    Uniformisation (Jensen 1953) and Chebyshev series (Tal-Ezer and Kosloff 1984) on a moving window of states (Munsky and
    Khammash 2006, J. Chem. Phys. 124:044104; Henzinger, Mateescu and Wolf 2009). Work is O(n_states * n_reactions *
    largest exit rate * time), or the square root of the last two for long signed steps; memory about 40 bytes for each
    state of a fixed set, and up to 110 while a set grows.

    Examples
    --------
    >>> import fsp
    >>> network = fsp.ReactionNetwork({"X": 0}, ["0 -> X @ k", "X -> 0 @ d"], {"k": 10.0, "d": 1.0})
    >>> result = fsp.solve_transient(network, times=[1.0, 5.0], tolerance=1e-8)
    >>> result[-1].error_bound <= 1e-8, result[-1].certified
    (True, True)
    >>> round(result[-1].mean("X"), 6)  # 10 (1 - exp(-5))
    9.932621
    """
    options = TransientOptions.checked(
        network,
        times,
        tolerance=tolerance,
        method=method,
        max_states=max_states,
        memory_limit=memory_limit,
        precision=precision,
        threads=threads,
        progress=progress,
        save=save,
        checkpoint=checkpoint,
        checkpoint_every=checkpoint_every,
    )
    return TransientRun(network, options, initial, bounds).run()
