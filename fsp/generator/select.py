"""The choice between a list of blocks, the matrix-free generator and an assembled one."""

from __future__ import annotations

from fsp.generator.assembled import AssembledGenerator
from fsp.generator.fibre_generator import FibreGenerator
from fsp.generator.listed import ListedGenerator, list_bytes
from fsp.generator.tables import FactorTables
from fsp.statespace.fibres import FibreSet

__all__ = ["LISTED_BYTES", "SHORT_FIBRE", "make_generator"]

#: Mean number of states in a fibre below which stored weights are faster than tables. Measured: the set-up of the
#: loops of one fibre costs about as much as twenty states of streaming through weights.
SHORT_FIBRE = 20

#: Below this number of states, building weights costs more than the products save.
_MIN_STATES = 2_000


#: Memory of a list of blocks up to which products by it are fastest: it has to stay in the second-level cache.
LISTED_BYTES = 2**20


def make_generator(
    tables: FactorTables, space: FibreSet, *, threads: int | None = None, extended: bool = False
) -> FibreGenerator:
    """Return the generator on a set, in the form that is faster for it.

    As a list of blocks if that is small; else matrix-free if fibres are long, assembled if their mean length is below
    `SHORT_FIBRE`; with ``extended``, in double-double arithmetic. If reactions can fire events, assembled with the
    transitions that these redirect.
    """
    if tables.redirects is not None:
        from fsp.generator.redirected import RedirectedExtendedGenerator, RedirectedGenerator

        return (RedirectedExtendedGenerator if extended else RedirectedGenerator)(
            tables, space, threads=threads
        )
    if extended:
        from fsp.generator.extended import ExtendedGenerator

        return ExtendedGenerator(tables, space)
    if list_bytes(len(tables.reactions), space) <= LISTED_BYTES:
        return ListedGenerator(tables, space, threads=threads)
    short = space.n_states < SHORT_FIBRE * space.n_fibres and space.n_states >= _MIN_STATES
    return (AssembledGenerator if short else FibreGenerator)(tables, space, threads=threads)
