"""The result of a transient solution: one distribution per output time, and where its error comes from."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fsp import figures, storage
from fsp.dataset import to_dataset
from fsp.distribution import Distribution
from fsp.errors import ArgumentError
from fsp.interval import Interval
from fsp.kept_network import kept_record
from fsp.ledger import Ledger
from fsp.observed_values import check_kept
from fsp.query import unknown_species
from fsp.summary import KINDS, Summary, check_kind
from fsp.version import __version__

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

__all__ = ["TransientResult"]


class TransientResult(Sequence[Distribution]):
    """Distributions at a list of times, or what was kept of them.

    Parameters
    ----------
    network : ReactionNetwork or None
        What was solved; None when it was read from a file.
    times : array_like of float, shape (n_times,)
        The output times, in the model's unit.
    distributions : sequence of Distribution
        One per time.
    ledger : Ledger
        All sources of error up to the last time.
    method : str
        The method that was used.
    explanation : str
        What ``method="auto"`` chose, and why.
    statistics : dict
        Numbers about the run: ``products``, ``states_peak``, ``seconds``, ...
    status : str
        ``"finished"``, or why the solver stopped before the last requested time.
    tolerance : float
        The error bound that was asked for.
    version : str
        The version of the package that computed it.

    Examples
    --------
    >>> start, end = (Distribution.point({"A": n}, time=t) for n, t in [(2, 0.0), (0, 9.0)])
    >>> result = TransientResult(None, [0.0, 9.0], [start, end], Ledger(), "none", "made by hand", {})
    >>> result.mean("A").tolist(), result.at(9.0).time
    ([2.0, 0.0], 9.0)
    """

    def __init__(
        self,
        network: Any,
        times: ArrayLike,
        distributions: Sequence[Distribution],
        ledger: Ledger,
        method: str,
        explanation: str,
        statistics: dict[str, float | int],
        status: str = "finished",
        tolerance: float = 0.0,
        version: str = __version__,
    ) -> None:
        self.network = network
        self.times: NDArray[np.float64] = np.asarray(times, dtype=np.float64)
        self._distributions = list(distributions)
        if self.times.shape != (len(self._distributions),):
            message = f"{len(self._distributions)} distributions need as many times, not {self.times.shape}"
            raise ArgumentError(message)
        self.ledger = ledger
        self.method = method
        self.explanation = explanation
        self.statistics = dict(statistics)
        self.status = status
        self.tolerance = float(tolerance)
        self.version = version

    # -- a sequence of distributions -----------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self._distributions)

    def __iter__(self) -> Iterator[Distribution]:
        return iter(self._distributions)

    @overload
    def __getitem__(self, index: int) -> Distribution: ...
    @overload
    def __getitem__(self, index: slice) -> list[Distribution]: ...
    def __getitem__(self, index: int | slice) -> Distribution | list[Distribution]:
        return self._distributions[index]

    def at(self, time: float) -> Distribution:
        """Return the distribution at an output time.

        Raises
        ------
        ArgumentError
            When ``time`` is not one of the output times (to 1e-12 of its size); the nearest are named.
        """
        scale = 1e-12 * max(1e-300, abs(float(time)))
        if len(self):
            k = int(np.argmin(np.abs(self.times - time)))
            if abs(self.times[k] - time) <= scale:
                return self._distributions[k]
        near = np.sort(self.times[np.argsort(np.abs(self.times - time), kind="stable")[:3]])
        message = f"there is no output at time {time!r}; the nearest are {', '.join(f'{t:g}' for t in near)}"
        raise ArgumentError(message)

    @property
    def final(self) -> Distribution:
        """The distribution at the last time."""
        return self._distributions[-1]

    @property
    def kept(self) -> str:
        """What is kept for each time: ``"distributions"``, ``"marginals"`` or ``"moments"``."""
        kinds = [law.kept if isinstance(law, Summary) else KINDS[0] for law in self]
        return max(kinds, key=KINDS.index, default=KINDS[0])

    @property
    def species_names(self) -> tuple[str, ...]:
        """The names of the species."""
        return self._distributions[0].species_names if len(self) else ()

    @property
    def error_bound(self) -> float:
        """The largest error bound of all times, in the 1-norm."""
        return max((d.error_bound for d in self), default=0.0)

    @property
    def certified(self) -> bool:
        """Whether every error bound is proven."""
        return all(d.certified for d in self)

    @property
    def names(self) -> tuple[str, ...]:
        """All that can be asked for: species, then observables."""
        return self._distributions[0].names if len(self) else ()

    # -- courses in time -----------------------------------------------------------------------------------

    def _course(self, method: str, name: str | None) -> NDArray[np.float64]:
        if name is not None and name not in self.names:
            raise ArgumentError(unknown_species(name, self.names))
        names = self.species_names if name is None else (name,)
        table = np.array([[getattr(d, method)(n) for n in names] for d in self], dtype=np.float64)
        return table.reshape(len(self), len(names)) if name is None else table.reshape(len(self))

    def mean(self, name: str | None = None) -> NDArray[np.float64]:
        """Return means over time: shape (n_times,) for one species, else (n_times, n_species)."""
        return self._course("mean", name)

    def std(self, name: str | None = None) -> NDArray[np.float64]:
        """Return standard deviations over time, in the shape of ``mean``."""
        return self._course("std", name)

    def mean_bounds(self, name: str) -> list[Interval]:
        """Return an enclosure of the mean of one species at each time."""
        return [d.mean_bounds(name) for d in self]

    def probability(self, condition: str) -> list[Interval]:
        """Return an enclosure of the probability of a condition at each time; see ``Distribution``."""
        return [d.probability(condition) for d in self]

    # -- output --------------------------------------------------------------------------------------------

    def to_pandas(self) -> pd.DataFrame:
        """Return means and standard deviations: rows are times, columns are pairs (species, "mean"/"std")."""
        import pandas

        columns = {
            (name, kind): self._course(kind, name) for name in self.species_names for kind in ("mean", "std")
        }
        table = pandas.DataFrame(columns, index=pandas.Index(self.times, name="time"))
        table.columns.names = ["species", "statistic"]
        return table

    def to_xarray(self, *, save: str | None = None) -> xr.Dataset:
        """Return a Dataset with moments and, if wanted, marginals and the whole distributions.

        Over ``time`` and ``species``: mean, std, their enclosures (``mean_lower``, ..., infinite where
        nothing is proven) and ``error_bound``; the entries of the ledger over ``time`` and ``source``.
        ``marginal_X(time, count_X)`` is the marginal of species X, padded with zeros. The distributions are
        concatenated over ``entry``: those of time k are ``offset[k]:offset[k + 1]`` of ``state(entry,
        species)`` and ``probability(entry)``.

        Parameters
        ----------
        save : str, optional
            ``"distributions"``, ``"marginals"`` or ``"moments"``; by default all that is kept.

        Raises
        ------
        ArgumentError
            When less is kept than is asked for.
        """
        network = kept_record(self.network)
        check_kept(self.network if network else None, self.times.tolist(), self._distributions)
        record: dict[str, Any] = {
            "version": self.version,
            "model": str(getattr(self.network, "name", None) or ""),
            "method": self.method,
            "explanation": self.explanation,
            "status": self.status,
            "tolerance": self.tolerance,
            "ledger": dict(self.ledger),
            "leaks": dict(self.ledger.leaks),
            "statistics": self.statistics,
            "network": network,
        }
        return to_dataset(
            self.times, self._distributions, record, save=check_kind(self.kept if save is None else save)
        )

    def save(self, path: str | os.PathLike[str], *, save: str | None = None) -> None:
        """Write a NetCDF-4 file, completely or not at all; ``load_result`` reads it back.

        Parameters
        ----------
        path : str or path
            The file. One that exists is replaced when the new one is complete.
        save : str, optional
            ``"distributions"``, ``"marginals"`` or ``"moments"``; by default all that is kept.

        Raises
        ------
        ArgumentError
            When there is no place to write to, or less is kept than is to be saved.
        StorageError
            When writing fails; no partial file is left.
        """
        storage.check_writable(path)
        storage.write_dataset(self.to_xarray(save=save), path)

    def plot(
        self,
        names: str | Sequence[str] | None = None,
        ax: Any = None,
        *,
        kind: str = "course",
        log: bool = False,
        quantiles: Sequence[float] = (0.05, 0.95),
        **options: Any,
    ) -> Any:
        """Draw the result on one pair of axes; returns the matplotlib Axes.

        Parameters
        ----------
        names : str or sequence of str, optional
            The species; by default all.
        ax : Axes, optional
            Where to draw; by default in a figure of its own.
        kind : str
            ``"course"``: means over time, a band of one standard deviation, and, for up to three species,
            quantiles. ``"heatmap"``: the marginal of one species over time. ``"states"``: the size of the
            state set. ``"ledger"``: the sources of error over time.
        log : bool
            Logarithmic probabilities, in a heat map.
        quantiles : sequence of float
            The levels of the quantiles; empty for none.
        **options
            Passed on to matplotlib.

        Raises
        ------
        ArgumentError
            For an unknown kind or species, or when the result does not hold what the picture needs.
        """
        wanted = self.species_names if names is None else (names,) if isinstance(names, str) else tuple(names)
        for name in wanted:
            if name not in self.names:
                raise ArgumentError(unknown_species(name, self.names))
        return figures.draw_picture(self, wanted, kind, ax=ax, log=log, quantiles=quantiles, **options)

    def __repr__(self) -> str:
        done = "" if self.status == "finished" else f" ({self.status})"
        lines = [f"TransientResult: {len(self)} times, {', '.join(self.species_names[:12])}{done}"]
        shown = range(len(self)) if len(self) <= 12 else [*range(5), -1, *range(len(self) - 5, len(self))]
        names = self.species_names[:4]
        head = f"{'time':>10}" + "".join(f"  {'mean ' + n:>14}  {'sd':>11}" for n in names)
        lines.append(head + f"  {'states':>11}  {'error bound':>11}")
        for k in shown:
            if k < 0:
                lines.append(f"{'...':>10}")
                continue
            d = self._distributions[k]
            row = f"{self.times[k]:>10g}" + "".join(f"  {d.mean(n):>14.6g}  {d.std(n):>11.5g}" for n in names)
            lines.append(row + f"  {d.n_states:>11,}  {d.error_bound:>11.2e}")
        kind = "proven" if self.certified else "estimated, not proven"
        lines.append(f"method {self.method}; errors {kind}; tolerance {self.tolerance:g}")
        return "\n".join(lines)

    def __eq__(self, other: object) -> bool:
        """Say whether all is the same, bit by bit: network, times, distributions, ledger, method, statistics."""
        if not isinstance(other, TransientResult):
            return NotImplemented
        mine, theirs = (
            (r.method, r.explanation, r.statistics, r.status, r.tolerance, r.version, r.ledger, len(r))
            for r in (self, other)
        )
        return bool(
            mine == theirs
            and self.times.tobytes() == other.times.tobytes()
            and self.network == other.network
            and self._distributions == other._distributions
        )

    __hash__ = None  # type: ignore[assignment]

    @classmethod
    def from_record(
        cls, network: Any, times: NDArray[np.float64], laws: list[Any], record: Mapping[str, Any]
    ) -> TransientResult:
        """Return the result that a file holds."""
        return cls(
            network, times, laws, Ledger(record["ledger"], record["leaks"]), record["method"], record["explanation"],
            record["statistics"], status=record["status"], tolerance=record["tolerance"], version=record["version"],
        )  # fmt: skip
