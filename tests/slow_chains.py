"""Chains on a line with a slow rate that is known to many digits."""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from fsp.stationary import FiniteChain

FloatArray = NDArray[np.float64]


def line_chain(up: FloatArray, down: FloatArray) -> FiniteChain:
    """Return the birth-death chain with rates ``up[i]`` from i to i + 1 and ``down[i]`` back."""
    n = len(up) + 1
    rates = sp.diags_array([up, down], offsets=[-1, 1], shape=(n, n))
    inflow = rates.tocsr()
    inflow.eliminate_zeros()
    return FiniteChain(inflow, np.zeros(n))


def schloegl_chain(volume: int) -> FiniteChain:
    """Return Schloegl's model in a volume: with each unit of it relaxation takes about ten times as long."""
    x = np.arange(700.0 * volume)
    births = 0.18 * x * (x - 1) / volume + 2200.0 * volume
    deaths = 2.5e-4 * x * (x - 1) * (x - 2) / volume**2 + 37.5 * x
    return line_chain(births[:-1], deaths[1:])


def inverse_iteration_rate(chain: FiniteChain, guess: float, digits: int = 60) -> Any:
    """Return the rate next to a guess by inverse iteration with a banded factorisation of many digits.

    The guess only has to be nearer to this rate than to 0 and to the others: the shift is nine tenths of it.
    """
    n = chain.n_states
    coo = chain.outgoing.tocoo()
    band = int(np.abs(coo.coords[0] - coo.coords[1]).max())
    with mpmath.workdps(digits):
        rows: list[dict[int, Any]] = [{} for _ in range(n)]
        for x, y, rate in zip(*coo.coords, coo.data, strict=True):
            rows[x][int(y)] = -mpmath.mpf(float(rate))
        shift = mpmath.mpf(guess) * mpmath.mpf("0.9")
        for x in range(n):
            rows[x][x] = -mpmath.fsum(rows[x].values()) - shift
        for x in range(n):
            pivot = rows[x][x]
            for y in range(x + 1, min(n, x + band + 1)):
                if x in rows[y]:
                    factor = rows[y][x] = rows[y][x] / pivot
                    for z, value in rows[x].items():
                        if z > x:
                            rows[y][z] = rows[y].get(z, 0) - factor * value
        f = [mpmath.mpf(1 if x < n // 2 else -1) + mpmath.mpf(x) / n for x in range(n)]
        z = None
        for _ in range(80):
            g = list(f)
            for x in range(n):
                g[x] -= mpmath.fsum(value * g[y] for y, value in rows[x].items() if y < x)
            for x in range(n - 1, -1, -1):
                g[x] = (g[x] - mpmath.fsum(value * g[y] for y, value in rows[x].items() if y > x)) / rows[x][
                    x
                ]
            peak = max(range(n), key=lambda x: abs(g[x]))
            new = shift + f[peak] / g[peak]
            f = [value / g[peak] for value in g]
            if z is not None and abs(new - z) <= mpmath.mpf(10) ** -20 * abs(z):
                return new
            z = new
        raise AssertionError


def birth_death_rate(chain: FiniteChain, digits: int = 50) -> Any:
    """Return the slowest rate of a bistable birth-death chain.

    With the rate z the mode f obeys ``c_i (f_(i+1) - f_i) = -z sum_(j <= i) w_j f_j``. It is built from both ends, where it
    is nearly constant, to the least probable state between the two peaks, where both parts have to fit; that is an equation
    for z, solved by the secant method.
    """
    n = chain.n_states
    up, down = chain.outgoing.diagonal(1), chain.outgoing.diagonal(-1)
    with mpmath.workdps(digits):
        number = mpmath.mpf
        w = [number(1)]
        for a, b in zip(up, down, strict=True):
            w.append(w[-1] * number(float(a)) / number(float(b)))
        c = [weight * number(float(a)) for weight, a in zip(w, up, strict=False)]
        peaks = [i for i in range(1, n - 1) if w[i] > w[i - 1] and w[i] > w[i + 1]]
        cut = min(range(peaks[0], peaks[-1]), key=lambda i: w[i])
        below = [number(0)]
        for weight in w:
            below.append(below[-1] + weight)
        total = below[-1]
        start = 1 / mpmath.fsum(below[i + 1] * (total - below[i + 1]) / total / c[i] for i in range(n - 1))

        def misfit(z: Any) -> Any:
            f, flow = number(1), number(0)
            for i in range(cut):
                flow += w[i] * f
                f -= z * flow / c[i]
            flow += w[cut] * f
            left = f / flow
            f, flow = number(1), number(0)
            for i in range(n - 1, cut + 1, -1):
                flow += w[i] * f
                f -= z * flow / c[i - 1]
            flow += w[cut + 1] * f
            return z - c[cut] * (f / flow + left)

        return mpmath.findroot(misfit, (start, start * (1 + number(10) ** -4)), tol=number(10) ** -digits)
