"""Complexes of a mass-action network: linkage classes, deficiency, complex balance, in exact arithmetic.

Feinberg (2019), Foundations of Chemical Reaction Network Theory, chapters 3, 6, 15; Craciun, Dickenstein, Shiu and
Sturmfels (2009), J. Symb. Comput. 44:1551-1565, for complex balance by the tree constants of each linkage class.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from math import prod
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components
from sympy import QQ
from sympy.polys.matrices import DomainMatrix

from fsp.moments.polynomial import Polynomial, polynomial

if TYPE_CHECKING:
    from fsp.model.network import ReactionNetwork
    from fsp.model.propensity import Propensity

__all__ = ["ComplexGraph"]

Complex = tuple[int, ...]


@dataclass(frozen=True)
class ComplexGraph:
    """The graph of the complexes of a network with mass-action propensities.

    Attributes
    ----------
    complexes : tuple of tuple of int
        Molecules of each species in each complex. The source of a reaction is what its propensity reads: ``k*A`` with
        the equation ``0 -> B`` goes from the complex ``A`` to ``A + B``.
    rates : dict from (int, int) to Fraction
        From complex to complex, for propensities ``rate * x!/(x - source)!``.

    Examples
    --------
    >>> import fsp
    >>> graph = ComplexGraph.of(fsp.gallery.isomerisation())
    >>> graph.deficiency, graph.weakly_reversible, graph.n_linkage_classes
    (0, True, 1)
    """

    complexes: tuple[Complex, ...]
    rates: dict[tuple[int, int], Fraction]

    @classmethod
    def of(cls, network: ReactionNetwork, *, decimal: bool = False) -> ComplexGraph | None:
        """Return the graph, or None if a propensity is not mass action.

        Parameters
        ----------
        network : ReactionNetwork
        decimal : bool
            Take parameters as the decimal numbers that they print as, not as the binary ones next to these.
        """
        if network.depends_on_time or network.events:
            return None
        values = {n: Fraction(repr(v) if decimal else v) for n, v in network.parameters.items()}
        position: dict[Complex, int] = {}
        rates: dict[tuple[int, int], Fraction] = {}
        for propensity, change in zip(network.propensities, network.stoichiometry.tolist(), strict=True):
            law = _mass_action(propensity, network.species_names, values)
            if law is None:
                return None
            source, rate = law
            target = tuple(a + b for a, b in zip(source, change, strict=True))
            if min(target, default=0) < 0:
                return None
            if rate == 0 or source == target:
                continue
            edge = (position.setdefault(source, len(position)), position.setdefault(target, len(position)))
            rates[edge] = rates.get(edge, Fraction(0)) + rate
        return cls(tuple(position), rates)

    @property
    def n_complexes(self) -> int:
        """The number of complexes."""
        return len(self.complexes)

    def _graph(self) -> sp.csr_array:
        edges = np.array(list(self.rates), np.int64).reshape(-1, 2)
        n = self.n_complexes
        return sp.coo_array((np.ones(len(edges)), (edges[:, 0], edges[:, 1])), shape=(n, n)).tocsr()

    @cached_property
    def linkage_class(self) -> tuple[int, ...]:
        """The connected component of each complex."""
        return tuple(int(i) for i in connected_components(self._graph(), directed=False)[1])

    @property
    def n_linkage_classes(self) -> int:
        """The number of connected components."""
        return len(set(self.linkage_class))

    @cached_property
    def weakly_reversible(self) -> bool:
        """Whether each linkage class is strongly connected: from each complex there is a way back."""
        strong: int = connected_components(self._graph(), connection="strong")[0]
        return strong == self.n_linkage_classes

    def _differences(self) -> list[tuple[int, int]]:
        """Return pairs (complex, first complex of its linkage class), the first ones left out."""
        first: dict[int, int] = {}
        pairs = []
        for i, label in enumerate(self.linkage_class):
            if first.setdefault(label, i) != i:
                pairs.append((i, first[label]))
        return pairs

    def _difference_matrix(self) -> list[list[int]]:
        rows = ((self.complexes[i], self.complexes[j]) for i, j in self._differences())
        return [[a - b for a, b in zip(one, other, strict=True)] for one, other in rows]

    @cached_property
    def deficiency(self) -> int:
        """Complexes less linkage classes less the dimension of what reactions can change."""
        matrix = self._difference_matrix()
        rank = _domain(matrix).rank() if matrix else 0
        return len(matrix) - int(rank)

    def balance(self) -> list[tuple[list[int], Fraction]] | None:
        """Return equations ``prod(c ** powers) = value`` for complex-balanced concentrations c, or None.

        None if there are no such concentrations: the network is not weakly reversible, or the rates violate one of
        the ``deficiency`` relations, which are checked exactly.
        """
        if not self.weakly_reversible:
            return None
        weight = self._kernel()
        pairs, matrix = self._differences(), self._difference_matrix()
        values = [weight[i] / weight[j] for i, j in pairs]
        if matrix:
            for relation in _integer_relations(matrix):
                if prod((v**k for v, k in zip(values, relation, strict=True)), start=Fraction(1)) != 1:
                    return None
        return list(zip(matrix, values, strict=True))

    def _kernel(self) -> list[Fraction]:
        """Return the stationary weights of the rates on each linkage class, by elimination without subtraction."""
        weight = [Fraction(0)] * self.n_complexes
        for label in set(self.linkage_class):
            members = [i for i, other in enumerate(self.linkage_class) if other == label]
            for i, w in zip(members, _stationary(members, self.rates), strict=True):
                weight[i] = w
        return weight


def _mass_action(
    propensity: Propensity, species: Sequence[str], values: dict[str, Fraction]
) -> tuple[Complex, Fraction] | None:
    """Return (molecules, rate) if the propensity is ``rate * x!/(x - molecules)!``."""
    terms = polynomial(propensity.expression, {name: i for i, name in enumerate(species)}, values)
    if terms is None:
        return None
    if not terms:
        return (0,) * len(species), Fraction(0)
    leading = max(terms, key=lambda monomial: sum(power for _, power in monomial))
    source = [0] * len(species)
    expected: Polynomial = {(): terms[leading]}
    for i, power in leading:
        source[i] = power
        for k in range(power):
            expected = _times_shifted(expected, i, k)
    expected = {m: c for m, c in expected.items() if c}
    return (tuple(source), terms[leading]) if expected == terms and terms[leading] > 0 else None


def _times_shifted(terms: Polynomial, species: int, k: int) -> Polynomial:
    """Return the polynomial times ``x_species - k``."""
    out: Polynomial = {}
    for monomial, c in terms.items():
        powers = dict(monomial)
        powers[species] = powers.get(species, 0) + 1
        raised = tuple(sorted(powers.items()))
        out[raised] = out.get(raised, Fraction(0)) + c
        out[monomial] = out.get(monomial, Fraction(0)) - k * c
    return out


def _stationary(members: Sequence[int], rates: dict[tuple[int, int], Fraction]) -> list[Fraction]:
    """Return stationary weights of a strongly connected chain (Grassmann, Taksar and Heyman 1985), exactly."""
    position = {m: i for i, m in enumerate(members)}
    n = len(members)
    q = [[Fraction(0)] * n for _ in range(n)]
    for (i, j), rate in rates.items():
        if i in position:
            q[position[i]][position[j]] += rate
    for k in range(n - 1, 0, -1):
        total = sum(q[k][:k], Fraction(0))
        for i in range(k):
            if q[i][k]:
                share = q[i][k] / total
                q[i][k] = share
                for j in range(k):
                    if j != i:
                        q[i][j] += share * q[k][j]
    weights = [Fraction(1)]
    for k in range(1, n):
        weights.append(sum((weights[i] * q[i][k] for i in range(k)), Fraction(0)))
    return weights


def _domain(matrix: list[list[int]]) -> DomainMatrix:
    return DomainMatrix([[QQ(c) for c in row] for row in matrix], (len(matrix), len(matrix[0])), QQ)


def _integer_relations(matrix: list[list[int]]) -> list[list[int]]:
    """Return integer combinations of the rows that vanish, a basis of all."""
    relations = []
    for row in _domain(matrix).transpose().nullspace().to_list():
        fractions = [Fraction(int(c.numerator), int(c.denominator)) for c in row]
        scale = int(np.lcm.reduce([f.denominator for f in fractions]))
        relations.append([int(f * scale) for f in fractions])
    return relations
