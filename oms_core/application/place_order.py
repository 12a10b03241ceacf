"""Place an order: the request, its fingerprint, and the use case."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from attrs import field, frozen

from oms_core.domain.currencies import exponent_of
from oms_core.domain.line_item import (
    DEFAULT_LOCATION,
    Adjustment,
    AdjustmentKind,
    LineItem,
    order_total,
)
from oms_core.domain.money import MINOR_UNITS_MAX, Money
from oms_core.domain.order import Order, ShippingAddress
from oms_core.domain.rules import (
    Amount,
    ListOf,
    Nested,
    OneOf,
    Text,
    TextTable,
    UuidText,
    Whole,
    check,
    require,
    ruled,
)
from oms_core.domain.scope import order_id_for
from oms_core.errors import IdempotencyKeyReused, InvalidInput, Mistake, OrderNotFound
from oms_core.ports.storage import Added, Claim

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from decimal import Decimal

    from oms_core.application.payment_directory import PaymentDirectory
    from oms_core.application.saga import Saga
    from oms_core.domain.order_status import OrderStatus
    from oms_core.domain.scope import Scope
    from oms_core.ports.storage import OrderStorage

QUANTITY_MAX: Final = 1_000_000
LINES_MAX: Final = 500
ADJUSTMENTS_MAX: Final = 100
_canonical_json: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode
_COUNTRY: Final = Text(2, 2, pattern="[A-Z]{2}", says="must be a country code such as DE")
_CURRENCY: Final = Text(
    3, 3, pattern="[A-Z]{3}", says="must be an ISO 4217 code such as USD", example="USD"
)
_FREE_TEXT: Final = Text(printable=False)
_PRICE: Final = Amount()
_SIGNED_AMOUNT: Final = Amount(signed=True, example="4.90")


@frozen
class NewLineItem:
    """One line of a new order."""

    sku: str = ruled(Text(example="CRUNCHY-ARMCHAIR"), says="What is bought.")
    quantity: int = ruled(Whole(1, QUANTITY_MAX, example=2), says="How many pieces.")
    unit_price: str | int | Decimal = ruled(
        _PRICE, says="Price of one piece in major units of the order's currency."
    )
    name: str | None = ruled(_FREE_TEXT, says="What people call it.", default=None)
    location: str | None = ruled(
        Text(example=DEFAULT_LOCATION),
        says="Where the stock lies; default: `default`.",
        default=None,
    )

    def __attrs_post_init__(self) -> None:
        """Check every field."""
        require(check(self))


@frozen
class NewAdjustment:
    """Shipping, tax, a fee or a discount on a new order."""

    kind: AdjustmentKind | str = ruled(OneOf(AdjustmentKind), says="Why it is added.")
    amount: str | int | Decimal = ruled(
        _SIGNED_AMOUNT, says="Signed, in major units; a discount is negative."
    )
    label: str | None = ruled(_FREE_TEXT, says="What people call it.", default=None)

    def __attrs_post_init__(self) -> None:
        """Check every field, and that a discount does not raise the price."""
        mistakes = check(self)
        if not mistakes and self.kind == AdjustmentKind.DISCOUNT and _is_positive(self.amount):
            mistakes.append(
                Mistake("/amount", 'must not be positive for a discount; write it as "-5.00"')
            )
        require(mistakes)


@frozen
class NewAddress:
    """Where the goods of a new order go."""

    name: str = ruled(_FREE_TEXT, says="Who receives the goods.")
    line1: str = ruled(_FREE_TEXT, says="Street and number.")
    city: str = ruled(_FREE_TEXT, says="City.")
    country: str = ruled(_COUNTRY, says="ISO 3166-1 alpha-2 code.")
    line2: str | None = ruled(_FREE_TEXT, says="Anything more.", default=None)
    region: str | None = ruled(_FREE_TEXT, says="State or region.", default=None)
    postal_code: str | None = ruled(_FREE_TEXT, says="Postal code.", default=None)
    phone: str | None = ruled(Text(50), says="For the carrier.", default=None)

    def __attrs_post_init__(self) -> None:
        """Check every field."""
        require(check(self))


@frozen
class PlaceOrder:
    """A request for a new order. Making one checks everything, all mistakes at once.

    Raises:
        InvalidInput: with a JSON pointer and a sentence for each mistake.
    """

    idempotency_key: str = ruled(
        Text(example="checkout-4711"),
        says="Names this order within tenant and organization, for ever: the same key with "
        "the same request gives the same order.",
    )
    payment_provider: str = ruled(
        Text(64, example="simulated"), says="Name of a configured payment provider."
    )
    payment_reference: str = ruled(
        Text(example="pi_3MtwBwLkdIwHu7ix28a3tqPa"),
        says="The provider's reference of the payment; backs at most one live order.",
    )
    channel: str = ruled(Text(example="web"), says="Where the order came from.")
    line_items: tuple[NewLineItem, ...] | list[NewLineItem] = ruled(
        ListOf(NewLineItem, 1, LINES_MAX), says="What is bought."
    )
    platform: str | None = ruled(
        Text(example="ios"), says="Which platform it came from.", default=None
    )
    customer_id: UUID | str | None = ruled(UuidText(), says="Who buys.", default=None)
    currency: str = ruled(_CURRENCY, says="ISO 4217 code of all amounts.", default="USD")
    adjustments: tuple[NewAdjustment, ...] | list[NewAdjustment] = ruled(
        ListOf(NewAdjustment, 0, ADJUSTMENTS_MAX),
        says="Signed amounts added to the sum of the lines.",
        default=(),
    )
    shipping_address: NewAddress | None = ruled(
        Nested(NewAddress), says="Where the goods go.", default=None
    )
    metadata: Mapping[str, str] | None = ruled(
        TextTable(), says="Anything of your own; comes back unchanged.", default=None
    )
    _priced: _Priced = field(init=False, eq=False, repr=False)

    def __attrs_post_init__(self) -> None:
        """Check every field, and that all amounts fit the currency."""
        mistakes = check(self)
        priced, more = _price(self.currency, self.line_items, self.adjustments)
        require(mistakes + more)
        object.__setattr__(self, "_priced", priced)

    @staticmethod
    def cross_check(values: Mapping[str, Any]) -> list[Mistake]:
        """Return the mistakes between the fields of a request that cannot be made."""
        return _price(
            values.get("currency", "USD"),
            values.get("line_items", ()),
            values.get("adjustments", ()),
        )[1]

    @property
    def lines(self) -> tuple[LineItem, ...]:
        """The lines with exact prices."""
        return self._priced.lines

    @property
    def priced_adjustments(self) -> tuple[Adjustment, ...]:
        """The adjustments with exact amounts."""
        return self._priced.adjustments

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the canonical request: equal for requests that mean the same.

        Defaults are filled in and amounts are exact, so ``"5"``, ``"5.00"`` and ``5`` are
        the same price. A field that is left out is not part of it, so a field that this
        program learns later does not change the fingerprints of earlier requests.
        """
        address = self.shipping_address
        content = {
            "payment": [self.payment_provider, self.payment_reference],
            "customer_id": str(self.customer_id).lower() if self.customer_id else None,
            "currency": self.currency,
            "channel": self.channel,
            "platform": self.platform,
            "lines": [
                [line.sku, line.quantity, line.unit_price.minor, line.name, line.location]
                for line in self.lines
            ],
            "adjustments": [
                [item.kind, item.amount.minor, item.label] for item in self.priced_adjustments
            ],
            "address": {
                name: text
                for name in _ADDRESS_FIELDS
                if (text := getattr(address, name)) is not None
            }
            if address
            else None,
            "metadata": dict(self.metadata) if self.metadata else None,
        }
        given = {name: value for name, value in content.items() if value}
        return hashlib.sha256(_canonical_json(given).encode()).hexdigest()


@frozen
class Placed:
    """The answer to a placed order; *replayed* if the key named it already."""

    order_id: UUID
    status: OrderStatus
    replayed: bool
    claim: Claim | None = None
    """Set if the order was claimed for *holder*: it wants to be driven at once."""


def place_order(
    request: PlaceOrder,
    scope: Scope,
    *,
    actor: str,
    at: datetime,
    saga: Saga,
    storage: OrderStorage,
    payments: PaymentDirectory,
    holder: str | None = None,
    lease_s: float = 0.0,
) -> Placed:
    """Accept an order, once: durably stored when this returns, worked on afterwards.

    A repeat of the same request under the same key answers with the same order, whenever
    and from wherever it comes.

    Raises:
        IdempotencyKeyReused: the key names a different request; nothing was changed.
        PaymentReferenceInUse: the reference backs another live order.
        InvalidInput: the payment provider is not configured for this tenant.
        StoreUnavailable: nothing was acknowledged; repeat the same request.
    """
    order_id = order_id_for(scope, request.idempotency_key)
    fingerprint = request.fingerprint
    if not payments.knows(scope.tenant_id, request.payment_provider):
        return _replay_or_refuse(request, scope, order_id, fingerprint, storage, payments)
    order = Order.place(
        order_id=order_id,
        scope=scope,
        idempotency_key=request.idempotency_key,
        fingerprint=fingerprint,
        currency=request.currency,
        lines=request.lines,
        adjustments=request.priced_adjustments,
        provider=request.payment_provider,
        payment_reference=request.payment_reference,
        customer_id=_uuid(request.customer_id),
        channel=request.channel,
        platform=request.platform,
        shipping_address=_address(request.shipping_address),
        metadata=request.metadata,
        saga=saga.start(at),
        at=at,
        actor=actor,
    )
    outcome = storage.add(order, holder=holder, lease_s=lease_s)
    if isinstance(outcome, Added):
        return Placed(order_id, order.status, replayed=False, claim=outcome.claim)
    return _replay(outcome.order, fingerprint)


@frozen
class _Priced:
    lines: tuple[LineItem, ...]
    adjustments: tuple[Adjustment, ...]


_ADDRESS_FIELDS: Final = (
    "name",
    "line1",
    "line2",
    "city",
    "region",
    "postal_code",
    "country",
    "phone",
)


def _replay(stored: Order, fingerprint: str) -> Placed:
    if stored.fingerprint != fingerprint:
        raise IdempotencyKeyReused
    return Placed(stored.id, stored.status, replayed=True)


def _replay_or_refuse(
    request: PlaceOrder,
    scope: Scope,
    order_id: UUID,
    fingerprint: str,
    storage: OrderStorage,
    payments: PaymentDirectory,
) -> Placed:
    """A provider may leave the configuration; the orders it backs are still replayed."""
    try:
        return _replay(storage.get(scope, order_id), fingerprint)
    except OrderNotFound:
        names = ", ".join(sorted(payments.names(scope.tenant_id)))
        mistake = Mistake(
            "/payment_provider",
            f'"{request.payment_provider}" is not configured; configured: {names}',
        )
        raise InvalidInput((mistake,)) from None


def _price(currency: object, items: object, adjustments: object) -> tuple[_Priced, list[Mistake]]:
    """Turn amounts into exact money; skips what another rule has already refused.

    Of a line that cannot be made (a dictionary still) the amount is judged all the same.
    """
    nothing = _Priced((), ())
    if not isinstance(currency, str) or _CURRENCY.mistake(currency):
        return nothing, []
    try:
        exponent_of(currency)
    except InvalidInput as unknown:
        return nothing, list(unknown.mistakes)
    given_lines = items if isinstance(items, list | tuple) else ()
    given_adjustments = adjustments if isinstance(adjustments, list | tuple) else ()
    mistakes: list[Mistake] = []
    lines = _price_lines(given_lines, currency, mistakes)
    added = _price_adjustments(given_adjustments, currency, mistakes)
    complete = 0 < len(lines) == len(given_lines) and len(added) == len(given_adjustments)
    if complete and not mistakes:
        _judge_total(order_total(lines, added, currency), mistakes)
    return _Priced(tuple(lines), tuple(added)), mistakes


def _price_lines(items: Sequence[Any], currency: str, mistakes: list[Mistake]) -> list[LineItem]:
    lines = []
    for index, item in enumerate(items):
        if isinstance(item, NewLineItem):
            try:
                price = Money.of(item.unit_price, currency)
            except ValueError as wrong:
                price = Money.zero(currency)
                mistakes.append(Mistake(f"/line_items/{index}/unit_price", str(wrong)))
            place = item.location or DEFAULT_LOCATION
            lines.append(LineItem(index + 1, item.sku, item.quantity, price, item.name, place))
        elif isinstance(item, dict) and _PRICE.mistake(item.get("unit_price")) is None:
            _money(item["unit_price"], currency, f"/line_items/{index}/unit_price", mistakes)
    return lines


def _price_adjustments(
    adjustments: Sequence[Any], currency: str, mistakes: list[Mistake]
) -> list[Adjustment]:
    added = []
    for index, item in enumerate(adjustments):
        if isinstance(item, NewAdjustment):
            amount = _money(item.amount, currency, f"/adjustments/{index}/amount", mistakes)
            added.append(Adjustment(AdjustmentKind(item.kind), amount, item.label))
        elif isinstance(item, dict) and _SIGNED_AMOUNT.mistake(item.get("amount")) is None:
            _money(item["amount"], currency, f"/adjustments/{index}/amount", mistakes)
    return added


def _judge_total(total: Money, mistakes: list[Mistake]) -> None:
    """Judge the total of lines and adjustments that could all be read."""
    if total.minor < 0:
        sentence = f"make the total negative ({total}); lower the discounts"
        mistakes.append(Mistake("/adjustments", sentence))
    if total.minor > MINOR_UNITS_MAX:
        mistakes.append(Mistake("/line_items", "add up to a total of more than 15 digits"))


def _money(
    amount: str | int | Decimal, currency: str, pointer: str, mistakes: list[Mistake]
) -> Money:
    try:
        return Money.of(amount, currency)
    except ValueError as wrong:
        mistakes.append(Mistake(pointer, str(wrong)))
        return Money.zero(currency)


def _is_positive(amount: str | int | Decimal) -> bool:
    if isinstance(amount, str):
        return amount[0] != "-" and bool(amount.strip("0."))
    return amount > 0


def _uuid(value: UUID | str | None) -> UUID | None:
    return UUID(value) if isinstance(value, str) else value


def _address(address: NewAddress | None) -> ShippingAddress | None:
    if address is None:
        return None
    return ShippingAddress(**{name: getattr(address, name) for name in _ADDRESS_FIELDS})
