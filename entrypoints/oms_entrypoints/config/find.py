"""Which file is read, and the one call that reads it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from oms_entrypoints.config.document import load
from oms_entrypoints.config.reader import read

if TYPE_CHECKING:
    from collections.abc import Mapping

    from oms_entrypoints.config.sections import Config

DEFAULT_FILE: Final = "oms.toml"
FILE_VARIABLE: Final = "OMS_CONFIG"


def find_file(named: str | None, environment: Mapping[str, str]) -> Path | None:
    """Return the file *named*, else the one in ``OMS_CONFIG``, else ``oms.toml`` if it is here."""
    named = named or environment.get(FILE_VARIABLE)
    if named:
        return Path(named)
    here = Path(DEFAULT_FILE)
    return here if here.is_file() else None


def load_config(named: str | None = None, environment: Mapping[str, str] | None = None) -> Config:
    """Read the configuration from its file, if there is one, and the environment.

    Raises:
        ConfigurationError: every mistake at once, a sentence each, with the setting's name and
            its line in the file or its variable. No value of a secret is in it.
    """
    environment = os.environ if environment is None else environment
    return read(load(find_file(named, environment), environment))
