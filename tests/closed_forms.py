"""Transient distributions that are known in closed form, to many digits, and a reference for all others.

Every function returns a list of mpmath numbers, ``P(X = 0), P(X = 1), ...`` at time t, computed with at
least 50 digits. Rates and times given as Python floats or strings are taken exactly.

Sources: D. G. Kendall, Ann. Math. Stat. 19:1-15, 1948 (birth and death); T. Jahnke and W. Huisinga, J.
Math. Biol. 54:1-26, 2007 (monomolecular networks: convolutions of binomial and Poisson laws); S.
Iyer-Biswas, F. Hayot and C. Jayaprakash, Phys. Rev. E 79:031911, 2009 (telegraph model); D. A. McQuarrie,
J. Appl. Prob. 4:413-478, 1967 (dimerisation).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import mpmath as mp

__all__ = [
    "binomial",
    "birth_death",
    "convolve",
    "dimerisation",
    "immigration_death",
    "isomerisation",
    "moments",
    "one_norm",
    "poisson",
    "pure_birth",
    "pure_death",
    "reference_transient",
    "stationary_immigration_death",
    "telegraph",
]

DIGITS = 60
Law = list[Any]


def _number(x: Any) -> Any:
    """Return a rate or a time as an mpmath number, exactly."""
    if isinstance(x, Fraction):
        return mp.mpf(x.numerator) / x.denominator
    return mp.mpf(x)


def _precise(function: Callable[..., Law]) -> Callable[..., Law]:
    """Run a function with `DIGITS` digits, or more if the caller has set more."""

    def run(*args: Any, **kwargs: Any) -> Law:
        with mp.workdps(max(mp.mp.dps, DIGITS)):
            return function(*args, **kwargs)

    run.__doc__, run.__name__ = function.__doc__, function.__name__
    return run


# Elementary laws


@_precise
def binomial(n: int, p: Any) -> Law:
    """Return the binomial law of n trials with probability p."""
    p = _number(p)
    return [mp.binomial(n, k) * p**k * (1 - p) ** (n - k) for k in range(n + 1)]


@_precise
def poisson(mean: Any, size: int) -> Law:
    """Return the first ``size`` probabilities of the Poisson law."""
    mean = _number(mean)
    law, term = [], mp.exp(-mean)
    for k in range(size):
        law.append(term)
        term = term * mean / (k + 1)
    return law


@_precise
def convolve(a: Sequence[Any], b: Sequence[Any], size: int | None = None) -> Law:
    """Return the law of the sum of two independent counts, cut after ``size`` terms."""
    size = len(a) + len(b) - 1 if size is None else size
    out = []
    for n in range(size):
        low, high = max(0, n - len(b) + 1), min(n, len(a) - 1)
        out.append(mp.fsum(a[k] * b[n - k] for k in range(low, high + 1)))
    return out


# Networks


@_precise
def pure_death(x0: int, rate: Any, t: Any) -> Law:
    """Return the law of ``X -> 0`` from x0: binomial."""
    return binomial(x0, mp.exp(-_number(rate) * _number(t)))


@_precise
def pure_birth(x0: int, rate: Any, t: Any, size: int) -> Law:
    """Return the law of ``X -> 2 X`` from x0: negative binomial (Yule)."""
    p = mp.exp(-_number(rate) * _number(t))
    law = [mp.mpf(0)] * min(x0, size)
    for n in range(x0, size):
        law.append(mp.binomial(n - 1, x0 - 1) * p**x0 * (1 - p) ** (n - x0) if x0 else mp.mpf(n == 0))
    return law


@_precise
def birth_death(x0: int, birth: Any, death: Any, t: Any, size: int) -> Law:
    """Return the law of ``X -> 2 X`` and ``X -> 0``: x0 independent families.

    Each family is extinct with probability ``a``, and else geometric with ratio ``b``.
    """
    birth, death, t = _number(birth), _number(death), _number(t)
    if birth == death:
        a = b = birth * t / (1 + birth * t)
    else:
        growth = mp.exp((birth - death) * t)
        a, b = (
            death * (growth - 1) / (birth * growth - death),
            birth * (growth - 1) / (birth * growth - death),
        )
    law = []
    for n in range(size):
        terms = [
            mp.binomial(x0, j)
            * (1 - a) ** j
            * (1 - b) ** j
            * a ** (x0 - j)
            * mp.binomial(n - 1, j - 1)
            * b ** (n - j)
            for j in range(1, min(x0, n) + 1)
        ]
        law.append(mp.fsum(terms) if n else a**x0)
    return law


@_precise
def immigration_death(x0: int, immigration: Any, death: Any, t: Any, size: int) -> Law:
    """Return the law of ``0 -> X`` and ``X -> 0`` from x0: binomial plus Poisson."""
    immigration, death, t = _number(immigration), _number(death), _number(t)
    left = mp.exp(-death * t)
    return convolve(binomial(x0, left), poisson(immigration / death * (1 - left), size), size)


@_precise
def stationary_immigration_death(immigration: Any, death: Any, size: int) -> Law:
    """Return the stationary law of ``0 -> X`` and ``X -> 0``: Poisson."""
    return poisson(_number(immigration) / _number(death), size)


@_precise
def isomerisation(a0: int, b0: int, forward: Any, backward: Any, t: Any) -> Law:
    """Return the law of the count of A in ``A <-> B`` from (a0, b0): the sum of two binomial counts."""
    forward, backward, t = _number(forward), _number(backward), _number(t)
    total = forward + backward
    decay = mp.exp(-total * t)
    stays = (backward + forward * decay) / total
    returns = backward * (1 - decay) / total
    return convolve(binomial(a0, stays), binomial(b0, returns))


@_precise
def dimerisation(n0: int, rate: Any, t: Any) -> Law:
    """Return the law of the count of A in ``2 A -> B``, propensity ``rate n (n - 1) / 2``, from n0.

    The generator is bidiagonal with different rates, so the exponential is a sum of exponentials whose
    coefficients are ratios of differences of rates.
    """
    rate, t = _number(rate), _number(t)
    counts = list(range(n0, -1, -2))
    rates = [rate * n * (n - 1) / 2 for n in counts]
    with mp.workdps(mp.mp.dps + 2 * n0):  # the sum cancels
        law = [mp.mpf(0)] * (n0 + 1)
        product = mp.mpf(1)
        for m, n in enumerate(counts):
            terms = []
            for i in range(m + 1):
                below = mp.mpf(1)
                for j in range(m + 1):
                    if j != i:
                        below *= rates[j] - rates[i]
                terms.append(mp.exp(-rates[i] * t) / below)
            law[n] = product * mp.fsum(terms)
            product *= rates[m]
    return law


@_precise
def telegraph(
    on: Any, off: Any, production: Any, decay: Any, t: Any, size: int, *, start_on: bool = False
) -> Law:
    """Return the law of mRNA in ``G0 <-> G1, G1 -> G1 + M, M -> 0``, without mRNA at the start.

    With time in units of 1 / decay and ``w = (production / decay) (z - 1)`` the generating functions of
    both promoter states obey ``dG1/dt + w dG1/dw = on G0 - off G1 + w G1`` and ``dG0/dt + w dG0/dw = off G1
    - on G0``. Along ``w = v exp(t)`` the sum ``F = G0 + G1`` satisfies Kummer's equation ``w F'' + (on +
    off - w) F' - on F = 0`` with ``G1 = F'``, whose solutions are ``M(on, on + off, w)`` and ``w**(1 - on -
    off) M(1 - off, 2 - on - off, w)`` (``on + off`` must not be an integer). The coefficients follow from
    values on a circle, by the discrete Fourier transform.

    Parameters
    ----------
    on, off, production, decay, t
        Rates of G0 -> G1, G1 -> G0, mRNA production and decay, and the time.
    size : int
        Number of probabilities; the mass beyond must be negligible at 1e-55.
    start_on : bool
        Whether the promoter starts in G1.
    """
    on, off, production, decay, t = (_number(x) for x in (on, off, production, decay, t))
    on, off, height, time = on / decay, off / decay, production / decay, t * decay
    total = on + off
    if abs(total - mp.nint(total)) < mp.mpf(10) ** -20:
        message = "on + off is an integer multiple of decay: the second solution has another form"
        raise ValueError(message)

    def first(w: Any) -> tuple[Any, Any]:
        return mp.hyp1f1(on, total, w), on / total * mp.hyp1f1(on + 1, total + 1, w)

    def second(w: Any) -> tuple[Any, Any]:
        """Return the second solution without its power of w, times 1 and its derivative times w."""
        kummer = mp.hyp1f1(1 - off, 2 - total, w)
        slope = (1 - off) / (2 - total) * mp.hyp1f1(2 - off, 3 - total, w)
        return kummer, (1 - total) * kummer + w * slope

    def generating(z: Any) -> Any:
        w = height * (z - 1)
        if w == 0:
            return mp.mpf(1)
        v = w * mp.exp(-time)  # the characteristic starts here
        a, b = first(v)
        c, d = second(v)
        # At time 0 the law sits at zero mRNA: F = 1 and F' = 1 or 0, for every z.
        slope = mp.mpf(1 if start_on else 0)
        determinant = a * d - b * v * c
        alpha = (d - slope * v * c) / determinant
        beta = (slope * v * a - b * v) / determinant
        # The powers of w: (w / v)**(1 - total) = exp((1 - total) time).
        return alpha * first(w)[0] + beta * mp.exp((1 - total) * time) * second(w)[0]

    values = [generating(mp.expjpi(mp.mpf(2) * k / size)) for k in range(size // 2 + 1)]
    values += [mp.conj(values[size - k]) for k in range(size // 2 + 1, size)]
    roots = [mp.expjpi(-mp.mpf(2) * k / size) for k in range(size)]
    return [mp.fsum(values[k] * roots[k * n % size] for k in range(size)).real / size for n in range(size)]


# Any network


@_precise
def reference_transient(
    stoichiometry: Sequence[Sequence[int]],
    propensities: Sequence[Callable[..., Any]],
    start: Sequence[int] | dict[tuple[int, ...], Any],
    t: Any,
    box: Sequence[int],
) -> Any:
    """Return the transient law on a box as a dict from state to probability, by uniformisation with many
    digits.

    What leaves the box is lost, so that each number is a lower bound of the probability without a box; the
    missing mass says by how much. Every other error is below 1e-50.

    Parameters
    ----------
    stoichiometry : sequence of sequence of int
        One row per reaction.
    propensities : sequence of callable
        Functions of the counts, one argument each; exact arithmetic (ints, Fractions, mpmath) keeps all
        digits.
    start : state, or dict from state to probability
    t : number
        The time.
    box : sequence of int
        Largest counts.
    """
    t = _number(t)
    states = list(itertools.product(*(range(n + 1) for n in box)))
    where = {state: k for k, state in enumerate(states)}
    moves: list[list[tuple[int, Any]]] = []
    exits = []
    for state in states:
        row, total = [], mp.mpf(0)
        for jump, propensity in zip(stoichiometry, propensities, strict=True):
            rate = _number(propensity(*state))
            if rate == 0:
                continue
            total += rate
            target = tuple(x + v for x, v in zip(state, jump, strict=True))
            if target in where:
                row.append((where[target], rate))
        moves.append(row)
        exits.append(total)
    rate = max(exits) or mp.mpf(1)
    vector = [mp.mpf(0)] * len(states)
    for state, mass in (start if isinstance(start, dict) else {tuple(start): 1}).items():
        vector[where[state]] += _number(mass)
    weight, total = mp.exp(-rate * t), [mp.mpf(0)] * len(states)
    left, k = 1 - weight, 0
    while True:
        total = [a + weight * b for a, b in zip(total, vector, strict=True)]
        if k > rate * t and weight < mp.mpf(10) ** -55:
            break
        k += 1
        following = [x * (1 - e / rate) for x, e in zip(vector, exits, strict=True)]
        for i, row in enumerate(moves):
            if vector[i]:
                for j, r in row:
                    following[j] += vector[i] * r / rate
        vector, weight = following, weight * rate * t / k
        left -= weight
    return dict(zip(states, total, strict=True))


# What tests compare


def moments(law: Sequence[Any], order: int = 2) -> list[Any]:
    """Return E[X], ..., E[X**order]."""
    with mp.workdps(max(mp.mp.dps, DIGITS)):
        return [mp.fsum(p * mp.mpf(n) ** k for n, p in enumerate(law)) for k in range(1, order + 1)]


def one_norm(law: Sequence[Any], other: Sequence[Any]) -> Any:
    """Return the 1-norm of the difference of two laws; the shorter one is padded with zeros."""
    with mp.workdps(max(mp.mp.dps, DIGITS)):
        pairs = itertools.zip_longest(law, other, fillvalue=0.0)
        return mp.fsum(abs(mp.mpf(a) - mp.mpf(b)) for a, b in pairs)
