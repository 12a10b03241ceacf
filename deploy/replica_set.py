"""Makes the replica set and its users that a URI asks for. Once; again changes nothing.

Runs beside the first member that the URI names, for mongod lets only its own machine make the
first user: ``python replica_set.py URI_FILE ADMIN_PASSWORD_FILE [PORT]``.
"""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError
from pymongo.uri_parser import parse_uri

WITHIN_S: Final = 120.0
ADMIN: Final = "admin"
_USER_EXISTS: Final = 51003
_MS: Final = 2_000

Client = MongoClient[dict[str, Any]]


def make(uri: str, admin_password: str, port: int = 27017) -> None:
    """Try until the URI works, for the members may still be starting.

    Raises:
        TimeoutError: it did not in time; the message says what was in the way last.
    """
    ends_at = time.monotonic() + WITHIN_S
    in_the_way = ""
    while time.monotonic() < ends_at:
        if _works(uri):
            return
        try:
            _set_up(parse_uri(uri), admin_password, port)
        except PyMongoError as error:
            # Its text may quote the URI.
            code = getattr(error, "code", None)
            in_the_way = type(error).__name__ + (f" (code {code})" if code else "")
        time.sleep(0.2)
    raise TimeoutError(f"The replica set was not ready within {WITHIN_S:g} s: {in_the_way}.")


def _works(uri: str) -> bool:
    try:
        with Client(uri, serverSelectionTimeoutMS=_MS) as client:
            name = client.get_default_database().name
            client[name].command("find", "oms_schemas", limit=1)
            return bool(client.is_primary or client.primary)
    except PyMongoError:
        return False


def _set_up(asked: dict[str, Any], admin_password: str, port: int) -> None:
    with Client("127.0.0.1", port, directConnection=True, serverSelectionTimeoutMS=_MS) as local:
        # Refused once there is a user: then there is a replica set, too.
        with suppress(OperationFailure):
            local.admin.command("replSetInitiate", _configuration(asked))
        if not local.admin.command("hello")["isWritablePrimary"]:
            return
        with suppress(OperationFailure):
            _add_user(local, "admin", ADMIN, admin_password, "root")
    with Client(
        "127.0.0.1",
        port,
        directConnection=True,
        username=ADMIN,
        password=admin_password,
        serverSelectionTimeoutMS=_MS,
    ) as admin:
        _add_user(admin, asked["database"], asked["username"], asked["password"], "readWrite")


def _configuration(asked: dict[str, Any]) -> dict[str, Any]:
    members = [
        # The first one becomes the primary: only there can the first user be made.
        {"_id": number, "host": f"{host}:{port}", "priority": 1 if number else 2}
        for number, (host, port) in enumerate(asked["nodelist"])
    ]
    return {"_id": asked["options"]["replicaSet"], "members": members}


def _add_user(client: Client, database: str, name: str, password: str, role: str) -> None:
    try:
        client[database].command("createUser", name, pwd=password, roles=[role])
    except OperationFailure as refused:
        if refused.code != _USER_EXISTS:
            raise
        client[database].command("updateUser", name, pwd=password, roles=[role])


def main(uri_file: str, password_file: str, port: str = "27017") -> None:
    """Read the secrets, and make what the URI asks for."""
    uri = Path(uri_file).read_text(encoding="utf-8").strip()
    try:
        make(uri, Path(password_file).read_text(encoding="utf-8").strip(), int(port))
    except TimeoutError as late:
        sys.exit(str(late))
    sys.stdout.write("The replica set is ready.\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
