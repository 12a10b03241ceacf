import pytest
from iso4217 import Currency

from oms_core.domain.currencies import MINOR_UNIT_EXPONENTS, exponent_of
from oms_core.errors import InvalidInput


def test_the_table_is_the_standards_table_without_codes_that_have_no_minor_unit() -> None:
    standard = {
        currency.code: currency.exponent for currency in Currency if currency.exponent is not None
    }

    assert standard
    assert dict(MINOR_UNIT_EXPONENTS) == standard


@pytest.mark.parametrize(
    ("code", "decimals"), [("JPY", 0), ("USD", 2), ("KWD", 3), ("CLF", 4), ("XCG", 2)]
)
def test_a_currency_has_the_decimals_of_the_standard(code: str, decimals: int) -> None:
    assert exponent_of(code) == decimals


@pytest.mark.parametrize("code", ["XAU", "XXX", "XTS", "XDR"])
def test_metals_and_special_codes_are_no_currency_for_an_amount(code: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        exponent_of(code)

    assert str(refusal.value) == (
        f"/currency: {code} is not an active ISO 4217 currency with a minor unit"
    )


def test_a_code_in_small_letters_is_refused_with_the_remedy() -> None:
    with pytest.raises(InvalidInput) as refusal:
        exponent_of("usd")

    assert str(refusal.value) == "/currency: must be in capital letters: USD"


@pytest.mark.parametrize(
    "code", ["", "US", "USDX", " USD", "USD\n", "$$$", "U\u0405D", "840", "\ud800", "x" * 10_000]
)
def test_what_cannot_be_a_code_is_refused_without_repeating_it(code: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        exponent_of(code)

    assert str(refusal.value) == (
        "/currency: must be the three capital letters of an ISO 4217 currency, such as USD"
    )
