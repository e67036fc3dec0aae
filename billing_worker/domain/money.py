"""Money: integer minor units and a currency, exact from the API to the gateway and back. No float anywhere."""

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from billing_worker.domain.errors import InvalidInput

_NO_DECIMALS = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
_THREE_DECIMALS = "BHD IQD JOD KWD LYD OMR TND"
_TWO_DECIMALS = """
AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CNY COP CRC CUP CVE
CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR
KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB
PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY
TTD TWD TZS UAH USD UYU UZS VED VES WST XCD YER ZAR ZMW ZWG
"""

EXPONENTS: dict[str, int] = (
    dict.fromkeys(_NO_DECIMALS.split(), 0)
    | dict.fromkeys(_TWO_DECIMALS.split(), 2)
    | dict.fromkeys(_THREE_DECIMALS.split(), 3)
)
"""How many decimal digits a currency's minor unit has (ISO 4217)."""

LARGEST_EXPONENT = 12
LARGEST_AMOUNT = 10**LARGEST_EXPONENT
"""A single payment above this many minor units is a mistake in every currency that PortOne takes."""


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in minor units (won, cents) of a currency."""

    amount: int
    currency: str

    @classmethod
    def charge(cls, amount: object, currency: str) -> "Money":
        """Money that may be charged: a whole, positive number of minor units of a known currency.

        Raises InvalidInput for 0, a negative number, a fraction, or a currency that ISO 4217 does not list.
        """
        if currency not in EXPONENTS:
            raise InvalidInput("currency", currency, "is not an ISO 4217 currency code such as KRW or USD")
        unit = "won" if currency == "KRW" else f"minor units of {currency}"
        if isinstance(amount, bool) or not isinstance(amount, int):
            raise InvalidInput("amount", amount, f"must be a whole number of {unit}, without a fraction")
        if not 0 < amount <= LARGEST_AMOUNT:
            raise InvalidInput("amount", amount, f"must be between 1 and {LARGEST_AMOUNT} {unit}")
        return cls(amount, currency)

    @classmethod
    def from_major(cls, value: object, currency: str) -> "Money":
        """Money as PortOne writes it: a number, or a numeric string, of major units (19.99 USD, 9900 KRW).

        Raises InvalidInput when it is not a number or not a whole number of minor units.
        """
        if currency not in EXPONENTS:
            raise InvalidInput("currency", currency, "is not an ISO 4217 currency code")
        if isinstance(value, bool) or not isinstance(value, int | str | Decimal):
            raise InvalidInput("amount", value, "is not a number")
        try:
            number = Decimal(value)
        except (InvalidOperation, ValueError) as error:
            raise InvalidInput("amount", value, "is not a number") from error
        if not number.is_finite():
            raise InvalidInput("amount", value, "is not a number")
        # Check the exponent before any arithmetic: 1E999999 takes half a minute to write out, and a rounded 1.00…01
        # passes for 1.
        if number and number.adjusted() > LARGEST_EXPONENT:
            raise InvalidInput("amount", value, f"is not a whole number of minor units of {currency}")
        sign, digits, exponent = number.as_tuple()
        text = "".join(map(str, digits)).rstrip("0") or "0"
        shift = int(exponent) + len(digits) - len(text) + EXPONENTS[currency] if number else 0
        whole = (-1) ** sign * int(text) * 10**shift if shift >= 0 else None
        if whole is None or abs(whole) > LARGEST_AMOUNT:
            raise InvalidInput("amount", value, f"is not a whole number of minor units of {currency}")
        return cls(whole, currency)

    @property
    def major(self) -> Decimal:
        """The amount in major units, exact, as PortOne wants it on the wire."""
        return Decimal(self.amount).scaleb(-EXPONENTS[self.currency])

    def __str__(self) -> str:
        return f"{self.major:,} {self.currency}"
