"""Reaction networks: species with initial counts, parameters and reactions."""

from __future__ import annotations

import functools
import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fsp.errors import ArgumentError, ModelError
from fsp.model.conservation import ConservationLaws, find_conservation_laws
from fsp.model.equations import Reaction
from fsp.model.names import close_matches
from fsp.model.observables import Observable, read_observables
from fsp.model.rates import evaluate_propensities
from fsp.model.reactions import read_reactions
from fsp.model.validation import check_parameters, check_species, count_table, frozen
from fsp.storage import replace_text

if TYPE_CHECKING:
    from fsp.model.cascade import EventRules
    from fsp.model.events import Event
    from fsp.model.phases import Phase
    from fsp.model.propensity import Propensity
    from fsp.model.state_events import StateEvents

__all__ = ["ReactionNetwork"]


class ReactionNetwork:
    """A well-mixed reaction network: a Markov chain on counts of molecules.

    Parameters
    ----------
    species : mapping from str to int
        Initial counts; the order is that of every array with an axis for species.
    reactions : sequence of str or Reaction
        ``"A + 2 B -> C @ k"`` for mass action, with k times the number of ways to choose the reactants as
        propensity (k A B (B - 1)/2), or ``"A -> B ; expression"`` for any propensity; a name may stand in
        front, with a colon. An empty side is ``0``. Expressions: see
        `fsp.model.expressions.parse_expression`.
    parameters : mapping from str to float, optional
        Values of the names that expressions use.
    events : sequence of str or Event, optional
        ``"at time >= 25: X = 50"``: sudden changes of counts when a condition becomes true, see
        `fsp.model.events.Event`.
    name, source, notes : str, optional
        What the model is, where it comes from, what is known about it.
    observables : mapping from str to str, or sequence of Observable, optional
        Functions of the counts that results can be asked for by name, such as ``{"total": "M + 2*D"}``.
    compartments : mapping from str to float, optional
        Sizes of compartments, for information: expressions hold them as numbers.
    remarks : sequence of str, optional
        What a reader of a file decided.

    Attributes
    ----------
    species_names : tuple of str
    initial_state : numpy.ndarray
        (n_species,) integers.
    parameters : mapping from str to float
        Read-only.
    reactions : tuple of Reaction
    n_species, n_reactions : int
    stoichiometry : numpy.ndarray
        (n_reactions, n_species) integers: the change of the counts by each reaction.
    reactants : numpy.ndarray
        (n_reactions, n_species) integers: molecules on the left sides.
    propensities : tuple of Propensity
    depends_on_time : bool
        Whether a propensity does.
    events : tuple of Event
    observables : mapping from str to Observable
    compartments : mapping from str to float
    remarks : tuple of str

    Raises
    ------
    ModelError
        If the network is not well formed; `fsp.errors.ExpressionError` for an expression,
        `fsp.errors.PropensityError` for a negative rate constant of mass action.

    Examples
    --------
    >>> net = ReactionNetwork(
    ...     species={"M": 0, "P": 0},
    ...     parameters={"k": 2.0, "g": 1.0},
    ...     reactions=["0 -> M @ k", "M -> M + P ; 10*M", "M -> 0 @ g", "P -> 0 @ g"],
    ... )
    >>> net.stoichiometry.tolist()
    [[1, 0], [0, 1], [-1, 0], [0, -1]]
    >>> net.evaluate_propensities([[3, 1]]).tolist()
    [[2.0, 30.0, 3.0, 1.0]]
    """

    def __init__(
        self,
        species: Mapping[str, int],
        reactions: Sequence[str | Reaction],
        parameters: Mapping[str, float] | None = None,
        *,
        events: Sequence[str | Event] = (),
        name: str = "",
        source: str = "",
        notes: str = "",
        observables: Mapping[str, str] | Iterable[Observable] = (),
        compartments: Mapping[str, float] | None = None,
        remarks: Iterable[str] = (),
    ) -> None:
        self.name = name
        self.source = source
        self.notes = notes
        counts = check_species(species)
        self.parameters: Mapping[str, float] = MappingProxyType(check_parameters(parameters or {}, counts))
        self.species_names: tuple[str, ...] = tuple(counts)
        self._counts = counts
        self.initial_state: NDArray[np.int64] = frozen(np.array(list(counts.values()), dtype=np.int64))
        self.reactions: tuple[Reaction, ...] = read_reactions(reactions, counts, self.parameters)
        self.propensities: tuple[Propensity, ...] = tuple(r.propensity for r in self.reactions)
        index = {name: i for i, name in enumerate(self.species_names)}
        self.reactants: NDArray[np.int64] = count_table([r.reactants for r in self.reactions], index)
        products = count_table([r.products for r in self.reactions], index)
        self.stoichiometry: NDArray[np.int64] = frozen(products - self.reactants)
        self.depends_on_time: bool = any(p.depends_on_time for p in self.propensities)
        self.events: tuple[Event, ...] = self._read_events(events)
        self._phase: Phase | None = None
        if self.events:
            self.event_rules  # noqa: B018  (refuses what is not supported)
        self.observables: Mapping[str, Observable] = MappingProxyType(
            read_observables(observables, self.species_names, self.parameters)
        )
        self.compartments: Mapping[str, float] = MappingProxyType(dict(compartments or {}))
        self.remarks: tuple[str, ...] = tuple(remarks)

    @property
    def n_species(self) -> int:
        """Number of species."""
        return len(self.species_names)

    @property
    def n_reactions(self) -> int:
        """Number of reactions."""
        return len(self.reactions)

    def species_index(self, name: str) -> int:
        """Return the position of a species.

        Raises
        ------
        ArgumentError
            If there is no such species, with close matches.
        """
        if name not in self.species_names:
            message = f"unknown species '{name}'{close_matches(name, self.species_names)}"
            raise ArgumentError(message)
        return self.species_names.index(name)

    @functools.cached_property
    def _laws(self) -> ConservationLaws:
        readers = [sum(name in p.species for p in self.propensities) for name in self.species_names]
        changes = self.stoichiometry, self.initial_state, self.species_names
        if self.events:
            from fsp.model.event_laws import laws_with_events

            fixed = {k: v for k, v in self.parameters.items() if k not in self.event_rules.changed}
            return laws_with_events(*changes, readers, self.events, fixed)
        return find_conservation_laws(*changes, readers=readers)

    def conservation_laws(self) -> ConservationLaws:
        """Return the combinations of counts that reactions and events conserve, in exact integer arithmetic."""
        return self._laws

    @functools.cached_property
    def event_rules(self) -> EventRules:
        """The events, ready to be applied to states."""
        from fsp.model.cascade import EventRules

        return EventRules(self.events, self.species_names, self.parameters)

    def in_phase(self, phase: Phase) -> ReactionNetwork:
        """Return the network as it is in one phase of time: only events that reactions can fire are left."""
        events = [e for e, counts in zip(self.events, self.event_rules.by_counts, strict=True) if counts]
        network = self._copy(self._counts, self.parameters, events)
        network._phase = phase if events else None
        return network

    @functools.cached_property
    def state_events(self) -> StateEvents | None:
        """The events that reactions can fire; None if there are none.

        Raises
        ------
        UnsupportedError
            If a trigger reads time and the phase is not known, see `in_phase`.
        """
        if not self.events:
            return None
        from fsp.model.state_events import StateEvents

        return StateEvents(self.event_rules, self._phase)

    def with_parameters(self, **values: float) -> ReactionNetwork:
        """Return the network with some parameters changed.

        Raises
        ------
        ModelError
            If a parameter is unknown or its value is not finite.
        """
        _check_known("parameter", values, self.parameters)
        return self._copy(self._counts, {**self.parameters, **values}, self.events)

    def with_initial(self, **counts: int) -> ReactionNetwork:
        """Return the network with some initial counts changed.

        Raises
        ------
        ModelError
            If a species is unknown or its count is not a non-negative integer.
        """
        _check_known("species", counts, self.species_names)
        network = self._copy({**self._counts, **counts}, self.parameters, self.events)
        network._phase = self._phase
        return network

    def evaluate_propensities(self, states: ArrayLike, time: float | None = None) -> NDArray[np.float64]:
        """Return all propensities at the given states, checked.

        Parameters
        ----------
        states : array_like of int
            (n_states, n_species) non-negative counts.
        time : float, optional
            Needed when a propensity depends on time.

        Returns
        -------
        numpy.ndarray
            (n_states, n_reactions) floats, in 1 / unit of time.

        Raises
        ------
        PropensityError
            If a propensity is negative or not finite, or positive where the reaction would make a count
            negative; the message names the reaction, the state and the value.
        ArgumentError
            If the states have the wrong shape or a negative count.
        """
        return evaluate_propensities(self, states, time)

    def check(self) -> list[str]:
        """Return warnings: everything doubtful that shows without enumerating states.

        Errors are raised when the network is built; a warning says what is unused, without effect, or likely
        to be refused later (a propensity that is negative, undefined, or positive where a reactant is
        missing).
        """
        from fsp.model.checks import find_warnings

        return find_warnings(self)

    def to_sbml(self, path: str | os.PathLike[str] | None = None) -> str:
        """Return the network as SBML (level 3 version 2), and write it to a file if a path is given.

        `fsp.load_model` reads the same network from it (``==``), events included.

        Raises
        ------
        UnsupportedError
            If something cannot be written exactly; the message names it.

        Examples
        --------
        >>> network = ReactionNetwork({"A": 5}, ["2 A -> 0 @ k"], {"k": 0.1})
        >>> network.to_sbml().splitlines()[1]
        '<sbml xmlns="http://www.sbml.org/sbml/level3/version2/core" level="3" version="2">'
        """
        return _write(self, "fsp.model.export_sbml", "network_to_sbml", path)

    def to_antimony(self, path: str | os.PathLike[str] | None = None) -> str:
        """Return the network as Antimony, and write it to a file if a path is given; otherwise as `to_sbml`.

        Examples
        --------
        >>> network = ReactionNetwork({"A": 5}, ["2 A -> 0 @ k"], {"k": 0.1})
        >>> network.to_antimony().splitlines()[4]
        '  R1: 2 A => ; k*A*(A - 1)/2;'
        """
        return _write(self, "fsp.model.export_antimony", "network_to_antimony", path)

    def _read_events(self, events: Sequence[str | Event]) -> tuple[Event, ...]:
        if isinstance(events, Sequence) and not events:
            return ()
        from fsp.model.events import bind_events

        return bind_events(events, self._counts, self.parameters)

    def _copy(
        self, counts: Mapping[str, int], parameters: Mapping[str, float], events: Sequence[Event]
    ) -> ReactionNetwork:
        reactions = [
            r if not r.law.startswith("@") else f"{r.name}: {r.text} {r.law}" for r in self.reactions
        ]
        return ReactionNetwork(
            counts,
            reactions,
            parameters,
            events=events,
            name=self.name,
            source=self.source,
            notes=self.notes,
            observables=self.observables.values(),
            compartments=self.compartments,
            remarks=self.remarks,
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ReactionNetwork):
            return NotImplemented
        return (
            self._counts == other._counts
            and self.species_names == other.species_names
            and dict(self.parameters) == dict(other.parameters)
            and self.reactions == other.reactions
            and [e.form(self._counts) for e in self.events] == [e.form(self._counts) for e in other.events]
            and self._phase == other._phase
            and dict(self.observables) == dict(other.observables)
        )

    def __hash__(self) -> int:
        return hash((self.species_names, tuple(self.initial_state.tolist()), tuple(self.reactions)))

    def __repr__(self) -> str:
        title = f"ReactionNetwork '{self.name}'" if self.name else "ReactionNetwork"
        events = f", {len(self.events)} event{'s' * (len(self.events) > 1)}" if self.events else ""
        lines = [f"{title}: {self.n_species} species, {self.n_reactions} reactions{events}"]
        lines.append("  species: " + ", ".join(f"{name} = {count}" for name, count in self._counts.items()))
        if self.parameters:
            lines.append("  parameters: " + ", ".join(f"{k} = {v:g}" for k, v in self.parameters.items()))
        lines.extend(f"  {reaction}" for reaction in self.reactions)
        lines.extend(f"  {event}" for event in self.events)
        lines.extend(f"  {observable}" for observable in self.observables.values())
        return "\n".join(lines)


def _check_known(kind: str, names: Iterable[str], known: Collection[str]) -> None:
    for name in names:
        if name not in known:
            message = f"unknown {kind} '{name}'{close_matches(name, known)}"
            raise ModelError(message)


def _write(network: ReactionNetwork, module: str, writer: str, path: str | os.PathLike[str] | None) -> str:
    # By name, because the writers read back what they wrote, and readers stand on this module.
    text = str(getattr(import_module(module), writer)(network))
    if path is not None:
        replace_text(path, text)
    return text
