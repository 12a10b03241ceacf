"""What providers notify reaches its order: once stored never lost, in any order, however often."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from random import Random
from typing import cast
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms_adapters.inbox.memory import MemoryInbox
from oms_adapters.inventory.memory import MemoryInventory
from oms_adapters.payments.simulated import MemoryLedger, Notification, SimulatedPayments
from oms_adapters.payments.simulated.notifications import NotificationSigner
from oms_adapters.storage.memory import MemoryStorage
from oms_core import (
    AdjustStock,
    NewLineItem,
    OrderManagement,
    OrderStatus,
    PlaceOrder,
    Received,
    SagaState,
    Settings,
    Webhook,
    WorkerSettings,
)
from oms_core.application.inbox_applier import InboxApplier
from oms_core.errors import (
    ConfigurationError,
    ProviderNotFound,
    RetryableNotExecuted,
    StoreUnavailable,
    StoreUnusable,
    WebhookRejected,
)
from oms_core.ports.inbox import InboxState
from oms_core.ports.payments import PaymentRef, ProviderEvent
from oms_core.testing import NOON, a_scope, at_once, refusal
from oms_core.testing.faults import FAULTS_ALONE, Fault, FaultPlan, SimulatedCrash, faulty_inbox
from tests.support.eventually import eventually
from tests.support.shop import ARMCHAIR, WEBHOOK_SECRET, Shop

CLAIM_S = 10.0


def webhook(shop: Shop, sent: Notification, *, tenant_id: UUID | None = None) -> Webhook:
    return Webhook(tenant_id or shop.scope.tenant_id, "simulated", sent.headers, sent.body)


def receive(shop: Shop, *sent: Notification) -> list[Received]:
    return [shop.oms.receive_webhook(webhook(shop, one)) for one in sent]


def signed(shop: Shop, *events: ProviderEvent) -> Notification:
    """Sign what the simulated provider itself does not tell."""
    signer = NotificationSigner(WEBHOOK_SECRET)
    return signer.sign(events, message_id="msg-4711", at=shop.clock.now())


def an_event(shop: Shop, event_id: str = "evt-1", reference: str = "good_card") -> ProviderEvent:
    return ProviderEvent(event_id, shop.ref(reference), "payment.authorized")


def inbox_of(shop: Shop) -> MemoryInbox:
    assert shop.inbox is not None
    return shop.inbox


def states(shop: Shop, event_id: str = "evt-1") -> list[InboxState]:
    found = inbox_of(shop).find_events(shop.scope.tenant_id, event_id)
    return [received.state for received in found]


def waiting_shop() -> Shop:
    """A shop with an order that waits for its customer, who has just acted."""
    shop = Shop(is_notified=True)
    shop.place("sim_requires_action")
    shop.oms.run_until_idle()
    assert shop.order().saga.state is SagaState.WAITING
    shop.payments.complete_action(shop.ref("sim_requires_action"))
    return shop


# -- receiving -------------------------------------------------------------------------------


def test_a_notification_is_stored_before_anybody_acts_on_it() -> None:
    shop = waiting_shop()
    sent = shop.payments.notifications(shop.ref("sim_requires_action"))

    answers = receive(shop, *sent)

    assert answers == [Received(events=1, new=1)] * len(sent)
    stored = inbox_of(shop).of_payment("simulated", shop.ref("sim_requires_action"))
    assert len(stored) == len(sent) > 1
    assert {received.state for received in stored} == {InboxState.NEW}
    assert {received.received_at for received in stored} == {shop.clock.now()}
    assert shop.order().status is OrderStatus.PENDING_PAYMENT


def test_a_repeated_notification_is_acknowledged_and_stored_once() -> None:
    shop = Shop(is_notified=True)
    sent = signed(shop, an_event(shop, "evt-1"), an_event(shop, "evt-2"))

    answers = receive(shop, sent, sent, sent)

    assert answers == [Received(2, 2), Received(2, 0), Received(2, 0)]
    assert inbox_of(shop).count_new() == 2


def test_an_authentic_notification_of_nothing_is_acknowledged() -> None:
    shop = Shop(is_notified=True)

    assert receive(shop, signed(shop)) == [Received(0, 0)]


def forged(shop: Shop) -> Webhook:
    sent = signed(shop, an_event(shop))
    return webhook(shop, Notification(sent.headers, sent.body.replace(b"evt-1", b"evt-2")))


def stale(shop: Shop) -> Webhook:
    sent = signed(shop, an_event(shop))
    shop.clock.advance(301)
    return webhook(shop, sent)


def from_the_future(shop: Shop) -> Webhook:
    shop.clock.advance(301)
    sent = signed(shop, an_event(shop))
    shop.clock.advance(-301.5)
    return webhook(shop, sent)


def unsigned(shop: Shop) -> Webhook:
    return webhook(shop, Notification({}, signed(shop, an_event(shop)).body))


def of_another_tenant(shop: Shop) -> Webhook:
    return webhook(shop, signed(shop, an_event(shop)), tenant_id=uuid4())


def half_of_another_tenant(shop: Shop) -> Webhook:
    theirs = ProviderEvent("evt-2", PaymentRef(uuid4(), "good_card"), "payment.authorized")
    return webhook(shop, signed(shop, an_event(shop), theirs))


@pytest.mark.parametrize(
    "make",
    [forged, stale, from_the_future, unsigned, of_another_tenant, half_of_another_tenant],
)
def test_of_what_is_not_authentic_nothing_is_stored(make: object) -> None:
    shop = Shop(is_notified=True)
    sent = make(shop)  # type: ignore[operator]

    refusal(WebhookRejected, lambda: shop.oms.receive_webhook(sent))

    assert inbox_of(shop).list_events(list(InboxState)).events == ()


class Careless(SimulatedPayments):
    """A provider's adapter that does not look at what it verified."""

    def __init__(self, *events: ProviderEvent) -> None:
        super().__init__(MemoryLedger())
        self.events = events

    def parse_webhook(
        self, tenant_id: UUID, headers: Mapping[str, str], body: bytes
    ) -> Sequence[ProviderEvent]:
        return self.events


@pytest.mark.parametrize("text", ["", "\ud800"])
def test_what_no_store_can_keep_is_refused_even_if_it_is_authentic(text: str) -> None:
    ref = Shop().ref("good_card")
    for event in (
        ProviderEvent(text, ref, "paid"),
        ProviderEvent("evt-1", PaymentRef(ref.tenant_id, text), "paid"),
    ):
        shop = Shop(is_notified=True, providers={"simulated": Careless(event)})

        error = refusal(WebhookRejected, lambda: receive(shop, Notification({}, b"")))  # noqa: B023

        assert error.reason == "malformed_body"
        assert inbox_of(shop).count_new() == 0


def test_another_tenants_event_is_refused_even_if_an_adapter_lets_it_through() -> None:
    theirs = ProviderEvent("evt-1", PaymentRef(uuid4(), "good_card"), "paid")
    shop = Shop(is_notified=True, providers={"simulated": Careless(theirs)})

    error = refusal(WebhookRejected, lambda: receive(shop, Notification({}, b"")))

    assert error.reason == "of_another_tenant"


def test_an_account_that_the_tenant_does_not_have_is_told_apart_from_a_forgery() -> None:
    shop = Shop(is_notified=True)
    sent = signed(shop, an_event(shop))
    elsewhere = Webhook(shop.scope.tenant_id, "unknown", sent.headers, sent.body)

    refusal(ProviderNotFound, lambda: shop.oms.receive_webhook(elsewhere))


def test_without_an_inbox_nothing_is_received() -> None:
    """Better no answer than an acknowledgement of what nobody keeps."""
    shop = Shop()

    refusal(ConfigurationError, lambda: receive(shop, signed(shop, an_event(shop))))


# -- applying --------------------------------------------------------------------------------


def test_a_waiting_order_hears_of_its_payment_at_once_and_not_at_its_next_poll() -> None:
    shop = waiting_shop()
    before = shop.clock.now()
    sent = shop.payments.notifications(shop.ref("sim_requires_action"))

    receive(shop, *sent)
    shop.oms.run_until_idle()

    assert shop.order().status is OrderStatus.CONFIRMED
    assert shop.clock.now() == before
    assert inbox_of(shop).count_new() == 0
    stored = inbox_of(shop).of_payment("simulated", shop.ref("sim_requires_action"))
    assert {received.state for received in stored} == {InboxState.APPLIED}


def test_a_notification_before_its_order_is_kept_and_the_order_comes_to_its_end() -> None:
    shop = Shop(is_notified=True)
    receive(shop, signed(shop, an_event(shop)))
    shop.oms.run_until_idle()
    assert states(shop) == [InboxState.UNMATCHED]

    order = shop.drive()

    assert order.status is OrderStatus.CONFIRMED
    assert states(shop) == [InboxState.UNMATCHED]


def test_a_notification_marked_new_again_finds_the_order_that_came_later() -> None:
    shop = Shop(is_notified=True)
    receive(shop, signed(shop, an_event(shop)))
    shop.oms.run_until_idle()
    shop.drive()

    inbox = inbox_of(shop)
    inbox.mark(inbox.find_events(shop.scope.tenant_id, "evt-1"), InboxState.NEW)
    shop.oms.run_until_idle()

    assert states(shop) == [InboxState.APPLIED]


def test_an_order_under_way_is_told_again_until_it_waits() -> None:
    """It may have asked the provider just before, and would wait for its next poll."""
    shop = Shop(is_notified=True)
    order_id = shop.place("sim_requires_action")
    receive(shop, signed(shop, an_event(shop, reference="sim_requires_action")))
    told: list[UUID] = []

    def tell(scope: object, order: UUID) -> object:
        told.append(order)
        return shop.oms.payment_changed(shop.scope, order)

    applier = InboxApplier(inbox_of(shop), shop.storage, tell, lease_s=CLAIM_S)  # type: ignore[arg-type]
    assert applier.apply_once("worker") == 1
    assert states(shop) == [InboxState.NEW]
    assert applier.apply_once("worker") == 0
    shop.oms.run_until_idle()
    assert shop.order().saga.state is SagaState.WAITING
    shop.clock.advance(CLAIM_S)

    assert applier.apply_once("worker") == 1

    assert told == [order_id] * 2
    assert states(shop) == [InboxState.APPLIED]
    assert shop.order().saga.due_at == shop.clock.now()


def test_many_events_of_one_payment_tell_its_order_once() -> None:
    shop = waiting_shop()
    reference = "sim_requires_action"
    events = [an_event(shop, f"evt-{number}", reference) for number in range(40)]
    receive(shop, signed(shop, *events))
    told: list[UUID] = []

    def tell(scope: object, order: UUID) -> object:
        told.append(order)
        return shop.order()

    InboxApplier(inbox_of(shop), shop.storage, tell).apply_once("worker")  # type: ignore[arg-type]

    assert told == [shop.order().id]
    assert inbox_of(shop).count_new() == 0


def test_an_order_that_cannot_be_told_keeps_nobody_from_the_others() -> None:
    shop = waiting_shop()
    shop.oms.place_order(shop.scope, shop.request("sim_spoilt", key="spoilt"))
    receive(shop, signed(shop, an_event(shop, "evt-1", "sim_spoilt")))
    receive(shop, signed(shop, an_event(shop, "evt-2", "sim_requires_action")))

    def tell(scope: object, order: UUID) -> object:
        if order != shop.order().id:
            raise StoreUnusable("spoilt")
        return shop.order()

    applier = InboxApplier(inbox_of(shop), shop.storage, tell, lease_s=CLAIM_S)  # type: ignore[arg-type]
    applier.apply_once("worker")

    assert (states(shop, "evt-1"), states(shop, "evt-2")) == (
        [InboxState.NEW],
        [InboxState.APPLIED],
    )
    assert list(inbox_of(shop).claim_new("other", limit=9, lease_s=1.0)) == []
    shop.clock.advance(CLAIM_S)
    assert len(inbox_of(shop).claim_new("other", limit=9, lease_s=1.0)) == 1


# -- whatever happens ------------------------------------------------------------------------

REFERENCES = ["good_card", "sim_requires_action_completes", "sim_pending", "sim_declined"]
ENDS = {"sim_declined": OrderStatus.FAILED}
PLACES = {
    OrderStatus.PENDING_PAYMENT: 0,
    OrderStatus.PAYMENT_AUTHORIZED: 1,
    OrderStatus.CONFIRMED: 2,
    OrderStatus.FAILED: 2,
}


def changes_of(seen: Sequence[OrderStatus]) -> list[tuple[OrderStatus, OrderStatus]]:
    return [(before, after) for before, after in pairwise(seen) if before is not after]


@given(data=st.data(), reference=st.sampled_from(REFERENCES), seed=st.integers(0, 2**32))
def test_shuffled_duplicates_at_any_moment_never_move_an_order_backwards(
    data: st.DataObject, reference: str, seed: int
) -> None:
    shop = Shop(is_notified=True)
    chance = Random(seed)
    early = [an_event(shop, f"early-{n}", reference) for n in range(2)]
    receive(shop, signed(shop, *early))
    if data.draw(st.booleans(), label="applied before the order"):
        shop.oms.run_until_idle()
    shop.place(reference)
    seen: list[OrderStatus] = [shop.order().status]

    for step in data.draw(st.lists(st.sampled_from("wrtn"), max_size=12), label="steps"):
        match step:
            case "w":
                shop.oms.run_until_idle()
            case "t":
                shop.clock.advance(2.0)
            case "r":
                receive(shop, signed(shop, *early))
            case _ if shop.audit() is not None:
                sent = shop.payments.notifications(
                    shop.ref(reference), copies=2, shuffled_by=chance
                )
                receive(shop, *sent[: chance.randint(0, len(sent))])
            case _:
                pass
        seen.append(shop.order().status)
    shop.work_to_the_end()
    seen.append(shop.order().status)
    receive(shop, *shop.payments.notifications(shop.ref(reference), copies=2, shuffled_by=chance))
    shop.clock.advance(CLAIM_S)
    shop.oms.run_until_idle()
    seen.append(shop.order().status)

    assert seen[-1] is seen[-2] is ENDS.get(reference, OrderStatus.CONFIRMED)
    assert all(PLACES[before] < PLACES[after] for before, after in changes_of(seen)), seen
    assert inbox_of(shop).count_new() == 0
    audit = shop.audit()
    assert audit is not None
    assert audit.authorizations == (0 if reference in ENDS else 1)


def a_notified_life(plan: FaultPlan) -> Shop:
    """Place an order whose customer acts, told by a notification; go on after every fault."""
    shop = Shop(plan=plan, is_notified=True)
    shop.place_until_acknowledged(shop.request("sim_requires_action"))
    for _ in range(10):
        shop.work_once()
        shop.plan.mend()
        if shop.order().saga.state is SagaState.WAITING:
            break
        shop.let_time_pass()
    shop.payments.complete_action(shop.ref("sim_requires_action"))
    for sent in shop.payments.notifications(shop.ref("sim_requires_action")):
        deliver(shop, sent)
    # Time for every claim to run out: what a dead process held comes back.
    for _ in range(5):
        shop.work_once()
        shop.plan.mend()
        shop.clock.advance(31.0)
    return shop


def deliver(shop: Shop, sent: Notification) -> None:
    """Be a provider: send until it is acknowledged."""
    for _ in range(10):
        try:
            shop.oms.receive_webhook(webhook(shop, sent))
        except SimulatedCrash:
            shop.restart()
        except (StoreUnavailable, RetryableNotExecuted):
            shop.plan.mend()
        except Exception as error:
            # The wrapper lets parse_webhook fail like any call of a provider.
            if "simulated_" not in str(error):
                raise
        else:
            return
    raise AssertionError("never acknowledged")


def test_no_fault_at_any_call_loses_a_notification_or_its_effect() -> None:
    undisturbed = FaultPlan()
    a_notified_life(undisturbed)
    calls = len(undisturbed.calls)
    of_the_inbox = {call.method for call in undisturbed.calls if call.port == "inbox"}
    assert of_the_inbox == {"store", "claim_new", "mark"}

    for number in range(1, calls + 1):
        for fault in FAULTS_ALONE:
            if fault in {Fault.PAUSE_BEFORE, Fault.PAUSE_AFTER}:
                continue
            shop = a_notified_life(FaultPlan({number: fault}))

            case = f"{fault} at call {number}, {undisturbed.calls[number - 1]}"
            assert shop.order().status is OrderStatus.CONFIRMED, case
            assert inbox_of(shop).count_new() == 0, case
            audit = shop.audit()
            assert audit is not None
            assert audit.authorizations == 1, case


# -- by real threads -------------------------------------------------------------------------


PATIENCE_S = 30.0


def a_running_system(storage: MemoryStorage, inbox: MemoryInbox, poll_s: float) -> OrderManagement:
    return OrderManagement(
        storage=storage,
        inventory=MemoryInventory(),
        payments={"simulated": SimulatedPayments(MemoryLedger(), webhook_secret=WEBHOOK_SECRET)},
        inbox=inbox,
        settings=Settings(worker=WorkerSettings(4, poll_s)),
    )


def test_twenty_deliveries_at_once_store_one_event_and_wake_the_order_at_once() -> None:
    """Not at the next poll, which would be in an hour."""
    inbox = MemoryInbox()
    oms = a_running_system(MemoryStorage(), inbox, poll_s=3_600.0)
    payments = cast("SimulatedPayments", oms.payments.common["simulated"])
    scope, ref = a_scope(), PaymentRef(a_scope().tenant_id, "sim_requires_action")
    goods = AdjustStock(sku=ARMCHAIR, quantity_delta=10, reason="delivery")
    oms.adjust_stock(scope, goods, idempotency_key="delivery", actor="clerk")
    lines = [NewLineItem(sku=ARMCHAIR, quantity=1, unit_price="19.99")]

    with oms.running():
        placed = oms.place_order(
            scope, PlaceOrder("checkout-4711", "simulated", ref.reference, "web", lines)
        )
        assert oms.wait_for(scope, placed.order_id, timeout_s=PATIENCE_S).saga.wait is not None
        payments.complete_action(ref)
        sent = payments.notifications(ref)[-1]
        received = Webhook(scope.tenant_id, "simulated", sent.headers, sent.body)
        answers = at_once(lambda _: oms.receive_webhook(received), range(20))
        eventually(lambda: oms.get_order(scope, placed.order_id).status is OrderStatus.CONFIRMED)
        eventually(lambda: inbox.count_new() == 0)

    assert sorted(answer.new for answer in answers) == [0] * 19 + [1]
    (stored,) = inbox.of_payment("simulated", ref)
    assert stored.state is InboxState.APPLIED


def test_what_another_process_received_is_found_by_the_poll() -> None:
    inbox, storage = MemoryInbox(), MemoryStorage()
    ref = PaymentRef(a_scope().tenant_id, "good_card")
    oms = a_running_system(storage, inbox, poll_s=0.01)

    with oms.running():
        inbox.store("simulated", [ProviderEvent("evt-1", ref, "paid")], at=NOON)
        eventually(lambda: inbox.count_new() == 0)

    assert [received.state for received in inbox.of_payment("simulated", ref)] == [
        InboxState.UNMATCHED
    ]


def test_a_store_that_is_silent_for_a_while_delays_notifications_and_no_more() -> None:
    plan = FaultPlan({1: Fault.ERROR_ONCE})
    inbox = MemoryInbox()
    ref = PaymentRef(a_scope().tenant_id, "good_card")
    inbox.store("simulated", [ProviderEvent("evt-1", ref, "paid")], at=NOON)
    oms = a_running_system(MemoryStorage(), cast("MemoryInbox", faulty_inbox(inbox, plan)), 0.01)

    with oms.running():
        eventually(lambda: inbox.count_new() == 0)

    assert plan.calls[0].fault is Fault.ERROR_ONCE
