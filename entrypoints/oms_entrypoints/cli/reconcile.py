"""``oms reconcile``: do the orders say what their payment providers say?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import click

from oms_entrypoints.cli.options import (
    DURATION,
    as_json,
    read_config,
    with_config,
    with_tenant_or_scope,
)
from oms_entrypoints.cli.progress import Progress
from oms_entrypoints.cli.store_access import opened

if TYPE_CHECKING:
    from uuid import UUID

    from oms_core.application.reconciliation import Compared, Tally

CALLS_PER_SECOND: Final = 5.0
"""Slow enough for every provider's limits, beside the calls of customers."""


@click.command(short_help="Compare orders with their payment providers; heal what differs.")
@with_config
@click.option("--fix", is_flag=True, help="Have orders that differ take over what can be proven.")
@with_tenant_or_scope
@click.option("--provider", metavar="NAME", help="Only orders paid through this account.")
@click.option(
    "--since",
    type=DURATION,
    metavar="TIME",
    help="Only orders placed or changed in the last TIME, such as 12h or 30d.",
)
@click.option(
    "--calls-per-second",
    type=click.FloatRange(0, 10_000),
    default=CALLS_PER_SECOND,
    show_default=True,
    help="Calls to providers; 0: as fast as it goes.",
)
@as_json
def reconcile(
    config_file: str | None,
    fix: bool,
    tenant: UUID | None,
    org: UUID | None,
    provider: str | None,
    since: float | None,
    calls_per_second: float,
    as_json: bool,
) -> int:
    """Compare orders with what their payment providers say, and print every difference.

    Nothing is changed without --fix. With it, an order that differs asks its provider and takes
    over what that says; where nothing can be proven, it is flagged for a person. The exit code
    is 1 if anything is left that somebody should look at.
    """
    from oms_core.application.reconciliation import Selection, Tally, Verdict

    config = read_config(config_file)
    if provider is not None and provider not in config.payments:
        known = ", ".join(config.payments)
        raise click.UsageError(f"there is no payment account {provider}; configured: {known}")
    start = None if since is None else datetime.now(UTC) - timedelta(seconds=since)
    tally = Tally()
    with opened(config) as oms, Progress() as progress:
        reconciler = oms.reconciler(calls_per_second=calls_per_second)
        for compared in reconciler.run(Selection(tenant, org, provider, start), fix=fix):
            tally.add(compared)
            if compared.verdict not in {Verdict.AGREES, Verdict.UNDER_WAY}:
                progress.clear()
                click.echo(_line(compared) if as_json else _sentences(compared))
            progress.tell(f"{tally.orders} orders compared")
    click.echo(_json(_summary(tally)) if as_json else _told(tally, fix=fix))
    return _exit_code(tally)


def _exit_code(tally: Tally) -> int:
    from oms_entrypoints.cli.main import REFUSED

    return 0 if tally.is_good else REFUSED


def _line(compared: Compared) -> str:
    scope = compared.place.scope
    return _json(
        {
            "order_id": compared.place.order_id,
            "tenant_id": scope.tenant_id,
            "org_id": scope.org_id,
            "provider": compared.provider,
            "payment_reference": compared.reference,
            "verdict": compared.verdict,
            "differences": [
                {
                    "what": one.what,
                    "order_says": one.order_says,
                    "provider_says": one.provider_says,
                }
                for one in compared.differences
            ],
            "trouble": compared.trouble,
        }
    )


def _sentences(compared: Compared) -> str:
    head = f"{compared.place.order_id}  {compared.verdict.replace('_', ' ')}"
    details = [str(one) for one in compared.differences]
    if compared.trouble is not None:
        details.append(compared.trouble)
    return "\n".join([head, *(f"  {detail}" for detail in details)])


def _summary(tally: Tally) -> dict[str, Any]:
    return {"orders": tally.orders, **{verdict.value: n for verdict, n in tally.counts.items()}}


def _told(tally: Tally, *, fix: bool) -> str:
    counted = ", ".join(
        f"{count} {verdict.replace('_', ' ')}" for verdict, count in tally.counts.items() if count
    )
    orders = f"{tally.orders} order{'s' * (tally.orders != 1)}"
    summary = f"{orders} compared" + (f": {counted}." if counted else ".")
    from oms_core.application.reconciliation import Verdict

    if tally.counts[Verdict.DIFFERS] and not fix:
        summary += " Nothing was changed; --fix has orders take over what their provider says."
    return summary


def _json(document: dict[str, Any]) -> str:
    import orjson

    return orjson.dumps(document, option=orjson.OPT_UTC_Z).decode()
