"""The exam's part about notifications."""

from __future__ import annotations

from collections.abc import Mapping

from oms_core.errors import WebhookRejected
from oms_core.ports.payments import ProviderEvent
from oms_core.testing.payment_contract.scene import PaymentScene
from oms_core.testing.payment_contract.stage import SignedNotification
from oms_core.testing.refusal import refusal

STALE_S = 600
"""Longer than any provider's window, in seconds."""


class NotifyingContract(PaymentScene):
    """Only what the provider signed, just now, is believed; nothing else gets through."""

    def test_an_authentic_notification_names_its_payment(self) -> None:
        ref = self.a_held_payment()

        events = self._parse(self.stage.a_notification(ref))

        assert events
        assert {event.ref for event in events} == {ref}
        assert all(event.event_id and event.kind for event in events)

    def test_the_same_event_again_has_the_same_id(self) -> None:
        ref = self.a_held_payment()

        first = self._parse(self.stage.a_notification(ref))
        second = self._parse(self.stage.a_notification(ref))

        assert [event.event_id for event in second] == [event.event_id for event in first]

    def test_header_names_are_read_in_any_case(self) -> None:
        sent = self.stage.a_notification(self.a_held_payment())
        expected = self._parse(sent)

        for case in (str.upper, str.lower, str.title):
            headers = {case(name): value for name, value in sent.headers.items()}
            assert self._parse(SignedNotification(headers, sent.body)) == expected

    def test_a_changed_body_is_rejected_wherever_it_is_changed(self) -> None:
        self.needs(self.stage.signs_every_byte, "sign every byte and the time")
        sent = self.stage.a_notification(self.a_held_payment())

        for i in range(0, len(sent.body), max(1, len(sent.body) // 50)):
            forged = sent.body[:i] + bytes([sent.body[i] ^ 1]) + sent.body[i + 1 :]
            self._is_rejected(sent.headers, forged)
        self._is_rejected(sent.headers, sent.body + b" ")
        self._is_rejected(sent.headers, sent.body[:-1])
        self._is_rejected(sent.headers, b"")

    def test_a_notification_without_headers_is_rejected(self) -> None:
        sent = self.stage.a_notification(self.a_held_payment())

        self._is_rejected({}, sent.body)

    def test_headers_of_nonsense_are_rejected(self) -> None:
        sent = self.stage.a_notification(self.a_held_payment())

        for nonsense in ("", " ", "v1", "v1,", "v1,é", "t=1,v1=", "\ud800", "0" * 10_000, "-1"):
            self._is_rejected(dict.fromkeys(sent.headers, nonsense), sent.body)

    def test_a_signature_of_another_notification_is_rejected(self) -> None:
        self.needs(self.stage.signs_every_byte, "sign every byte and the time")
        one = self.stage.a_notification(self.a_held_payment())
        other = self.stage.a_notification(self.a_held_payment())

        self._is_rejected(one.headers, other.body)

    def test_a_notification_of_long_ago_is_rejected(self) -> None:
        self.needs(self.stage.signs_every_byte, "sign every byte and the time")
        sent = self.stage.a_notification(self.a_held_payment())

        self.stage.clock.advance(STALE_S)

        self._is_rejected(sent.headers, sent.body)

    def test_a_notification_from_the_future_is_rejected(self) -> None:
        self.needs(self.stage.signs_every_byte, "sign every byte and the time")
        ref = self.a_held_payment()
        self.stage.clock.advance(STALE_S)
        sent = self.stage.a_notification(ref)

        self.stage.clock.advance(-STALE_S)

        self._is_rejected(sent.headers, sent.body)

    def test_a_signed_body_of_nonsense_is_rejected(self) -> None:
        for body in (
            b"",
            b"\xff",
            b"null",
            b"[]",
            b"{}",
            b"1e999",
            b"NaN",
            b'"text"',
            b"{" * 10_000,
            b"[" * 100_000,
            b'{"events": 5}',
            b'{"events": [null]}',
            b'{"events": [{}]}',
            b"9" * 10_000,
        ):
            sent = self.stage.a_signed_body(body)
            self._is_rejected(sent.headers, sent.body)

    def _parse(self, sent: SignedNotification) -> list[ProviderEvent]:
        return list(self.provider.parse_webhook(self.stage.tenant_id, sent.headers, sent.body))

    def _is_rejected(self, headers: Mapping[str, str], body: bytes) -> None:
        sent = SignedNotification(headers, body)
        refusal(WebhookRejected, lambda: self._parse(sent))
