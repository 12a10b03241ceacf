"""Makes the secrets that compose.yaml names: ``python deploy/make_secrets.py``.

What is already there is left alone: a secret that changes locks everybody out. The certificate of
the proxy is yours to bring.
"""

from __future__ import annotations

import os
import secrets
import sys
from base64 import b64encode
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

MEMBERS: Final = "mongo1:27017,mongo2:27017,mongo3:27017"
KEY_FILE_BYTES: Final = 756
"""A key file may have 1,024 characters at the most, in base64."""

MADE: Final[dict[str, Callable[[], str]]] = {
    "mongo_keyfile": lambda: b64encode(secrets.token_bytes(KEY_FILE_BYTES)).decode(),
    "mongo_admin_password": lambda: secrets.token_urlsafe(32),
    "oms_mongodb_uri": lambda: (
        f"mongodb://oms:{secrets.token_urlsafe(32)}@{MEMBERS}/oms?replicaSet=rs0"
    ),
    "oms_signing_secret": lambda: secrets.token_urlsafe(48),
}
BROUGHT: Final = ("tls_certificate", "tls_key")


def make(folder: Path) -> list[str]:
    """Make what is missing in *folder*; returns the names of what was made."""
    folder.mkdir(mode=0o700, exist_ok=True)
    folder.chmod(0o700)
    made = []
    for name, new in MADE.items():
        # Readable inside the containers, whose users are not ours: the folder keeps others out.
        with_mode = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        try:
            descriptor = os.open(folder / name, with_mode, 0o444)
        except FileExistsError:
            continue
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(new() + "\n")
        (folder / name).chmod(0o444)
        made.append(name)
    return made


def main() -> None:
    """Make them beside this file."""
    folder = Path(__file__).with_name("secrets")
    made = make(folder)
    sys.stdout.write(f"Made in {folder}: {', '.join(made) or 'nothing, all were there'}.\n")
    missing = [name for name in BROUGHT if not (folder / name).exists()]
    if missing:
        sys.stdout.write(f"Put there yourself, in PEM: {', '.join(missing)}.\n")


if __name__ == "__main__":
    main()
