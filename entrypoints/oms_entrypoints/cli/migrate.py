"""``oms migrate``: make or update the store, or carry it over into another kind of database."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from oms_entrypoints.cli.options import read_config, with_config
from oms_entrypoints.cli.store_access import require_shared_store

if TYPE_CHECKING:
    from collections.abc import Iterator

    from oms_core.application.carry_over import Checksum, Step
    from oms_entrypoints.config import Config

_TELLS_EVERY_S: Final = 2.0
_DOING: Final = {"carry": "carried", "verify": "verified"}


@click.command(short_help="Make or update the store, or carry it over.")
@with_config
@click.option(
    "--from", "source", metavar="sqlite:PATH", help="Carry the store in this file over into --to."
)
@click.option(
    "--to",
    "target",
    metavar="URI",
    help="mongodb://HOST/?replicaSet=rs0, or with a password in it env:NAME or file:PATH that "
    "holds it; default: the configured store.",
)
@click.option("--database", help="The name of the database in MongoDB; default: as configured.")
@click.option(
    "--payment-claims",
    is_flag=True,
    help="Keep payment references apart by claims from now on: before orders are sharded.",
)
def migrate(
    config_file: str | None,
    source: str | None,
    target: str | None,
    database: str | None,
    payment_claims: bool,
) -> None:
    """Make the tables or collections and indexes of the configured store, or update them.

    With --from and --to, carry a whole store over: orders, stock, ledger, reservations and the
    simulated provider's books. Nobody may use either store meanwhile; run it again if it was
    interrupted. In the end both are compared, and the old one is sealed.
    """
    config = read_config(config_file)
    if source is None:
        if target is not None or database is not None:
            raise click.UsageError("--to and --database say where to carry a store; add --from")
        _bring_up_to_date(config, payment_claims=payment_claims)
        return
    if payment_claims:
        raise click.UsageError("--payment-claims comes after the store was carried over")
    uri, name = _target(config, target, database)
    _carry(_file(source), uri, name)


def _bring_up_to_date(config: Config, *, payment_claims: bool) -> None:
    from oms_entrypoints.bootstrap import migrate_store

    require_shared_store(config, make=True)
    migrate_store(config, payment_claims=payment_claims)
    click.echo(f"The store is up to date: {config.storage.shown}.")


def _file(source: str) -> Path:
    kind, _, path = source.partition(":")
    if kind == "sqlite" and path and "\x00" not in path:
        return Path(path)
    if kind in {"mongodb", "mongodb+srv"}:
        raise click.UsageError(
            "A MongoDB store cannot be carried over into another one; --from must be sqlite:PATH"
        )
    raise click.UsageError("--from must be sqlite:PATH, such as sqlite:oms.db")


def _target(config: Config, target: str | None, database: str | None) -> tuple[str, str]:
    from oms_entrypoints.config import store_uri

    storage = config.storage
    if target is not None:
        uri = store_uri(target, "--to").value
    elif storage.kind == "mongodb" and storage.uri is not None:
        uri = storage.uri.value
    else:
        raise click.UsageError("--from needs --to, which says where the store is to be")
    return uri, storage.database if database is None else database


def _carry(path: Path, uri: str, database: str) -> None:
    from oms_entrypoints.bootstrap import carry_sqlite_to_mongodb

    target, sums = carry_sqlite_to_mongodb(path, uri, database, _Progress().tell)
    if not sums:
        click.echo(f"The store in {path} is in {target} already; nothing was changed.")
        return
    for line in _table(sums):
        click.echo(line)
    click.echo(
        f"The store in {path} is in {target} now, and both hold the same. The file is sealed: let "
        "the configuration name the new store before anything starts."
    )


def _table(sums: dict[str, Checksum]) -> Iterator[str]:
    for shelf, checksum in sums.items():
        yield f"{shelf:<24}{checksum.entries:>12}  sha256 sum {checksum.shown}"


class _Progress:
    """Says on standard error how far it is, a line every other second and at each end."""

    def __init__(self) -> None:
        self._told_at = time.monotonic()

    def tell(self, step: Step) -> None:
        now = time.monotonic()
        if step.done < step.of and now - self._told_at < _TELLS_EVERY_S:
            return
        self._told_at = now
        click.echo(f"{_DOING[step.doing]} {step.shelf}: {step.done} of {step.of}", err=True)
