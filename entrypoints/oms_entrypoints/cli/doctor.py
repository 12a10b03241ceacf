"""``oms doctor``: does everything that is stored fit together?"""

from __future__ import annotations

import sys
from collections import Counter
from typing import TYPE_CHECKING, Any

import click

from oms_entrypoints.cli.options import as_json, read_config, with_config, with_tenant_or_scope
from oms_entrypoints.cli.progress import Progress
from oms_entrypoints.cli.reconcile import CALLS_PER_SECOND
from oms_entrypoints.cli.store_access import opened

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from oms_core import OrderManagement
    from oms_core.application.doctor import Finding, Fix


@click.command(short_help="Check orders, payments, stock, inbox and events; mend what is safe.")
@with_config
@click.option("--fix", is_flag=True, help="Offer to mend what can be mended safely.")
@click.option("--yes", is_flag=True, help="With --fix: mend without asking, for cron.")
@click.option("--payments", is_flag=True, help="Ask the payment providers too, order by order.")
@with_tenant_or_scope
@click.option(
    "--calls-per-second",
    type=click.FloatRange(0, 10_000),
    default=CALLS_PER_SECOND,
    show_default=True,
    help="With --payments: calls to providers; 0: as fast as it goes.",
)
@as_json
def doctor(
    config_file: str | None,
    fix: bool,
    yes: bool,
    payments: bool,
    tenant: UUID | None,
    org: UUID | None,
    calls_per_second: float,
    as_json: bool,
) -> int:
    """Check that everything that is stored fits together, and explain what does not.

    Nothing is changed without --fix, and then only what is safe whatever others do meanwhile;
    each repair is shown before it is made. The exit code is 0 if nothing is wrong (any more),
    and 1 if something is.
    """
    if yes and not fix:
        raise click.UsageError("--yes answers what --fix asks; give both")
    if fix and not yes and not sys.stdin.isatty():
        raise click.UsageError("--fix asks before each repair; add --yes where nobody can answer")
    left, counts = 0, Counter[str]()
    with opened(read_config(config_file)) as oms, Progress() as progress:
        examined = _examined(oms, tenant, org, progress, calls_per_second if payments else None)
        for finding in examined:
            progress.clear()
            counts[finding.kind.value] += 1
            if not as_json:
                click.echo(_sentences(finding))
            mended = fix and finding.fix is not None and _mended(finding.fix, yes, as_json)
            if as_json:
                click.echo(_line(finding, mended=mended))
            left += not mended
    click.echo(_json({"findings": dict(counts), "left": left}) if as_json else _told(counts, left))
    from oms_entrypoints.cli.main import REFUSED

    return REFUSED if left else 0


def _examined(
    oms: OrderManagement,
    tenant: UUID | None,
    org: UUID | None,
    progress: Progress,
    calls_per_second: float | None,
) -> Iterator[Finding]:
    from oms_core.application.doctor import check_payments
    from oms_core.application.reconciliation import Selection

    yield from oms.doctor().examine(
        tenant_id=tenant,
        org_id=org,
        on_page=lambda count: progress.tell(f"{count} orders checked"),
    )
    if calls_per_second is not None:
        reconciler = oms.reconciler(calls_per_second=calls_per_second)
        yield from check_payments(reconciler, Selection(tenant, org))


def _mended(fix: Fix, yes: bool, as_json: bool) -> bool:
    """Make a repair, unless the person says no; trouble with one keeps no other from being made."""
    from oms_core.errors import OmsError
    from oms_entrypoints.cli.main import say

    if not yes and not click.confirm(f"  Fix: {fix.says}?", default=False, err=as_json):
        return False
    try:
        fix.apply()
    except OmsError as error:
        say(f"This could not be mended: {error.sentence}")
        return False
    if not as_json:
        click.echo(f"  Mended: {fix.says}.")
    return True


def _sentences(finding: Finding) -> str:
    about = finding.order_id or finding.subject or ""
    head = f"{finding.severity}  {finding.kind}  {about}".rstrip()
    lines = [head, f"  {finding.sentence}"]
    if finding.fix is not None:
        lines.append(f"  --fix would {finding.fix.says}.")
    return "\n".join(lines)


def _line(finding: Finding, *, mended: bool) -> str:
    scope = finding.scope
    return _json(
        {
            "kind": finding.kind,
            "severity": finding.severity,
            "sentence": finding.sentence,
            "tenant_id": scope.tenant_id if scope else None,
            "org_id": scope.org_id if scope else None,
            "order_id": finding.order_id,
            "subject": finding.subject,
            "fix": finding.fix.says if finding.fix else None,
            "mended": mended,
        }
    )


def _told(counts: Counter[str], left: int) -> str:
    found = sum(counts.values())
    if not found:
        return "Everything fits together."
    what = "1 thing is" if found == 1 else f"{found} things are"
    return f"{what} wrong; {found - left} mended, {left} left."


def _json(document: dict[str, Any]) -> str:
    import orjson

    return orjson.dumps(document, option=orjson.OPT_UTC_Z).decode()
