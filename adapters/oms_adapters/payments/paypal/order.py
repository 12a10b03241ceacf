"""A PayPal order as it was read: its authorizations, captures and refunds, and what they mean."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import reduce
from typing import TYPE_CHECKING, Any, Final

from attrs import field, frozen

from oms_adapters.payments.paypal.amounts import read_amount
from oms_adapters.payments.paypal.names import is_paypal_id, order_in_mark
from oms_core.domain.money import Money
from oms_core.ports.payments import OperationResult, OperationStatus

if TYPE_CHECKING:
    from uuid import UUID

TAKEN: Final = frozenset({"COMPLETED", "PARTIALLY_REFUNDED", "REFUNDED"})
"""A capture's statuses in which its money was taken."""
ENDED: Final = frozenset({"VOIDED", "DENIED", "CAPTURED"})
"""An authorization's statuses in which it holds nothing; one that we do not know may."""
_CAPTURES: Final[Mapping[str, OperationStatus]] = {
    **dict.fromkeys(TAKEN, OperationStatus.DONE),
    "DECLINED": OperationStatus.REJECTED,
    "FAILED": OperationStatus.REJECTED,
}
_REFUNDS: Final[Mapping[str, OperationStatus]] = {
    "COMPLETED": OperationStatus.DONE,
    "FAILED": OperationStatus.REJECTED,
    "CANCELLED": OperationStatus.REJECTED,
}
_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)


@frozen
class Authorization:
    """Money held, or once held, or never."""

    id: str
    status: str
    amount: Money
    created_at: datetime
    expires_at: datetime | None
    custom_id: str | None
    reason: str | None

    @property
    def is_open(self) -> bool:
        """Whether it may hold money now, expiry aside."""
        return self.status not in ENDED

    def has_lapsed(self, now: datetime) -> bool:
        """Tell whether its time is over."""
        return self.expires_at is not None and self.expires_at <= now


@frozen
class Movement:
    """A capture or a refund."""

    id: str
    status: str
    amount: Money
    created_at: datetime
    names: frozenset[str]
    result: OperationResult
    is_final: bool
    """A capture after which the rest is released."""
    capture_id: str | None
    """What a refund was taken from."""


@frozen
class PaypalOrder:
    """An order, and everything that happened to it."""

    document: Mapping[str, Any] = field(repr=False)
    """As PayPal told it: may hold the buyer's name and address, so it is never shown."""
    id: str
    status: str
    intent: str
    units: int
    reference_id: str
    custom_id: str | None
    asked: Money | None
    action_url: str | None
    authorizations: tuple[Authorization, ...]
    captures: tuple[Movement, ...]
    refunds: tuple[Movement, ...]

    @property
    def authorization(self) -> Authorization | None:
        """The authorization that counts: the newest that is or was good, else the newest.

        One that is held anew has a new id, and its predecessor is void some day: that says
        nothing of the payment.
        """

        def rank(one: Authorization) -> tuple[bool, datetime]:
            return (one.status not in {"VOIDED", "DENIED"}, one.created_at)

        # Of equals the later in the list: PayPal appends.
        return max(reversed(self.authorizations), key=rank, default=None)

    @property
    def owner(self) -> UUID | None:
        """For which order the money is, or is to be, held."""
        held = self.authorization
        return order_in_mark((held and held.custom_id) or self.custom_id)

    @property
    def currency(self) -> str:
        """In which all of it is."""
        held = self.authorization
        amounts = [one.amount for one in ((held,) if held else self.captures)]
        amount = amounts[0] if amounts else self.asked
        return amount.currency if amount else "USD"

    @property
    def taken(self) -> Money:
        """What was captured."""
        return self._sum(one for one in self.captures if one.status in TAKEN)

    @property
    def being_taken(self) -> Money:
        """What PayPal has yet to decide about: a capture under review, or of an eCheck."""
        return self._sum(
            one for one in self.captures if one.result.status is OperationStatus.PENDING
        )

    @property
    def given_back(self) -> Money:
        """What was refunded."""
        return self._sum(one for one in self.refunds if one.result.status is OperationStatus.DONE)

    def refundable(self, capture: Movement) -> Money:
        """Tell what is left of a capture, pending refunds aside."""
        return capture.amount - self._sum(
            one
            for one in self.refunds
            if one.result.status is not OperationStatus.REJECTED
            and (one.capture_id == capture.id or len(self.captures) == 1)
        )

    def find(self, name: str) -> OperationResult | None:
        """Tell how the capture or refund of that name ended."""
        return together([one for one in (*self.captures, *self.refunds) if name in one.names])

    def _sum(self, movements: Iterable[Movement]) -> Money:
        return reduce(lambda total, one: total + one.amount, movements, Money.zero(self.currency))


def together(movements: Iterable[Movement]) -> OperationResult | None:
    """Tell how an operation ended that may have needed several movements: as its worst."""
    results = [one.result for one in movements]
    for status in (OperationStatus.REJECTED, OperationStatus.PENDING):
        for result in results:
            if result.status is status:
                return result
    return results[0] if results else None


def read_order(document: Mapping[str, Any]) -> PaypalOrder:
    """Read an order.

    Raises:
        ValueError: it is none.
    """
    try:
        units: list[Mapping[str, Any]] = document["purchase_units"]
        payments = [unit.get("payments") or {} for unit in units]
        first = units[0]
        order_id = document["id"]
        if not is_paypal_id(order_id):
            raise ValueError("an order with an odd id")
        return PaypalOrder(
            document=document,
            id=order_id,
            status=str(document["status"]),
            intent=str(document.get("intent") or ""),
            units=len(units),
            reference_id=str(first.get("reference_id") or "default"),
            custom_id=first.get("custom_id"),
            asked=read_amount(first["amount"]) if "amount" in first else None,
            action_url=_action_url(document),
            authorizations=tuple(
                _authorization(one) for group in payments for one in group.get("authorizations", ())
            ),
            captures=tuple(
                read_capture(one) for group in payments for one in group.get("captures", ())
            ),
            refunds=tuple(
                read_refund(one) for group in payments for one in group.get("refunds", ())
            ),
        )
    except (AttributeError, LookupError, TypeError) as error:
        raise ValueError("this is no order") from error


def read_capture(document: Mapping[str, Any]) -> Movement:
    """Read a capture."""
    return _movement(document, _CAPTURES)


def read_refund(document: Mapping[str, Any]) -> Movement:
    """Read a refund."""
    return _movement(document, _REFUNDS)


def linked_id(document: Mapping[str, Any], rel: str, resource: str) -> str | None:
    """Read the id at the end of a link; the link itself is never followed."""
    links = document.get("links")
    for link in links if isinstance(links, list) else ():
        if isinstance(link, Mapping) and link.get("rel") == rel:
            *_, kind, name = ("", "", *str(link.get("href", "")).split("/"))
            if kind == resource and is_paypal_id(name):
                return name
    return None


def related_order_id(document: Mapping[str, Any]) -> str | None:
    """Read to which order an authorization, a capture or a refund belongs, if it says so."""
    found: object = document
    for name in ("supplementary_data", "related_ids", "order_id"):
        found = found.get(name) if isinstance(found, Mapping) else None
    return found if isinstance(found, str) and is_paypal_id(found) else None


def read_moment(value: object) -> datetime | None:
    """Read a moment as PayPal writes it (RFC 3339).

    Raises:
        ValueError: it is there, but is none.
    """
    if value is None:
        return None
    moment = datetime.fromisoformat(str(value))
    if moment.tzinfo is None:
        raise ValueError("a moment without its time zone")
    return moment.astimezone(UTC)


def _authorization(document: Mapping[str, Any]) -> Authorization:
    processor = document.get("processor_response") or {}
    return Authorization(
        id=_id(document),
        status=str(document["status"]),
        amount=read_amount(document["amount"]),
        created_at=read_moment(document.get("create_time")) or _LONG_AGO,
        expires_at=read_moment(document.get("expiration_time")),
        custom_id=document.get("custom_id"),
        reason=_reason(document) or processor.get("response_code"),
    )


def _movement(document: Mapping[str, Any], statuses: Mapping[str, OperationStatus]) -> Movement:
    status = str(document["status"])
    meaning = statuses.get(status, OperationStatus.PENDING)
    rejected = meaning is OperationStatus.REJECTED
    return Movement(
        id=_id(document),
        status=status,
        amount=read_amount(document["amount"]),
        created_at=read_moment(document.get("create_time")) or _LONG_AGO,
        names=frozenset(
            name for name in (document.get("invoice_id"), document.get("custom_id")) if name
        ),
        result=OperationResult(
            meaning, document["id"], (_reason(document) or status) if rejected else None
        ),
        is_final=document.get("final_capture") is True,
        capture_id=linked_id(document, "up", "captures"),
    )


def _id(document: Mapping[str, Any]) -> str:
    if not is_paypal_id(document["id"]):
        raise ValueError("an odd id")
    return str(document["id"])


def _reason(document: Mapping[str, Any]) -> str | None:
    reason = (document.get("status_details") or {}).get("reason")
    return str(reason) if reason else None


def _action_url(document: Mapping[str, Any]) -> str | None:
    links = {str(link.get("rel")): link.get("href") for link in document.get("links") or ()}
    url = links.get("payer-action") or links.get("approve")
    return str(url) if url else None
