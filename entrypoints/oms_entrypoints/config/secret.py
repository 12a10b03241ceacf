"""Secrets: where they are kept, and how they never show themselves."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from attrs import field, frozen

if TYPE_CHECKING:
    from collections.abc import Mapping

SECRET_BYTES_MAX: Final = 65_536
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_FORM: Final = (
    "must be env:NAME or file:PATH, naming where the secret is kept; the secret itself does not "
    "belong here"
)


@frozen
class Secret:
    """A secret's value. It shows in no message, log or representation."""

    value: str = field(repr=False)

    def __str__(self) -> str:
        return "(secret)"


def resolve(reference: object, *, environment: Mapping[str, str], folder: Path) -> Secret:
    """Fetch the secret that ``env:NAME`` or ``file:PATH`` refers to.

    A relative path counts from *folder*. One line break at the end of a file is not part of it.

    Raises:
        ValueError: not such a reference, or nothing is kept there; the message is the end of a
            sentence about the setting, and never repeats what may be the secret itself.
    """
    kind, _, name = reference.partition(":") if isinstance(reference, str) else ("", "", "")
    match kind:
        case "env" if _VARIABLE.fullmatch(name):
            return _from_environment(name, environment)
        case "file" if name and name.isprintable():
            return _from_file(folder / Path(name).expanduser())
        case _:
            raise ValueError(_FORM)


def _from_environment(name: str, environment: Mapping[str, str]) -> Secret:
    value = environment.get(name)
    if value is None:
        raise ValueError(f"is kept in the environment variable {name}, which is not set; set it")
    if not value:
        raise ValueError(f"is kept in the environment variable {name}, which is empty; fill it")
    return Secret(value)


def _from_file(path: Path) -> Secret:
    try:
        with path.open("rb") as file:
            content = file.read(SECRET_BYTES_MAX + 1)
        value = content.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise ValueError(
            f"is kept in {path}, which is not UTF-8 text; encode it, e.g. in base64"
        ) from None
    except OSError as error:
        raise ValueError(
            f"is kept in {path}, which cannot be read ({error.strerror}); "
            "create the file or correct the path"
        ) from None
    if not value:
        raise ValueError(f"is kept in {path}, which is empty; fill it")
    if len(content) > SECRET_BYTES_MAX:
        raise ValueError(f"is kept in {path}, which is larger than 64 KiB; is that the right file?")
    return Secret(value)
