"""Where a store is, named outside of the configuration file."""

from __future__ import annotations

import os
from pathlib import Path

from oms_core.errors import ConfigurationError
from oms_entrypoints.config.rules import Place, StoreUri
from oms_entrypoints.config.secret import Secret


def store_uri(value: str, name: str) -> Secret:
    """Read what the option *name* says of a MongoDB server, as ``storage.uri`` is read.

    Raises:
        ConfigurationError: a sentence that names the option and repeats no secret.
    """
    try:
        return StoreUri().read(value, Place(Path.cwd(), os.environ))
    except ValueError as wrong:
        raise ConfigurationError([f"{name} {wrong}."]) from None
