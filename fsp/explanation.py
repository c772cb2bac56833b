"""Which method a run of the transient solver used, and why, in words."""

from __future__ import annotations

from fsp.pieces import PiecewiseRun
from fsp.transient.loop import AdaptiveLoop
from fsp.transient_options import TIMED, TransientOptions

__all__ = ["explain", "method_used"]


def method_used(options: TransientOptions, loop: AdaptiveLoop | PiecewiseRun) -> str:
    """Return the name of the method of a run: the signed series is named if it made a step."""
    if options.timed:
        return TIMED
    return "chebyshev" if loop.statistics.get("signed_steps") else "uniformisation"


def explain(options: TransientOptions, loop: AdaptiveLoop | PiecewiseRun) -> str:
    """Return in a sentence what made the steps, on which states, in which form, and why."""
    return f"{_method(options, loop)} {_states(loop)}, {_products(options, loop)}"


def _method(options: TransientOptions, loop: AdaptiveLoop | PiecewiseRun) -> str:
    used = method_used(options, loop)
    steps, signed = (int(loop.statistics.get(name, 0)) for name in ("steps", "signed_steps"))
    if options.method != "auto":
        why = "as requested"
    elif used == TIMED:
        why = "chosen, because rates depend on time"
    elif signed:
        why = "chosen, because fewer products do and the bound allows it"
    else:
        why = "chosen, because it is the method with a componentwise proof"
    if used == "chebyshev":
        used = f"chebyshev for {signed} of {steps} steps, uniformisation for the others"
    return f"{used} ({why})"


def _states(loop: AdaptiveLoop | PiecewiseRun) -> str:
    peak = int(loop.statistics.get("states_peak", 0))
    # A run with events that has not begun has no loop to ask.
    if getattr(loop, "fixed", False):
        return f"on all {peak:,} states within the bounds"
    return f"on a moving set of at most {peak:,} states"


def _products(options: TransientOptions, loop: AdaptiveLoop | PiecewiseRun) -> str:
    kind = getattr(getattr(loop, "generator", None), "kind", "matrix-free")
    if loop.extended and options.precision == "auto":
        return f"{kind} products, because rounding in double precision could exceed the tolerance"
    return f"{kind} products"
