"""What adapters object to, collected so that it is told all at once."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from oms_core.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator


class Mistakes:
    """Collects what adapters object to, under the names of the settings."""

    def __init__(self) -> None:
        self._found: list[str] = []

    @contextmanager
    def of(self, setting: str) -> Iterator[None]:
        """Take down what is raised inside, if it is about the configuration."""
        try:
            yield
        except ConfigurationError as error:
            self._found += [f"{setting}: {sentence}" for sentence in error.mistakes]
        except ValueError as error:
            self._found.append(f"{setting}: {error}")

    def refuse(self) -> None:
        """Raise all that was taken down, if there is any."""
        if self._found:
            raise ConfigurationError(self._found)
