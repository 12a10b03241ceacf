"""Do orders say what their providers say? Costs a call for each order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oms_core.application.doctor.finding import Finding, Fix, Kind, Severity
from oms_core.application.reconciliation import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from oms_core.application.reconciliation import Compared, Reconciler, Selection


def check_payments(reconciler: Reconciler, selection: Selection) -> Iterator[Finding]:
    """Compare orders with their providers."""
    for compared in reconciler.run(selection):
        place = compared.place
        if compared.verdict is Verdict.NOT_COMPARED:
            yield Finding(
                Kind.PAYMENT_NOT_COMPARED,
                Severity.WARNING,
                compared.trouble or "The payment could not be compared.",
                place.scope,
                place.order_id,
            )
        elif not compared.verdict.is_good:
            differences = "; ".join(str(one) for one in compared.differences)
            sentence = f"Order and payment provider differ: {differences}."
            fix = None
            if compared.verdict is Verdict.DIFFERS:
                fix = Fix("take over what the provider says", _healed(reconciler, compared))
            yield Finding(
                Kind.PAYMENT_DIFFERS,
                Severity.ERROR,
                sentence,
                place.scope,
                place.order_id,
                fix=fix,
            )


def _healed(reconciler: Reconciler, compared: Compared) -> Callable[[], object]:
    return lambda: reconciler.heal(compared.place)
