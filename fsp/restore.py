"""From the Datasets of ``fsp.dataset`` back to distributions and summaries."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fsp.dataset import FORMAT, KIND
from fsp.distribution import Distribution
from fsp.errors import ArgumentError
from fsp.interval import Interval
from fsp.known_moments import StoredMoments
from fsp.ledger import Ledger
from fsp.observed_values import check_values, observables_of
from fsp.pointset import ListedStates, PointSet
from fsp.summary import SpeciesMoments, Summary

if TYPE_CHECKING:
    import xarray as xr

    from fsp.model import ReactionNetwork
    from fsp.model.observables import Observable

__all__ = ["from_dataset"]


def from_dataset(
    dataset: xr.Dataset,
) -> tuple[NDArray[np.float64], list[Distribution], dict[str, Any], ReactionNetwork | None]:
    """Return times, what was kept of the distributions, the record, and the network.

    Parameters
    ----------
    dataset : Dataset

    Raises
    ------
    ArgumentError
        When the Dataset is not one of ours, of a newer layout, or incomplete.
    """
    if dataset.attrs.get("kind") != KIND:
        message = "this is not a result of this package (the attribute 'kind' is missing)"
        raise ArgumentError(message)
    layout = int(dataset.attrs["format"])
    if layout != FORMAT:
        older = "it was written by a version before the first release"
        advice = "upgrade the package" if layout > FORMAT else older
        message = f"the file has the layout {layout}, this version reads {FORMAT}: {advice}"
        raise ArgumentError(message)
    try:
        record = json.loads(str(dataset["record"].values[()]))
        network = None
        if record["network"] is not None:
            from fsp.model.record import network_from_record  # rests on SymPy

            network = network_from_record(record["network"])
        times = np.asarray(dataset["time"].values, dtype=np.float64)
        different, at = record["observables"]["different"], record["observables"]["at"]
        check_values(network, times.tolist(), [different[place] for place in at])
        reader = _Reader(dataset, record, [observables_of(network, observed) for observed in different])
        laws = [reader.law(k, float(time)) for k, time in enumerate(times)]
        return times, laws, record, network
    except (KeyError, IndexError, TypeError, ValueError) as error:  # ArgumentError is a ValueError
        message = f"the result is incomplete or contradicts itself: {error}"
        raise ArgumentError(message) from error


class _Reader:
    """Takes the laws out of a Dataset, one time after the other."""

    def __init__(
        self,
        dataset: xr.Dataset,
        record: Mapping[str, Any],
        observables: Sequence[Mapping[str, Observable]],
    ) -> None:
        self.observables = [observables[place] for place in record["observables"]["at"]]
        self.values = {str(key): np.asarray(variable.values) for key, variable in dataset.variables.items()}
        self.names: list[str] = list(record["species"])
        self.save = record["save"]
        self.proofs = record["proofs"]

    def law(self, k: int, time: float) -> Distribution:
        options: dict[str, Any] = {
            "error_bound": float(self.values["error_bound"][k]),
            "certified": bool(self.values["certified"][k]),
            "time": time,
            "lower_bound": bool(self.values["lower_bound"][k]),
            "ledger": self._ledger(k),
        }
        if self.save == "distributions":
            entries = slice(int(self.values["offset"][k]), int(self.values["offset"][k + 1]))
            return Distribution(
                ListedStates(self.values["state"][entries], self.names),
                self.values["probability"][entries],
                moments=self._proven(k),
                support_bounds=self._largest(k, self.names),
                observables=self.observables[k],
                **options,
            )
        marginals: dict[str, Distribution] = {}
        if self.save == "marginals":
            proven = self._proven(k)
            marginals = {
                name: self._marginal(k, i, name, proven, options) for i, name in enumerate(self.names)
            }
        table = {name: self._moments(k, i) for i, name in enumerate(self.names)}
        for i, name in enumerate(self.values.get("observable", np.array([])).tolist()):
            table[name] = self._moments(k, i, "observable_")
        return Summary(
            table,
            self.values["covariance"][k],
            marginals,
            n_states=int(self.values["n_states"][k]),
            **options,
        )

    def _marginal(
        self, k: int, i: int, name: str, proven: StoredMoments, options: Mapping[str, Any]
    ) -> Distribution:
        place = k * len(self.names) + i
        edges = self.values["law_offset"]
        entries = slice(int(edges[place]), int(edges[place + 1]))
        counts = self.values["law_count"][entries]
        error = float(self.values["law_error"][k, i])
        return Distribution(
            PointSet(counts[:, np.newaxis], [name]),
            self.values["law_probability"][entries],
            moments=proven,
            support_bounds=self._largest(k, [name]),
            observables={n: o for n, o in self.observables[k].items() if set(o.species) <= {name}},
            **{**options, "error_bound": error},
        )

    def _interval(self, prefix: str, place: tuple[int, ...]) -> Interval | None:
        lower = float(self.values[f"{prefix}_lower"][place])
        if math.isnan(lower):
            return None
        flags = self.values.get(f"{prefix}_certified")
        proven = flags is None or bool(flags[place])
        return Interval(lower, float(self.values[f"{prefix}_upper"][place]), proven)

    def _moments(self, k: int, i: int, prefix: str = "") -> SpeciesMoments:
        bounds = [self._interval(f"{prefix}{kind}", (k, i)) for kind in ("mean", "second", "variance")]
        if any(b is None for b in bounds):
            message = "an enclosure of a moment is missing"
            raise ArgumentError(message)
        mean, variance = (float(self.values[f"{prefix}{kind}"][k, i]) for kind in ("mean", "variance"))
        return SpeciesMoments(mean, variance, *bounds)  # type: ignore[arg-type]

    def _largest(self, k: int, names: Sequence[str]) -> dict[str, float]:
        return {name: float(self.values["largest_count"][k, self.names.index(name)]) for name in names}

    def _by_name(self, prefix: str, k: int) -> dict[str, Interval]:
        found = {name: self._interval(prefix, (k, i)) for i, name in enumerate(self.names)}
        return {name: interval for name, interval in found.items() if interval is not None}

    def _powers(self, kind: str, k: int) -> dict[str, tuple[float, ...]]:
        if f"proven_{kind}" not in self.values:
            return {}
        rows = self.values[f"proven_{kind}"][k]
        return {name: tuple(row[~np.isnan(row)].tolist()) for name, row in zip(self.names, rows, strict=True)}

    def _proven(self, k: int) -> StoredMoments:
        crosses: dict[tuple[str, str], Interval] = {}
        if "proven_cross_lower" in self.values:
            for i, j in np.argwhere(~np.isnan(self.values["proven_cross_lower"][k])).tolist():
                cross = self._interval("proven_cross", (k, i, j))
                assert cross is not None
                crosses[self.names[i], self.names[j]] = cross
        largest = zip(self.names, self.values["proven_count"][k].tolist(), strict=True)
        return StoredMoments(
            self._by_name("proven_mean", k),
            self._by_name("proven_second", k),
            self.proofs["different"][self.proofs["at"][k]],
            crosses,
            {name: count for name, count in largest if math.isfinite(count)},
            self._powers("low", k),
            self._powers("high", k),
        )

    def _ledger(self, k: int) -> Ledger | None:
        books: list[dict[str, float]] = []
        for name, dimension in (("ledger", "source"), ("leak", "boundary")):
            table = self.values.get(name)
            row = [] if table is None else table[k].tolist()
            keys = [] if table is None else self.values[dimension].tolist()
            books.append({str(key): x for key, x in zip(keys, row, strict=True) if not math.isnan(x)})
        return Ledger(*books) if books[0] else None
