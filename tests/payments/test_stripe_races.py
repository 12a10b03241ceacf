"""However the calls of two orders cross at Stripe, one of them gets the payment, and both know it.

No store of ours stands between two systems that share an account. Their calls are let through
one at a time, in every order that there is.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from functools import partial
from typing import Any, Final
from uuid import UUID, uuid4

import pytest
from attrs import field, frozen

from oms_adapters.payments.stripe import StripePayments
from oms_core.domain.money import Money
from oms_core.domain.payment import PaymentState
from oms_core.errors import InvalidState, OutcomeUnknown
from oms_core.ports.payments import Authorize, PaymentRef, PaymentSnapshot
from oms_core.testing import SimulatedClock
from tests.support.http_faults import HttpRequest
from tests.support.stripe_double import StripeStage
from tests.support.stripe_double.double import API_KEY
from tests.support.stripe_double.refusal import Refused

TOTAL: Final = Money(10_000, "USD")
PATIENCE_S: Final = 60.0
IN_A_WEEK: Final = 2_000_000_000
FIRST, SECOND = UUID(int=1), UUID(int=2)
FAILED = UUID(int=3)
"""An order that had the payment before, and failed."""
NAMES: Final = {FIRST: "acct_first", SECOND: "acct_second"}
BROWSER: Final = "browser"


class Crossing:
    """Where several walkers wait at every step, and go on one at a time."""

    def __init__(self, walkers: Mapping[str, Callable[[], object]]) -> None:
        self._changed = threading.Condition()
        self._waiting: set[str] = set()
        self._ended: set[str] = set()
        self._on_its_way: str | None = None
        self._threads = [
            threading.Thread(target=self._walk, args=walker) for walker in walkers.items()
        ]
        self._all = set(walkers)

    def cross(self, choices: list[int]) -> list[int]:
        """Let walkers go on as chosen, then the first that can; tell how many could, each time."""
        could: list[int] = []
        for thread in self._threads:
            thread.start()
        while waiting := self._when_nobody_walks():
            chosen = choices[len(could)] if len(could) < len(choices) else 0
            could.append(len(waiting))
            with self._changed:
                self._on_its_way = waiting[chosen]
                self._waiting.discard(waiting[chosen])
                self._changed.notify_all()
        for thread in self._threads:
            thread.join(PATIENCE_S)
        return could

    def arrive(self, name: str) -> None:
        """Wait for the turn of a walker."""
        with self._changed:
            self._waiting.add(name)
            self._changed.notify_all()
            assert self._changed.wait_for(lambda: self._on_its_way == name, PATIENCE_S)
            self._on_its_way = None

    def _walk(self, name: str, walk: Callable[[], object]) -> None:
        try:
            walk()
        finally:
            with self._changed:
                self._ended.add(name)
                self._changed.notify_all()

    def _when_nobody_walks(self) -> list[str]:
        with self._changed:
            assert self._changed.wait_for(
                lambda: self._waiting | self._ended == self._all, PATIENCE_S
            )
            return sorted(self._waiting)


def every_crossing(run: Callable[[list[int]], list[int]]) -> int:
    """Call *run* with every list of choices that differs; returns how many there were."""
    choices: list[int] = []
    times = 0
    while True:
        could = run(choices)
        times += 1
        taken = [*choices, *([0] * (len(could) - len(choices)))]
        while taken and taken[-1] + 1 == could[len(taken) - 1]:
            taken.pop()
        if not taken:
            return times
        choices = [*taken[:-1], taken[-1] + 1]


@frozen
class Scenario:
    """A payment as two orders find it."""

    name: str
    intent: Mapping[str, Any] = field(factory=dict)
    browser: bool = False
    """Whether the customer's browser confirms it, some time, or the customer acts."""
    refused: Collection[UUID] = ()
    """The orders from which Stripe takes no reference."""
    a_mark_fails: bool = False
    """Whether the first fails inside Stripe, which stores that under its key."""


MARK: Final = {"oms_order_id": str(FIRST)}
LEFT: Final = {"payment_details": {"order_reference": f"oms-order.{FAILED}"}}
SHOPS: Final = {"payment_details": {"order_reference": "CART-17"}}
HELD: Final = {"status": "requires_capture", "amount_capturable": TOTAL.minor}
SCENARIOS: Final = [
    Scenario("nobodys"),
    Scenario("nobodys_and_the_browser_confirms", browser=True),
    Scenario("marked_for_the_first", {"metadata": MARK}),
    Scenario("marked_by_a_failed_order", {"metadata": {"oms_order_id": str(FAILED)}}),
    Scenario("left_by_a_failed_order", LEFT),
    Scenario("left_by_a_failed_order_and_marked_for_the_first", {**LEFT, "metadata": MARK}),
    Scenario("the_shops", SHOPS),
    Scenario("the_shops_and_the_browser_confirms", SHOPS, browser=True),
    Scenario("the_shops_and_marked_for_the_first", {**SHOPS, "metadata": MARK}),
    Scenario("refused", refused=(FIRST, SECOND)),
    Scenario("refused_to_the_first", refused=(FIRST,)),
    Scenario("refused_to_the_first_and_the_browser_confirms", browser=True, refused=(FIRST,)),
    Scenario("left_by_a_failed_order_and_refused", LEFT, refused=(FIRST, SECOND)),
    Scenario("left_by_a_failed_order_and_refused_to_the_first", LEFT, refused=(FIRST,)),
    Scenario("the_customer_must_act", {"decides": "ask"}, browser=True),
    Scenario(
        "the_customer_must_act_or_it_is_confirmed_again",
        {"decides": "ask", "may_be_confirmed_again": True},
        browser=True,
    ),
    Scenario("the_shops_and_the_customer_must_act", {**SHOPS, "decides": "ask"}, browser=True),
    Scenario("confirmed_by_the_browser", HELD),
    Scenario("confirmed_by_the_browser_and_a_mark_fails", HELD, a_mark_fails=True),
    Scenario("not_kept", {"keeps_details": False}),
    Scenario("not_kept_and_refused_to_the_first", {"keeps_details": False}, refused=(FIRST,)),
]


@pytest.fixture(scope="module")
def stage() -> Iterator[StripeStage]:
    stage = StripeStage(SimulatedClock())
    yield stage
    stage.close()


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_however_two_orders_cross_one_gets_the_payment_and_the_other_hears_so(
    stage: StripeStage, scenario: Scenario
) -> None:
    def run(choices: list[int]) -> list[int]:
        return the_orders_cross(stage, scenario, choices)

    assert every_crossing(run) > 1


def claimed(stripe: StripePayments, command: Authorize) -> PaymentSnapshot:
    """Do as the saga does: what is unknown is repeated, and what is refused looked up."""
    try:
        return stripe.authorize(command)
    except InvalidState:
        return stripe.lookup(command.ref)
    except OutcomeUnknown:
        return claimed(stripe, command)


def the_orders_cross(stage: StripeStage, scenario: Scenario, choices: list[int]) -> list[int]:
    """Let both orders claim one payment, in a chosen order of their calls, and judge the end."""
    double = stage.double
    intent = double.create(TOTAL.minor, **{"capture_before": IN_A_WEEK, **scenario.intent})
    ref = PaymentRef(stage.tenant_id, intent.id)
    told: dict[UUID, list[PaymentSnapshot]] = {FIRST: [], SECOND: []}

    def claim(order: UUID) -> None:
        stripe = StripePayments(API_KEY, account=NAMES[order], base_url=double.server.url)
        told[order].append(claimed(stripe, Authorize(ref, TOTAL, order, str(uuid4()))))

    def browse() -> None:
        crossing.arrive(BROWSER)
        if intent.decides == "ask":
            intent.decide(double.now)
            return
        with suppress(Refused):
            double.confirm_in_the_browser(intent)

    walkers: dict[str, Callable[[], object]] = {
        NAMES[order]: partial(claim, order) for order in told
    }
    if scenario.browser:
        walkers[BROWSER] = browse
    crossing = Crossing(walkers)

    def arrives(request: HttpRequest) -> None:
        crossing.arrive(request.headers["stripe-account"])

    double.arrives = arrives
    double.fails_inside["mark"] = int(scenario.a_mark_fails)
    double.takes_references = lambda request: (
        request.headers["stripe-account"] not in {NAMES[order] for order in scenario.refused}
    )
    could = crossing.cross(choices)
    double.arrives = lambda _: None
    intent.decide(double.now)
    for order in told:
        # Whoever was told to wait looks again.
        claim(order)

    owner = stage.provider.lookup(ref).order_id
    assert owner in told, choices
    confirms_max = 2 if intent.may_be_confirmed_again else 1
    assert double.effects[intent.id, "authorize"] <= confirms_max, choices
    for order, snapshots in told.items():
        assert len(snapshots) == 2, choices
        held = [one.order_id for one in snapshots if one.state is PaymentState.AUTHORIZED]
        # Nobody is ever told of money that it is for them, and later for somebody else.
        assert set(held) == {owner}, (choices, order)
    return could
