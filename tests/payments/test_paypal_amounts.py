"""What is sent to PayPal is worth exactly what the order says, or it is not sent."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms_adapters.payments.paypal.amounts import DECIMALS, read_amount, write_amount
from oms_core.domain.currencies import MINOR_UNIT_EXPONENTS
from oms_core.domain.money import MINOR_UNITS_MAX, Money
from oms_core.errors import InvalidRequest
from oms_core.testing.refusal import refusal

ALL = sorted(MINOR_UNIT_EXPONENTS)


def test_the_currencies_are_paypals() -> None:
    """PayPal, REST API: currency codes."""
    listed = (
        "AUD BRL CAD CNY CZK DKK EUR HKD HUF ILS JPY MYR MXN TWD NZD NOK PHP PLN GBP RUB SGD SEK "
        "CHF THB USD"
    )

    assert set(DECIMALS) == set(listed.split())
    assert {code for code, decimals in DECIMALS.items() if decimals == 0} == {"HUF", "JPY", "TWD"}


@given(st.sampled_from(ALL), st.integers(1, MINOR_UNITS_MAX))
def test_an_amount_is_sent_at_its_exact_worth_or_refused(currency: str, minor: int) -> None:
    amount = Money(minor, currency)
    worth = Decimal(minor).scaleb(-MINOR_UNIT_EXPONENTS[currency])
    decimals = DECIMALS.get(currency)

    if decimals is None or worth != round(worth, decimals):
        assert refusal(InvalidRequest, lambda: write_amount(amount)).reason
    else:
        sent = write_amount(amount)
        assert sent["currency_code"] == currency
        assert Decimal(sent["value"]) == worth
        assert len(sent["value"].partition(".")[2]) == decimals
        assert read_amount(sent) == amount


@pytest.mark.parametrize(
    ("amount", "value"),
    [
        (Money(1, "USD"), "0.01"),
        (Money(1_999, "USD"), "19.99"),
        (Money(500, "JPY"), "500"),
        (Money(100_000, "HUF"), "1000"),
        (Money(5_000, "TWD"), "50"),
    ],
)
def test_an_amount_is_written_with_paypals_decimals(amount: Money, value: str) -> None:
    assert write_amount(amount) == {"currency_code": amount.currency, "value": value}


@pytest.mark.parametrize(
    ("amount", "reason"),
    [
        (Money(1_050, "HUF"), "decimals_not_supported"),
        (Money(1, "TWD"), "decimals_not_supported"),
        (Money(1_000, "KWD"), "currency_not_supported"),
        (Money(0, "USD"), "amount_out_of_range"),
        (Money(-1, "USD"), "amount_out_of_range"),
    ],
)
def test_what_paypal_has_no_number_for_is_refused(amount: Money, reason: str) -> None:
    assert refusal(InvalidRequest, lambda: write_amount(amount)).reason == reason


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        {},
        {"value": 10, "currency_code": "USD"},
        {"value": "10.001", "currency_code": "USD"},
        {"value": "1e3", "currency_code": "USD"},
        {"value": "10", "currency_code": "XXX"},
        {"value": "NaN", "currency_code": "USD"},
    ],
)
def test_what_is_no_exact_amount_is_not_read(document: object) -> None:
    refusal(ValueError, lambda: read_amount(document))
