"""Explicit Markov chains as text files that model checkers read.

PRISM: ``.tra`` (rates), ``.sta`` (states), ``.lab`` (labels) and ``.init`` (initial distribution), as its manual
describes them ("Explicit Model Files"). Storm: one file in its format DRN.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import numpy as np
from numpy.typing import NDArray

from fsp.storage import replacing

if TYPE_CHECKING:
    import scipy.sparse as sp

__all__ = ["FORMATS", "Chain", "prism_names", "write_chain"]

#: Words of the PRISM language, which cannot be names of variables.
_PRISM_WORDS = frozenset(
    "A bool clock const ctmc C double dtmc E endinit endinvariant endmodule endobservables endrewards endsystem false "
    "formula filter func F global G init invariant I int label max mdp min module X nondeterministic observable "
    "observables of Pmax Pmin P pomdp popta probabilistic prob pta rate rewards Rmax Rmin R S stochastic system true "
    "U W".split()
)
_ROWS = 50_000  # states written at a time


@dataclass(frozen=True)
class Chain:
    """A finite chain: states, rates, labels and initial probabilities.

    Attributes
    ----------
    variables : tuple of str
    states : numpy.ndarray
        (n, n_variables) integers.
    rates : scipy.sparse.csr_array
        (n, n), entry (i, j) the rate from i to j, with sorted columns and without zeros; every row has an entry.
    labels : dict of str to numpy.ndarray
        The states (ascending positions) that have each label.
    initial : numpy.ndarray
        (n,) probabilities.
    """

    variables: tuple[str, ...]
    states: NDArray[np.int64]
    rates: sp.csr_array
    labels: dict[str, NDArray[np.int64]]
    initial: NDArray[np.float64]


def prism_names(species: Sequence[str]) -> dict[str, str]:
    """Return the name of each species as a variable of PRISM, which keeps names such as ``U`` and ``P`` to itself.

    Examples
    --------
    >>> prism_names(["U", "U_", "mRNA"])
    {'U': 'U__', 'U_': 'U_', 'mRNA': 'mRNA'}
    """
    result: dict[str, str] = {}
    for name in species:
        variable = re.sub(r"\W", "_", name, flags=re.ASCII)
        while variable in _PRISM_WORDS or (variable != name and variable in (*species, *result.values())):
            variable += "_"
        result[name] = variable
    return result


def write_chain(chain: Chain, stem: Path, kind: str) -> tuple[Path, ...]:
    """Write the files of a chain, each of them complete or not at all.

    Parameters
    ----------
    chain : Chain
    stem : Path
        Their common path, to which the endings are added.
    kind : str
        One of `FORMATS`.

    Raises
    ------
    ArgumentError
        If there is no place to write to.
    OSError
        If writing fails.
    """
    parts = FORMATS[kind]
    paths = tuple(stem.with_name(stem.name + ending) for ending in parts)
    # All are written before the first one takes its place, so that a full disk does not leave files of two chains.
    with contextlib.ExitStack() as stack:
        for path, write in zip(paths, parts.values(), strict=True):
            temporary = stack.enter_context(replacing(path))
            with temporary.open("w", encoding="utf-8", newline="\n") as file:
                write(chain, file)
    return paths


def _transitions(chain: Chain) -> Iterator[tuple[int, list[int], list[float]]]:
    """Yield for each state its number, the states that it leads to, and the rates."""
    rates = chain.rates
    n = rates.shape[0]
    for start in range(0, n, _ROWS):
        pointers = rates.indptr[start : min(start + _ROWS, n) + 1].tolist()
        first = pointers[0]
        targets = rates.indices[first : pointers[-1]].tolist()
        values = rates.data[first : pointers[-1]].tolist()
        for i in range(len(pointers) - 1):
            part = slice(pointers[i] - first, pointers[i + 1] - first)
            yield start + i, targets[part], values[part]


def _labels_of_states(chain: Chain, shown: Sequence[str]) -> list[list[str]]:
    found: list[list[str]] = [[] for _ in range(chain.rates.shape[0])]
    for positions, text in zip(chain.labels.values(), shown, strict=True):
        for i in positions.tolist():
            found[i].append(text)
    return found


def _tra(chain: Chain, file: TextIO) -> None:
    file.write(f"{chain.rates.shape[0]} {chain.rates.nnz}\n")
    for i, targets, values in _transitions(chain):
        file.writelines(f"{i} {j} {rate!r}\n" for j, rate in zip(targets, values, strict=True))


def _sta(chain: Chain, file: TextIO) -> None:
    names = prism_names(chain.variables).values()
    file.write(f"({','.join(names)})\n")
    for start in range(0, len(chain.states), _ROWS):
        rows: Iterable[list[int]] = chain.states[start : start + _ROWS].tolist()
        file.writelines(f"{i}:({','.join(map(str, row))})\n" for i, row in enumerate(rows, start))


def _lab(chain: Chain, file: TextIO) -> None:
    file.write(" ".join(f'{i}="{name}"' for i, name in enumerate(chain.labels)) + "\n")
    numbers = [str(i) for i in range(len(chain.labels))]
    for i, found in enumerate(_labels_of_states(chain, numbers)):
        if found:
            file.write(f"{i}: {' '.join(found)}\n")


def _init(chain: Chain, file: TextIO) -> None:
    file.writelines(f"{p!r}\n" for p in chain.initial.tolist())


def _drn(chain: Chain, file: TextIO) -> None:
    n = chain.rates.shape[0]
    file.write(f"@type: CTMC\n@parameters\n\n@reward_models\n\n@nr_states\n{n}\n@nr_choices\n{n}\n@model\n")
    labels = _labels_of_states(chain, list(chain.labels))
    for i, targets, values in _transitions(chain):
        file.write(" ".join([f"state {i} !{sum(values)!r}", *labels[i]]) + "\n\taction 0\n")
        file.writelines(f"\t\t{j} : {rate!r}\n" for j, rate in zip(targets, values, strict=True))


#: For each format the endings of its files and what writes them.
FORMATS: dict[str, dict[str, Callable[[Chain, TextIO], None]]] = {
    "prism": {".tra": _tra, ".sta": _sta, ".lab": _lab, ".init": _init},
    "storm": {".drn": _drn},
}
