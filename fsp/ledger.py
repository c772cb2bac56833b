"""The ledger: every source of error, booked where it arises and never computed as ``1 - sum(p)``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

__all__ = ["Ledger"]

#: The entries in the order in which they print, with what each one means.
MEANINGS: dict[str, str] = {
    "initial": "initial probability that lies outside the state set",
    "leaked": "probability that flowed out of the state set",
    "pruned": "probability of states that were dropped",
    "series": "cut-off of the Poisson series",
    "defect": "defect of signed series, and what entries were lowered by to be lower bounds",
    "rates": "change of rates within time steps that is left out",
    "steady_state": "powers replaced by a converged one",
    "rounding": "floating-point rounding, worst case",
}

#: The same for stationary distributions.
STATIONARY_MEANINGS: dict[str, str] = {
    "truncation": "flow out of the state set, by what it may cost",
    "residual": "residual of the linear solver, weighed in the same way",
    "ending": "probabilities of ending in each class of states",
    "rounding": "floating-point rounding, worst case",
}

_MEANING = {**MEANINGS, **STATIONARY_MEANINGS}


@dataclass
class Ledger:
    """Non-negative bounds on the 1-norm error, one entry for each source.

    Attributes
    ----------
    entries : dict of str to float
        Accumulated bound of each source, see ``MEANINGS``.
    leaks : dict of str to float
        The entry ``leaked`` by boundary: the reaction, and the constraint that it crossed.

    Examples
    --------
    >>> ledger = Ledger()
    >>> ledger.book("pruned", 1e-9)
    >>> ledger.book("leaked", 2e-9, "birth leaves the state set")
    >>> round(ledger.total * 1e9, 6)
    3.0
    """

    entries: dict[str, float] = field(default_factory=lambda: dict.fromkeys(MEANINGS, 0.0))
    leaks: dict[str, float] = field(default_factory=dict)

    def book(self, source: str, amount: float, boundary: str | None = None) -> None:
        """Add ``amount >= 0`` to the entry ``source``; ``boundary`` says where a leak was."""
        if not amount >= 0.0:
            message = f"internal error: the ledger entry {source!r} was to grow by {amount!r}; losses are never negative"
            raise AssertionError(message)
        self.entries[source] = self.entries.get(source, 0.0) + amount
        if boundary is not None:
            self.leaks[boundary] = self.leaks.get(boundary, 0.0) + amount

    @property
    def total(self) -> float:
        """The sum of all entries, rounded up: a bound on the 1-norm of the error."""
        return sum(self.entries.values()) * (1.0 + 1e-14)

    def copy(self) -> Ledger:
        """Return an independent copy."""
        return Ledger(dict(self.entries), dict(self.leaks))

    @classmethod
    def from_mapping(cls, entries: Mapping[str, float]) -> Ledger:
        """Return a ledger with the given entries, for example from a file."""
        ledger = cls()
        for source, amount in entries.items():
            ledger.book(source, float(amount))
        return ledger

    def __iter__(self) -> Iterator[tuple[str, float]]:
        return iter(self.entries.items())

    def __str__(self) -> str:
        width = max(len(name) for name in self.entries)
        lines = [f"{name:<{width}}  {amount:9.3e}  {_MEANING.get(name, '')}" for name, amount in self]
        for boundary, amount in sorted(self.leaks.items(), key=lambda item: -item[1])[:5]:
            lines.insert(2, f"{'':<{width}}  {amount:9.3e}    by {boundary}")
        lines.append(f"{'total':<{width}}  {self.total:9.3e}  bound on the 1-norm of the error")
        return "\n".join(lines)
