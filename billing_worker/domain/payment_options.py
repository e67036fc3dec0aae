"""The optional fields of a charge: its parts by tax, instalments, and what the merchant's system wants back."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from billing_worker.domain.errors import InvalidInput
from billing_worker.domain.money import Money
from billing_worker.domain.text import entered, require_printable, require_visible_ascii

LONGEST_CUSTOM_DATA = 1_000
LONGEST_NOTICE_URL = 255

LEAST_FOR_QUOTA = 50_000
"""Won. PortOne takes instalments from this sum on (V1 specification)."""

MOST_MONTHS = 36

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class PaymentOptions:
    """What a charge may say beyond its sum and its name. Sums are minor units of its currency."""

    tax_free: int | None = None
    """The part without tax; None: nothing is without tax."""
    vat_amount: int | None = None
    """The VAT within the rest; None: the PG takes an eleventh."""
    card_quota: int | None = None
    """The months of an instalment plan, 2 to 36; None: in one sum."""
    custom_data: str | None = None
    """Text for the merchant's own system: PortOne keeps it and gives it back with the payment."""
    notice_url: str | None = None
    """Where PortOne sends the webhook of this payment, instead of the address in its console (V1 specification)."""

    def __post_init__(self) -> None:
        if self.custom_data is not None:
            require_printable("custom_data", self.custom_data, LONGEST_CUSTOM_DATA)
        if self.notice_url is not None:
            require_visible_ascii("notice_url", self.notice_url)


PLAIN = PaymentOptions()
"""Says nothing beyond the sum and the name."""


def entered_options(wanted: PaymentOptions, money: Money) -> PaymentOptions:
    """A caller's options for a charge over this sum. Raises InvalidInput with the field."""
    _require_sums(wanted, money)
    if wanted.card_quota is not None:
        _require_quota(wanted.card_quota, money)
    data, url = wanted.custom_data, wanted.notice_url
    return PaymentOptions(
        tax_free=wanted.tax_free or None,
        vat_amount=wanted.vat_amount,
        card_quota=wanted.card_quota or None,
        custom_data=None if data is None else entered("custom_data", data, LONGEST_CUSTOM_DATA),
        notice_url=None if url is None else _entered_url(url),
    )


def parts_given_back(options: PaymentOptions, of: Money, before: int, after: int) -> tuple[int | None, int | None]:
    """How much of the tax-free part, and of the VAT, a refund gives back; None for a part that the payment lacks.

    The refund takes what is given back of the whole from `before` to `after` minor units. The VAT follows the part with
    tax, so that both together never pass the refund. Those of all refunds of a payment add up to its parts.
    """
    whole, tax_free = of.amount, options.tax_free or 0
    free_before, free_after = (tax_free * given // whole for given in (before, after))
    taxed_before, taxed_after, taxed = before - free_before, after - free_after, whole - tax_free
    vat = options.vat_amount
    if vat is not None and taxed:
        vat = vat * taxed_after // taxed - vat * taxed_before // taxed
    return (None if options.tax_free is None else free_after - free_before), vat


def _require_sums(wanted: PaymentOptions, money: Money) -> None:
    for field, value in (("tax_free", wanted.tax_free), ("vat_amount", wanted.vat_amount)):
        if value is not None and not 0 <= value <= money.amount:
            raise InvalidInput(field, value, f"must be 0 to {money.amount}, the amount in minor units")
    taxed = money.amount - (wanted.tax_free or 0)
    if wanted.vat_amount is not None and wanted.vat_amount > taxed:
        problem = f"must lie within the part with tax, {taxed}: the amount without tax_free"
        raise InvalidInput("vat_amount", wanted.vat_amount, problem)


def _require_quota(months: int, money: Money) -> None:
    if months == 0:
        return
    if not 2 <= months <= MOST_MONTHS:  # noqa: PLR2004 - one month is one sum, which 0 says
        raise InvalidInput("card_quota", months, f"must be 2 to {MOST_MONTHS} months, or 0 for one sum")
    if money.currency != "KRW" or money.amount < LEAST_FOR_QUOTA:
        problem = f"PortOne takes instalments from {LEAST_FOR_QUOTA} KRW on; this is {money}"
        raise InvalidInput("card_quota", months, problem)


def _entered_url(url: str) -> str:
    url = entered("notice_url", url, LONGEST_NOTICE_URL, ascii_only=True)
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        parts, host = urlsplit(""), None
    is_safe = parts.scheme == "https" or (parts.scheme == "http" and host in _LOOPBACK)
    if host is None or not is_safe or parts.username is not None or parts.fragment:
        problem = "must be an https address without a user name, such as https://shop.example/portone"
        raise InvalidInput("notice_url", None, problem)
    return url
