"""Closed moment equations: species whose means and second moments obey linear differential equations.

A set V of species is *autonomous* when every reaction that changes a member has a propensity that is affine
in the counts of V and constant in time. The counts of V then are a Markov chain of their own. Its rates
grow at most linearly, so it does not explode and all its moments are finite (Meyn and Tweedie, Adv. Appl.
Prob. 25:518-548, 1993, theorem 2.1), and Dynkin's formula gives closed equations for means and second
moments (Gillespie, Markov Processes, Academic Press 1992): with ``a_r(x) = c_r + sum_k b_rk x_k`` and jumps
``v_r``,

    d/dt E[x_i]     = sum_r v_ri E[a_r],
    d/dt E[x_i x_j] = sum_r v_ri E[a_r x_j] + v_rj E[a_r x_i] + v_ri v_rj E[a_r].
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from fsp.moments.polynomial import Affine

__all__ = ["autonomous_species", "components", "moment_equations"]


def autonomous_species(stoichiometry: NDArray[np.int64], rates: Sequence[Affine | None]) -> list[int]:
    """Return the largest autonomous set of species.

    Parameters
    ----------
    stoichiometry : ndarray of int, shape (n_reactions, n_species)
        The jumps.
    rates : sequence of Affine or None
        The affine propensities, None for any other.

    Returns
    -------
    list of int
        Positions of the species, ascending.

    Examples
    --------
    A promoter that drives something which is not linear:

    >>> switch = (Fraction(0), {0: Fraction(2)})
    >>> autonomous_species(np.array([[-1, 0], [0, 1]]), [switch, None])
    [0]
    """
    changed = [np.flatnonzero(row) for row in stoichiometry]
    kept = np.ones(stoichiometry.shape[1], dtype=bool)
    while True:
        drop = np.zeros_like(kept)
        for species, rate in zip(changed, rates, strict=True):
            if rate is None or not all(kept[k] for k in rate[1]):
                drop[species] = True
        if not np.any(kept & drop):
            return [int(i) for i in np.flatnonzero(kept)]
        kept &= ~drop


def components(
    stoichiometry: NDArray[np.int64], rates: Sequence[Affine | None], species: Sequence[int]
) -> list[list[int]]:
    """Split an autonomous set into the parts that share no reaction: parts that evolve independently."""
    parent = {i: i for i in species}

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    for row, rate in zip(stoichiometry, rates, strict=True):
        changed = [int(i) for i in np.flatnonzero(row) if int(i) in parent]
        if changed and rate is not None:
            for other in (*changed[1:], *rate[1]):
                parent[root(other)] = root(changed[0])
    groups: dict[int, list[int]] = {}
    for i in species:
        groups.setdefault(root(i), []).append(i)
    return list(groups.values())


def moment_equations(
    stoichiometry: NDArray[np.int64], rates: Sequence[Affine | None], species: Sequence[int], *, second: bool
) -> tuple[dict[tuple[int, int], Fraction], dict[tuple[int, ...], int]]:
    """Return the matrix of the moment equations of an autonomous set.

    Parameters
    ----------
    stoichiometry, rates
        See `autonomous_species`.
    species : sequence of int
        An autonomous set.
    second : bool
        Whether second moments are wanted besides means.

    Returns
    -------
    entries : dict
        The non-zero entries of the matrix A of ``z' = A z``.
    position : dict
        Where each moment stands in z: ``()`` for the total mass, ``(i,)`` for E[x_i] and ``(i, j)``, ``i <=
        j``, for E[x_i x_j].
    """
    position: dict[tuple[int, ...], int] = {(): 0}
    for i in species:
        position[(i,)] = len(position)
    if second:
        for a, i in enumerate(species):
            for j in species[a:]:
                position[(min(i, j), max(i, j))] = len(position)
    entries: dict[tuple[int, int], Fraction] = {}

    def add(row: int, rate: Affine, other: tuple[int, ...], factor: int) -> None:
        """Add ``factor * E[a_r * other]`` to the derivative of the moment in ``row``."""
        for power, coefficient in [((), rate[0]), *(((k,), value) for k, value in rate[1].items())]:
            if coefficient and factor:
                key = (row, position[tuple(sorted((*power, *other)))])
                entries[key] = entries.get(key, Fraction(0)) + factor * coefficient

    members = set(species)
    for row, rate in zip(stoichiometry, rates, strict=True):
        jumps = {int(i): int(row[i]) for i in np.flatnonzero(row) if int(i) in members}
        if not jumps or rate is None:
            continue
        for i, jump in jumps.items():
            add(position[(i,)], rate, (), jump)
            if not second:
                continue
            for j in species:
                # Each pair once; the diagonal collects both of its equal terms.
                pair = position[(min(i, j), max(i, j))]
                add(pair, rate, (j,), jump * (2 if i == j else 1))
                if j in jumps and j >= i:
                    add(pair, rate, (), jump * jumps[j])
    return {key: value for key, value in entries.items() if value}, position
