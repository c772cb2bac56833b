"""A probability distribution on molecule counts, with a bound on how wrong it is."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import NDArray

from fsp import plot, statistics
from fsp.errors import ArgumentError
from fsp.interval import Interval
from fsp.plot_style import Caption
from fsp.query import Columns, read_condition, read_function, unknown_species
from fsp.statistics import Mode
from fsp.stored import StoredDistribution
from fsp.summation import chunk_sum

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

__all__ = ["Distribution"]


class Distribution(StoredDistribution):
    """Probabilities of the states of a network at one time.

    The true law P obeys ``p(S) <= P(S) <= p(S) + error_bound`` for every set of states S, where p is what is
    stored. Questions that have a provable answer return an ``Interval``; plain numbers (``mean``, ``std``,
    ...) are the best values, which come from the normalised probabilities and lie inside their enclosures.

    Parameters
    ----------
    space : StateSpace
        The states.
    probabilities : array_like of float, shape (n_states,)
        Probability of each state, at least 0. The array is not copied.
    error_bound : float
        Bound on the 1-norm of the error.
    certified : bool
        True when ``error_bound`` is proven. If it is an estimate, intervals of probabilities are marked as
        estimates, and enclosures of moments hold only what is known without it.
    time : float, optional
        The time, in the model's unit.
    moments : MomentBounds, optional
        Enclosures of moments that are proven without the truncated state set.
    support_bounds : mapping of str to float, optional
        Proven largest count of a species (from conservation); infinite where it is missing.
    lower_bound : bool
        Whether the probabilities are lower bounds. If not, ``|P(S) - p(S)| <= error_bound``.
    ledger : Ledger, optional
        Where the error comes from.
    observables : mapping from str to Observable, optional
        Functions of the counts that can be asked for by name, like species (see `ReactionNetwork`).

    Raises
    ------
    ArgumentError
        When the shapes do not fit, a probability is negative or not finite, or the error bound is.

    Examples
    --------
    >>> coin = Distribution.from_dict({0: 0.25, 1: 0.5, 2: 0.25}, ["heads"])
    >>> coin.mean("heads"), 0.75 in coin.probability("heads >= 1")
    (1.0, True)
    """

    # -- moments -------------------------------------------------------------------------------------------

    @overload
    def mean(self, name: str) -> float: ...
    @overload
    def mean(self, name: None = None) -> pd.Series: ...
    def mean(self, name: str | None = None) -> Any:
        """Return the mean count of a species; without a name a pandas Series, one entry per species."""
        if name is None:
            return self._series(self.mean)
        return self.mean_bounds(name).clip(self.law(name).mean())

    @overload
    def variance(self, name: str) -> float: ...
    @overload
    def variance(self, name: None = None) -> pd.Series: ...
    def variance(self, name: str | None = None) -> Any:
        """Return the variance of a species; without a name a pandas Series, one entry per species."""
        if name is None:
            return self._series(self.variance)
        return self.variance_bounds(name).clip(self.law(name).variance())

    @overload
    def std(self, name: str) -> float: ...
    @overload
    def std(self, name: None = None) -> pd.Series: ...
    def std(self, name: str | None = None) -> Any:
        """Return the standard deviation of a species; without a name a pandas Series."""
        return self._series(self.std) if name is None else math.sqrt(self.variance(name))

    def moment(self, name: str, order: int) -> float:
        """Return ``E[X**order]`` of a species.

        Raises
        ------
        ArgumentError
            When the order is not a whole number of at least 1, or the moment overflows.
        """
        bounds = self.moment_bounds(name, order)
        law = self.law(name)
        return bounds.clip(float(np.sum(law.counts.astype(float) ** order * law.masses)) / law.total)

    def mean_bounds(self, name: str) -> Interval:
        """Return an enclosure of the mean; the upper end is infinite where nothing is proven.

        The mean of what the truncated set lacks is bounded by a conservation law, by an enclosure of the
        second moment (with the Cauchy-Schwarz inequality), or the whole mean by closed moment equations.
        """
        return self.law(name).power_bounds(1)

    def moment_bounds(self, name: str, order: int) -> Interval:
        """Return an enclosure of ``E[X**order]``; the upper end is infinite where nothing is proven."""
        if order < 1 or order != int(order):
            message = f"the order of a moment is a whole number of at least 1, not {order!r}"
            raise ArgumentError(message)
        return self.law(name).power_bounds(int(order))

    def variance_bounds(self, name: str) -> Interval:
        """Return an enclosure of the variance; the upper end is infinite where nothing is proven."""
        return self.law(name).variance_bounds()

    def std_bounds(self, name: str) -> Interval:
        """Return an enclosure of the standard deviation."""
        return self.variance_bounds(name).sqrt()

    @overload
    def covariance(self, a: str, b: str) -> float: ...
    @overload
    def covariance(self, a: None = None, b: None = None) -> pd.DataFrame: ...
    def covariance(self, a: str | None = None, b: str | None = None) -> Any:
        """Return the covariance of two species, or a pandas DataFrame for all pairs."""
        if a is not None and b is not None:
            return self._covariances([(a, b)])[0]
        if a is not None or b is not None:
            message = "a covariance needs two species, or none for the matrix of all"
            raise ArgumentError(message)
        import pandas

        return pandas.DataFrame(
            self._covariance_matrix(), index=list(self.species_names), columns=list(self.species_names)
        )

    def _covariance_matrix(self) -> NDArray[np.float64]:
        names = self.species_names
        rows, columns = np.triu_indices(len(names))
        values = self._covariances([(names[i], names[j]) for i, j in zip(rows, columns, strict=True)])
        matrix = np.empty((len(names), len(names)))
        matrix[rows, columns] = matrix[columns, rows] = values
        return matrix

    def _covariances(self, pairs: Sequence[tuple[str, str]]) -> list[float]:
        centres = {name: self.law(name).mean() for a, b in pairs if a != b for name in (a, b)}
        products = statistics.products(self._observed, pairs, centres)
        return [self._covariance(a, b, product) for (a, b), product in zip(pairs, products, strict=True)]

    def _covariance(self, a: str, b: str, product: float) -> float:
        if a == b:
            return float(self.variance(a))
        exact = None if self.moments is None else self.moments.cross(a, b)
        if exact is None:
            return product
        return (exact - self.mean_bounds(a) * self.mean_bounds(b)).clip(product)

    def _series(self, value: Callable[[str], float]) -> Any:
        import pandas

        return pandas.Series({name: value(name) for name in self.species_names}, dtype=float)

    def _expect(self, names: Sequence[str], function: Callable[[Columns], NDArray[np.float64]]) -> float:
        """Return the normalised sum of a function of the counts of some species, chunk by chunk."""
        parts = (function(self._observed.columns(names, a, b)) * p for a, b, p in self._observed.parts())
        return chunk_sum(parts) / self.total

    def expectation(self, expression: str) -> float:
        """Return the best value of the mean of a function of the counts, such as ``"U*V"``.

        Raises
        ------
        ExpressionError
            When the text cannot be read, or the function has no finite value at a state.

        Examples
        --------
        >>> Distribution.from_dict({(1, 2): 0.5, (3, 0): 0.5}, ["U", "V"]).expectation("U*V + 1")
        2.0
        """
        return self._expect(*read_function(expression, self.names))

    # -- probabilities -------------------------------------------------------------------------------------

    def _flag(self, interval: Interval) -> Interval:
        return Interval(interval.lower, interval.upper, interval.certified and self.certified)

    def probability(self, condition: str) -> Interval:
        """Return an enclosure of the probability of a condition on the counts.

        Comparisons (also chained), ``and``, ``or``, ``not`` (or ``&&``, ``||``, ``!``), arithmetic and the
        functions of propensities are understood. If ``certified`` is False the interval is marked as an
        estimate. O(n_states).

        Raises
        ------
        ExpressionError
            When the condition cannot be read, is not a condition, or is undefined at a state.

        Examples
        --------
        >>> d = Distribution.from_dict({(1, 2): 0.5, (3, 0): 0.25}, ["U", "V"], error_bound=0.25)
        >>> print(d.probability("U > 2 and V < 3"))
        [0.25, 0.5]
        """
        species, holds = read_condition(condition, self.names)
        sums: list[float] = []
        n_terms = 0
        for start, stop, part in self._measure.parts():
            chosen = part[holds(self._observed.columns(species, start, stop))]
            sums.append(float(np.sum(chosen)))
            n_terms += len(chosen)
        return self._flag(self._measure.enclose(math.fsum(sums), n_terms))

    def pmf(self, state: Mapping[str, int] | None = None, **counts: int) -> Interval:
        """Return an enclosure of the probability of one state: ``pmf(U=3, V=0)``, ``pmf({"U": 3, "V": 0})``.

        Raises
        ------
        ArgumentError
            When a species is missing (take the marginal first), unknown, or a count is not a whole number.

        Examples
        --------
        >>> coin = Distribution.from_dict({0: 0.25, 1: 0.5, 2: 0.25}, ["heads"])
        >>> 0.5 in coin.pmf(heads=1), coin.pmf(heads=7).upper
        (True, 0.0)
        """
        wanted = {**(state or {}), **counts}
        for name in wanted:
            if name not in self.species_names:
                raise ArgumentError(unknown_species(name, self.species_names))
        missing = [name for name in self.species_names if name not in wanted]
        if missing:
            message = f"the state lacks {', '.join(missing)}; for some species only, take the marginal first"
            raise ArgumentError(message)
        row = [wanted[name] for name in self.species_names]
        if any(isinstance(x, bool) or x != int(x) for x in row):
            message = f"counts are whole numbers, not {wanted}"
            raise ArgumentError(message)
        if min(row) < 0:
            return Interval(0.0, 0.0)
        position = int(self.space.index(np.array([row], dtype=np.int64))[0])
        mass = float(self.probabilities[position]) if position >= 0 else 0.0
        above = Interval(mass, mass) + self.error_bound
        below = Interval(mass, mass) - self._measure.below
        return self._flag(Interval(max(0.0, min(below.lower, 1.0)), min(1.0, above.upper)))

    def quantile(self, name: str, q: float) -> float:
        """Return the least count n of a species with ``P(X <= n) >= q``, for the normalised probabilities.

        An integer for a species, a float for an observable.
        """
        level = statistics.check_level(q)
        value = self.quantile_bounds(name, level).clip(statistics.quantile(self.law(name), level))
        return value if name in self.observables else int(value)

    def quantile_bounds(self, name: str, q: float) -> Interval:
        """Return an interval of counts that holds the quantile; infinite above when too much mass is missing.

        Raises
        ------
        ArgumentError
            When ``q`` is not between 0 and 1, or the species is not known.
        """
        return self._flag(statistics.quantile_bounds(self.law(name), statistics.check_level(q)))

    def median(self, name: str) -> float:
        """Return the median of a species or observable."""
        return self.quantile(name, 0.5)

    def modes(self, k: int = 1, *, reach: int = 1) -> list[Mode]:
        """Return the ``k`` most probable local maxima, the most probable one first.

        Parameters
        ----------
        k : int
            How many at most.
        reach : int
            States where no count differs by more than ``reach`` are neighbours. Take 2 where counts change in
            steps of two, as in ``2 A -> B``.

        Examples
        --------
        >>> d = Distribution.from_dict({0: 0.3, 1: 0.1, 2: 0.2, 3: 0.25, 4: 0.15}, ["X"])
        >>> [mode.state for mode in d.modes(5)]
        [{'X': 0}, {'X': 3}]
        """
        if k < 1 or reach < 1:
            message = f"modes need k >= 1 and reach >= 1, not {k!r} and {reach!r}"
            raise ArgumentError(message)
        modes = statistics.local_maxima(self._measure, k, reach)
        return modes if self.certified else [mode._replace(proven=False) for mode in modes]

    def entropy(self) -> float:
        """Return the entropy of the normalised probabilities, ``-sum p log p``, in nats.

        Examples
        --------
        >>> round(Distribution.from_dict({0: 0.5, 1: 0.5}, ["X"]).entropy(), 9)
        0.693147181
        """
        return statistics.entropy(self._measure)

    def entropy_bounds(self) -> Interval:
        """Return an enclosure of the entropy, in nats; it is infinite above where the means have no bound.

        The missing mass adds little when its mean is bounded: see ``fsp.statistics.entropy_bounds``.
        """
        if not (self.certified and self.lower_bound):
            return Interval(0.0, math.inf)
        tails = []
        for name in self.species_names:
            law = self.species_law(name)
            tails.append((self.mean_bounds(name) - law.mass_mean_bounds().lower).upper)
        return statistics.entropy_bounds(self._measure, tails)

    def tv_distance(self, other: Distribution) -> Interval:
        """Return an enclosure of the total variation distance ``0.5 * ||P - Q||_1`` to another distribution.

        Raises
        ------
        ArgumentError
            When the two do not have the same species.

        Examples
        --------
        >>> a = Distribution.from_dict({0: 0.5, 1: 0.5}, ["X"])
        >>> 0.5 in a.tv_distance(Distribution.point({"X": 1}))
        True
        """
        if set(self.species_names) != set(other.species_names):
            message = (
                f"distributions of {', '.join(self.species_names)} and of {', '.join(other.species_names)} "
                "have no distance; take marginals over the same species"
            )
            raise ArgumentError(message)
        result = statistics.distance(self._measure, other._measure)
        return Interval(result.lower, result.upper, self.certified and other.certified)

    def sample(self, n: int, seed: int | np.random.Generator | None = None) -> NDArray[np.int64]:
        """Return ``n`` independent states drawn from the normalised probabilities, shape (n, n_species).

        Drawn by inversion of the distribution function, O(n_states + n log n_states). The law of the samples
        differs from the true one by at most ``error_bound`` in total variation.

        Examples
        --------
        >>> Distribution.point({"A": 3, "B": 0}).sample(2, seed=1).tolist()
        [[3, 0], [3, 0]]
        """
        if n < 0 or n != int(n):
            message = f"the number of samples is a whole number of at least 0, not {n!r}"
            raise ArgumentError(message)
        if not self.total > 0.0:
            message = "the distribution holds no probability to sample from"
            raise ArgumentError(message)
        return statistics.draw(self._measure, int(n), np.random.default_rng(seed))

    # -- output --------------------------------------------------------------------------------------------

    def to_pandas(self) -> pd.DataFrame:
        """Return a table with one column of counts per species and the column ``probability``."""
        import pandas

        table = pandas.DataFrame(self.states, columns=list(self.species_names))
        table["probability"] = self.probabilities
        return table

    def to_xarray(self) -> xr.Dataset:
        """Return a Dataset over the dimension ``state``, with the counts as coordinates."""
        import xarray

        states = self.states
        counts = {name: ("state", states[:, k]) for k, name in enumerate(self.species_names)}
        notes: dict[str, Any] = {"error_bound": self.error_bound, "certified": int(self.certified)}
        if self.time is not None:
            notes["time"] = self.time
        return xarray.Dataset({"probability": ("state", self.probabilities)}, coords=counts, attrs=notes)

    def plot(self, ax: Any = None, *, log: bool = False, **options: Any) -> Any:
        """Draw the distribution of one or two species; returns the matplotlib Axes.

        Raises
        ------
        ArgumentError
            When there are more species: take a marginal first.
        """
        if len(self.species_names) > 2:
            message = (
                f"a picture shows one or two species, not {len(self.species_names)}; take a marginal first, "
                f"for example .marginal({self.species_names[0]!r}).plot()"
            )
            raise ArgumentError(message)
        if not self.total > 0.0:
            message = "the distribution holds no probability to draw"
            raise ArgumentError(message)
        caption = Caption(self.error_bound, self.certified, self.time)
        if len(self.species_names) == 1:
            (name,) = self.species_names
            return plot.draw_counts(
                self.states[:, 0], self.probabilities, name, caption, ax=ax, log=log, **options
            )
        return plot.draw_plane(
            self.states, self.probabilities, self.species_names, caption, ax=ax, log=log, **options
        )

    def __eq__(self, other: object) -> bool:
        """Say whether all is the same, bit by bit: states in order, probabilities, bounds, ledger, enclosures."""
        if not isinstance(other, Distribution):
            return NotImplemented
        return self._holds_the_same(other) and all(
            self.mean_bounds(name) == other.mean_bounds(name)
            and self.variance_bounds(name) == other.variance_bounds(name)
            for name in (self.species_names if self.total > 0.0 else ())
        )

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        names = self.species_names if self.total > 0.0 else ()
        return self._describe("Distribution", "states", names)

    def _describe(self, kind: str, states: str, names: Sequence[str]) -> str:
        """Return what there is to see at a glance: time, size, moments of the first species, error."""
        when = "" if self.time is None else f" at t = {self.time:g}"
        lines = [f"{kind} of {', '.join(self.species_names)}{when}: {self.n_states:,} {states}"]
        width = max((len(name) for name in names), default=0)
        lines += [f"  {n:<{width}}  mean {self.mean(n):.6g}, sd {self.std(n):.6g}" for n in names[:10]]
        if len(names) > 10:
            lines.append(f"  ... and {len(names) - 10} more species")
        proof = "proven" if self.certified else "estimated, not proven"
        lines.append(f"  error bound {self.error_bound:.3g} (1-norm, {proof})")
        return "\n".join(lines)
