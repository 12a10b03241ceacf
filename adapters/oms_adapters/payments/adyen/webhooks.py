"""Adyen's notifications: verifying a batch, and what is kept of each item.

An item is signed by HMAC-SHA256 over eight of its fields, joined by colons (Adyen, "Verify HMAC
signatures"). Nothing else of it is covered, the date neither: a replay cannot be told from the
original. It is harmless, because an item's id is made of signed fields and the inbox keeps each
id once.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from oms_adapters.payments.adyen.checkout import PSP_REFERENCE
from oms_core.errors import WebhookRejected
from oms_core.ports.payments import PaymentRef, ProviderEvent

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from oms_adapters.payments.adyen.account import AdyenAccount, BasicCredentials

BODY_BYTES_MAX: Final = 1_048_576
ITEMS_MAX: Final = 1_000
_VALUE_MAX: Final = 10**18
_EVENT_CODE: Final = re.compile(r"[A-Z][A-Z_]{0,63}", re.ASCII)
_CURRENCY: Final = re.compile(r"[A-Z]{3}", re.ASCII)
_REASON: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z ()/:;_.,'-]{0,99}", re.ASCII)
_CARD_LIKE: Final = re.compile(r"[0-9]{4}", re.ASCII)
_REFERENCE_CHARACTERS_MAX: Final = 80


class NotificationReader:
    """Reads the notifications of one account."""

    def __init__(self, account: AdyenAccount) -> None:
        self._merchant_account = account.merchant_account
        self._keys = tuple(binascii.a2b_hex(key) for key in account.hmac_keys)
        self._authorization = _authorization(account.webhook_credentials)

    def read(
        self, tenant_id: UUID, headers: Mapping[str, str], body: bytes
    ) -> tuple[ProviderEvent, ...]:
        """Return the items of an authentic notification that tell something of a payment.

        Raises:
            WebhookRejected: any item is not authentic, is malformed, or is of another merchant
                account; the reason says which.
        """
        self._check_credentials(headers)
        if len(body) > BODY_BYTES_MAX:
            raise WebhookRejected(reason="body_too_large")
        items = _items(body)
        if sum(self._is_authentic(item) for item in items) != len(items):
            raise WebhookRejected(reason="signature_does_not_match")
        if any(item["merchantAccountCode"] != self._merchant_account for item in items):
            raise WebhookRejected(reason="of_another_merchant_account")
        events = (_event(tenant_id, item) for item in items)
        return tuple(event for event in events if event is not None)

    def _check_credentials(self, headers: Mapping[str, str]) -> None:
        if self._authorization is None:
            return
        given = [value for name, value in headers.items() if name.lower() == "authorization"]
        # On bytes: a header may hold anything.
        sent = "\n".join(given).encode("utf-8", "surrogatepass")
        if not hmac.compare_digest(self._authorization, sent):
            raise WebhookRejected(reason="credentials_do_not_match")

    def _is_authentic(self, item: Mapping[str, Any]) -> bool:
        """Compare with every key, on bytes: the time taken tells nothing."""
        sent = item["signature"].encode("utf-8", "surrogatepass")
        signed = signed_text(item).encode("utf-8", "surrogatepass")
        return bool(sum(hmac.compare_digest(_sign(key, signed), sent) for key in self._keys))


def signed_text(item: Mapping[str, Any]) -> str:
    """Join the fields that the signature covers. A field that is missing counts as empty.

    Colons in a field are not escaped. The text is unambiguous all the same for what is made an
    event: there only the merchant's reference may hold any.
    """
    return ":".join(
        (
            item["pspReference"],
            item["originalReference"],
            item["merchantAccountCode"],
            item["merchantReference"],
            str(item["value"]),
            item["currency"],
            item["eventCode"],
            item["success"],
        )
    )


def _sign(key: bytes, signed: bytes) -> bytes:
    return base64.b64encode(hmac.digest(key, signed, hashlib.sha256))


def _authorization(credentials: BasicCredentials | None) -> bytes | None:
    if credentials is None:
        return None
    both = f"{credentials.username}:{credentials.password}".encode()
    return b"Basic " + base64.b64encode(both)


def _items(body: bytes) -> list[dict[str, Any]]:
    """Read what every item must have, whatever it tells."""
    try:
        items = json.loads(body.decode())["notificationItems"]
        if not isinstance(items, list) or not 0 < len(items) <= ITEMS_MAX:
            raise TypeError("not a batch of items")
        return [_item(one["NotificationRequestItem"]) for one in items]
    # Deep nesting is a RecursionError; a wrong shape is any of the others.
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise WebhookRejected(reason="malformed_body") from error


def _item(one: Mapping[str, Any]) -> dict[str, Any]:
    amount = one["amount"]
    value = amount["value"]
    if type(value) is not int or abs(value) > _VALUE_MAX:
        raise TypeError("not a number of minor units")
    given = one.get("originalReference")
    return {
        "pspReference": _text(one["pspReference"]),
        "originalReference": "" if given is None else _text(given),
        "merchantAccountCode": _text(one["merchantAccountCode"]),
        "merchantReference": _text(one.get("merchantReference") or ""),
        "value": value,
        "currency": _text(amount["currency"]),
        "eventCode": _text(one["eventCode"]),
        "success": _text(one["success"]),
        "signature": _text(one["additionalData"]["hmacSignature"]),
        "reason": one.get("reason"),
        "eventDate": one.get("eventDate"),
    }


def _event(tenant_id: UUID, item: Mapping[str, Any]) -> ProviderEvent | None:
    """Make an event of an authentic item; ``None`` if it is not about a payment (a report)."""
    psp, original = item["pspReference"], item["originalReference"]
    code, success = item["eventCode"], item["success"]
    if (
        not PSP_REFERENCE.fullmatch(psp)
        or (original and not PSP_REFERENCE.fullmatch(original))
        or not _EVENT_CODE.fullmatch(code)
        or not _CURRENCY.fullmatch(item["currency"])
        or success not in {"true", "false"}
        or item["value"] < 0
    ):
        return None
    facts = {
        "psp": psp,
        "success": success,
        "value": str(item["value"]),
        "currency": item["currency"],
    }
    reference = item["merchantReference"]
    if reference.isprintable() and 0 < len(reference) <= _REFERENCE_CHARACTERS_MAX:
        facts["reference"] = reference
    if reason := _reason(item):
        facts["reason"] = reason
    return ProviderEvent(
        event_id=f"{code}/{psp}/{success}",
        ref=PaymentRef(tenant_id, original or psp),
        kind=code,
        occurred_at=_moment(item["eventDate"]),
        facts=facts,
    )


def _reason(item: Mapping[str, Any]) -> str | None:
    """Keep why something failed. Of a success it is the card's last digits and its expiry."""
    reason = item["reason"]
    if item["success"] == "true" or not isinstance(reason, str):
        return None
    if not _REASON.fullmatch(reason) or _CARD_LIKE.search(reason):
        return None
    return reason


def _moment(text: object) -> datetime | None:
    """Read when it happened. Not signed, so nothing is rejected for it and little rests on it."""
    try:
        moment = datetime.fromisoformat(text) if isinstance(text, str) else None
        return None if moment is None or moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _text(value: object) -> str:
    """Take text that can be stored: a lone surrogate cannot."""
    if not isinstance(value, str):
        raise TypeError("not a text")
    value.encode()
    return value
