from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from oms_core import Money
from oms_core.domain.currencies import MINOR_UNIT_EXPONENTS
from oms_core.domain.line_item import Adjustment, AdjustmentKind, LineItem, order_total
from oms_core.domain.money import MINOR_UNITS_MAX
from oms_core.errors import InvalidInput

CURRENCIES = sorted(MINOR_UNIT_EXPONENTS)
MINOR = st.integers(-MINOR_UNITS_MAX, MINOR_UNITS_MAX)
MONEY = st.builds(Money, MINOR, st.sampled_from(CURRENCIES))
WEIGHTS = st.lists(st.integers(0, 10**12), min_size=1, max_size=30).filter(any)

# -- reading and writing ---------------------------------------------------------------------


@given(minor=MINOR, currency=st.sampled_from(CURRENCIES))
def test_an_amount_is_written_and_read_back_exactly(minor: int, currency: str) -> None:
    money = Money(minor, currency)

    assert money == Money.of(money.amount, currency)


@pytest.mark.parametrize("currency", CURRENCIES)
def test_an_amount_of_every_currency_has_the_decimals_of_the_standard(currency: str) -> None:
    decimals = MINOR_UNIT_EXPONENTS[currency]

    for minor in (-MINOR_UNITS_MAX, -1, 0, 1, 9, 10, 12_345, MINOR_UNITS_MAX):
        amount = Money(minor, currency).amount

        assert Fraction(minor, 10**decimals) == Fraction(amount)
        assert decimals == len(amount.partition(".")[2])
        assert Money(minor, currency) == Money.of(amount, currency)


@pytest.mark.parametrize(
    ("amount", "currency", "minor"),
    [
        ("19.99", "USD", 1_999),
        ("19.9", "USD", 1_990),
        ("19", "USD", 1_900),
        ("-0.05", "USD", -5),
        ("-0", "USD", 0),
        ("007.5", "USD", 750),
        ("19.990000", "USD", 1_999),
        ("1999", "JPY", 1_999),
        ("1999.00", "JPY", 1_999),
        ("1.234", "KWD", 1_234),
        ("1.2345", "CLF", 12_345),
        (5, "USD", 500),
        (-5, "JPY", -5),
        (Decimal("5.00"), "USD", 500),
        (Decimal("5E+2"), "USD", 50_000),
        (Decimal("5E-2"), "USD", 5),
        ("9999999999999.99", "USD", MINOR_UNITS_MAX),
        ("999999999999999", "JPY", MINOR_UNITS_MAX),
    ],
)
def test_an_amount_in_major_units_is_read_exactly(
    amount: str | int | Decimal, currency: str, minor: int
) -> None:
    assert Money(minor, currency) == Money.of(amount, currency)


@pytest.mark.parametrize(
    "amount",
    [
        *("", " ", "+1", "1.", ".5", "--1", "- 1", "1 000", "1,000", "1_000", "1e3", "0x10"),
        *(
            "NaN",
            "nan",
            "Infinity",
            "-Infinity",
            "\u0661\u0662",
            "\uff11\uff12",
            "½",
            "1\n",
            "\n1",
            "1.2.3",
        ),
        *("1" * 16, "1." + "0" * 16, "1" * 5_000, "\x00", "\ud800", "-"),
        *(True, False, Decimal("NaN"), Decimal("sNaN"), Decimal("-Infinity")),
        *(Decimal("1e999999999"), Decimal("1e-999999999"), 10**5_000, 10**16),
        *(1.5, None, [1], b"1"),
    ],
    ids=lambda amount: f"{type(amount).__name__}",
)
def test_what_is_no_plain_decimal_number_is_no_amount(amount: object) -> None:
    with pytest.raises(ValueError, match=r"must be a (plain )?decimal"):
        Money.of(amount, "USD")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("amount", "currency"),
    [("0.001", "USD"), ("19.995", "USD"), ("0.5", "JPY"), ("0.0001", "KWD"), ("1.00001", "CLF")],
)
def test_more_decimals_than_the_currency_has_are_refused_not_rounded(
    amount: str, currency: str
) -> None:
    with pytest.raises(ValueError, match=f"has more decimals than {currency} has"):
        Money.of(amount, currency)


@pytest.mark.parametrize(
    ("amount", "currency"),
    [("10000000000000", "USD"), ("-10000000000000", "USD"), ("1000000000000", "KWD")],
)
def test_more_than_fifteen_digits_in_minor_units_are_too_large(amount: str, currency: str) -> None:
    with pytest.raises(ValueError, match="is too large"):
        Money.of(amount, currency)


@pytest.mark.parametrize("currency", ["usd", "XXX", "", "DOLLAR"])
def test_an_amount_in_no_currency_is_refused(currency: str) -> None:
    with pytest.raises(InvalidInput):
        Money.of("1", currency)


@given(amount=st.decimals(allow_nan=False, allow_infinity=False, places=2, max_value=10**9))
def test_an_exact_number_and_its_text_are_the_same_amount(amount: Decimal) -> None:
    assume(abs(amount) < 10**9)

    assert Money.of(f"{amount:f}", "USD") == Money.of(amount, "USD")


@given(text=st.text(alphabet="0123456789.-+eE_ ,", max_size=20))
def test_a_text_that_is_read_means_exactly_what_it_says(text: str) -> None:
    try:
        money = Money.of(text, "USD")
    except ValueError:
        return

    assert Fraction(text) * 100 == money.minor


@pytest.mark.parametrize(
    ("money", "text"),
    [
        (Money(1_999, "USD"), "19.99 USD"),
        (Money(-5, "USD"), "-0.05 USD"),
        (Money(1_999, "JPY"), "1999 JPY"),
        (Money(-7, "JPY"), "-7 JPY"),
        (Money(1, "KWD"), "0.001 KWD"),
        (Money(12_345, "CLF"), "1.2345 CLF"),
    ],
)
def test_people_read_the_amount_and_the_currency(money: Money, text: str) -> None:
    assert text == str(money)


# -- arithmetic ------------------------------------------------------------------------------


@given(one=MINOR, other=MINOR, times=st.integers(-(10**6), 10**6))
def test_arithmetic_is_that_of_integers(one: int, other: int, times: int) -> None:
    a, b = Money(one, "USD"), Money(other, "USD")

    assert Money(one + other, "USD") == a + b
    assert Money(one - other, "USD") == a - b
    assert Money(-one, "USD") == -a
    assert Money(one * times, "USD") == a * times
    assert (one < other, one <= other, one > other, one >= other) == (a < b, a <= b, a > b, a >= b)
    assert bool(one) == bool(a)


@given(one=MONEY, other=MONEY)
def test_two_currencies_are_never_mixed(one: Money, other: Money) -> None:
    assume(one.currency != other.currency)

    for mix in (
        lambda: one + other,
        lambda: one - other,
        lambda: one < other,
        lambda: one <= other,
        lambda: one > other,
        lambda: one >= other,
    ):
        with pytest.raises(ValueError, match=f"cannot mix {one.currency} and {other.currency}"):
            mix()
    assert one != other


@pytest.mark.parametrize("times", [1.5, 2.0, Decimal(2), "2", True, None])
def test_money_is_multiplied_by_whole_numbers_only(times: Any) -> None:
    """Otherwise a float would slip into the minor units."""
    with pytest.raises(TypeError):
        _ = Money(1_999, "USD") * times


def test_nothing_in_two_currencies_is_not_the_same_nothing() -> None:
    assert Money.zero("USD") != Money.zero("EUR")
    assert not Money.zero("USD")


@given(
    lines=st.lists(st.tuples(st.integers(1, 10**6), st.integers(0, 10**12)), max_size=20),
    added=st.lists(st.integers(-(10**12), 10**12), max_size=20),
)
def test_a_total_is_the_sum_of_quantity_times_price_and_all_adjustments(
    lines: list[tuple[int, int]], added: list[int]
) -> None:
    items = [LineItem(i, "SILENT-DRUM", q, Money(p, "EUR")) for i, (q, p) in enumerate(lines)]
    adjustments = [Adjustment(AdjustmentKind.FEE, Money(minor, "EUR")) for minor in added]

    total = order_total(items, adjustments, "EUR")

    assert Money(sum(q * p for q, p in lines) + sum(added), "EUR") == total
    assert sum((item.subtotal for item in items), Money.zero("EUR")) == total - sum(
        (adjustment.amount for adjustment in adjustments), Money.zero("EUR")
    )


# -- allocation ------------------------------------------------------------------------------


@given(money=MONEY, weights=WEIGHTS)
def test_the_parts_of_an_allocation_add_up(money: Money, weights: list[int]) -> None:
    parts = money.allocate(weights)

    assert len(weights) == len(parts)
    assert money == sum(parts, Money.zero(money.currency))


@given(money=MONEY, weights=WEIGHTS)
def test_each_part_is_its_exact_share_but_for_less_than_one_unit(
    money: Money, weights: list[int]
) -> None:
    whole = sum(weights)

    for part, weight in zip(money.allocate(weights), weights, strict=True):
        assert abs(part.minor - Fraction(money.minor * weight, whole)) < 1
        if not weight:
            assert not part


@given(money=MONEY, weights=WEIGHTS)
def test_a_larger_weight_never_gets_less(money: Money, weights: list[int]) -> None:
    parts = [abs(part.minor) for part in money.allocate(weights)]

    ranked = sorted(zip(weights, parts, strict=True))
    for (light, less), (heavy, more) in pairwise(ranked):
        assert light == heavy or less <= more


@given(money=MONEY, weights=WEIGHTS)
def test_taking_away_is_allocated_as_giving_is(money: Money, weights: list[int]) -> None:
    assert [-part for part in money.allocate(weights)] == list((-money).allocate(weights))


@pytest.mark.parametrize(
    ("minor", "weights", "expected"),
    [
        (100, [1, 1, 1], [34, 33, 33]),
        (101, [1, 1, 1], [34, 34, 33]),
        (-100, [1, 1, 1], [-34, -33, -33]),
        (5, [3, 7], [2, 3]),
        (1, [1, 2, 1], [0, 1, 0]),
        (0, [1, 2], [0, 0]),
        (7, [0, 1], [0, 7]),
    ],
)
def test_the_largest_remainder_gets_the_unit_and_the_first_one_between_equals(
    minor: int, weights: list[int], expected: list[int]
) -> None:
    assert expected == [part.minor for part in Money(minor, "USD").allocate(weights)]


@pytest.mark.parametrize("weights", [[], [0], [0, 0], [-1], [2, -1], [-1, 2, 3]])
def test_an_allocation_needs_weights(weights: list[int]) -> None:
    with pytest.raises(ValueError, match="allocation needs weights"):
        Money(100, "USD").allocate(weights)
