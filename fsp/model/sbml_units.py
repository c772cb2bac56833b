"""Units of amount in SBML: how many molecules one of them is.

Only amounts matter here: sizes of compartments and time are taken in the units of the file, as its laws are.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import libsbml

from fsp.errors import UnsupportedError
from fsp.model.mathml import AVOGADRO
from fsp.model.sbml_document import elements

__all__ = ["AmountUnits"]

_ONE = Fraction(1)
_MOLE = Fraction(AVOGADRO)
_KINDS = {
    libsbml.UNIT_KIND_ITEM: _ONE,
    libsbml.UNIT_KIND_DIMENSIONLESS: _ONE,
    libsbml.UNIT_KIND_MOLE: _MOLE,
    libsbml.UNIT_KIND_AVOGADRO: _MOLE,
}
_NAMES = {"item": _ONE, "dimensionless": _ONE, "mole": _MOLE, "avogadro": _MOLE}


class AmountUnits:
    """The units of amount of one model.

    Attributes
    ----------
    declared : bool
        Whether the model says what its amounts are. Where it does not, amounts are numbers of molecules.
    """

    def __init__(self, model: Any, source: str) -> None:
        self.model = model
        self.source = source
        level3 = model.getLevel() > 2
        if level3:
            self._default: str = model.getSubstanceUnits()
            self._extent = model.getExtentUnits() or self._default
        else:
            self._default = "substance" if model.getUnitDefinition("substance") is not None else ""
            self._extent = self._default
        self.declared = bool(self._default)

    def of_species(self, species: Any) -> Fraction:
        """Return the number of molecules in one unit of a species' amount."""
        return self._molecules(self.name(species), f"species '{species.getId()}'")

    def name(self, species: Any) -> str:
        """Return the name of the unit of a species' amount, empty where the file has none."""
        unit: str = species.getSubstanceUnits()
        return self._default if not unit or unit == "substance" else unit

    def of_extent(self, reaction: Any) -> Fraction:
        """Return the number of events in one unit of a reaction's extent."""
        unit, what = self._extent, f"reaction '{reaction.getId()}'"
        if self.model.getLevel() == 2:
            law = reaction.getKineticLaw()
            own = law.getSubstanceUnits() if law is not None else ""
            unit = own if own and own != "substance" else unit
            time = law.getTimeUnits() if law is not None else ""
            known = (
                ("", "time") if self.model.getUnitDefinition("time") is not None else ("", "time", "second")
            )
            if time not in known:
                message = (
                    f"{self.source}: the unit of time '{time}' of {what} is not supported; express its law in "
                    "the model's unit of time"
                )
                raise UnsupportedError(message)
        return self._molecules(unit, what)

    def _molecules(self, unit: str, what: str) -> Fraction:
        if not unit:
            return _ONE
        if unit in _NAMES and self.model.getUnitDefinition(unit) is None:
            return _NAMES[unit]
        definition = self.model.getUnitDefinition(unit)
        factor, counted = _ONE, 0
        for part in elements(definition.getListOfUnits()) if definition is not None else ():
            exponent, scale, multiplier = part.getExponentAsDouble(), part.getScale(), part.getMultiplier()
            known = _KINDS.get(part.getKind())
            usable = exponent == int(exponent) and abs(exponent) <= 3 if exponent == exponent else False
            sound = multiplier - multiplier == 0 and multiplier > 0 and abs(scale) <= 60
            if known is None or not usable or not sound:
                counted = -1
                break
            # level 2 version 1 had an offset as well, which no unit of amount has
            factor *= (Fraction(repr(multiplier)) * Fraction(10) ** scale * known) ** int(exponent)
            if part.getKind() in (libsbml.UNIT_KIND_ITEM, libsbml.UNIT_KIND_MOLE):
                counted += int(exponent)
        if definition is None or counted not in (0, 1):
            reason = "is not defined" if definition is None else "is not a number of molecules"
            message = (
                f"{self.source}: the unit of amount '{unit}' of {what} {reason}; give amounts as numbers of "
                'molecules (substanceUnits="item")'
            )
            raise UnsupportedError(message)
        return factor
