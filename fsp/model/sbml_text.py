"""What is checked in the text of an SBML file before libsbml sees it.

libsbml cuts numbers off without a word (``<cn type="integer"> 2.5 </cn>`` becomes 2, ``1e-400`` becomes 0) and
follows any nesting, so the text is walked once by a streaming parser that knows no entities of its own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NoReturn
from xml.parsers import expat

from fsp.errors import ModelError, UnsupportedError
from fsp.model.names import shorten

__all__ = ["check_text"]

_MAX_LENGTH = 30_000_000
_MAX_DEPTH = 1000
_MAX_ELEMENTS = 50_000  # of the model itself
_MAX_NOTES = 200_000  # in notes and annotations
_MAX_COMMENT = 100_000
_MAX_ATTRIBUTES = 100
_MAX_NAME = 1000
_MAX_INTEGER = 2**31 - 1

_PACKAGES = "http://www.sbml.org/sbml/level3/"

_DECLARATION = re.compile(r"\A<\?xml[^>]*\?>")
_INTEGER = re.compile(r"[+-]?[0-9]+")
_REAL = re.compile(r"([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+))(?:[eE][+-]?[0-9]+)?")
_SPECIAL = frozenset({"inf", "-inf", "+inf", "nan", "infinity"})
#: Attributes with numbers.
_NUMBERS = (
    "value",
    "size",
    "volume",
    "initialAmount",
    "initialConcentration",
    "stoichiometry",
    "multiplier",
)
_NAMES = ("id", "name", "variable", "symbol", "species", "compartment", "metaid", "units", "substanceUnits")


def check_text(text: str, source: str) -> str:
    """Return the text with the XML declaration that libsbml expects.

    Raises
    ------
    ModelError
        If the text is no well-formed XML, has a document type definition, or a number that would be cut off.
    UnsupportedError
        If it is larger or nested deeper than any model.
    """
    if len(text) > _MAX_LENGTH:
        message = f"{source}: the file has {len(text):,} characters, more than {_MAX_LENGTH:,}; leave annotations out"
        raise UnsupportedError(message)
    declaration = _DECLARATION.match(text)
    lines = declaration.group().count("\n") if declaration else 0
    body = text[declaration.end() :] if declaration else text
    text = '<?xml version="1.0" encoding="UTF-8"?>' + "\n" * lines + body
    _Walk(source).run(text)
    return text


class _Walk:
    """One pass over the elements of a text."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.depth = 0
        self.elements = 0
        self.noted = 0
        self.notes: int | None = None  # the depth of the notes or annotation that is open
        self.number_type = ""
        self.bare: list[bool] = []  # for each element that is open, whether it holds elements only
        self.parts: list[str] | None = None  # the text of the <cn> element that is open, cut at <sep/>
        self.parser = expat.ParserCreate("UTF-8")
        self.parser.StartElementHandler = self.start
        self.parser.EndElementHandler = self.end
        self.parser.StartDoctypeDeclHandler = self.document_type
        self.parser.CommentHandler = self.comment
        self.parser.CharacterDataHandler = self.characters
        self.parser.buffer_text = True

    def run(self, text: str) -> None:
        try:
            self.parser.Parse(text.encode("utf-8", "surrogatepass"), True)
        except expat.ExpatError as error:
            message = f"{self.source}, line {error.lineno}: this is no well-formed XML ({expat.ErrorString(error.code)})"
            raise ModelError(message) from None

    def fail(self, problem: str, kind: type[ModelError] = ModelError) -> NoReturn:
        message = f"{self.source}, line {self.parser.CurrentLineNumber}: {problem}"
        raise kind(message)

    def document_type(self, *_: object) -> None:
        self.fail("document type definitions are not allowed in SBML; remove <!DOCTYPE ...>")

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            self.fail(f"the elements are nested deeper than {_MAX_DEPTH} levels", UnsupportedError)
        if self.depth == 1:
            self.check_packages(attributes)
        self.count(tag)
        for key in (tag, *attributes):
            if len(key) > _MAX_NAME:
                self.fail(f"the name '{shorten(key, 40)}' is longer than {_MAX_NAME} characters")
        if len(attributes) > _MAX_ATTRIBUTES:
            self.fail(f"an element has {len(attributes):,} attributes, more than {_MAX_ATTRIBUTES}")
        for key in _NAMES:
            if len(attributes.get(key, "")) > _MAX_NAME:
                name = shorten(attributes[key], 40)
                self.fail(f'the attribute {key}="{name}" is longer than {_MAX_NAME} characters')
        for key in _NUMBERS:
            if key in attributes:
                self.check_underflow(attributes[key].strip())
        kind = tag.rpartition(":")[2]
        self.bare.append(self.notes is None and (kind in ("sbml", "model") or kind.startswith("listOf")))
        if kind == "cn":
            self.number_type = attributes.get("type", "real")
            self.parts = [""]
        elif kind == "sep" and self.parts is not None:
            self.parts.append("")

    def check_packages(self, attributes: Mapping[str, str]) -> None:
        """Refuse packages that are needed but not those of SBML, of which libsbml says nothing."""
        for key, value in attributes.items():
            prefix, _, name = key.rpartition(":")
            where = attributes.get(f"xmlns:{prefix}", _PACKAGES)
            if prefix and name == "required" and value in ("true", "1") and not where.startswith(_PACKAGES):
                self.fail(
                    f"the package '{shorten(prefix, 40)}' is needed but not supported", UnsupportedError
                )

    def count(self, tag: str) -> None:
        """Count the elements: of the model, and in notes and annotations, which may be longer than the model."""
        if self.notes is None and tag.rpartition(":")[2] in ("notes", "annotation"):
            self.notes = self.depth
        self.elements += self.notes is None
        self.noted += self.notes is not None
        if self.elements > _MAX_ELEMENTS or self.noted > _MAX_NOTES:
            what = "elements" if self.elements > _MAX_ELEMENTS else "notes and annotations"
            limit = _MAX_ELEMENTS if self.elements > _MAX_ELEMENTS else _MAX_NOTES
            self.fail(f"the file has more than {limit:,} {what}; take a smaller model", UnsupportedError)

    def comment(self, text: str) -> None:
        if len(text) > _MAX_COMMENT:
            self.fail(f"a comment is longer than {_MAX_COMMENT:,} characters; remove it", UnsupportedError)

    def characters(self, data: str) -> None:
        if self.parts is not None:
            self.parts[-1] += data
        elif self.bare and self.bare[-1] and not data.isspace():
            self.fail(f"the text '{shorten(data.strip(), 40)}' does not belong here; remove it")

    def end(self, tag: str) -> None:
        if self.depth == self.notes:
            self.notes = None
        self.depth -= 1
        self.bare.pop()
        if tag.rpartition(":")[2] == "cn" and self.parts is not None:
            self.check_number([part.strip() for part in self.parts])
            self.parts = None

    def check_number(self, parts: list[str]) -> None:
        kind = self.number_type
        shown = shorten(" ".join(parts), 40)
        whole = {"integer": 1, "rational": 2}.get(kind)
        if whole is not None:
            if len(parts) != whole or not all(_INTEGER.fullmatch(part) for part in parts):
                self.fail(f'<cn type="{kind}"> holds {shown!r}, which is not of this type')
            if any(len(part) > 11 or abs(int(part)) >= _MAX_INTEGER for part in parts):
                self.fail(f'the integer {shown} is too large for type="{kind}": write it as a real')
        elif kind == "e-notation":
            if (
                len(parts) != 2
                or not _REAL.fullmatch(parts[0])
                or not _INTEGER.fullmatch(parts[1])
                or len(parts[1]) > 5
            ):
                self.fail(f'<cn type="e-notation"> holds {shown!r}, which is no number')
        elif kind == "real":
            if len(parts) != 1 or not (_REAL.fullmatch(parts[0]) or parts[0].lower() in _SPECIAL):
                self.fail(f"<cn> holds {shown!r}, which is no number")
            self.check_underflow(parts[0])
        else:
            self.fail(f'numbers of the type "{shorten(kind, 40)}" are not known: use type="real"')

    def check_underflow(self, text: str) -> None:
        """Refuse a number that is not zero but too small to be told from it."""
        match = _REAL.fullmatch(text)
        if match and float(text) == 0.0 and re.search("[1-9]", match[1]):
            self.fail(f"the number {shorten(text, 40)} is too small for floating-point numbers")
