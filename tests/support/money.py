"""The ledger's major units in minor units, for the currencies that the tests use."""

from decimal import Decimal

EXPONENTS = {"KRW": 0, "JPY": 0, "USD": 2, "KWD": 3}


def minor_units(amount: object, currency: str) -> int:
    """8900 KRW is 8900; 19.99 USD is 1999."""
    minor = Decimal(str(amount)).scaleb(EXPONENTS[currency])
    assert minor == int(minor), f"{amount} {currency} is no whole number of minor units"
    return int(minor)
