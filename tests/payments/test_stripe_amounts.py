"""What is sent to Stripe is worth exactly what the order says, or nothing is sent at all."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms_adapters.payments.stripe.amounts import DECIMALS, STEPS, from_stripe, to_stripe
from oms_core.domain.currencies import MINOR_UNIT_EXPONENTS
from oms_core.domain.money import MINOR_UNITS_MAX, Money
from oms_core.errors import InvalidRequest, OutcomeUnknown
from oms_core.ports.payments import Authorize, Capture, PaymentRef, Refund
from oms_core.testing import SimulatedClock
from tests.support.stripe_double import StripeStage

# Written down a second time, from Stripe's page "Supported currencies".
NO_DECIMALS = {
    "BIF",
    "CLP",
    "DJF",
    "GNF",
    "JPY",
    "KMF",
    "KRW",
    "MGA",
    "PYG",
    "RWF",
    "VND",
    "VUV",
    "XAF",
    "XOF",
    "XPF",
}
A_HUNDRED_TIMES_WHOLE = {"ISK", "UGX"}
THREE_DECIMALS_LAST_IS_ZERO = {"BHD", "JOD", "KWD", "OMR", "TND"}

monies = st.builds(
    Money, st.integers(-5, MINOR_UNITS_MAX), st.sampled_from(sorted(MINOR_UNIT_EXPONENTS))
)


def worth(number: int, currency: str) -> Decimal:
    """Say what Stripe takes a number to be, by its own words."""
    if currency in NO_DECIMALS:
        return Decimal(number)
    if currency in THREE_DECIMALS_LAST_IS_ZERO:
        return Decimal(number) / 1_000
    return Decimal(number) / 100


@given(monies)
def test_what_is_sent_is_worth_exactly_what_is_asked_or_nothing_is_sent(money: Money) -> None:
    try:
        number = to_stripe(money)
    except InvalidRequest:
        return

    assert type(number) is int
    assert number > 0
    assert worth(number, money.currency) == Decimal(money.amount)
    assert from_stripe(number, money.currency.lower()) == money


@given(monies)
def test_only_what_has_no_number_at_stripe_is_refused(money: Money) -> None:
    value = Decimal(money.amount)
    decimals = 0 if money.currency in NO_DECIMALS | A_HUNDRED_TIMES_WHOLE else 2
    has_number = money.currency in DECIMALS and value > 0 and value == round(value, decimals)

    try:
        to_stripe(money)
        was_refused = False
    except InvalidRequest:
        was_refused = True

    assert was_refused is not has_number


@pytest.mark.parametrize(
    ("amount", "currency", "number"),
    [
        ("19.99", "USD", 1_999),
        ("500", "JPY", 500),
        ("5", "ISK", 500),
        ("5", "UGX", 500),
        ("10.50", "HUF", 1_050),
        ("10.50", "TWD", 1_050),
        ("3.00", "MGA", 3),
        ("5.120", "KWD", 5_120),
    ],
)
def test_currencies_that_people_got_wrong(amount: str, currency: str, number: int) -> None:
    assert to_stripe(Money.of(amount, currency)) == number


@pytest.mark.parametrize(
    ("money", "reason"),
    [
        (Money(1_235, "KWD"), "amount_not_representable"),
        (Money(350, "MGA"), "amount_not_representable"),
        (Money(1_000, "CLF"), "currency_not_supported"),
        (Money(1_000, "LYD"), "currency_not_supported"),
        (Money(0, "USD"), "amount_out_of_range"),
        (Money(-1, "USD"), "amount_out_of_range"),
    ],
)
def test_what_is_refused_says_why(money: Money, reason: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        to_stripe(money)

    assert raised.value.reason == reason


def test_the_table_is_stripes() -> None:
    assert {code for code, decimals in DECIMALS.items() if decimals == 0} == NO_DECIMALS
    assert {code for code, decimals in DECIMALS.items() if decimals == 3} == set(
        THREE_DECIMALS_LAST_IS_ZERO
    )
    assert set(STEPS) == A_HUNDRED_TIMES_WHOLE | THREE_DECIMALS_LAST_IS_ZERO
    assert len(DECIMALS) > 130
    assert set(DECIMALS) < set(MINOR_UNIT_EXPONENTS)


def test_a_currency_that_is_not_iso_4217s_is_for_no_order() -> None:
    with pytest.raises(InvalidRequest):
        from_stripe(100, "xyz")


def test_half_a_crown_of_iceland_is_no_answer() -> None:
    with pytest.raises(OutcomeUnknown):
        from_stripe(550, "isk")


@pytest.fixture
def stage() -> Iterator[StripeStage]:
    stage = StripeStage(SimulatedClock())
    yield stage
    stage.close()


def test_no_operation_asks_anything_about_an_amount_without_a_number(stage: StripeStage) -> None:
    ref, odd = PaymentRef(uuid4(), "pi_1"), Money(1_235, "KWD")

    for ask in (
        lambda: stage.provider.authorize(Authorize(ref, odd, uuid4(), "key")),
        lambda: stage.provider.capture(Capture(ref, odd, "ship-1", "key")),
        lambda: stage.provider.refund(Refund(ref, odd, "return-1", "key")),
    ):
        with pytest.raises(InvalidRequest):
            ask()

    assert stage.double.server.requests == []


@pytest.mark.parametrize(
    ("amount", "currency", "reason"),
    [(9_999, "usd", "amount_mismatch"), (10_000, "eur", "currency_mismatch")],
)
def test_a_payment_for_another_sum_is_never_confirmed(
    stage: StripeStage, amount: int, currency: str, reason: str
) -> None:
    """Confirming first and comparing later would show the customer a hold of the wrong sum."""
    intent = stage.double.create(amount, currency)
    ref = PaymentRef(uuid4(), intent.id)

    with pytest.raises(InvalidRequest) as raised:
        stage.provider.authorize(Authorize(ref, Money(10_000, "USD"), uuid4(), "key"))

    assert raised.value.reason == reason
    assert stage.double.operations(intent.id) == []


@pytest.mark.parametrize("currency", ["JPY", "ISK", "KWD", "MGA", "HUF"])
def test_every_kind_of_currency_goes_there_and_back(stage: StripeStage, currency: str) -> None:
    money = Money.of("300", currency)
    intent = stage.double.create(to_stripe(money), currency.lower())
    ref, order = PaymentRef(uuid4(), intent.id), uuid4()

    held = stage.provider.authorize(Authorize(ref, money, order, str(uuid4())))
    stage.provider.capture(Capture(ref, money, "ship-1", str(uuid4())))
    stage.provider.refund(Refund(ref, Money.of("100", currency), "return-1", str(uuid4())))

    seen = stage.provider.lookup(ref)
    assert held.authorized == seen.captured == money
    assert seen.refunded == Money.of("100", currency)
