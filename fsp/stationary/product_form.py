"""Stationary laws in closed form: products of Poisson laws, for complex-balanced networks.

If mass-action rates have a complex-balanced equilibrium c, the law that is proportional to ``prod(c**x / x!)`` on a closed
class is stationary: Anderson, Craciun and Kurtz (2010), Bull. Math. Biol. 72:1947-1970. Every weakly reversible network
of deficiency zero is of this kind, whatever its rates.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import mpmath
import numpy as np
from numpy.typing import ArrayLike, NDArray

from fsp.stationary.complexes import ComplexGraph

if TYPE_CHECKING:
    from fsp.model.network import ReactionNetwork

__all__ = ["ProductForm", "find_product_form"]

FloatArray = NDArray[np.float64]
_DIGITS = 50


@dataclass(frozen=True)
class ProductForm:
    """The stationary law ``prod(c**x / x!)`` of a complex-balanced network, up to its normalisation on a class.

    Attributes
    ----------
    species_names : tuple of str
    means : tuple of mpmath.mpf
        The complex-balanced concentrations c (50 digits); one of many if there are conservation laws, which all give
        the same law on a class.
    deficiency : int
    whole_lattice : bool
        Every state can be reached from every other: the law is the product of Poisson laws with these means.
    why : str
        A sentence for the user.

    Examples
    --------
    >>> import fsp
    >>> law = find_product_form(fsp.gallery.immigration_death())
    >>> law.whole_lattice, float(law.means[0])
    (True, 10.0)
    """

    species_names: tuple[str, ...]
    means: tuple[mpmath.mpf, ...]
    deficiency: int
    whole_lattice: bool
    why: str

    def table(self, species: int, high: int) -> NDArray[np.longdouble]:
        """Return the Poisson probabilities of the counts 0 to ``high`` of a species, relative error `relative_error`."""
        with mpmath.workdps(_DIGITS):
            c = self.means[species]
            start = min(int(c), high)
            log_peak = start * mpmath.log(c) - c - mpmath.loggamma(start + 1)
            peak = _long(mpmath.exp(log_peak))
            mean = _long(c)
        n = np.arange(high + 1, dtype=np.longdouble)
        out = np.empty(high + 1, np.longdouble)
        out[start] = peak
        if start < high:
            out[start + 1 :] = peak * np.cumprod(mean / n[start + 1 :])
        if start > 0:
            out[:start] = (peak * np.cumprod(n[start:0:-1] / mean))[::-1]
        return out

    def relative_error(self, high: ArrayLike) -> float:
        """Return a bound on the relative error of a weight at states up to ``high``: three roundings a step and table."""
        steps = float(
            np.sum(np.maximum(np.asarray(high, float), [float(c) for c in self.means]))
        ) + 4.0 * len(self.means)
        return 3.0 * (steps + 4.0) * float(np.finfo(np.longdouble).eps)

    def weights(self, states: ArrayLike) -> NDArray[np.longdouble]:
        """Return the product of the Poisson probabilities of each state, shape (n_states,)."""
        counts = np.asarray(states, np.int64).reshape(-1, len(self.means))
        out = np.ones(counts.shape[0], np.longdouble)
        for s in range(len(self.means)):
            column = counts[:, s]
            out *= self.table(s, int(column.max(initial=0)))[column]
        return out

    def tail(self, high: ArrayLike) -> float:
        """Return a bound on the Poisson mass of all states with a count above its entry of ``high``."""
        total = mpmath.mpf(0)
        with mpmath.workdps(_DIGITS):
            for top, c in zip(np.asarray(high, np.int64).tolist(), self.means, strict=True):
                if top + 2 <= c:
                    return 1.0
                # later terms fall by at least the factor c / (top + 2) each: a geometric series
                first = mpmath.exp((top + 1) * mpmath.log(c) - c - mpmath.loggamma(top + 2))
                total += first / (1 - c / (top + 2))
        return float(total) * (1.0 + 1e-15)


def find_product_form(network: ReactionNetwork) -> ProductForm | None:
    """Return the stationary law in closed form if the network is complex-balanced, or None.

    Complex balance is decided in exact arithmetic, first with the binary values of the parameters, then with the
    decimal numbers that they print as.
    """
    for decimal in (False, True):
        graph = ComplexGraph.of(network, decimal=decimal)
        equations = graph.balance() if graph is not None and graph.rates else None
        if graph is not None and equations is not None:
            means = _concentrations(equations, network.n_species)
            reason = f"complex-balanced mass action (deficiency {graph.deficiency}, weakly reversible)"
            if decimal:
                reason += ", with the parameters as decimal numbers"
            return ProductForm(network.species_names, means, graph.deficiency, _joins_empty(graph), reason)
    return None


def _concentrations(equations: list[tuple[list[int], Fraction]], n_species: int) -> tuple[mpmath.mpf, ...]:
    """Solve ``prod(c ** powers) = value`` for one c, by logarithms: the equations are known to have a solution."""
    with mpmath.workdps(_DIGITS + 20):
        rows = _independent([powers for powers, _ in equations])
        matrix = mpmath.matrix([equations[i][0] for i in rows])
        right = mpmath.matrix([_log(equations[i][1]) for i in rows])
        # the solution of least norm: orthogonal to the conservation laws
        logs = matrix.T * mpmath.lu_solve(matrix * matrix.T, right)
        return tuple(mpmath.exp(logs[i]) for i in range(n_species))


def _log(value: Fraction) -> mpmath.mpf:
    return mpmath.log(mpmath.mpf(value.numerator)) - mpmath.log(mpmath.mpf(value.denominator))


def _independent(rows: list[list[int]]) -> list[int]:
    """Return positions of rows that are a basis of all."""
    kept: list[int] = []
    reduced: list[tuple[int, list[Fraction]]] = []
    for i, row in enumerate(rows):
        rest = [Fraction(c) for c in row]
        for pivot, other in reduced:
            if rest[pivot]:
                factor = rest[pivot] / other[pivot]
                rest = [a - factor * b for a, b in zip(rest, other, strict=True)]
        if any(rest):
            reduced.append((next(k for k, c in enumerate(rest) if c), rest))
            kept.append(i)
    return kept


def _joins_empty(graph: ComplexGraph) -> bool:
    """Whether each species can be made from nothing and turned into nothing, whatever else is there.

    A single molecule that is, as a complex, in the linkage class of the empty complex, or in that of a complex of species
    for which this is known already, can be: the graph is weakly reversible. Then all states communicate.
    """
    n = len(graph.complexes[0])
    place = {c: label for c, label in zip(graph.complexes, graph.linkage_class, strict=True)}
    known: set[int] = set()
    while len(known) < n:
        reached = {label for c, label in place.items() if all(not x or i in known for i, x in enumerate(c))}
        singles = {i: place.get(tuple(int(k == i) for k in range(n))) for i in range(n)}
        found = {i for i, label in singles.items() if label in reached} - known
        if not found:
            return False
        known |= found
    return True


def _long(value: mpmath.mpf) -> np.longdouble:
    """Return a number of arbitrary precision in the longest hardware format."""
    high = float(value)
    middle = float(value - high)
    return np.longdouble(high) + np.longdouble(middle) + np.longdouble(float(value - high - middle))
