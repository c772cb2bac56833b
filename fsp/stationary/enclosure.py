r"""Proven enclosures of the slow rates of a chain with detailed balance.

With weights ``w`` and conductances ``c_xy = w_x q_xy = w_y q_yx`` the generator ``-Q`` is self-adjoint in the space with
``<f, g> = sum w f g``, and ``E(f, f) = sum over pairs c_xy (f(y) - f(x))^2``. For any functions ``f_1 .. f_m`` with mean 0:

* from above (Courant and Fischer): the rates are at most the eigenvalues ``theta`` of the pencil ``E_ij, <f_i, f_j>``;
* from below (Lehmann; Temple 1928 and Kato 1949 for m = 1): if the rate after the m-th is at least ``rho > theta_m``,
  then ``rate_j >= theta_j - R^2/(rho - theta_m)``, where R is the norm of the residuals of the orthonormalised functions;
* how many rates lie below ``rho``: the number of negative pivots of ``-Q - rho`` (Sylvester); so none is overlooked.

Both errors are squares of the errors of the functions. Differences ``f(y) - f(x)`` enter with their own relative accuracy,
so that rates far below the rounding of the largest rate keep their digits.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.linalg
import scipy.sparse as sp
from numpy.typing import NDArray

from fsp.stationary.chain import FiniteChain
from fsp.stationary.spectrum import factors, symmetrised

__all__ = ["Enclosures", "count_below", "enclose_rates", "upper_bounds_beyond"]

FloatArray = NDArray[np.float64]

UNIT = 2.0**-53


@dataclass(frozen=True)
class Enclosures:
    """Intervals that contain the rates, one by one.

    Attributes
    ----------
    lower, upper : ndarray, shape (k,)
        NaN where nothing was proven.
    reason : str
        Why not; empty if all are proven.
    """

    lower: FloatArray
    upper: FloatArray
    reason: str = ""


def count_below(matrix: sp.csr_array, value: float) -> tuple[int, float]:
    """Return how many eigenvalues of a symmetric matrix lie below ``value - slack`` at most, and the slack.

    The factors ``L D L'`` of ``matrix - value`` are those of a matrix nearby, which by Sylvester's law of inertia has as
    many negative eigenvalues as D; the distance (the slack) is bounded from the computed factors (Higham 2002, theorem 9.3),
    and eigenvalues move by at most that (Weyl).

    Examples
    --------
    >>> import numpy as np, scipy.sparse as sp
    >>> count, slack = count_below(sp.csr_array(np.diag([1.0, 2.0, 5.0])), 3.0)
    >>> count, slack < 1e-13
    (2, True)
    """
    n = matrix.shape[0]
    shifted = (matrix - value * sp.eye_array(n, format="csr")).tocsr()
    try:
        lu = factors(shifted)
    except RuntimeError:  # a pivot is exactly zero
        return n, np.inf
    if not np.array_equal(lu.perm_r, lu.perm_c):
        return n, np.inf
    lower, upper = lu.L.tocsr(), lu.U.tocsr()
    pivots = upper.diagonal()
    terms = int(np.diff(lower.indptr).max()) + 8
    ones = np.ones(n)
    product = abs(lower) @ (abs(upper) @ ones)
    asymmetry = abs(lower) @ (abs(upper - sp.diags_array(pivots) @ lower.T) @ ones)
    rounding = 4.0 * UNIT * (abs(matrix) @ ones + abs(value))  # of the entries: roots of products, sums
    slack = float((1.01 * terms * UNIT * product + asymmetry + rounding).max()) * (1.0 + 2 * terms * UNIT)
    return int(np.count_nonzero(pivots < 0.0)), slack


def enclose_rates(chain: FiniteChain, log_law: FloatArray, functions: FloatArray, k: int) -> Enclosures:
    """Return enclosures of the ``k`` slowest rates from approximate left modes, more than ``k`` if possible.

    Parameters
    ----------
    chain : FiniteChain
        Without outflow, connected, with detailed balance.
    log_law : ndarray
        Logarithm of weights that are in balance with the rates.
    functions : ndarray, shape (n_states, at least k)
        Approximate left modes, slow ones first.
    k : int

    Notes
    -----
    What is enclosed are the rates of the chain with these weights and with conductances that are the geometric means of
    both directions; for rates that obey detailed balance but for rounding the difference is rounding.
    """
    n, wanted = chain.n_states, k
    nothing = np.full(wanted, np.nan)
    form = _DirichletForm(chain, log_law)
    basis = functions[:, : min(functions.shape[1], n - 1)]
    if not np.isfinite(basis).all():
        return Enclosures(nothing, nothing, "the modes are not finite")
    size = basis.shape[1]
    groups = [form.ritz(basis[:, :m]) for m in range(1, size + 1)]
    theta = np.array([group.theta[-1] for group in groups])
    if size == n - 1:
        most, beyond = size, np.inf
    else:
        most, beyond = _separated(symmetrised(chain), theta, wanted, form.misfit(chain))
        if not most:
            reason = "no gap of the spectrum was found behind the rates that were asked for: ask for another number of them"
            return Enclosures(nothing, nothing, reason)
    lower, upper = np.zeros(most), np.full(most, np.inf)
    for m in range(most, 0, -1):  # each group bounds the next rate for the smaller ones
        group = groups[m - 1]
        upper[:m] = np.minimum(upper[:m], group.theta + group.rounding)
        rho = beyond if m == most else lower[m]
        top = float(group.theta[-1] + group.rounding)
        if rho > top:
            loss = 0.0 if rho == np.inf else group.residual**2 / (rho - top)
            lower[:m] = np.maximum(lower[:m], group.theta - group.rounding - loss * (1.0 + 1e-12))
    return Enclosures(
        np.maximum.accumulate(lower)[:wanted], np.minimum.accumulate(upper[::-1])[::-1][:wanted]
    )


def upper_bounds_beyond(
    chain: FiniteChain, log_law: FloatArray, functions: FloatArray, outflow: FloatArray
) -> FloatArray:
    """Return upper bounds of the rates of a chain on infinitely many states, of which a finite set is known.

    Functions that vanish outside of the set are trial functions of the whole chain, and what they lose at the boundary
    is the outflow; so by Courant and Fischer the chain that is killed there has rates above those of the whole chain,
    which must be in detailed balance with normalisable weights that continue ``log_law``.

    Parameters
    ----------
    chain, log_law, functions : FiniteChain, ndarray, ndarray
        As for `enclose_rates`.
    outflow : ndarray, shape (n_states,)
        Rates out of the set.
    """
    form = _DirichletForm(chain, log_law)
    bounds = np.full(functions.shape[1], np.inf)
    for m in range(1, bounds.size + 1):
        bounds[:m] = np.minimum(bounds[:m], form.killed(functions[:, :m], outflow))
    return bounds


def _separated(matrix: sp.csr_array, theta: FloatArray, k: int, misfit: float) -> tuple[int, float]:
    """Return a number ``m >= k`` and a bound below which at most ``m`` rates (and 0) are proven to lie; (0, 0) if none."""
    gaps = np.diff(theta) / theta[1:]
    order = [m for m in np.argsort(-gaps, kind="stable") + 1 if m >= k and gaps[m - 1] > 1e-7]
    for m in order[:2]:
        value = theta[m - 1] + 0.9 * (theta[m] - theta[m - 1])
        count, slack = count_below(matrix, value)
        if count == m + 1 and value - slack - misfit > theta[m - 1]:
            return int(m), float(value - slack - misfit)
    return 0, 0.0


def _sums(index: NDArray[np.int64], values: FloatArray, n: int) -> FloatArray:
    """Return for each of ``n`` states the sum of the values that belong to it."""
    return np.bincount(index, values, n).astype(np.float64)


@dataclass(frozen=True)
class _Ritz:
    theta: FloatArray
    residual: float
    rounding: float


class _DirichletForm:
    """Weights, conductances and the operator ``-Q`` that they make.

    Weights and conductances are floating-point numbers, and by definition those of the chain whose rates are enclosed.
    Quotients of both are computed apart, so that they have a rounding error that grows with the logarithms.
    """

    def __init__(self, chain: FiniteChain, log_law: FloatArray) -> None:
        self.n = chain.n_states
        out, back = chain.outgoing.sorted_indices(), chain.inflow.sorted_indices()
        source = np.repeat(np.arange(self.n), np.diff(out.indptr))
        once = source < out.indices
        self.x, self.y = source[once], out.indices[once].astype(np.int64)
        self.weight = np.exp(log_law - log_law.max())
        # exp(a + b) instead of exp(a) exp(b): conductances between states that underflow stay what they are.
        halves = 0.5 * (log_law[self.x] + log_law[self.y] + np.log(out.data[once]) + np.log(back.data[once]))
        self.conductance = np.exp(halves - log_law.max())
        self.rate_xy = np.exp(halves - log_law[self.x])
        self.rate_yx = np.exp(halves - log_law[self.y])
        self.terms = int(np.diff(out.indptr).max(initial=0)) + 4
        self.total = float(self.weight.sum())
        size = np.abs(log_law[self.x]) + np.abs(log_law[self.y]) + np.abs(np.log(out.data[once]))
        self.relative = (4.0 * size + self.terms + 8.0) * UNIT  # of each term of an image
        #: What states of a weight that underflows can add to a sum of products of weights and numbers of size 1.
        self.lost = 1e-290 * self.n if (self.weight < 1e-290).any() else 0.0

    def misfit(self, chain: FiniteChain) -> float:
        """Return a bound on the difference between ``-Q`` and that of the given rates, symmetrised; it is diagonal."""
        own = _sums(self.x, self.rate_xy, self.n) + _sums(self.y, self.rate_yx, self.n)
        slack = _sums(self.x, self.rate_xy * self.relative, self.n)
        slack += _sums(self.y, self.rate_yx * self.relative, self.n)
        return float((np.abs(own - chain.exit) + slack + 4.0 * self.terms * UNIT * own).max())

    def apply(self, f: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return ``-Q f``, and a bound on its rounding."""
        step = f[self.y] - f[self.x]
        down, up = self.rate_xy * step, self.rate_yx * step
        total = _sums(self.y, up, self.n) - _sums(self.x, down, self.n)
        size = _sums(self.y, np.abs(up) * self.relative, self.n)
        size = size + _sums(self.x, np.abs(down) * self.relative, self.n)
        return total, size

    def killed(self, functions: FloatArray, outflow: FloatArray) -> FloatArray:
        """Return upper bounds of Ritz values when what leaves the set is killed; the functions get a constant added."""
        w = self.weight
        f = np.column_stack([np.ones(self.n), functions - (w @ functions) / self.total])
        f = f / np.sqrt(w @ f**2)
        step = f[self.y] - f[self.x]
        form = step.T @ (self.conductance[:, None] * step) + f.T @ ((w * outflow)[:, None] * f)
        theta = scipy.linalg.eigh(form, f.T @ (w[:, None] * f), eigvals_only=True)
        rounding = 2.0 * (self.n + self.terms) * UNIT + 50.0 * theta.size**2 * UNIT
        bounds: FloatArray = theta[1:] + rounding * theta[-1]
        return bounds

    def ritz(self, functions: FloatArray) -> _Ritz:
        """Return Ritz values with a bound on their rounding, and a bound on the norm of the residuals."""
        w, m = self.weight, functions.shape[1]
        f = functions - (w @ functions) / self.total
        f = f / np.sqrt(w @ f**2)
        step = f[self.y] - f[self.x]
        form = step.T @ (self.conductance[:, None] * step)
        gram = f.T @ (w[:, None] * f)
        try:
            theta, c = scipy.linalg.eigh(form, gram)
        except np.linalg.LinAlgError:  # the functions are not independent
            return _Ritz(np.full(m, np.nan), np.inf, np.inf)
        v = f @ c  # orthonormal up to rounding
        squares = 0.0
        for j in range(m):
            image, rounding = self.apply(v[:, j])
            rest = np.abs(image - theta[j] * v[:, j]) + rounding + 4 * UNIT * theta[j] * np.abs(v[:, j])
            squares += float(w @ rest**2) + self.lost * float(rest.max()) ** 2
        if m == 1:  # the quotient of two sums of non-negative numbers
            relative = 2.0 * (self.n + self.terms) * UNIT
        else:
            relative = 2.0 * (self.n + self.terms) * UNIT + 50.0 * m * m * UNIT * np.linalg.cond(gram)
        lost = self.lost * float((np.maximum(self.rate_xy, self.rate_yx)[:, None] * step**2).max(initial=0.0))
        return _Ritz(theta, float(np.sqrt(squares)) * (1.0 + 1e-10), float(relative * abs(theta[-1])) + lost)
