"""``oms simulated``: what the simulated provider's own books say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from oms_entrypoints.cli.options import as_json, read_config, with_config
from oms_entrypoints.cli.store_access import as_json as written
from oms_entrypoints.cli.store_access import require_shared_store

if TYPE_CHECKING:
    from rich.table import Table


@click.command(short_help="What the simulated payment provider did.")
@with_config
@click.option(
    "--account",
    default="simulated",
    show_default=True,
    help="The payment account, by its name in the configuration.",
)
@as_json
def simulated(config_file: str | None, account: str, as_json: bool) -> None:
    """Audit the simulated payment provider from outside.

    Its books are its own: what it was asked to do, and did, for each payment and order. Nobody
    is charged twice if no row has more than one live authorization.
    """
    from oms_entrypoints.bootstrap import audit_simulated

    config = read_config(config_file)
    require_shared_store(config)
    rows = audit_simulated(config, account)
    if as_json:
        click.echo(written({"account": account, "payments": rows}))
        return
    from oms_entrypoints.cli.display import console

    console().print(audit_table(rows) if rows else "The provider was never asked for anything.")


def audit_table(rows: list[dict[str, Any]]) -> Table:
    """Show the books: what was moved, and how many authorizations still hold money."""
    from rich.text import Text

    from oms_entrypoints.cli.display import table

    # What never happened takes no room; --json has it all.
    moved = [
        name for name in ("captured", "voided", "refunded") if any(_is_any(r, name) for r in rows)
    ]
    shown = table(
        "reference", "state", "authorized", *moved, "holds", numbers=("authorized", *moved, "holds")
    )
    for row in rows:
        shown.add_row(
            Text(str(row["reference"])),
            Text(str(row["state"])),
            f"{row['authorized']} {row['currency']}",
            *(str(row[name]) for name in moved),
            str(row["live_authorizations"]),
        )
    return shown


def _is_any(row: dict[str, Any], name: str) -> bool:
    return bool(str(row[name]).strip("0."))
