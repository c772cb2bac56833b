"""Conservation laws of a network, in exact integer arithmetic, and the elimination of dependent species.

A law is a row c of integers with c . (change of every reaction) = 0, so that c . x keeps its initial value.
Laws with non-negative coefficients bound the counts; they are found with Farkas' algorithm (Schuster and
Hilgetag, J. Biol. Syst. 2:165-182, 1994), and completed to a basis by exact elimination where they do not
suffice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from math import gcd

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fsp.errors import ModelError

__all__ = ["ConservationLaws", "find_conservation_laws"]

Row = dict[int, int]  # sparse: column -> non-zero integer

_MAX_ROWS = 4000  # of Farkas' tableau: beyond, only the linear basis is used


@dataclass(frozen=True)
class ConservationLaws:
    """The conserved quantities of a network.

    Attributes
    ----------
    species_names : tuple of str
        All species.
    coefficients : numpy.ndarray
        (n_laws, n_species) integers without common divisor per row, a basis of all laws; rows without
        negative entries come first.
    totals : numpy.ndarray
        (n_laws,) integer values at the initial state.
    dependent : tuple of int
        Species that follow from the others; at most one per law. Solving for them is exact in integers; a law
        for which that is impossible (every coefficient larger than 1) eliminates no species.
    independent : tuple of int
        The other species, in order.
    offset, matrix : numpy.ndarray
        (n_species,) and (n_species, n_independent) integers: all counts are ``offset + matrix @ independent
        counts``.
    upper_bounds : numpy.ndarray
        (n_species,) largest counts that the non-negative laws allow; infinite where there is none.
    """

    species_names: tuple[str, ...]
    coefficients: NDArray[np.int64]
    totals: NDArray[np.int64]
    dependent: tuple[int, ...]
    independent: tuple[int, ...]
    offset: NDArray[np.int64]
    matrix: NDArray[np.int64]
    upper_bounds: NDArray[np.float64] = field(repr=False)

    def __len__(self) -> int:
        return len(self.totals)

    def expand(self, reduced: ArrayLike) -> NDArray[np.int64]:
        """Return all counts (..., n_species) for given independent counts (..., n_independent)."""
        return np.asarray(np.asarray(reduced, dtype=np.int64) @ self.matrix.T + self.offset)

    def reduce(self, states: ArrayLike) -> NDArray[np.int64]:
        """Return the independent counts (..., n_independent) of states (..., n_species)."""
        return np.asarray(states, dtype=np.int64)[..., list(self.independent)]

    def __str__(self) -> str:
        lines = []
        for row, total in zip(self.coefficients.tolist(), self.totals.tolist(), strict=True):
            text = ""
            for name, c in zip(self.species_names, row, strict=True):
                if c:
                    sign = ("-" if not text else " - ") if c < 0 else ("" if not text else " + ")
                    text += f"{sign}{'' if abs(c) == 1 else f'{abs(c)} '}{name}"
            lines.append(f"{text} = {total}")
        return "\n".join(lines) or "no conservation laws"


def find_conservation_laws(
    stoichiometry: ArrayLike,
    initial: ArrayLike,
    species_names: Sequence[str],
    *,
    readers: Sequence[int] | None = None,
) -> ConservationLaws:
    """Find the conservation laws of a network.

    Parameters
    ----------
    stoichiometry : array_like of int
        (n_reactions, n_species) change of the counts by each reaction.
    initial : array_like of int
        (n_species,) initial counts.
    species_names : sequence of str
        Names, for printing.
    readers : sequence of int, optional
        How many propensities read each species: species that few read are eliminated first, because a
        propensity that reads an eliminated species reads all species that it follows from.

    Raises
    ------
    ModelError
        If a total exceeds 64-bit integers.

    Examples
    --------
    >>> changes = [[-1, -1, 1, 0], [1, 1, -1, 0], [0, 1, -1, 1]]
    >>> laws = find_conservation_laws(changes, [100, 10, 0, 0], ["S", "E", "C", "P"])
    >>> print(laws)
    E + C = 10
    S + C + P = 100
    >>> laws.dependent, laws.upper_bounds.tolist()
    ((2, 3), [100.0, 10.0, 10.0, 100.0])
    """
    names = tuple(species_names)
    start = [int(x) for x in np.asarray(initial).reshape(-1)]
    columns = _distinct_columns(np.atleast_2d(np.asarray(stoichiometry, dtype=np.int64)))
    n_species = len(names)
    space = _left_null_space(columns, n_species)
    supports = [s for law in space for s in law]
    apart = len(supports) == len(set(supports)) and all(min(law.values()) > 0 for law in space)
    semi = [] if apart else _semipositive_laws(columns, n_species)  # laws apart are already the minimal ones
    candidates = sorted(semi, key=lambda law: (len(law), max(law.values()), sorted(law)))
    basis = _independent_rows([*candidates, *space])
    weights = [1] * n_species if readers is None else list(readers)
    bounds = np.full(n_species, np.inf)
    for law in (*semi, *basis):
        if min(law.values()) > 0:
            total = sum(c * start[s] for s, c in law.items())
            for s, c in law.items():
                bounds[s] = min(bounds[s], total // c)
    solved = _eliminate(basis, start, weights)
    independent = tuple(s for s in range(n_species) if s not in solved)
    place = {s: i for i, s in enumerate(independent)}
    offset = np.zeros(n_species, dtype=np.int64)
    matrix = np.zeros((n_species, len(independent)), dtype=np.int64)
    for s, i in place.items():
        matrix[s, i] = 1
    totals = [sum(c * start[s] for s, c in law.items()) for law in basis]
    largest = max((abs(value) for value in totals), default=0)
    largest = max([largest, *(abs(total) for total, _ in solved.values())])
    largest = max([largest, *(abs(c) for law in basis for c in law.values())])
    largest = max([largest, *(abs(c) for _, law in solved.values() for c in law.values())])
    if largest >= 2**62:
        message = f"a conservation law holds the number {largest}: it must stay below 2^62"
        raise ModelError(message)
    for s, (total, law) in solved.items():
        offset[s] = total
        for other, c in law.items():
            matrix[s, place[other]] = -c
    coefficients = np.zeros((len(basis), n_species), dtype=np.int64)
    for i, law in enumerate(basis):
        for s, c in law.items():
            coefficients[i, s] = c
    for array in (coefficients, offset, matrix, bounds):
        array.setflags(write=False)
    values = np.array(totals, dtype=np.int64)
    return ConservationLaws(
        names, coefficients, values, tuple(sorted(solved)), independent, offset, matrix, bounds
    )


def _distinct_columns(stoichiometry: NDArray[np.int64]) -> list[Row]:
    """Return the reactions' changes without zero rows, divided by their divisors, up to sign, each once."""
    found: dict[tuple[tuple[int, int], ...], Row] = {}
    for change in stoichiometry.tolist():
        row = _primitive({s: c for s, c in enumerate(change) if c})
        if row:
            sign = 1 if row[min(row)] > 0 else -1
            row = {s: sign * c for s, c in row.items()}
            found[tuple(sorted(row.items()))] = row
    return list(found.values())


def _primitive(row: Row) -> Row:
    divisor = gcd(*row.values()) if row else 1
    return {s: c // divisor for s, c in row.items()} if divisor > 1 else row


def _combine(row: Row, a: int, other: Row, b: int) -> Row:
    """Return a*row + b*other, without zeros."""
    result = {s: a * c for s, c in row.items()}
    for s, c in other.items():
        value = result.get(s, 0) + b * c
        if value:
            result[s] = value
        else:
            result.pop(s, None)
    return result


def _semipositive_laws(columns: Sequence[Row], n_species: int) -> list[Row]:
    """Return the laws with non-negative coefficients and minimal support (none if there are too many)."""
    # each tableau row: (what remains of its product with the reactions, the law so far)
    tableau: list[tuple[Row, Row]] = []
    for s in range(n_species):
        tableau.append(({j: column[s] for j, column in enumerate(columns) if s in column}, {s: 1}))
    pending = set(range(len(columns)))
    signs = {j: [0, 0] for j in pending}
    while pending:
        for j in pending:
            signs[j] = [0, 0]
        for rest, _ in tableau:
            for j, c in rest.items():
                signs[j][c > 0] += 1
        j = min(pending, key=lambda k: (signs[k][0] * signs[k][1] - sum(signs[k]), k))
        pending.discard(j)
        kept = [row for row in tableau if j not in row[0]]
        above = [row for row in tableau if row[0].get(j, 0) > 0]
        below = [row for row in tableau if row[0].get(j, 0) < 0]
        if len(above) * len(below) > _MAX_ROWS:
            return []
        made = []
        for rest, law in above:
            for rest_below, law_below in below:
                a, b = -rest_below[j], rest[j]
                divisor = gcd(a, b)
                a, b = a // divisor, b // divisor
                made.append((_combine(rest, a, rest_below, b), _combine(law, a, law_below, b)))
        tableau = _minimal(kept + made)
    return [_primitive(law) for _, law in tableau]


def _minimal(rows: list[tuple[Row, Row]]) -> list[tuple[Row, Row]]:
    """Leave out rows whose law's support contains that of another."""
    rows.sort(key=lambda row: len(row[1]))
    result: list[tuple[Row, Row]] = []
    supports: list[frozenset[int]] = []
    holders: dict[int, list[int]] = {}
    for row in rows:
        support = frozenset(row[1])
        rivals = {i for s in support for i in holders.get(s, ())}
        if any(supports[i] <= support for i in rivals):
            continue
        for s in support:
            holders.setdefault(s, []).append(len(supports))
        supports.append(support)
        result.append(row)
    return result


def _left_null_space(columns: Sequence[Row], n_species: int) -> list[Row]:
    """Return a basis of all laws (integers of either sign), by sparse exact elimination."""
    tableau: list[tuple[Row, Row]] = []
    for s in range(n_species):
        tableau.append(({j: column[s] for j, column in enumerate(columns) if s in column}, {s: 1}))
    laws: list[Row] = []
    while tableau:
        # pivot on the shortest row, to keep the others sparse
        index = min(range(len(tableau)), key=lambda i: len(tableau[i][0]))
        rest, law = tableau.pop(index)
        if not rest:
            laws.append(_primitive(law))
            continue
        j = min(rest)
        for i, (other_rest, other_law) in enumerate(tableau):
            if j in other_rest:
                a, b = rest[j], -other_rest[j]
                divisor = gcd(a, b)
                a, b = a // divisor, b // divisor
                tableau[i] = _divided(_combine(other_rest, a, rest, b), _combine(other_law, a, law, b))
    return [{s: c * (1 if law[min(law)] > 0 else -1) for s, c in law.items()} for law in laws]


def _divided(rest: Row, law: Row) -> tuple[Row, Row]:
    divisor = gcd(*rest.values(), *law.values())
    if divisor > 1:
        return {j: c // divisor for j, c in rest.items()}, {s: c // divisor for s, c in law.items()}
    return rest, law


def _independent_rows(rows: Sequence[Row]) -> list[Row]:
    """Return the rows that are no combination of those before them."""
    kept: list[Row] = []
    reduced: dict[int, dict[int, Fraction]] = {}  # pivot -> row with 1 at the pivot
    for row in rows:
        rest = {s: Fraction(c) for s, c in row.items()}
        for pivot in [s for s in rest if s in reduced]:
            factor = rest.get(pivot)
            if not factor:
                continue
            for s, c in reduced[pivot].items():
                value = rest.get(s, Fraction(0)) - factor * c
                if value:
                    rest[s] = value
                else:
                    rest.pop(s, None)
        if not rest:
            continue
        pivot = min(rest)
        scale = rest[pivot]
        rest = {s: c / scale for s, c in rest.items()}
        for other in reduced.values():
            if pivot in other:
                factor = other.pop(pivot)
                for s, c in rest.items():
                    if s != pivot:
                        value = other.get(s, Fraction(0)) - factor * c
                        if value:
                            other[s] = value
                        else:
                            other.pop(s, None)
        reduced[pivot] = rest
        kept.append(row)
    return kept


def _eliminate(
    basis: Sequence[Row], start: Sequence[int], weights: Sequence[int]
) -> dict[int, tuple[int, Row]]:
    """Solve laws for one species each: species -> (total, coefficients of the independent species).

    Only coefficients of 1 or -1 are pivots, so that every step is exact in integers; the cheapest pivot is
    taken first (few propensities that read the species, few species to replace it).
    """
    open_laws = [(sum(c * start[s] for s, c in law.items()), dict(law)) for law in basis]
    solved: dict[int, tuple[int, Row]] = {}
    while True:
        best: tuple[tuple[int, int, int], int, int] | None = None
        for i, (_, law) in enumerate(open_laws):
            for s, c in law.items():
                if abs(c) == 1:
                    cost = (weights[s] * (len(law) - 1), len(law), -s)
                    if best is None or cost < best[0]:
                        best = (cost, i, s)
        if best is None:
            return solved
        _, i, pivot = best
        total, law = open_laws.pop(i)
        if law[pivot] < 0:
            total, law = -total, {s: -c for s, c in law.items()}
        rest = {s: c for s, c in law.items() if s != pivot}
        for k, (other_total, other) in enumerate(open_laws):
            c = other.get(pivot, 0)
            if c:
                open_laws[k] = (other_total - c * total, _combine(other, 1, law, -c))
        for s, (other_total, other) in solved.items():
            c = other.get(pivot, 0)
            if c:
                solved[s] = (other_total - c * total, _combine(other, 1, law, -c))
        solved[pivot] = (total, rest)
