"""Upper bounds of moments by comparison with a linear system.

Let ``phi`` be a vector of non-negative functions of the state, the constant 1 among them, and M a matrix
without negative entries off its diagonal with ``L phi <= M phi`` at every reachable state, L being the
generator. Then

    E[phi(X_t)] <= exp(M t) E[phi(X_0)].

Proof. For a row q >= 0 put ``g(s, x) = q exp(M (t - s)) phi(x)``, which is not negative since exp of such
an M has no negative entry. ``(d/ds + L) g <= 0``, so g along the process, stopped when it leaves a finite
set, is a supermartingale; let the sets grow and use Fatou's lemma. The expectation is over paths that have
not exploded, so nothing need be assumed about explosion or about moments.

Here ``phi`` are the products of falling factorials ``(x)_a = prod_i x_i (x_i - 1) ... (x_i - a_i + 1)`` up
to a total order. A reaction with jump v and propensity ``a(x) <= alpha + sum beta_k x_k`` that raises some
species adds

    (x + v)_a - (x)_a = sum_{b != 0} prod_i C(a_i, b_i) (v_i)_{b_i} (x)_{a - b}

to ``L phi``, and ``x_k (x)_c = (x)_{c + e_k} + c_k (x)_c``: all with coefficients >= 0. A reaction that
lowers species i and has ``a(x) >= d x_i`` takes away at least ``d a_i (x)_a``, since ``(x - 1)_a - (x)_a =
-a (x - 1)_{a - 1}`` for one species. For a single species with births at a bounded rate and decay this is
the moment equation of the immigration-death process itself.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

__all__ = ["Jump", "comparison_system", "falling_moments", "power_moment"]

Index = tuple[int, ...]


@dataclass(frozen=True)
class Jump:
    """What one reaction does to the members of a comparison system.

    Attributes
    ----------
    change : tuple of int
        Change of each member.
    alpha, beta
        Affine upper bound of the propensity in the members; used when the reaction raises one of them.
    decay : mapping of int to Fraction
        ``d_k`` with ``a(x) >= d_k x_k``, for each k by itself.
    """

    change: tuple[int, ...]
    alpha: Fraction
    beta: Mapping[int, Fraction]
    decay: Mapping[int, Fraction]


def comparison_system(
    jumps: Sequence[Jump], n_members: int, order: int
) -> tuple[dict[tuple[int, int], Fraction], dict[Index, int]]:
    """Return the matrix M and the position of each falling-factorial moment.

    Parameters
    ----------
    jumps : sequence of Jump
        Every reaction that changes a member.
    n_members : int
        Number of members n.
    order : int
        Largest total order K; the system has ``C(n + K, K)`` components.

    Examples
    --------
    Births at rate 3, decay at rate 2 for each molecule:

    >>> birth = Jump((1,), Fraction(3), {}, {})
    >>> death = Jump((-1,), Fraction(0), {}, {0: Fraction(2)})
    >>> matrix, position = comparison_system([birth, death], 1, 1)
    >>> sorted((key, int(value)) for key, value in matrix.items())
    [((1, 0), 3), ((1, 1), -2)]
    """
    indices = [a for a in itertools.product(range(order + 1), repeat=n_members) if sum(a) <= order]
    indices.sort(key=lambda a: (sum(a), a))
    position = {a: k for k, a in enumerate(indices)}
    matrix: dict[tuple[int, int], Fraction] = {}

    def add(a: Index, b: Index, value: Fraction) -> None:
        if value:
            key = (position[a], position[b])
            matrix[key] = matrix.get(key, Fraction(0)) + value

    for a in indices:
        for jump in jumps:
            losses = [d * a[k] for k, d in jump.decay.items() if jump.change[k] < 0]
            if losses:
                add(a, a, -max(losses))
            choices = [range(a[k] + 1) if v > 0 else range(1) for k, v in enumerate(jump.change)]
            for b in itertools.product(*choices):
                weight = Fraction(1)
                for k, lower in enumerate(b):
                    weight *= math.comb(a[k], lower) * math.perm(max(jump.change[k], 0), lower)
                if not any(b) or not weight:
                    continue
                rest = tuple(x - y for x, y in zip(a, b, strict=True))
                add(a, rest, weight * jump.alpha)
                for k, slope in jump.beta.items():
                    add(a, tuple(x + (i == k) for i, x in enumerate(rest)), weight * slope)
                    add(a, rest, weight * slope * rest[k])
    return {key: value for key, value in matrix.items() if value}, position


def falling_moments(state: Sequence[int], position: Mapping[Index, int]) -> list[Fraction]:
    """Return the falling factorials of a state, in the order of ``position``.

    Examples
    --------
    >>> [int(x) for x in falling_moments([4], {(0,): 0, (1,): 1, (2,): 2})]
    [1, 4, 12]
    """
    return [
        Fraction(math.prod(math.perm(x, k) if k <= x else 0 for x, k in zip(state, a, strict=True)))
        for a in position
    ]


def power_moment(falling: Sequence[Fraction]) -> Fraction:
    """Return E[X**k] from the falling-factorial moments of order 0 to k, by Stirling numbers.

    Examples
    --------
    >>> power_moment([Fraction(1), Fraction(4), Fraction(12)])
    Fraction(16, 1)
    """
    k = len(falling) - 1
    row = [1]
    for _ in range(k):
        row = [0, *row]
        row = [(j * row[j + 1] if j + 1 < len(row) else 0) + row[j] for j in range(len(row))]
    return sum((s * m for s, m in zip(row, falling, strict=True)), Fraction(0))
