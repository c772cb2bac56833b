"""What a checkpoint remembers of the call that it belongs to, and in words what another call has changed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fsp.model.record import network_record
from fsp.version import __version__

if TYPE_CHECKING:
    from fsp.initial import InitialLaw
    from fsp.model.network import ReactionNetwork
    from fsp.statespace.constraints import Constraints

__all__ = ["describe_call", "find_differences"]

#: Differences that are named; more are counted.
_NAMED = 4


def describe_call(
    network: ReactionNetwork, law: InitialLaw, constraints: Constraints, times: NDArray[np.float64], **options: Any
) -> dict[str, Any]:  # fmt: skip
    """Return all that the result of a run depends on, as JSON holds it.

    Examples
    --------
    >>> import fsp
    >>> from fsp.initial import read_initial
    >>> from fsp.statespace.constraints import Constraints
    >>> def call(rate, **options):
    ...     net = fsp.ReactionNetwork({"X": 0}, ["0 -> X @ k"], {"k": rate})
    ...     return describe_call(net, read_initial(net), Constraints(net), np.array([1.0]), **options)
    >>> find_differences(call(1.0, tolerance=1e-6), call(2.0, tolerance=1e-8))
    'parameter k was 1.0 and is 2.0; tolerance was 1e-06 and is 1e-08'
    """
    record = network_record(network)
    for note in ("name", "source", "notes", "remarks"):
        record.pop(note, None)
    call = {
        "version": __version__,
        "species": ", ".join(sorted(record["species"])),
        "initial count of": record["species"],
        "parameter": record["parameters"],
        "reaction": {r["name"]: f"{r['equation']} ; {r['propensity']}" for r in record["reactions"]},
        "order of species, or details of the network": _digest(json.dumps(record).encode()),
        "initial law": _digest(
            law.states.tobytes(),
            law.probabilities.tobytes(),
            repr((law.missing, law.certified, law.lower_bound)).encode(),
        ),
        "largest count of": constraints.largest,
        "condition": {condition.text: "there" for condition in constraints.conditions},
        "order of bounds": [*constraints.largest, *(c.text for c in constraints.conditions)],
        "times": times.tolist(),
        **options,
    }
    plain: dict[str, Any] = json.loads(json.dumps(call))
    return plain


def _digest(*parts: bytes) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8) + part)
    return digest.hexdigest()


def find_differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """Return in words in what two descriptions of calls differ; an empty text if they do not."""
    found: list[str] = []
    for key in dict.fromkeys([*old, *new]):
        was, now = old.get(key), new.get(key)
        if was == now:
            continue
        if isinstance(was, dict) and isinstance(now, dict):
            names = [name for name in dict.fromkeys([*was, *now]) if was.get(name) != now.get(name)]
            found += [
                f"{key} {name} was {_show(was.get(name))} and is {_show(now.get(name))}" for name in names
            ]
        elif key == "times" and isinstance(was, list) and isinstance(now, list):
            found.append(f"times were {_show_times(was)} and are {_show_times(now)}")
        elif isinstance(now, str) and len(now) == 64:
            found.append(f"{key} differ" if "," in key else f"{key} differs")
        elif not isinstance(was, list):
            found.append(f"{key} was {_show(was)} and is {_show(now)}")
        else:
            found.append(f"{key} differs")
    # What prints well says enough; a digest is for what does not.
    telling = [text for text in found if not text.endswith(("differ", "differs"))] or found
    more = len(telling) - _NAMED
    return "; ".join(telling[:_NAMED]) + (f"; and {more} more" if more > 0 else "")


def _show(value: Any) -> str:
    if value is None:
        return "not given"
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= 100 else text[:97] + "..."


def _show_times(times: list[float]) -> str:
    few = (
        ", ".join(f"{t!r}" for t in times)
        if len(times) <= 3
        else f"{times[0]!r}, {times[1]!r}, ..., {times[-1]!r}"
    )
    return f"{few} ({len(times)} times)" if len(times) > 3 else few
