"""Payment providers notify without a token: what is signed is stored once, all else is refused."""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any, Final, cast
from uuid import uuid4

import pytest
from falcon.testing import Result
from prometheus_client.parser import text_string_to_metric_families

from oms_adapters.inbox.memory import MemoryInbox
from oms_adapters.payments.simulated import Notification
from oms_core import OrderStatus
from oms_core.errors import RetryableNotExecuted
from oms_core.ports.inbox import InboxState
from oms_core.ports.payments import PaymentRef
from oms_core.testing.faults import Fault, FaultPlan, faulty_inbox
from oms_entrypoints.http.metrics import Metrics
from oms_entrypoints.http.settings import HttpSettings
from tests.support.api import ORDERS, WEBHOOK_SECRET, Api

NO_TOKEN: Final = {"Authorization": "", "X-Tenant-ID": "", "X-Org-ID": ""}
REFUSED: Final = "The notification is not authentic, too old or malformed; nothing was kept."


def address(api: Api, provider: str = "simulated", tenant_id: object = None) -> str:
    return f"/webhooks/{provider}/{tenant_id or api.scope.tenant_id}"


def deliver(api: Api, sent: Notification, path: str | None = None, **headers: str) -> Result:
    """Send a notification as a provider does: no token, the signature's headers."""
    return api.call(
        "POST",
        path or address(api),
        headers={**NO_TOKEN, **sent.headers, **headers},
        body=sent.body,
    )


def signed(api: Api, body: bytes, *, message_id: str = "msg-1", age_s: int = 0) -> Notification:
    """Sign any bytes, as Standard Webhooks says; past our own code."""
    timestamp = str(int(api.clock.now().timestamp()) - age_s)
    content = b".".join((message_id.encode(), timestamp.encode(), body))
    digest = hmac.new(WEBHOOK_SECRET.encode(), content, hashlib.sha256).digest()
    headers = {
        "content-type": "application/json",
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": "v1," + base64.b64encode(digest).decode(),
    }
    return Notification(headers, body)


def an_event(api: Api, **changes: Any) -> dict[str, Any]:
    return {
        "id": "evt-1",
        "type": "payment.authorized",
        "occurred_at": None,
        "tenant_id": str(api.scope.tenant_id),
        "reference": "good_card_4711",
        "facts": {},
        **changes,
    }


def a_notification(api: Api, **changes: Any) -> Notification:
    return signed(api, json.dumps({"events": [an_event(api, **changes)]}).encode())


def stored(api: Api) -> list[str]:
    page = api.inbox.list_events(list(InboxState))
    return [received.event.event_id for received in page.events]


def figures(api: Api) -> dict[tuple[str, ...], float]:
    """Read every figure about webhooks."""
    families = text_string_to_metric_families(api.get("/metrics").text)
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in families
        if family.name.startswith("oms_webhook")
        for sample in family.samples
        if not sample.name.endswith("_created")
    }


# -- what is authentic -----------------------------------------------------------------------


def test_a_signed_notification_is_stored_before_it_is_acknowledged(api: Api) -> None:
    result = deliver(api, a_notification(api))

    assert (result.status_code, result.content) == (204, b"")
    (received,) = api.inbox.list_events([InboxState.NEW]).events
    assert received.provider == "simulated"
    assert received.event.ref == PaymentRef(api.scope.tenant_id, "good_card_4711")
    assert received.received_at == api.clock.now()


def test_a_repeat_is_acknowledged_and_stored_once(api: Api) -> None:
    sent = a_notification(api)

    answers = [deliver(api, sent).status_code for _ in range(3)]

    assert answers == [204] * 3
    assert stored(api) == ["evt-1"]


def test_every_item_of_a_batch_is_stored(api: Api) -> None:
    events = [an_event(api, id=f"evt-{number}") for number in range(20)]

    result = deliver(api, signed(api, json.dumps({"events": events}).encode()))

    assert result.status_code == 204
    assert sorted(stored(api)) == sorted(event["id"] for event in events)


def test_a_notified_order_goes_on_without_waiting_for_its_next_poll(api: Api) -> None:
    api.receive()
    order_id = api.place(payment_reference="sim_requires_action")
    api.oms.run_until_idle()
    ref = PaymentRef(api.scope.tenant_id, "sim_requires_action")
    api.payments.complete_action(ref)

    answers = [deliver(api, sent) for sent in api.payments.notifications(ref, copies=2)]
    api.oms.run_until_idle()

    assert {answer.status_code for answer in answers} == {204}
    assert api.oms.get_order(api.scope, order_id).status is OrderStatus.CONFIRMED


@pytest.mark.parametrize(
    "content_type", ["application/json", "text/plain", "application/x-www-form-urlencoded", ""]
)
def test_the_content_type_does_not_matter_for_the_signature_does(
    api: Api, content_type: str
) -> None:
    result = deliver(api, a_notification(api), **{"content-type": content_type})

    assert result.status_code == 204


def test_header_names_come_in_any_case(api: Api) -> None:
    sent = a_notification(api)
    shouted = {name.upper(): value for name, value in sent.headers.items()}

    assert deliver(api, Notification(shouted, sent.body)).status_code == 204


def test_a_token_neither_helps_nor_harms(api: Api) -> None:
    sent = a_notification(api)
    forged = Notification({**sent.headers, "webhook-signature": "v1,AAAA"}, sent.body)

    with_a_bad_token = deliver(api, sent, Authorization="Bearer nonsense")
    with_a_good_token = api.call("POST", address(api), headers=forged.headers, body=forged.body)

    assert (with_a_bad_token.status_code, with_a_good_token.status_code) == (204, 400)


def test_a_tenants_rate_is_not_used_up_by_what_anybody_may_send(api: Api) -> None:
    """Else whoever knows a tenant's id could shut it out; and a provider's burst is no abuse."""
    api = Api(settings=HttpSettings(rate_limit="1/hour"))

    answers = [deliver(api, a_notification(api)).status_code for _ in range(5)]

    assert answers == [204] * 5
    assert api.get(ORDERS).status_code == 200


# -- what is not -----------------------------------------------------------------------------


def changed_body(api: Api) -> Notification:
    sent = a_notification(api)
    return Notification(sent.headers, sent.body.replace(b"good_card", b"evil_card"))


def another_secret(api: Api) -> Notification:
    sent = a_notification(api)
    digest = hmac.new(b"x" * 32, sent.body, hashlib.sha256).digest()
    signature = "v1," + base64.b64encode(digest).decode()
    return Notification({**sent.headers, "webhook-signature": signature}, sent.body)


def without(name: str) -> Any:
    def make(api: Api) -> Notification:
        sent = a_notification(api)
        return Notification({k: v for k, v in sent.headers.items() if k != name}, sent.body)

    return make


def with_header(name: str, value: str) -> Any:
    def make(api: Api) -> Notification:
        sent = a_notification(api)
        return Notification({**sent.headers, name: value}, sent.body)

    return make


def aged(age_s: int) -> Any:
    return lambda api: signed(api, json.dumps({"events": [an_event(api)]}).encode(), age_s=age_s)


def with_body(body: bytes) -> Any:
    return lambda api: signed(api, body)


def with_event(**changes: Any) -> Any:
    return lambda api: a_notification(api, **changes)


NOT_AUTHENTIC: Final[Mapping[str, Any]] = {
    "a changed body": changed_body,
    "another secret": another_secret,
    "no signature": without("webhook-signature"),
    "no id": without("webhook-id"),
    "no timestamp": without("webhook-timestamp"),
    "another id": with_header("webhook-id", "msg-2"),
    "another timestamp": with_header("webhook-timestamp", "1"),
    "a timestamp that is none": with_header("webhook-timestamp", "now"),
    "a signature beyond ASCII": with_header("webhook-signature", "v1,\xe9\xe9"),
    "an empty signature": with_header("webhook-signature", "v1,"),
    "too old": aged(301),
    "too new": aged(-301),
}
MALFORMED: Final[Mapping[str, Any]] = {
    "empty": with_body(b""),
    "no JSON": with_body(b"\xff\xfe{"),
    "cut JSON": with_body(b'{"events": ['),
    "no object": with_body(b"[]"),
    "a number": with_body(b"7"),
    "no events": with_body(b"{}"),
    "events that are none": with_body(b'{"events": [1]}'),
    "deep nesting": with_body(b"[" * 100_000),
    "an endless number": with_body(b'{"events": ' + b"9" * 6_000 + b"}"),
    "NaN": with_body(b'{"events": NaN}'),
    "no event id": with_event(id=None),
    "an empty event id": with_event(id=""),
    "half a surrogate pair": with_event(id="\ud800"),
    "a reference that is a list": with_event(reference=["x"]),
    "half a surrogate pair as reference": with_event(reference="\udfff"),
    "a tenant that is none": with_event(tenant_id="acme"),
    "a time without a zone": with_event(occurred_at="2031-05-04T12:00:00"),
    "facts that are none": with_event(facts=[1]),
    "another tenant": with_event(tenant_id=str(uuid4())),
}


@pytest.mark.parametrize("name", [*NOT_AUTHENTIC, *MALFORMED])
def test_what_is_not_authentic_fresh_and_whole_is_refused_and_not_kept(api: Api, name: str) -> None:
    """One answer whatever is wrong: whoever forges learns nothing."""
    make = {**NOT_AUTHENTIC, **MALFORMED}[name]

    result = deliver(api, make(api))

    assert result.status_code == 400
    assert (result.json["code"], result.json["detail"]) == ("webhook_rejected", REFUSED)
    assert WEBHOOK_SECRET not in result.text + api.log.getvalue()
    assert stored(api) == []


def test_a_notification_for_one_tenant_is_refused_at_the_address_of_another(api: Api) -> None:
    result = deliver(api, a_notification(api), address(api, tenant_id=uuid4()))

    assert result.status_code == 400
    assert stored(api) == []


def test_a_replay_of_an_old_notification_is_refused_though_its_event_is_known(api: Api) -> None:
    sent = a_notification(api)
    deliver(api, sent)
    api.clock.advance(301)

    assert deliver(api, sent).status_code == 400
    assert stored(api) == ["evt-1"]


def test_unknown_accounts_and_tenants_that_are_none_look_the_same(api: Api) -> None:
    sent = a_notification(api)
    paths = [
        address(api, provider="unknown"),
        address(api, provider="%20simulated"),
        address(api, provider="Simulated"),
        address(api, tenant_id="acme"),
        address(api, tenant_id=f"{{{api.scope.tenant_id}}}"),
        address(api, tenant_id=api.scope.tenant_id.hex),
    ]

    answers = [deliver(api, sent, path) for path in paths]

    told = {(a.status_code, a.json["code"], a.json["detail"]) for a in answers}
    assert told == {
        (404, "payment_provider_not_found", "There is nobody to notify here; check the address.")
    }
    assert stored(api) == []


def test_a_body_that_is_too_large_is_not_even_read(api: Api) -> None:
    api = Api(settings=HttpSettings(body_limit_bytes=1_000))
    sent = signed(api, b" " * 1_001)

    result = deliver(api, sent)

    assert result.status_code == 413
    assert result.json["code"] == "body_too_large"


def test_a_body_that_broke_off_is_not_taken_for_a_forgery(api: Api) -> None:
    sent = a_notification(api)
    length = str(len(sent.body) + 1)

    result = deliver(api, sent, **{"content-length": length})

    assert result.status_code == 400
    assert result.json["code"] == "invalid_input"
    assert figures(api).get(("oms_webhooks_received_total", "simulated", "rejected")) is None


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
def test_only_post_is_known(api: Api, method: str) -> None:
    result = api.call(method, address(api), headers=NO_TOKEN)

    assert result.status_code == 405
    assert result.headers["allow"] == "POST, OPTIONS"


# -- trouble of ours -------------------------------------------------------------------------


def test_while_the_store_cannot_keep_it_nothing_is_acknowledged() -> None:
    inbox = MemoryInbox()
    api = Api(inbox=faulty_inbox(inbox, FaultPlan({1: Fault.ERROR_ONCE})))
    sent = a_notification(api)

    refused, repeated = deliver(api, sent), deliver(api, sent)

    assert (refused.status_code, refused.json["code"]) == (503, "store_unavailable")
    assert int(refused.headers["retry-after"]) >= 1
    assert repeated.status_code == 204
    assert len(inbox.list_events([InboxState.NEW]).events) == 1


def test_while_it_cannot_be_verified_nothing_is_acknowledged(api: Api) -> None:
    class Unsure:
        def parse_webhook(self, *_: object) -> object:
            raise RetryableNotExecuted(reason="keys_unavailable", retry_after_s=7)

    cast("dict[str, object]", api.oms.payments.common)["simulated"] = Unsure()

    result = deliver(api, a_notification(api))

    assert (result.status_code, result.headers["retry-after"]) == (503, "7")
    assert stored(api) == []


# -- what operators see ----------------------------------------------------------------------


def test_what_became_of_notifications_is_counted(api: Api) -> None:
    deliver(api, a_notification(api))
    deliver(api, a_notification(api))
    deliver(api, changed_body(api))
    deliver(api, aged(301)(api))
    deliver(api, a_notification(api), address(api, provider="unknown"))

    assert figures(api) == {
        ("oms_webhooks_received_total", "simulated", "stored"): 1,
        ("oms_webhooks_received_total", "simulated", "repeated"): 1,
        ("oms_webhooks_received_total", "simulated", "rejected"): 2,
        ("oms_webhook_events_stored_total", "simulated"): 1,
        ("oms_webhooks_rejected_total", "simulated", "signature_does_not_match"): 1,
        ("oms_webhooks_rejected_total", "simulated", "outside_the_time_window"): 1,
        ("oms_webhook_events_waiting",): 1,
    }


def test_reasons_never_become_many_figures() -> None:
    """Should an adapter ever put into a reason what was sent to it."""
    metrics = Metrics()

    for number in range(500):
        metrics.webhook_rejected("simulated", f"reason_{number}")
    for odd in ("", "x" * 65, "With Space", 'quote"', "line\nbreak"):
        metrics.webhook_rejected("simulated", odd)

    page, _ = metrics.page()
    figures = [
        line for line in page.decode().splitlines() if "oms_webhooks_rejected_total{" in line
    ]
    assert len(figures) == 51
    assert 'reason="other"} 455.0' in "".join(figures)


def test_the_log_tells_operators_why_without_what_was_sent(api: Api) -> None:
    deliver(api, changed_body(api))

    lines = [json.loads(line) for line in api.log.getvalue().splitlines()]
    (rejected,) = [line for line in lines if line["event"] == "notification rejected"]
    assert rejected["reason"] == "signature_does_not_match"
    assert rejected["provider"] == "simulated"
    assert rejected["tenant_id"] == str(api.scope.tenant_id)
    assert "evil_card" not in api.log.getvalue()
    (request,) = [line for line in lines if line["event"] == "request"]
    assert request["route"] == "/webhooks/{provider}/{tenant_id}"
