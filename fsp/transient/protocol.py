"""What steppers see, what they offer, and the registry by which they are found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from importlib import import_module
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fsp.errors import ArgumentError

__all__ = ["STEPPERS", "Operator", "Progress", "Stepper", "StepperInfo", "find_stepper"]

FloatArray = NDArray[np.float64]


class Operator(Protocol):
    """A generator as a stepper sees it: products with a (local) vector, and reductions.

    Vectors are NumPy arrays; under MPI, or in a test that plays two ranks, the local part of one. What the operator
    returns as a float is reduced over all parts, so that every part takes the same decisions.
    """

    @property
    def product_error(self) -> float:
        """Relative rounding error of one uniformised product."""
        ...

    @property
    def vector_error(self) -> float:
        """Relative error of storing an entry of a vector."""
        ...

    @property
    def signed_terms(self) -> int:
        """Most numbers that are added up in one row of a product, in the sense of `FibreGenerator.signed_terms`."""
        ...

    def max_exit_rate(self) -> float:
        """Return the largest exit rate."""
        ...

    def product(
        self, x: FloatArray, out: FloatArray, alpha: float, beta: float,
        weight: float = 0.0, total: FloatArray | None = None,
    ) -> None:  # fmt: skip
        """Set ``out = alpha x + beta A x``, then add ``weight * out`` to ``total``."""
        ...

    def outflow(self, x: FloatArray) -> tuple[float, FloatArray]:
        """Return the flow out of the set, and the entries of ``x`` at the (local) boundary states.

        An operator may return other numbers than these, if what they add up to over time tells it what leaked where.
        """
        ...

    def recurrence(
        self, x: FloatArray, previous: FloatArray, beta: float, weight: float, total: FloatArray
    ) -> tuple[float, float]:
        """Set ``previous = 2 (x + beta A x) - previous``; add ``weight * previous`` to ``total``; return both its norms."""
        ...

    def norms(self, x: FloatArray) -> tuple[float, float, float]:
        """Return the 1-norm, the largest magnitude and the largest entry of a vector."""
        ...

    def clip(self, x: FloatArray, eta: float) -> float:
        """Set ``x = max(x - eta, 0)``, rounded down, and return the 1-norm of the change."""
        ...

    def on_boundary(self, values: FloatArray, shape: FloatArray) -> FloatArray:
        """Return a vector that has these entries at the (local) boundary states, and is zero elsewhere.

        If the numbers of `outflow` are none of states, the vector is about proportional to ``shape`` where they do not tell.
        """
        ...

    def boundary_vector(self) -> FloatArray:
        """Return zeros, as many as `outflow` returns numbers."""
        ...


class Progress(Enum):
    """Why `Stepper.advance` came back."""

    DONE = "done"
    OUTFLOW = "the state set lets out more probability than is allowed"
    REFUSED = "the step cannot be made within its budget"


class Stepper(Protocol):
    """Advances a vector by one time step, and lets the state set change on the way.

    ``begin`` starts a step, ``advance`` works until the step is done or the outflow passes ``allowance`` (a
    probability per unit of time); then the caller may enlarge the set and hand over the moved vectors with
    ``replace``. ``finish`` returns the vector at the end.

    Attributes
    ----------
    products : int
        Products made so far; the caller sets it back.
    leaked, missing, rounding : float
        What the step is to book: outflow, its own cut-off, and rounding (relative, for every entry).
    residence : ndarray
        The numbers that `Operator.outflow` returns, integrated over the step on the present set: the expected time in each
        boundary state, which tells what leaked where.
    headroom : float
        How far above the rates of the present set the step should plan, because the set may grow.
    stretch : float
        What the step may leak at most, over its duration times the allowance.
    pulse : callable or None
        Called now and then while a step is long, with the part of it that is done, from 0 to 1, and the products that
        are not yet counted.
    """

    pulse: Callable[[float, int], None] | None
    products: int
    leaked: float
    missing: float
    rounding: float
    residence: FloatArray
    headroom: float
    stretch: float

    def begin(self, operator: Operator, p: FloatArray, duration: Any, budget: float) -> None:
        """Start from ``p``; the step may lose ``budget`` by its own approximations."""
        ...

    def advance(self, allowance: float) -> Progress:
        """Work on."""
        ...

    @property
    def current(self) -> FloatArray:
        """The vector whose outflow passed the allowance."""
        ...

    def vectors(self) -> list[FloatArray]:
        """Return the vectors that have to move when the state set changes."""
        ...

    def replace(self, operator: Operator, vectors: list[FloatArray]) -> bool:
        """Go on with another operator; ``False`` if the step has to be begun anew instead."""
        ...

    def finish(self) -> FloatArray:
        """Return the vector at the end of the step."""
        ...


@dataclass(frozen=True)
class StepperInfo:
    """An entry of the registry.

    Attributes
    ----------
    signed : bool
        The vectors on the way have any sign: the step is made in one go in double precision, may be refused, and has to
        be begun anew when the set changes.
    timed : bool
        For rates that depend on time: it needs a generator that knows them at all times of a step.
    """

    name: str
    where: str
    needs: str
    summary: str
    signed: bool = False
    timed: bool = False

    def load(self) -> type[Any]:
        """Import and return the class."""
        module, _, attribute = self.where.partition(":")
        cls: type[Any] = getattr(import_module(module), attribute)
        return cls


#: Every time stepper, by name; imported when used.
STEPPERS = {
    "uniformisation": StepperInfo(
        "uniformisation",
        "fsp.transient.uniformisation:Uniformisation",
        "products",
        "non-negative series of products; a proven lower bound, relative to each entry",
    ),
    "chebyshev": StepperInfo(
        "chebyshev",
        "fsp.transient.chebyshev:Chebyshev",
        "products and norms",
        "signed series of far fewer products; a proven bound from its defect, subtracted from each entry",
        signed=True,
    ),
    "inhomogeneous": StepperInfo(
        "inhomogeneous",
        "fsp.transient.inhomogeneous:InhomogeneousUniformisation",
        "products at all times of a step",
        "uniformisation for rates that depend on time; the 1-norm of the defect is proven",
        timed=True,
    ),
}


def find_stepper(name: str) -> StepperInfo:
    """Return the registry entry; British and American spellings are both understood.

    Raises
    ------
    ArgumentError
        If there is no such method; the message lists the known ones.
    """
    known = STEPPERS.get(str(name).lower().replace("ization", "isation"))
    if known is None:
        message = f"unknown method {name!r}; known are 'auto', {', '.join(map(repr, STEPPERS))}"
        raise ArgumentError(message)
    return known
