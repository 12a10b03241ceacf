"""What a setting may be, and how it is read from TOML or from an environment variable."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Protocol, TypeAlias
from uuid import UUID

import attrs
from attrs import frozen

from oms_core.domain.rules import UuidText
from oms_entrypoints.config.secret import Secret, resolve
from oms_entrypoints.config.similar import did_you_mean

_RULE: Final = "oms_entrypoints.rule"


class FromVariable(str):
    """A value that came from an environment variable: text, whatever it means."""

    __slots__ = ()


@frozen
class Place:
    """What the reading of a value may look at: where it stands, and the environment."""

    folder: Path
    """Relative paths count from here: the folder of the file, or the working directory."""
    environment: Mapping[str, str]


class SettingRule(Protocol):
    """What one setting accepts."""

    def read(self, value: object, place: Place) -> Any:
        """Return the setting's value.

        Raises:
            ValueError: the end of a sentence that begins with the setting's name.
        """
        ...


@frozen
class Text:
    """A short printable text, which must match ``pattern``, as ``says`` explains."""

    pattern: str = r".{1,255}"
    says: str = "must be a text of 1 to 255 printable characters"

    def read(self, value: object, place: Place) -> str:
        """Check type and pattern."""
        del place
        if isinstance(value, str) and value.isprintable() and re.fullmatch(self.pattern, value):
            return str(value)
        raise ValueError(self.says)


@frozen
class Choice:
    """One of a few words."""

    words: tuple[str, ...]

    def read(self, value: object, place: Place) -> str:
        """Name the words if it is none of them."""
        del place
        if isinstance(value, str) and value in self.words:
            return str(value)
        hint = did_you_mean(value, self.words) if isinstance(value, str) else ""
        raise ValueError(f"must be one of {', '.join(self.words)}{hint}")


@frozen
class Switch:
    """``true`` or ``false``."""

    def read(self, value: object, place: Place) -> bool:
        """Check the type; from a variable, the words."""
        del place
        if isinstance(value, FromVariable) and value in {"true", "false"}:
            return value == "true"
        if not isinstance(value, bool):
            raise ValueError("must be true or false")  # noqa: TRY004 - the reader's one error
        return value


@frozen
class Whole:
    """A whole number from ``least`` to ``most``."""

    least: int
    most: int

    def read(self, value: object, place: Place) -> int:
        """Check type and range."""
        del place
        if isinstance(value, FromVariable) and re.fullmatch(r"-?[0-9]{1,18}", value):
            value = int(value)
        if type(value) is not int:
            raise ValueError(f"must be a whole number from {self.least} to {self.most}")
        if not self.least <= value <= self.most:
            raise ValueError(f"must be from {self.least} to {self.most}")
        return value


@frozen
class Seconds:
    """A number of seconds from ``least`` to ``most``."""

    least: float
    most: float

    def read(self, value: object, place: Place) -> float:
        """Check type and range."""
        del place
        if isinstance(value, FromVariable) and re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,9})?", value):
            value = float(value)
        wanted = f"must be a number of seconds from {self.least:g} to {self.most:g}"
        # NaN is in no range, and True is no number here.
        if (
            isinstance(value, int | float)
            and not isinstance(value, bool)
            and self.least <= value <= self.most
        ):
            return float(value)
        raise ValueError(wanted)


@frozen
class FilePath:
    """The path of a file; a relative one counts from the folder of the configuration file."""

    def read(self, value: object, place: Place) -> Path:
        """Check the form, not the file."""
        if not isinstance(value, str) or not value or not value.isprintable():
            raise ValueError("must be the path of a file")
        return place.folder / Path(value).expanduser()


@frozen
class SecretReference:
    """``env:NAME`` or ``file:PATH``, naming where a secret is kept."""

    def read(self, value: object, place: Place) -> Secret:
        """Fetch the secret."""
        return resolve(value, environment=place.environment, folder=place.folder)


@frozen
class UuidName:
    """A UUID in its canonical form."""

    def read(self, value: object, place: Place) -> UUID:
        """Check the form."""
        del place
        wrong = UuidText().mistake(value)
        if wrong is not None or not isinstance(value, str):
            raise ValueError(wrong or "must be a UUID")
        return UUID(value)


@frozen
class StoreUri:
    """Where a MongoDB server is: ``env:NAME`` or ``file:PATH``, or a URI without a password."""

    def read(self, value: object, place: Place) -> Secret:
        """Take a URI as it is if there is nothing secret in it, else fetch what it refers to."""
        scheme, separator, rest = value.partition("://") if isinstance(value, str) else ("", "", "")
        if not separator:
            secret = resolve(value, environment=place.environment, folder=place.folder)
            if not secret.value.startswith(("mongodb://", "mongodb+srv://")):
                raise ValueError(
                    "is kept elsewhere, but there is no mongodb:// URI; write one there"
                )
            return secret
        if scheme not in {"mongodb", "mongodb+srv"} or not rest.isprintable():
            raise ValueError("must begin with mongodb:// or mongodb+srv://")
        user, at, _ = rest.rpartition("@")
        if (at and ":" in user) or re.search("password|token", rest, re.IGNORECASE):
            raise ValueError(
                "holds a password, which does not belong here; keep the whole URI in an "
                "environment variable or a file, and name that: env:NAME or file:PATH"
            )
        return Secret(str(value))


@frozen
class TableOf:
    """A table of settings of its own."""

    cls: type


@frozen
class TablesOf:
    """Any number of tables of the same kind, each under a name of the reader's choosing."""

    cls: type
    names: SettingRule = Text(r".{1,64}", "must have 1 to 64 printable characters")
    one_at_least: bool = False


AnyRule: TypeAlias = SettingRule | TableOf | TablesOf


def setting(
    rule: AnyRule,
    *,
    says: str,
    default: Any = attrs.NOTHING,
    factory: Any = None,
    example: str = "",
) -> Any:
    """Declare a setting under *rule*; *says* explains it to whoever writes the file.

    The *example* is for a setting without a default.
    """
    metadata = {_RULE: rule, "says": says, "example": example}
    if factory is not None:
        return attrs.field(factory=factory, metadata=metadata)
    return attrs.field(default=default, metadata=metadata)


@frozen
class Setting:
    """A declared setting, as readers and documents need it."""

    name: str
    rule: AnyRule
    required: bool
    default: Any
    says: str
    example: str


def settings_of(cls: type) -> tuple[Setting, ...]:
    """List the settings of a table, in order."""
    return tuple(
        Setting(
            field.name,
            field.metadata[_RULE],
            field.default is attrs.NOTHING,
            field.default,
            field.metadata["says"],
            field.metadata["example"],
        )
        for field in attrs.fields(cls)
        if _RULE in field.metadata
    )
