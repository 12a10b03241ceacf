"""What is sent to Adyen is worth exactly what the order says, in every currency."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms_adapters.payments.adyen.amounts import DECIMALS, DIFFERING, from_adyen, value_of
from oms_core.domain.currencies import MINOR_UNIT_EXPONENTS
from oms_core.domain.money import MINOR_UNITS_MAX, Money
from oms_core.errors import InvalidRequest
from oms_core.testing import refusal

CURRENCIES = st.sampled_from(sorted(MINOR_UNIT_EXPONENTS))
AMOUNTS = st.integers(1, MINOR_UNITS_MAX) | st.integers(1, 1_000).map(lambda n: 100 * n)


@given(currency=CURRENCIES, minor=AMOUNTS)
def test_an_amount_is_sent_at_its_worth_or_refused(currency: str, minor: int) -> None:
    amount = Money(minor, currency)
    worth = Decimal(amount.amount)
    in_adyens_units = worth.scaleb(DECIMALS[currency])

    if in_adyens_units != in_adyens_units.to_integral_value():
        trouble = refusal(InvalidRequest, lambda: value_of(amount))
        assert trouble.reason == "amount_not_representable"
    else:
        assert value_of(amount) == in_adyens_units
        assert from_adyen(value_of(amount), currency) == amount


@given(currency=CURRENCIES, value=st.integers(0, MINOR_UNITS_MAX))
def test_an_amount_that_is_told_is_read_at_its_worth_or_not_at_all(
    currency: str, value: int
) -> None:
    worth = Decimal(value).scaleb(-DECIMALS[currency])

    try:
        amount = from_adyen(value, currency)
    except ValueError:
        in_minor = worth.scaleb(MINOR_UNIT_EXPONENTS[currency])
        assert in_minor != in_minor.to_integral_value() or in_minor > MINOR_UNITS_MAX
    else:
        assert Decimal(amount.amount) == worth


@pytest.mark.parametrize(
    ("amount", "value"),
    [
        (Money.of("19.99", "USD"), 1_999),
        (Money.of("1999", "JPY"), 1_999),
        (Money.of("1.999", "KWD"), 1_999),
        (Money.of("2790", "ISK"), 279_000),
        (Money.of("1050", "CLP"), 105_000),
        (Money.of("15000", "IDR"), 15_000),
        (Money.of("250", "CVE"), 250),
        (Money.of("10.50", "HUF"), 1_050),
        (Money.of("1000", "UGX"), 1_000),
    ],
    ids=str,
)
def test_examples(amount: Money, value: int) -> None:
    assert value_of(amount) == value


def test_the_four_currencies_that_adyen_counts_otherwise_are_all_that_differ() -> None:
    differing = {code for code, places in DECIMALS.items() if places != MINOR_UNIT_EXPONENTS[code]}

    assert differing == set(DIFFERING) == {"CLP", "CVE", "IDR", "ISK"}
    assert set(DECIMALS) == set(MINOR_UNIT_EXPONENTS)


@pytest.mark.parametrize("minor", [0, -1, MINOR_UNITS_MAX + 1])
def test_an_amount_out_of_range_is_refused(minor: int) -> None:
    refused = refusal(InvalidRequest, lambda: value_of(Money(minor, "USD")))

    assert refused.reason == "amount_out_of_range"


def test_a_currency_that_does_not_exist_is_refused() -> None:
    refused = refusal(InvalidRequest, lambda: value_of(Money(1, "XXX")))

    assert refused.reason == "unknown_currency"
    with pytest.raises(ValueError, match="currency"):
        from_adyen(1, "XXX")
