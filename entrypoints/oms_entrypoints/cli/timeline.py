"""An order as people read it: what it is, and everything that happened to it.

Drawn from the order as the HTTP API shows it, so that it looks the same whether it comes from
the store or from a server.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from rich.console import Group
from rich.table import Table
from rich.text import Text

from oms_core.application.chronicle import PROVIDER, ChronicleKind
from oms_core.domain.events import Change
from oms_core.domain.order import SYSTEM
from oms_core.domain.order_status import OrderStatus
from oms_entrypoints.cli.display import clock_time, facts, moment, status_text, table, until

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import RenderableType

_GOOD: Final = ("✓", "green")
_BAD: Final = ("✗", "red")
_WAIT: Final = ("…", "yellow")
_PLAIN: Final = ("•", "cyan")
_BACK: Final = ("↩", "yellow")
_TRIED: Final = ("·", "dim")
_HEARD: Final = ("←", "cyan")
_NOBODY: Final = frozenset({SYSTEM, PROVIDER})

WORDS: Final[Mapping[Change, tuple[tuple[str, str], str]]] = {
    Change.ORDER_PLACED: (_PLAIN, "placed"),
    Change.INVENTORY_RESERVED: (_GOOD, "stock reserved"),
    Change.INVENTORY_REFUSED: (_BAD, "out of stock"),
    Change.INVENTORY_RELEASED: (_BACK, "stock released"),
    Change.CUSTOMER_ACTION_REQUIRED: (_WAIT, "customer must act"),
    Change.PAYMENT_PENDING: (_WAIT, "payment pending"),
    Change.PAYMENT_AUTHORIZED: (_GOOD, "payment authorized"),
    Change.PAYMENT_REFUSED: (_BAD, "payment refused"),
    Change.PAYMENT_RELEASED: (_BACK, "payment released"),
    Change.PAYMENT_CAPTURED: (_GOOD, "payment captured"),
    Change.CAPTURE_REJECTED: (_BAD, "capture rejected"),
    Change.PAYMENT_REFUNDED: (_BACK, "payment refunded"),
    Change.REFUND_REQUESTED: (_PLAIN, "refund requested"),
    Change.REFUND_PENDING: (_WAIT, "refund pending"),
    Change.REFUND_REJECTED: (_BAD, "refund rejected"),
    Change.PAYMENT_CORRECTED: (_PLAIN, "payment corrected"),
    Change.AUTHORIZATION_RENEWED: (_GOOD, "hold renewed"),
    Change.AUTHORIZATION_LAPSED: (_BAD, "hold lapsed"),
    Change.ORDER_CONFIRMED: (_GOOD, "confirmed"),
    Change.ORDER_FAILED: (_BAD, "failed"),
    Change.CANCELLATION_REQUESTED: (_PLAIN, "cancellation requested"),
    Change.ORDER_CANCELLED: (_BACK, "cancelled"),
    Change.FULFILLMENT_REQUESTED: (_PLAIN, "fulfillment requested"),
    Change.FULFILLMENT_REFUSED: (_BAD, "goods stay"),
    Change.GOODS_SHIPPED: (_GOOD, "goods shipped"),
    Change.GOODS_DELIVERED: (_GOOD, "goods delivered"),
    Change.ORDER_COMPLETED: (_GOOD, "completed"),
    Change.RETURN_REQUESTED: (_PLAIN, "return requested"),
    Change.RETURN_APPROVED: (_GOOD, "return approved"),
    Change.RETURN_REJECTED: (_BAD, "return rejected"),
    Change.GOODS_RETURNED: (_BACK, "goods returned"),
    Change.ATTENTION_NEEDED: (_BAD, "needs attention"),
    Change.ATTENTION_RESOLVED: (_PLAIN, "attention resolved"),
    Change.SAGA_PAUSED: (_WAIT, "paused"),
    Change.SAGA_RESUMED: (_PLAIN, "resumed"),
    Change.STEP_SKIPPED: (_PLAIN, "done by hand"),
    Change.COMPENSATION_ORDERED: (_BACK, "to be taken back"),
}
"""Each change's mark, colour and words."""


def heading(order: Mapping[str, Any]) -> Text:
    """Write the order's id and status."""
    return Text.assemble(
        ("Order ", ""), (str(order["order_id"]), "bold"), "  ", status_text(_status(order))
    )


def summary(order: Mapping[str, Any]) -> RenderableType:
    """List what the order is about."""
    payment = order["payment"]
    rows: list[tuple[str, RenderableType]] = [
        ("total", Text(f"{order['total']} {order['currency']}")),
        ("payment", Text(f"{payment['status']}, {payment['provider']} {payment['reference']}")),
        ("stock", Text(str(order["reservation"]))),
        ("channel", Text(_channel(order))),
        ("key", Text(str(order["idempotency_key"]))),
        (
            "placed",
            Text(f"{moment(_time(order['created_at']))} by {order['timeline'][0]['actor']}"),
        ),
    ]
    if order["failure"]:
        rows.append(("failed", Text(f"{order['failure']['message']}", style="red")))
    return facts(rows)


def line_items(order: Mapping[str, Any]) -> RenderableType:
    """List the lines and adjustments."""
    rows = table(
        "sku", "quantity", "price", "sum", "location", numbers=("quantity", "price", "sum")
    )
    for line in order["line_items"]:
        rows.add_row(
            Text(line["sku"]),
            str(line["quantity"]),
            line["unit_price"],
            line["subtotal"],
            Text(line["location"]),
        )
    for item in order["adjustments"]:
        rows.add_row(Text(item["label"] or item["kind"], style="dim"), "", "", item["amount"], "")
    return rows


def parts(order: Mapping[str, Any]) -> RenderableType | None:
    """List what became of the goods and the money, each with its id; ``None``: nothing yet."""
    rows = table("what", "id", "state", "how much")
    for column in rows.columns[:3]:
        column.no_wrap = True
    for name, many in (("fulfillment", "fulfillments"), ("return", "returns")):
        for one in order[many]:
            pieces = ", ".join(f"line {part['line']}: {part['quantity']}" for part in one["lines"])
            rows.add_row(name, one[f"{name}_id"], Text(_words(one["state"])), Text(pieces))
    for name, many in (("capture", "captures"), ("refund", "refunds")):
        for one in order[many]:
            amount = f"{one['amount']} {order['currency']}"
            rows.add_row(name, one[f"{name}_id"], Text(_words(one["state"])), amount)
    return rows if rows.row_count else None


def state(order: Mapping[str, Any]) -> Text | None:
    """Say why nothing happens just now; ``None`` if something does, or all is done."""
    saga = order["saga"]
    if saga["attention"]:
        return Text(f"Needs a person: {saga['attention']['message']}", style="red")
    if saga["wait"]:
        deadline = moment(_time(saga["wait"]["deadline"]))
        return Text(f"Waits for {_words(saga['wait']['reason'])} until {deadline}.", style="yellow")
    if saga["due_at"] and saga["steps"] and saga["steps"][-1]["outcome"] == "retrying":
        wait = until(_time(saga["due_at"]), datetime.now(UTC))
        return Text(f"Tries {saga['step']} again {wait}: {saga['steps'][-1]['error']}.")
    return None


def _table() -> Table:
    """Make a table of moments: when, how long after the first, mark, words and details."""
    rows = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    # Fixed widths: entries that are shown one by one must stand in the same columns.
    rows.add_column(style="dim", no_wrap=True)
    rows.add_column(style="dim", no_wrap=True, justify="right", min_width=9)
    rows.add_column(no_wrap=True)
    rows.add_column(no_wrap=True, min_width=18)
    rows.add_column(style="dim", overflow="fold")
    return rows


def timeline(order: Mapping[str, Any], entries: Sequence[Mapping[str, Any]] | None = None) -> Table:
    """Draw the timeline, or only some *entries* of it, each with the time since the first."""
    rows = _table()
    began = _time(order["timeline"][0]["at"])
    for entry in order["timeline"] if entries is None else entries:
        at = _time(entry["at"])
        (mark, style), words = WORDS[Change(entry["change"])]
        rows.add_row(
            clock_time(at),
            f"+{(at - began).total_seconds():.3f} s",
            Text(mark, style=style),
            Text(words, style="bold" if entry["status_before"] != entry["status_after"] else ""),
            Text(_details(entry)),
        )
    return rows


def chronicle(entries: Sequence[Mapping[str, Any]]) -> Table:
    """Draw all that happened, attempts and notifications among it, with who did it."""
    rows = _table()
    began = _time(entries[0]["at"])
    for entry in entries:
        at = _time(entry["at"])
        (mark, style), words, details = _told(entry)
        moved = entry["status_before"] != entry["status_after"]
        by = "" if entry["actor"] in _NOBODY else f"by {entry['actor']}"
        rows.add_row(
            clock_time(at),
            f"{(at - began).total_seconds():+.3f} s",
            Text(mark, style=style),
            Text(words, style="bold" if moved else ""),
            Text("; ".join(said for said in (details, by) if said)),
        )
    return rows


def _told(entry: Mapping[str, Any]) -> tuple[tuple[str, str], str, str]:
    """Return an entry's mark, words and details."""
    known = entry["facts"]
    if entry["status_after"] is not None:
        mark, words = WORDS[Change(entry["what"])]
        return mark, words, _details({**entry, "change": entry["what"]})
    match ChronicleKind(entry["kind"]):
        case ChronicleKind.ATTEMPT:
            undo = "undo " if known["action"] == "undo" else ""
            tries = f"{known['attempts']} attempt{'s' * (known['attempts'] != 1)}"
            ended = [known["outcome"], tries, known.get("error", "")]
            return _TRIED, f"{undo}{entry['what']}", ", ".join(one for one in ended if one)
        case ChronicleKind.NOTIFICATION:
            return _HEARD, "notified", f"{entry['what']}, {known['provider']} {known['event_id']}"
        case ChronicleKind.ACTION:
            return _PLAIN, _words(entry["what"]), ""
        case _:
            return _BAD, _words(entry["what"]), str(known.get("message", ""))


def whole(order: Mapping[str, Any], entries: Sequence[Mapping[str, Any]]) -> Group:
    """Draw everything that is known of the order."""
    drawn: list[RenderableType] = [heading(order), "", summary(order), "", line_items(order)]
    became = parts(order)
    if became is not None:
        drawn += ["", became]
    drawn += ["", chronicle(entries)]
    said = state(order)
    if said is not None:
        drawn += ["", said]
    return Group(*drawn)


def _details(entry: Mapping[str, Any]) -> str:
    known = dict(entry["facts"])
    match Change(entry["change"]):
        case Change.ORDER_PLACED:
            lines = known["lines"]
            return f"{known['total']} {known['currency']}, {lines} line{'s' * (lines != 1)}"
        case Change.PAYMENT_AUTHORIZED if known.get("required") is False:
            return "none needed for a total of zero"
        case Change.INVENTORY_REFUSED:
            return ", ".join(f"{sku}: {pieces} missing" for sku, pieces in known.items())
        case Change.PAYMENT_RELEASED:
            return f"{known['refunded']} refunded" if "refunded" in known else "voided"
        case Change.PAYMENT_REFUSED:
            return str(known.get("provider_code") or known["code"])
        case Change.ATTENTION_NEEDED:
            return str(known.get("message", ""))
        case _:
            if "amount" in known and "currency" in known:
                known["amount"] = f"{known['amount']} {known.pop('currency')}"
            return ", ".join(str(value) for value in known.values() if value is not None)


def _status(order: Mapping[str, Any]) -> OrderStatus:
    return OrderStatus(order["status"])


def _channel(order: Mapping[str, Any]) -> str:
    return f"{order['channel']}, {order['platform']}" if order["platform"] else order["channel"]


def _words(code: str) -> str:
    return code.replace("_", " ")


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
