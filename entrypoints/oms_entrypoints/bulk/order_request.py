"""The request that places an order, made again from the order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from oms_core.domain.order import Order, ShippingAddress


def request_of(order: Order) -> dict[str, Any]:
    """Return a request that means the same as the one that placed *order*.

    It has the same fingerprint, so where the order is already, placing it changes nothing.
    """
    request = {
        "idempotency_key": order.idempotency_key,
        "payment_provider": order.payment.provider,
        "payment_reference": order.payment.reference,
        "channel": order.channel,
        "platform": order.platform,
        "customer_id": None if order.customer_id is None else str(order.customer_id),
        "currency": order.currency,
        "line_items": [
            _given(
                sku=line.sku,
                quantity=line.quantity,
                unit_price=line.unit_price.amount,
                name=line.name,
                location=line.location,
            )
            for line in order.lines
        ],
        "adjustments": [
            _given(kind=item.kind.value, amount=item.amount.amount, label=item.label)
            for item in order.adjustments
        ],
        "shipping_address": _address(order.shipping_address),
        "metadata": dict(order.metadata) or None,
    }
    return _given(**request)


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _address(address: ShippingAddress | None) -> dict[str, Any] | None:
    if address is None:
        return None
    return _given(
        name=address.name,
        line1=address.line1,
        line2=address.line2,
        city=address.city,
        region=address.region,
        postal_code=address.postal_code,
        country=address.country,
        phone=address.phone,
    )
