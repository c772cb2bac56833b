"""What is left of a distribution when only its moments, or its marginals too, are kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import numpy as np
from numpy.typing import NDArray

from fsp.distribution import Distribution
from fsp.enclosures import SpeciesLaw
from fsp.errors import ArgumentError, FSPError
from fsp.interval import Interval
from fsp.ledger import Ledger
from fsp.query import read_condition, unknown_species

if TYPE_CHECKING:
    from fsp.model.observables import Observable

__all__ = ["KINDS", "SpeciesMoments", "Summary", "check_kind", "condense"]

#: What can be kept of a distribution, from most to least.
KINDS = ("distributions", "marginals", "moments")


def check_kind(save: object) -> str:
    """Return ``save`` if it says what to keep.

    Raises
    ------
    ArgumentError
        When it is not one of ``KINDS``.
    """
    if save not in KINDS:
        message = f"save is one of {', '.join(map(repr, KINDS))}, not {save!r}"
        raise ArgumentError(message)
    return str(save)


class SpeciesMoments(NamedTuple):
    """Best values and enclosures of the first two moments of a species."""

    mean: float
    variance: float
    mean_bounds: Interval
    second_bounds: Interval
    variance_bounds: Interval


class Summary(Distribution):
    """Moments, and perhaps the marginals, of a distribution whose states were not kept.

    It answers the questions of a ``Distribution`` that moments and marginals can answer, with the same
    numbers; for others it says what should have been kept.

    Parameters
    ----------
    table : mapping from str to SpeciesMoments
        Moments of each species, in the order of the species, and after them of each observable.
    covariances : ndarray, shape (n_species, n_species)
        Best values of the covariances.
    marginals : mapping from str to Distribution
        The distribution of each species; empty when only moments were kept.
    n_states : int
        The number of states that the distribution had.
    error_bound, certified, time, lower_bound, ledger
        As in ``Distribution``.

    Examples
    --------
    >>> law = Distribution.from_dict({(0, 2): 0.5, (1, 1): 0.5}, ["A", "B"])
    >>> kept = condense(law, "moments")
    >>> kept.mean("A"), kept.covariance("A", "B")
    (0.5, -0.25)
    >>> kept.median("A")
    Traceback (most recent call last):
    fsp.errors.ArgumentError: marginals were not kept, only moments: solve with save="marginals"
    """

    def __init__(
        self,
        table: Mapping[str, SpeciesMoments],
        covariances: NDArray[np.float64],
        marginals: Mapping[str, Distribution],
        *,
        n_states: int,
        error_bound: float = 0.0,
        certified: bool = True,
        time: float | None = None,
        lower_bound: bool = True,
        ledger: Ledger | None = None,
    ) -> None:
        self.table = dict(table)
        self.covariances = np.asarray(covariances, dtype=np.float64)
        self.marginals = dict(marginals)
        self._n_states = int(n_states)
        self.error_bound = float(error_bound)
        self.certified = bool(certified)
        self.time = None if time is None else float(time)
        self.lower_bound = bool(lower_bound)
        self.ledger = ledger
        self.observables: dict[str, Observable] = {}  # whose values would need states

    def __getattr__(self, name: str) -> NoReturn:
        """Refuse what every question about states begins with, in words."""
        if name in ("space", "probabilities", "_measure", "_observed"):
            self._lack("states and their probabilities", "distributions")
        message = f"{type(self).__name__!r} object has no attribute {name!r}"
        raise AttributeError(message)

    def _lack(self, what: str, wanted: str) -> NoReturn:
        message = f'{what} were not kept, only {self.kept}: solve with save="{wanted}"'
        raise ArgumentError(message)

    @property
    def kept(self) -> str:
        """What was kept: ``"marginals"`` or ``"moments"``."""
        return "marginals" if self.marginals else "moments"

    @property
    def species_names(self) -> tuple[str, ...]:
        """The names of the species."""
        return tuple(self.table)[: len(self.covariances)]

    @property
    def names(self) -> tuple[str, ...]:
        """All that can be asked for: species, then observables."""
        return tuple(self.table)

    @property
    def n_states(self) -> int:
        """The number of states that there were."""
        return self._n_states

    def _of(self, name: str) -> SpeciesMoments:
        if name not in self.table:
            raise ArgumentError(unknown_species(name, self.names))
        return self.table[name]

    # -- moments -------------------------------------------------------------------------------------------

    def mean(self, name: str | None = None) -> Any:
        """Return the mean count of a species; without a name a pandas Series, one entry per species."""
        return self._series(self.mean) if name is None else self._of(name).mean

    def variance(self, name: str | None = None) -> Any:
        """Return the variance of a species; without a name a pandas Series, one entry per species."""
        return self._series(self.variance) if name is None else self._of(name).variance

    def mean_bounds(self, name: str) -> Interval:
        """Return an enclosure of the mean; the upper end is infinite where nothing is proven."""
        return self._of(name).mean_bounds

    def variance_bounds(self, name: str) -> Interval:
        """Return an enclosure of the variance; the upper end is infinite where nothing is proven."""
        return self._of(name).variance_bounds

    def moment_bounds(self, name: str, order: int) -> Interval:
        """Return an enclosure of ``E[X**order]``; orders above 2 need the marginals."""
        if order in (1, 2):
            return self._of(name).mean_bounds if order == 1 else self._of(name).second_bounds
        bounds: Interval = self.marginal(name).moment_bounds(name, order)
        return bounds

    def covariance(self, a: str | None = None, b: str | None = None) -> Any:
        """Return the covariance of two species, or a pandas DataFrame for all pairs."""
        names = list(self.species_names)
        if a is None and b is None:
            import pandas

            return pandas.DataFrame(self.covariances, index=names, columns=names)
        if a is None or b is None:
            message = "a covariance needs two species, or none for the matrix of all"
            raise ArgumentError(message)
        for name in (a, b):
            self._of(name)
        return float(self.covariances[names.index(a), names.index(b)])

    # -- marginals -----------------------------------------------------------------------------------------

    def marginal(self, names: str | Sequence[str]) -> Any:
        """Return the distribution of one species.

        Raises
        ------
        ArgumentError
            When only moments were kept, or several species are named.
        """
        wanted = (names,) if isinstance(names, str) else tuple(names)
        for name in wanted:
            self._of(name)
        if not self.marginals:
            self._lack("marginals", "marginals")
        if len(wanted) != 1 or wanted[0] not in self.marginals:
            self._lack("distributions of observables and of several species", "distributions")
        return self.marginals[wanted[0]]

    def law(self, name: str) -> SpeciesLaw:
        """Return the distribution of one species with all that is proven about it."""
        law: SpeciesLaw = self.marginal(name).species_law(name)
        return law

    species_law = law

    def probability(self, condition: str) -> Interval:
        """Return an enclosure of the probability of a condition that reads one species."""
        read, _ = read_condition(condition, self.names)
        answer: Interval = self.marginal(read or self.species_names[:1]).probability(condition)
        return answer

    def plot(self, ax: Any = None, *, log: bool = False, **options: Any) -> Any:
        """Draw the distribution, if there is one species; else take a marginal first."""
        return self.marginal(self.species_names).plot(ax, log=log, **options)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Summary):
            return NotImplemented if not isinstance(other, Distribution) else False
        mine, theirs = (
            (s.time, s.error_bound, s.certified, s.lower_bound, s.n_states, s.ledger, tuple(s.table.items()))
            for s in (self, other)
        )
        return (
            mine == theirs
            and self.covariances.tobytes() == other.covariances.tobytes()
            and self.marginals == other.marginals
        )

    __hash__ = None

    def __repr__(self) -> str:
        return self._describe(f"Summary ({self.kept})", "states, not kept", self.species_names)


def _moments_of(law: Distribution, name: str) -> SpeciesMoments:
    return SpeciesMoments(
        law.mean(name),
        law.variance(name),
        law.mean_bounds(name),
        law.moment_bounds(name, 2),
        law.variance_bounds(name),
    )


def condense(law: Distribution, save: str) -> Distribution:
    """Return what is to be kept of a distribution.

    Raises
    ------
    ArgumentError
        When ``law`` holds less than is asked for.
    """
    if isinstance(law, Summary):
        if KINDS.index(save) < KINDS.index(law.kept):
            law._lack(save, save)
        table, covariances = law.table, law.covariances
        marginals = law.marginals if save == "marginals" else {}
    elif save == "distributions":
        return law
    else:
        names = law.species_names
        table = {name: _moments_of(law, name) for name in names}
        for name in law.names[len(names) :]:
            with suppress(FSPError):  # an observable that is undefined somewhere has no moments
                table[name] = _moments_of(law, name)
        covariances = law._covariance_matrix()
        marginals = {name: law.marginal(name) for name in names} if save == "marginals" else {}
    return Summary(
        table,
        covariances,
        marginals,
        n_states=law.n_states,
        error_bound=law.error_bound,
        certified=law.certified,
        time=law.time,
        lower_bound=law.lower_bound,
        ledger=law.ledger,
    )
