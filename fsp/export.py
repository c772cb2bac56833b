"""`export_chain`: the truncated chain, with what leaves it in one absorbing state, for model checkers."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fsp.chain_files import FORMATS, Chain, write_chain
from fsp.errors import ArgumentError, UnsupportedError
from fsp.generator import FactorTables, FibreGenerator
from fsp.generator.growth import closure
from fsp.generator.select import make_generator
from fsp.initial import InitialLaw, choose_coordinates, first_set, read_initial
from fsp.ledger import Ledger
from fsp.statespace.constraints import Bounds, Constraints
from fsp.statespace.coordinates import Coordinates
from fsp.statespace.fibres import FibreSet
from fsp.storage import check_writable
from fsp.transient.limits import MOVING_BYTES, Limits, default_memory
from fsp.transient.loop import AdaptiveLoop
from fsp.transient.protocol import find_stepper

if TYPE_CHECKING:
    import scipy.sparse as sp

    from fsp.model.network import ReactionNetwork

__all__ = ["ExportedChain", "export_chain"]

#: Names of labels that are given to every chain.
SINK, INIT = "sink", "init"
_LABEL = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_RESERVED = (INIT, "deadlock", SINK)


@dataclass(frozen=True)
class ExportedChain:
    """What `export_chain` wrote.

    Attributes
    ----------
    files : tuple of Path
    format : str
    n_states : int
        Without the absorbing state, which comes on top.
    n_transitions : int
    sink : int
        The number of the absorbing state in the files.
    labels : tuple of str
    time, loss_bound : float or None
        The probability of having left the states by ``time`` is at most ``loss_bound``; None when the states were
        not chosen for a time.
    """

    files: tuple[Path, ...]
    format: str
    n_states: int
    n_transitions: int
    sink: int
    labels: tuple[str, ...]
    time: float | None = None
    loss_bound: float | None = None


def export_chain(
    network: ReactionNetwork,
    path: str | os.PathLike[str],
    *,
    format: str = "prism",
    time: float | None = None,
    tolerance: float = 1e-8,
    bounds: Bounds | None = None,
    states: ArrayLike | None = None,
    labels: Mapping[str, str] | None = None,
    initial: Any = None,
    max_states: int = 5_000_000,
) -> ExportedChain:
    """Write the chain on a finite set of states as files for a model checker.

    Whatever leaves the set goes to one absorbing state with the label ``sink``. A probability that the model checker
    computes for states inside is therefore a lower bound on the true one, and the probability of ``sink`` is what it
    can be too small by: ``P=? [ F[t,t] "high" ]`` and ``P=? [ F<=t "sink" ]``.

    Parameters
    ----------
    network : ReactionNetwork
        Rates must not depend on time, and triggers of events must be functions of counts alone. A transition that fires
        an event leads to where the event leads.
    path : str or path-like
        What the file names begin with; the format adds its endings.
    format : str
        ``"prism"``: ``.tra``, ``.sta``, ``.lab`` and ``.init``. ``"storm"``: ``.drn``.
    time, tolerance : float, optional
        Take a set that the chain leaves by this time with probability at most ``tolerance`` (proven).
    bounds : dict, str, or a sequence of these, optional
        Without ``time``: take all states that can be reached within these bounds. See `solve_transient`.
    states : array_like of int, optional
        Take just these states, shape (n_states, n_species).
    labels : mapping from str to str, optional
        Labels and the conditions that they stand for, ``{"high": "U > 50"}``. The absorbing state has none of them.
    initial : optional
        As for `solve_transient`. Storm starts in one state.
    max_states : int, optional
        Refuse to write more.

    Returns
    -------
    ExportedChain

    Raises
    ------
    ArgumentError
        If the arguments do not make a finite set, or a label is not a name.
    UnsupportedError
        If a rate depends on time, or the trigger of an event reads time or no counts.
    StateSpaceLimitError, ToleranceError
        If the set would be too large.
    OSError
        If writing fails; files that were there before are left as they were.

    Examples
    --------
    >>> import tempfile, fsp
    >>> network = fsp.ReactionNetwork({"X": 0}, ["0 -> X @ k", "X -> 0 @ 1"], {"k": 10.0})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     chain = fsp.export_chain(network, f"{folder}/bd", time=1.0, labels={"many": "X > 12"})
    >>> [path.name for path in chain.files], chain.labels, chain.loss_bound <= 1e-8
    (['bd.tra', 'bd.sta', 'bd.lab', 'bd.init'], ('init', 'deadlock', 'sink', 'many'), True)
    """
    if format not in FORMATS:
        message = f"format must be {' or '.join(map(repr, FORMATS))}, not {format!r}"
        raise ArgumentError(message)
    _refuse(network)
    stem = Path(path)
    for ending in FORMATS[format]:
        check_writable(stem.with_name(stem.name + ending))
    conditions = _read_labels(network, labels or {})
    law = _after_events(network, read_initial(network, initial))
    if format == "storm" and len(np.unique(law.states, axis=0)) > 1:
        message = 'Storm starts in one state: give one state as initial=, or write format="prism"'
        raise ArgumentError(message)
    loss = None
    if states is not None:
        if bounds is not None or time is not None:
            message = "give states=, or bounds= and time=, but not both"
            raise ArgumentError(message)
        space = _given(network, law, states)
    elif time is not None:
        space, loss = _recorded(network, law, float(time), tolerance, bounds, max_states)
    else:
        space = _within(network, law, bounds, max_states)
    if space.n_states > max_states:
        message = f"the chain has {space.n_states:,} states, more than max_states = {max_states:,}"
        raise ArgumentError(message)
    chain = _chain(network, space, law, conditions)
    files = write_chain(chain, stem, format)
    return ExportedChain(
        files, format, space.n_states, int(chain.rates.nnz), 0, tuple(chain.labels), time, loss
    )


def _refuse(network: ReactionNetwork) -> None:
    if network.depends_on_time:
        names = [r.name for r in network.reactions if r.propensity.depends_on_time]
        message = f"the propensity of {', '.join(names)} depends on time: model checkers read chains with constant rates"
        raise UnsupportedError(message)
    if not network.events:
        return
    rules = network.event_rules
    for event, clocks, counts in zip(rules.events, rules.clocks, rules.by_counts, strict=True):
        if clocks or not counts:
            why = "its trigger reads time" if clocks else "its trigger reads no counts"
            message = (
                f"the event '{event.name}' cannot be part of a chain for model checkers, because {why}: leave it out, or "
                "export the network before and after it, the second with the law after the event as initial="
            )
            raise UnsupportedError(message)


def _after_events(network: ReactionNetwork, law: InitialLaw) -> InitialLaw:
    """Return the law after the events that fire at time 0, because their triggers count as false before it."""
    if not network.events:
        return law
    rules = network.event_rules
    return replace(law, states=rules.fire(law.states, rules.initially(len(law.states)), None))


def _read_labels(network: ReactionNetwork, labels: Mapping[str, str]) -> dict[str, Any]:
    from fsp.model.propensity import Predicate

    found = {}
    for name, condition in labels.items():
        if not _LABEL.fullmatch(name) or name in _RESERVED:
            problem = "it is one of the chain's own" if name in _RESERVED else "use letters, digits and '_'"
            message = f"the label {name!r} is not possible: {problem}"
            raise ArgumentError(message)
        found[name] = Predicate(condition, network.species_names, what=f"label '{name}'")
    return found


# -- the set of states -------------------------------------------------------------------------------------


def _given(network: ReactionNetwork, law: InitialLaw, states: ArrayLike) -> FibreSet:
    counts = np.asarray(states)
    if counts.ndim != 2 or counts.shape[1] != network.n_species or counts.dtype.kind not in "iu":
        message = (
            f"states must be integers of shape (n_states, {network.n_species}), not of shape {counts.shape}"
        )
        raise ArgumentError(message)
    if counts.size and counts.min() < 0:
        message = "states must not be negative"
        raise ArgumentError(message)
    coordinates = Coordinates.of(network, eliminate=False)  # they need not obey conservation laws
    space = FibreSet.from_states(coordinates, counts.astype(np.int64))
    if (space.index(law.states) < 0).any():
        message = "states must contain the initial state"
        raise ArgumentError(message)
    return space


def _within(network: ReactionNetwork, law: InitialLaw, bounds: Bounds | None, max_states: int) -> FibreSet:
    network, coordinates = choose_coordinates(network, law)
    constraints = Constraints(network, bounds)
    finite = np.isfinite(network.conservation_laws().upper_bounds).all()
    if bounds is None and not finite:
        message = "infinitely many states could be reached: give bounds= (largest counts), time= or states="
        raise ArgumentError(message)
    space, _ = first_set(coordinates, law, constraints)
    return closure(FactorTables(network, coordinates), space, constraints, max_states)


def _recorded(
    network: ReactionNetwork,
    law: InitialLaw,
    time: float,
    tolerance: float,
    bounds: Bounds | None,
    max_states: int,
) -> tuple[FibreSet, float]:
    """Return all states that a solution up to ``time`` ever held, and its error bound.

    A path that stays in the moving set of the solver stays in the union of all its sets. So what is lost from the
    union is at most what was lost from the moving set, and that the ledger bounds.
    """
    if not 0.0 < time < float("inf") or not 0.0 < tolerance < 1.0:
        message = f"time must be above 0 and tolerance between 0 and 1, not {time!r} and {tolerance!r}"
        raise ArgumentError(message)
    network, coordinates = choose_coordinates(network, law)
    constraints = Constraints(network, bounds)
    space, p = first_set(coordinates, law, constraints)
    ledger = Ledger()
    ledger.book("initial", law.missing)
    limits = Limits(max_states, default_memory(), bytes_per_state=MOVING_BYTES)
    stepper = find_stepper("uniformisation").load()
    loop = _Recorder(
        network=network, space=space, p=p, constraints=constraints, stepper=stepper(), tolerance=tolerance,
        limits=limits, ledger=ledger,
    )  # fmt: skip
    *_, last = loop.run(np.array([time]))
    assert loop.union is not None
    return loop.union, last.ledger.total


class _Recorder(AdaptiveLoop):
    """A solver loop that remembers every state it ever held."""

    union: FibreSet | None = None

    def _generator(self, space: FibreSet) -> FibreGenerator:
        known = self.union
        if known is not None and known.coordinates.axes != space.coordinates.axes:
            known = FibreSet.from_states(space.coordinates, known.states())
        self.union = space if known is None else known.union(space)
        return super()._generator(space)


# -- the chain ---------------------------------------------------------------------------------------------


def _chain(
    network: ReactionNetwork, space: FibreSet, law: InitialLaw, conditions: Mapping[str, Any]
) -> Chain:
    """Put the absorbing state, whose counts are -1, before all others, which are in lexicographic order."""
    counts = space.states()
    order = np.lexsort(counts.T[::-1])
    counts = counts[order]
    place = np.empty(space.n_states, np.int64)
    place[order] = np.arange(1, space.n_states + 1)
    states = np.vstack([np.full((1, network.n_species), -1, np.int64), counts])
    initial = np.zeros(len(states))
    np.add.at(initial, place[space.index(law.states)], law.probabilities)
    initial[0] = law.missing
    columns = dict(zip(network.species_names, counts.T, strict=True))
    labels = {
        INIT: np.flatnonzero(initial[1:]) + 1,
        "deadlock": np.empty(0, np.int64),
        SINK: np.zeros(1, np.int64),
    }
    for name, condition in conditions.items():
        labels[name] = np.flatnonzero(condition.evaluate(columns)) + 1
    return Chain(network.species_names, states, _rates(network, space, place), labels, initial)


def _rates(network: ReactionNetwork, space: FibreSet, place: NDArray[np.int64]) -> sp.csr_array:
    import scipy.sparse as sp

    generator = make_generator(FactorTables(network, space.coordinates), space)
    target, source, rate, _ = generator.triplets()
    outflow = generator.outflow_rates()
    leaving = np.flatnonzero(outflow)
    n = space.n_states + 1
    rows: Sequence[Any] = [place[source], place[leaving]]
    columns: Sequence[Any] = [place[target], np.zeros(leaving.size, np.int64)]
    values = np.concatenate([rate, outflow[leaving]])
    matrix = sp.coo_array((values, (np.concatenate(rows), np.concatenate(columns))), shape=(n, n)).tocsr()
    matrix.sum_duplicates()
    matrix.eliminate_zeros()
    # A state without a way out gets a loop, which changes nothing: checkers would complain or add one themselves.
    stuck = np.flatnonzero(np.diff(matrix.indptr) == 0)
    loops = sp.coo_array((np.ones(stuck.size), (stuck, stuck)), shape=(n, n)).tocsr()
    matrix = (matrix + loops).tocsr()
    matrix.sort_indices()
    return matrix
