"""Operators work on the store itself, beside the servers and workers that use it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from oms_core.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from oms_core import Order, OrderManagement
    from oms_entrypoints.config import Config

ACTOR: Final = "operator"
"""Who is written down for what is done from the command line."""


def require_shared_store(config: Config, *, make: bool = False) -> None:
    """Refuse a store that other processes cannot see, or one that is not there yet.

    *make*: a new one is what the command is for.

    Raises:
        ConfigurationError: with the sentence that says what to do.
    """
    if config.storage.kind == "memory":
        sentence = (
            'storage.kind is "memory", which only the server itself can see; this command needs '
            'a store that processes share: set it to "sqlite" or "mongodb".'
        )
        raise ConfigurationError([sentence])
    if config.storage.kind == "sqlite" and not make and not config.storage.path.exists():
        sentence = (
            f"There is no database {config.storage.path} yet; start oms serve first, or name the "
            "right file with --config or OMS__STORAGE__PATH."
        )
        raise ConfigurationError([sentence])


@contextmanager
def opened(config: Config, *, make: bool = False) -> Iterator[OrderManagement]:
    """Open the store for the length of a ``with`` block, without any worker.

    Raises:
        ConfigurationError: see ``require_shared_store``.
        StoreUnusable: the file is damaged, foreign or newer than this program.
    """
    from oms_entrypoints.bootstrap import open_system

    require_shared_store(config, make=make)
    with open_system(config) as oms:
        yield oms


def as_json(document: Any) -> str:
    """Write what a view shows, as the HTTP API does; indented, for people read it too."""
    import orjson

    return orjson.dumps(document, option=orjson.OPT_UTC_Z | orjson.OPT_INDENT_2).decode()


def as_shown(order: Order) -> dict[str, Any]:
    """Return the order as clients of the HTTP API see it, in JSON's types."""
    from oms_entrypoints.http.views import order_view

    return in_json(order_view(order))


def in_json(document: Any) -> dict[str, Any]:
    """Return what a view shows in JSON's types, as clients of the HTTP API get it."""
    import orjson

    shown: dict[str, Any] = orjson.loads(orjson.dumps(document, option=orjson.OPT_UTC_Z))
    return shown
