from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from billing_worker.domain.errors import InvalidInput
from billing_worker.domain.money import EXPONENTS, LARGEST_AMOUNT, Money

CURRENCIES = sorted(EXPONENTS)
HUGE = 10**5000
"""More digits than Python turns into text by itself."""


@pytest.mark.fm("L19")
@pytest.mark.parametrize("currency", CURRENCIES)
@settings(max_examples=20)
@given(amount=st.integers(min_value=1, max_value=LARGEST_AMOUNT))
def test_minor_units_survive_the_way_to_the_gateway_and_back(currency, amount):
    money = Money.charge(amount, currency)
    assert Money.from_major(money.major, currency) == money
    assert Money.from_major(str(money.major), currency) == money
    assert money.major * 10 ** EXPONENTS[currency] == amount


@pytest.mark.fm("L19")
@pytest.mark.parametrize(
    ("currency", "exponent"),
    [
        *[(code, 0) for code in ("KRW", "JPY", "VND", "CLP", "ISK", "PYG", "UGX", "XAF", "XOF", "XPF")],
        *[(code, 2) for code in ("USD", "EUR", "CNY", "GBP", "TWD", "THB", "IDR", "HUF", "MGA", "MRU")],
        *[(code, 3) for code in ("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND")],
    ],
)
def test_a_currency_has_the_decimal_digits_of_iso_4217(currency, exponent):
    assert EXPONENTS[currency] == exponent


def test_every_currency_code_is_three_capital_letters_and_has_one_exponent():
    assert all(len(code) == 3 and code.isascii() and code.isalpha() and code.isupper() for code in EXPONENTS)
    assert set(EXPONENTS.values()) == {0, 2, 3}


@pytest.mark.parametrize(
    ("amount", "currency", "major", "text"),
    [
        (9900, "KRW", Decimal(9900), "9,900 KRW"),
        (1, "KRW", Decimal(1), "1 KRW"),
        (1999, "USD", Decimal("19.99"), "19.99 USD"),
        (5, "USD", Decimal("0.05"), "0.05 USD"),
        (1234567, "KWD", Decimal("1234.567"), "1,234.567 KWD"),
    ],
)
def test_money_is_shown_in_major_units(amount, currency, major, text):
    money = Money.charge(amount, currency)
    assert money.major == major
    assert str(money) == text


@pytest.mark.parametrize("amount", [1, LARGEST_AMOUNT])
def test_the_smallest_and_the_largest_amount_may_be_charged(amount):
    assert Money.charge(amount, "KRW") == Money(amount, "KRW")


@pytest.mark.parametrize(
    "amount",
    [
        0,
        -1,
        -9900,
        LARGEST_AMOUNT + 1,
        10**30,
        HUGE,
        1.0,
        9900.5,
        float("nan"),
        Decimal(9900),
        True,
        False,
        "9900",
        None,
    ],
    ids=lambda amount: "huge" if amount is HUGE else repr(amount),
)
def test_what_is_not_a_positive_whole_number_is_never_charged(amount):
    with pytest.raises(InvalidInput) as refused:
        Money.charge(amount, "KRW")
    assert refused.value.field == "amount"


@pytest.mark.parametrize("currency", ["", "krw", "KRW ", "WON", "XXX", "US", "₩", None])
def test_an_unknown_currency_is_refused(currency):
    with pytest.raises(InvalidInput) as charged:
        Money.charge(9900, currency)
    with pytest.raises(InvalidInput) as read:
        Money.from_major("9900", currency)
    assert charged.value.field == read.value.field == "currency"


@pytest.mark.parametrize(
    ("amount", "currency", "parts"),
    [
        (0, "KRW", ["amount", "between 1 and", "won", "(got 0)"]),
        (-5, "USD", ["amount", "between 1 and", "minor units of USD", "(got -5)"]),
        (19.99, "USD", ["amount", "whole number of minor units of USD", "(got 19.99)"]),
        ("9900", "KRW", ["amount", "whole number of won", "(got '9900')"]),
        (9900, "won", ["currency", "ISO 4217", "such as KRW", "(got 'won')"]),
    ],
)
def test_a_refusal_names_the_field_the_value_and_the_way_out(amount, currency, parts):
    with pytest.raises(InvalidInput) as refused:
        Money.charge(amount, currency)
    message = str(refused.value)
    assert all(part in message for part in parts), message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("value", "currency", "amount"),
    [
        (9900, "KRW", 9900),
        ("9900", "KRW", 9900),
        ("9900.00", "KRW", 9900),
        (Decimal("9900.0"), "KRW", 9900),
        ("1E3", "KRW", 1000),
        ("1e3", "USD", 100_000),
        ("19.99", "USD", 1999),
        (Decimal("19.990"), "USD", 1999),
        ("0.001", "KWD", 1),
        (0, "KRW", 0),
        ("0.00", "USD", 0),
        ("-0", "KRW", 0),
    ],
)
def test_numbers_and_numeric_strings_of_major_units_are_read_exactly(value, currency, amount):
    assert Money.from_major(value, currency) == Money(amount, currency)


@pytest.mark.parametrize(
    ("value", "currency"),
    [
        ("0.5", "KRW"),
        ("9900.01", "KRW"),
        ("19.999", "USD"),
        ("0.0001", "KWD"),
        (Decimal("0.001"), "USD"),
        ("1E-3", "USD"),
        ("1." + "0" * 40 + "1", "KRW"),
        ("1E-999999999", "USD"),
    ],
)
def test_a_fraction_of_a_minor_unit_is_refused_however_small(value, currency):
    with pytest.raises(InvalidInput) as refused:
        Money.from_major(value, currency)
    assert refused.value.field == "amount"


@pytest.mark.parametrize(
    "value",
    [
        *("", " ", "abc", "9,900", "9900 KRW", "0x10", "1/2", "NaN", "nan", "sNaN", "Infinity", "-Infinity", "inf"),
        *(9900.0, 19.99, float("nan"), float("inf"), True, False, None, b"9900", [9900], {"total": 9900}),
        *(Decimal("NaN"), Decimal("Infinity")),
    ],
    ids=repr,
)
@pytest.mark.parametrize("currency", ["KRW", "USD"])
def test_what_is_not_a_number_is_refused(value, currency):
    with pytest.raises(InvalidInput) as refused:
        Money.from_major(value, currency)
    assert refused.value.field == "amount"


@pytest.mark.timeout(5)  # a number of seven characters must not cost a worker half a minute
@pytest.mark.parametrize("currency", ["KRW", "USD", "KWD"])
@pytest.mark.parametrize(
    "value",
    [LARGEST_AMOUNT * 10**3, str(10**30), "9" * 100, "1E30", "1E999999", "-1E999999", "1E99999999999", HUGE],
    ids=lambda value: "huge" if value is HUGE else str(value)[:20],
)
def test_an_absurdly_large_number_is_refused_at_once(value, currency):
    with pytest.raises(InvalidInput) as refused:
        Money.from_major(value, currency)
    assert refused.value.field == "amount"


@given(text=st.text(alphabet="0123456789.+-eE_ NaInf", max_size=12), currency=st.sampled_from(["KRW", "USD", "KWD"]))
def test_any_text_is_either_money_of_exactly_that_value_or_a_refusal(text, currency):
    try:
        money = Money.from_major(text, currency)
    except InvalidInput:
        return
    assert money.major == Decimal(text)


def test_money_has_no_float_on_its_way():
    assert type(Money.from_major("19.99", "USD").amount) is int
    assert type(Money.charge(1999, "USD").major) is Decimal
