"""From the text of an SBML file to a libsbml model in core SBML, or a refusal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import libsbml

from fsp.errors import ModelError, UnsupportedError
from fsp.model.names import shorten
from fsp.model.sbml_text import check_text

__all__ = ["elements", "read_document"]

_BUILT_IN = frozenset({"l3v2extendedmath"})  # how libsbml names the mathematics of level 3 version 2
_MAX_SUBMODELS = 1000


def elements(collection: Any) -> Iterator[Any]:
    """Yield the elements of one of libsbml's lists."""
    return (collection.get(i) for i in range(collection.size()))


def read_document(text: str, source: str) -> Any:
    """Return the libsbml document of a text; submodels of the package "comp" are put together.

    Raises
    ------
    ModelError
        If the text is no well-formed SBML; the message names the line.
    UnsupportedError
        For level 1 and for packages that change the mathematics.
    """
    document = libsbml.readSBMLFromString(check_text(text, source))
    _check_errors(document, source)
    if document.getModel() is None:
        message = f"{source} holds no model"
        raise ModelError(message)
    level, version = document.getLevel(), document.getVersion()
    if level < 2:
        message = f"{source}: SBML level 1 is not supported; convert the file to level 3"
        raise UnsupportedError(message)
    if level > 3:
        message = f"{source}: SBML level {level} version {version} is not known; convert the file to level 3"
        raise UnsupportedError(message)
    composed = document.getPlugin("comp") if level > 2 else None
    if composed is not None:
        _flatten(document, composed, source)
    for i in range(document.getNumPlugins() if level > 2 else 0):
        package = document.getPlugin(i).getPackageName()
        if package not in _BUILT_IN and document.getPackageRequired(package):
            message = (
                f"{source}: the model needs the SBML package '{package}', which is not supported; export the "
                "model to core SBML"
            )
            raise UnsupportedError(message)
    return document


def _check_errors(document: Any, source: str) -> None:
    for i in range(document.getNumErrors()):
        error = document.getError(i)
        if error.isError() or error.isFatal():
            what = shorten(error.getMessage(), 600)
            message = f"{source}, line {error.getLine()}: {what}"
            raise ModelError(message)


def _flatten(document: Any, composed: Any, source: str) -> None:
    """Put the submodels of a composed model into one (package "comp")."""
    if composed.getNumExternalModelDefinitions():
        name = composed.getExternalModelDefinition(0).getId()
        message = (
            f"{source}: the model definition '{shorten(name)}' is in another file, which is not read; export "
            "the flattened model"
        )
        raise UnsupportedError(message)
    _count_submodels(document, composed, source)
    options = libsbml.ConversionProperties()
    options.addOption("flatten comp", True)
    if document.convert(options) != libsbml.LIBSBML_OPERATION_SUCCESS:
        _check_errors(document, source)
        message = (
            f"{source}: the submodels (package 'comp') cannot be put together; export the flattened model"
        )
        raise UnsupportedError(message)


def _count_submodels(document: Any, composed: Any, source: str) -> None:
    """Refuse models that contain one another, and more copies than any model has."""
    models = {d.getId(): d for d in elements(composed.getListOfModelDefinitions())}
    sizes: dict[str, int] = {}

    def size(name: str, model: Any, above: tuple[str, ...]) -> int:
        if name in above:
            message = f"{source}: the model definition '{shorten(name)}' contains itself"
            raise ModelError(message)
        if name not in sizes:
            total = 1
            plugin = model.getPlugin("comp") if model is not None else None
            for submodel in elements(plugin.getListOfSubmodels()) if plugin is not None else ():
                inner = submodel.getModelRef()
                total += size(inner, models.get(inner), (*above, name))
            sizes[name] = total
        if sizes[name] > _MAX_SUBMODELS or len(above) > 100:
            message = f"{source}: there are more than {_MAX_SUBMODELS:,} submodels; take a smaller model"
            raise UnsupportedError(message)
        return sizes[name]

    size("", document.getModel(), ())
