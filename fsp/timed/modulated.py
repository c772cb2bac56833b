"""`ModulatedGenerator`: ``A(t) = A_0 + sum_i c_i(t) A_i``, one constant generator for each function of time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import sympy
from numpy.typing import NDArray

from fsp.errors import UnsupportedError
from fsp.generator.fibre_generator import FibreGenerator
from fsp.generator.select import make_generator
from fsp.generator.tables import FactorTables
from fsp.model.equations import Reaction
from fsp.model.network import ReactionNetwork
from fsp.model.propensity import Propensity
from fsp.statespace.coordinates import Coordinates
from fsp.statespace.fibres import FibreSet
from fsp.timed.rates import TimeRates, Window
from fsp.timed.separation import TimedTerm, separate_network

__all__ = ["ModulatedGenerator", "ModulatedTables", "TimedNetwork", "refuse_state_events"]

FloatArray = NDArray[np.float64]


def refuse_state_events(network: ReactionNetwork) -> None:
    """Refuse events that reactions can fire: the parts of the generator do not know them.

    Raises
    ------
    UnsupportedError
        Naming the events.
    """
    pairs = zip(network.events, network.event_rules.by_counts, strict=True) if network.events else ()
    names = ", ".join(event.name for event, counts in pairs if counts)
    if names:
        message = (
            f"rates that depend on time are not supported together with events that reactions can fire ({names}): the "
            "triggers of events may read time only then"
        )
        raise UnsupportedError(message)


class TimedNetwork:
    """A network taken apart by its functions of time.

    Attributes
    ----------
    network : ReactionNetwork
    rates : TimeRates
        The functions ``c_1, c_2, ...``; what does not depend on time is ``c_0 = 1`` and not among them.
    pieces : list of (ReactionNetwork, rows)
        For ``c_0, c_1, ...`` the network with the factors of state as propensities, and the reactions of the original
        network that its reactions are.
    envelope : ReactionNetwork
        All terms as reactions of one network: which states can be reached, whatever the functions of time are.
    """

    def __init__(self, network: ReactionNetwork) -> None:
        refuse_state_events(network)
        self.network = network
        terms = separate_network(network)
        functions = [sympy.S.One, *dict.fromkeys(t.of_time for t in terms if t.of_time != 1)]
        groups = [[t for t in terms if t.of_time == f] for f in functions]
        self.pieces = [
            (self._part(group), np.array([t.reaction for t in group], np.int64)) if group else None
            for group in groups
        ]
        names = [
            ", ".join(dict.fromkeys(f"reaction '{network.reactions[t.reaction]}'" for t in group))
            for group in groups[1:]
        ]
        self.rates = TimeRates(functions[1:], network.parameters, names)
        self.envelope = self._part(terms, unique=True)
        self.envelope_rows = np.array([t.reaction for t in terms], np.int64)

    def _part(self, terms: list[TimedTerm], *, unique: bool = False) -> ReactionNetwork:
        reactions = []
        for i, term in enumerate(terms):
            old = self.network.reactions[term.reaction]
            propensity = Propensity(term.of_state, self.network.species_names, self.network.parameters)
            law = f"; ({term.of_state}) * ({term.of_time})" if term.of_time != 1 else old.law
            name = f"{old.name} term {i}" if unique else old.name
            reactions.append(Reaction(name, old.text, old.reactants, old.products, propensity, law))
        counts = dict(zip(self.network.species_names, self.network.initial_state.tolist(), strict=True))
        return ReactionNetwork(counts, reactions, self.network.parameters)


class ModulatedTables(FactorTables):
    """Factor tables of all terms, by which state sets grow, and those of each part.

    Parameters
    ----------
    timed : TimedNetwork
    coordinates : Coordinates
        Of the original network.
    """

    def __init__(self, timed: TimedNetwork, coordinates: Coordinates) -> None:
        super().__init__(timed.envelope, _rows(coordinates, timed.envelope_rows))
        self.timed = timed
        self.parts = [
            None if piece is None else FactorTables(piece[0], _rows(coordinates, piece[1]))
            for piece in timed.pieces
        ]
        #: Polynomials of the functions of time over the present step; to be set before a generator is made.
        self.window: Window = timed.rates.window(0.0, 0.0, [0.0] * len(timed.rates.functions))


def _rows(coordinates: Coordinates, rows: NDArray[np.int64]) -> Coordinates:
    return replace(coordinates, shifts=np.ascontiguousarray(coordinates.shifts[rows]))


class ModulatedGenerator:
    """The generator at all times of one step.

    Where one number or vector is asked for, it is that of the largest values that the functions of time take
    within the step (`ModulatedTables.window`): it bounds exit rates and flows at each time of the step.

    Parameters
    ----------
    tables : ModulatedTables
    space : FibreSet
    threads : int, optional

    Attributes
    ----------
    parts : list of FibreGenerator or None
        ``A_0, A_1, ...``; None where the part has no reactions that change the state.
    part_exits : ndarray, shape (n_parts, n_states)
        Exit rates of each part.
    """

    kind = "modulated"
    vector_error = 2.0**-53

    def __init__(self, tables: ModulatedTables, space: FibreSet, *, threads: int | None = None) -> None:
        self.factors = tables
        self.space = space
        self.parts: list[FibreGenerator | None] = [
            None if part is None or not part.reactions.size else make_generator(part, space, threads=threads)
            for part in tables.parts
        ]
        self.part_exits = np.zeros((len(self.parts), space.n_states))
        for exits, part in zip(self.part_exits, self.parts, strict=True):
            if part is not None:
                exits[:] = part.exit_rates()
        self.largest_exits = self.part_exits.max(axis=1, initial=0.0)
        kinds = {part.kind for part in self.parts if part is not None}
        self.kind = " and ".join(sorted(kinds)) or "no"

    @property
    def window(self) -> Window:
        """Polynomials of the functions of time over the present step."""
        return self.factors.window

    @property
    def scales(self) -> FloatArray:
        """The largest value of each function of time within the step, 1 for what does not depend on time."""
        return np.array([1.0, *self.window.upper])

    @property
    def n_states(self) -> int:
        """The number of states."""
        return self.space.n_states

    @property
    def nbytes(self) -> int:
        """Memory of the generator, without the state set and the vectors."""
        return sum(part.nbytes for part in self.parts if part is not None) + self.part_exits.nbytes

    @property
    def product_error(self) -> float:
        """The largest relative rounding error of a product with one of the parts."""
        return max((part.product_error for part in self.parts if part is not None), default=2.0**-50)

    def exit_rates(self) -> FloatArray:
        """Return an upper bound of the exit rate of each state within the step."""
        return np.asarray(self.scales @ self.part_exits)

    def max_exit_rate(self) -> float:
        """Return the largest of these."""
        return float(self.exit_rates().max(initial=0.0))

    def outflow(self, x: FloatArray) -> tuple[float, None]:
        """Return an upper bound of the flow out of the set."""
        flows = [
            scale * part.outflow(x)[0]
            for scale, part in zip(self.scales, self.parts, strict=True)
            if part is not None
        ]
        return float(sum(flows)), None

    def new_vector(self, p: FloatArray) -> FloatArray:
        """Return probabilities as a vector of this generator."""
        return p

    def leading(self, x: FloatArray) -> FloatArray:
        """Return the probabilities that a vector stands for."""
        return x

    def __repr__(self) -> str:
        return f"ModulatedGenerator({self.n_states:,} states, {len(self.parts)} parts)"
