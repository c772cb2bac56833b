"""Courses of distributions as xarray Datasets; ``fsp.restore`` is the way back. See docs/storage.md."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fsp.distribution import Distribution
from fsp.interval import Interval
from fsp.known_moments import StoredMoments
from fsp.ledger import Ledger
from fsp.observed_values import record_observables
from fsp.protocols import MomentBounds
from fsp.summary import Summary, condense

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["FORMAT", "KIND", "to_dataset"]

#: The attribute that tells our files from others, and the version of their layout.
KIND, FORMAT = "fsp transient result", 3
#: A table of marginals over time is left out beyond this many numbers.
_LARGEST_TABLE = 20_000_000
#: Texts in attributes, for readers, are cut to this length (HDF5 holds 64 KiB); ``record`` has them whole.
_LONGEST_NOTE = 2000
#: Names of variables have a limit in HDF5 as well.
_LONGEST_NAME = 200

Variables = dict[str, Any]
_BY_SPECIES = ("time", "species")
_BY_PAIR = ("time", "species", "species_2")


def to_dataset(
    times: NDArray[np.float64],
    laws: Sequence[Distribution],
    record: Mapping[str, Any],
    *,
    save: str = "distributions",
) -> xr.Dataset:
    """Return a Dataset of moments and, if wanted, marginals and whole distributions.

    Parameters
    ----------
    times : ndarray, shape (n_times,)
        The times.
    laws : sequence of Distribution or Summary
        One per time, all with the same species.
    record : mapping
        What else is to be kept: numbers, texts, lists and mappings, stored as JSON in ``record``; texts and numbers
        are repeated as attributes.
    save : str
        ``"distributions"``, ``"marginals"`` or ``"moments"``.

    Raises
    ------
    ArgumentError
        When the laws hold less than is to be saved.
    """
    import xarray

    kept = [condense(law, save) for law in laws]
    names = kept[0].species_names if kept else ()
    moments = [condense(law, "moments") for law in kept]
    variables: Variables = {
        "error_bound": ("time", np.array([d.error_bound for d in kept])),
        "certified": ("time", np.array([d.certified for d in kept], dtype=np.int8)),
        "lower_bound": ("time", np.array([d.lower_bound for d in kept], dtype=np.int8)),
        "n_states": ("time", np.array([d.n_states for d in kept], dtype=np.int64)),
        **_moment_tables([m for m in moments if isinstance(m, Summary)], names),
        **_observable_tables([m for m in moments if isinstance(m, Summary)]),
        **_ledger_tables([d.ledger for d in kept]),
    }
    coordinates: Variables = {"time": times, "species": np.array(names, dtype=object)}
    proofs: list[Mapping[str, str]] = []
    if save != "moments":
        proven = [_proven(law) for law in kept]
        proofs = [dict(known.how) for known in proven]
        variables.update(_proof_tables(proven, names))
        variables["largest_count"] = _table([_largest(law, names) for law in kept], names)
        for name in names:
            padded = _padded_marginals(kept, name)
            if padded is not None:
                variables[f"marginal_{name}"] = (("time", f"count_{name}"), padded)
                coordinates[f"count_{name}"] = np.arange(padded.shape[1])
    if save == "marginals":
        variables.update(_marginal_lists([d for d in kept if isinstance(d, Summary)], names))
    if save == "distributions":
        variables.update(_state_lists(kept, names))
    if len(names):
        coordinates["species_2"] = coordinates["species"]
    observables = [record_observables(law) for law in kept]
    whole = {
        **record,
        "save": save,
        "species": list(names),
        "proofs": _without_repeats(proofs),
        "observables": _without_repeats(observables),
    }
    variables["record"] = ((), np.array(json.dumps(whole, default=_plain_number), dtype=object))
    return xarray.Dataset(variables, _used(coordinates, variables), _notes(record, save))


def _plain_number(value: Any) -> Any:
    """Return a NumPy scalar as a number of Python, for JSON."""
    return value.item()


def _notes(record: Mapping[str, Any], save: str) -> dict[str, Any]:
    notes: dict[str, Any] = {"kind": KIND, "format": FORMAT, "save": save}
    for key, value in record.items():
        if isinstance(value, str):
            notes[key] = value if len(value) <= _LONGEST_NOTE else value[: _LONGEST_NOTE - 3] + "..."
            notes[key] = notes[key].replace("\0", " ").encode("utf-8", "replace").decode()
        elif isinstance(value, int | float):
            notes[key] = value
    return notes


def _used(coordinates: Variables, variables: Variables) -> Variables:
    """Return the coordinates of dimensions that some variable has; the time is always kept."""
    dims = {"time", "species"} | {d for v in variables.values() if isinstance(v[0], tuple) for d in v[0]}
    return {name: values for name, values in coordinates.items() if name in dims}


def _without_repeats(records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the different ones, and which one holds at each time."""
    different: list[Mapping[str, Any]] = []
    for record in records:
        if record not in different:
            different.append(record)
    return {"different": different, "at": [different.index(record) for record in records]}


def _table(rows: Sequence[Sequence[float]], names: Sequence[str]) -> tuple[Any, NDArray[np.float64]]:
    return _BY_SPECIES, np.array(rows, dtype=float).reshape(len(rows), len(names))


def _ends(prefix: str, bounds: Sequence[Sequence[Interval | None]], names: Sequence[str]) -> Variables:
    """Return lower and upper ends as two variables, NaN where there is no enclosure; flags if some are estimates."""
    variables: Variables = {
        f"{prefix}_{end}": _table(
            [[math.nan if b is None else getattr(b, end) for b in row] for row in bounds], names
        )
        for end in ("lower", "upper")
    }
    flags = np.array([[b is None or b.certified for b in row] for row in bounds], dtype=np.int8)
    if not flags.all():
        variables[f"{prefix}_certified"] = (_BY_SPECIES, flags)
    return variables


def _moment_tables(laws: Sequence[Summary], names: Sequence[str]) -> Variables:
    variables: Variables = {}
    for kind in ("mean", "variance", "std"):
        variables[kind] = _table([[getattr(d, kind)(n) for n in names] for d in laws], names)
        bounds = [[getattr(d, f"{kind}_bounds")(n) for n in names] for d in laws]
        variables.update(_ends(kind, bounds, names))
    second = [[d.moment_bounds(n, 2) for n in names] for d in laws]
    variables.update(_ends("second", second, names))
    if len(names):
        variables["covariance"] = (
            _BY_PAIR,
            np.array([d.covariances for d in laws]).reshape(-1, *[len(names)] * 2),
        )
    return variables


def _observable_tables(laws: Sequence[Summary]) -> Variables:
    """Return best values and enclosures of the moments of observables that have them at all times."""
    names = [name for name in laws[0].names if all(name in law.table for law in laws)] if laws else []
    names = names[len(laws[0].species_names) :] if laws else []
    if not names:
        return {}
    tables: Variables = {}
    for kind in ("mean", "variance", "std"):
        tables[f"observable_{kind}"] = _table([[getattr(d, kind)(n) for n in names] for d in laws], names)
        bounds = [[getattr(d, f"{kind}_bounds")(n) for n in names] for d in laws]
        tables.update(_ends(f"observable_{kind}", bounds, names))
    second = [[d.moment_bounds(n, 2) for n in names] for d in laws]
    tables.update(_ends("observable_second", second, names))
    tables = {name: (("time", "observable"), table) for name, (_, table) in tables.items()}
    return {**tables, "observable": ("observable", np.array(names, dtype=object))}


def _ledger_tables(ledgers: Sequence[Ledger | None]) -> Variables:
    """Return the entries of the ledgers over time, NaN where an entry is missing."""
    variables: Variables = {}
    for name, dimension, attribute in (("ledger", "source", "entries"), ("leak", "boundary", "leaks")):
        books: list[dict[str, float]] = [{} if b is None else getattr(b, attribute) for b in ledgers]
        keys = list(dict.fromkeys(key for book in books for key in book))
        if keys:
            table = np.array([[book.get(key, math.nan) for key in keys] for book in books])
            variables[name] = (("time", dimension), table)
            variables[dimension] = (dimension, np.array(keys, dtype=object))
    return variables


# -- what is proven about moments ----------------------------------------------------------------------------


def _proven(law: Distribution) -> StoredMoments:
    whole = next(iter(law.marginals.values())) if isinstance(law, Summary) else law
    bounds: MomentBounds | None = whole.moments
    if bounds is None or isinstance(bounds, StoredMoments):
        return bounds or StoredMoments()
    return StoredMoments.copy_of(bounds, law.species_names)


def _largest(law: Distribution, names: Sequence[str]) -> list[float]:
    parts = list(law.marginals.values()) if isinstance(law, Summary) else [law]
    known = {name: count for part in parts for name, count in part.support_bounds.items()}
    return [known.get(name, math.inf) for name in names]


def _proof_tables(proven: Sequence[StoredMoments], names: Sequence[str]) -> Variables:
    variables = {
        **_ends("proven_mean", [[known.mean(n) for n in names] for known in proven], names),
        **_ends("proven_second", [[known.second(n) for n in names] for known in proven], names),
        "proven_count": _table([[known.largest(n) for n in names] for known in proven], names),
    }
    for kind in ("low", "high"):
        lists = [[getattr(known, kind).get(n, ()) for n in names] for known in proven]
        longest = max((len(moments) for row in lists for moments in row), default=0)
        if longest:
            table = np.full((len(proven), len(names), longest), math.nan)
            for k, row in enumerate(lists):
                for i, moments in enumerate(row):
                    table[k, i, : len(moments)] = moments
            variables[f"proven_{kind}"] = (("time", "species", f"order_{kind}"), table)
    if any(known.crosses for known in proven):
        size = (len(proven), len(names), len(names))
        for end in ("lower", "upper"):
            table = np.full(size, math.nan)
            for k, known in enumerate(proven):
                for (a, b), cross in known.crosses.items():
                    table[k, names.index(a), names.index(b)] = getattr(cross, end)
            variables[f"proven_cross_{end}"] = (_BY_PAIR, table)
    return variables


# -- marginals and states ------------------------------------------------------------------------------------


def _padded_marginals(laws: Sequence[Distribution], name: str) -> NDArray[np.float64] | None:
    """Return the marginals of one species, a row per time, columns from count 0; None if it would be huge."""
    width = 1 + max(int(d.law(name).counts[-1]) for d in laws)
    if width * len(laws) > _LARGEST_TABLE or len(name) > _LONGEST_NAME:
        return None
    table = np.zeros((len(laws), width))
    for row, d in zip(table, laws, strict=True):
        row[d.law(name).counts] = d.law(name).masses
    return table


def _edges(lengths: Sequence[int]) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)


def _narrow(counts: NDArray[np.int64]) -> NDArray[Any]:
    """Return counts in 32 bits where they fit."""
    return counts.astype(np.int32) if not counts.size or int(counts.max()) < 2**31 else counts


def _marginal_lists(laws: Sequence[Summary], names: Sequence[str]) -> Variables:
    parts = [d.marginals[name] for d in laws for name in names]
    if not parts:
        return {}
    return {
        "law_offset": ("law_edge", _edges([part.n_states for part in parts])),
        "law_count": ("law_entry", _narrow(np.concatenate([part.states[:, 0] for part in parts]))),
        "law_probability": ("law_entry", np.concatenate([part.probabilities for part in parts])),
        "law_error": _table([[d.marginals[name].error_bound for name in names] for d in laws], names),
    }


def _state_lists(laws: Sequence[Distribution], names: Sequence[str]) -> Variables:
    if not laws:
        return {}
    return {
        "offset": ("edge", _edges([d.n_states for d in laws])),
        "state": (("entry", "species"), np.concatenate([_narrow(d.states) for d in laws])),
        "probability": ("entry", np.concatenate([d.probabilities for d in laws])),
    }
