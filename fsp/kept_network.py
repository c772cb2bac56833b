"""The network in a saved result: as plain data, or left out with a warning."""

from __future__ import annotations

import warnings
from typing import Any

from fsp.errors import ModelError

__all__ = ["kept_record"]


def kept_record(network: Any) -> dict[str, Any] | None:
    """Return the network as plain data; what cannot be expressed must not keep numbers from being saved."""
    if network is None:
        return None
    from fsp.model.record import network_record

    try:
        return network_record(network)
    except ModelError as error:
        warnings.warn(f"fsp: the result is saved without its network: {error}", stacklevel=5)
        return None
