"""The signing secret that is made at the first start if none is configured."""

from __future__ import annotations

import os
import secrets
import stat
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from oms_core.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

_RANDOM_BYTES: Final = 48
_BYTES_MIN: Final = 32
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


def read_or_make(path: Path) -> bytes:
    """Return the secret in *path*; made now, readable by this user alone, if it is not there.

    However many processes do this at once, all get the same secret: it appears under its name
    whole, and only once.

    Raises:
        ConfigurationError: the file cannot be made or read, others may read it, or it is no
            secret of ours.
    """
    try:
        if not path.exists():
            _make(path)
        return _read(path)
    except OSError as error:
        raise _refusal(
            f"The signing secret {path} cannot be read or made ({error.strerror}); mend that, or "
            "configure a key in [auth.keys.NAME]."
        ) from None


def _make(path: Path) -> None:
    """Write it beside its name first: whoever finds the name must find all of it."""
    draft = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(descriptor, f"{secrets.token_urlsafe(_RANDOM_BYTES)}\n".encode())
        os.fsync(descriptor)
        # Unlike a rename, a link fails if another process was faster; then its secret counts.
        with suppress(FileExistsError):
            os.link(draft, path)
    finally:
        os.close(descriptor)
        draft.unlink()


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
        content = file.read(4_096)
    if mode & _OTHERS:
        raise _refusal(
            f"Other users may read the signing secret {path} (mode {mode:04o}); run "
            f"`chmod 600 {path}`, or delete it to have a new one made."
        )
    secret = content.strip()
    if len(secret) < _BYTES_MIN:
        raise _refusal(
            f"The signing secret {path} is shorter than {_BYTES_MIN} bytes; restore it, or delete "
            "it to have a new one made, which makes all present tokens worthless."
        )
    return secret


def _refusal(sentence: str) -> ConfigurationError:
    return ConfigurationError([sentence])
