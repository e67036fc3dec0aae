"""The number of an invoice's order at the gateway (`merchant_uid`): ours, or one that the merchant gave."""

import re
from dataclasses import dataclass

from billing_worker.domain.errors import Conflict
from billing_worker.domain.invoice import Invoice


def merchant_uid_of(invoice: Invoice, environment: str) -> str:
    """The order id of this generation of an invoice."""
    if invoice.subscription_id is None or invoice.period is None:
        return _order(environment, invoice.id.removeprefix("inv_"), "q", 0, invoice.generation)
    return merchant_uid(environment, invoice.subscription_id, invoice.period.index, invoice.generation)


def merchant_uid(environment: str, subscription_id: str, period_index: int, generation: int) -> str:
    """The order id under which a period is charged: the same for every delivery, worker and day.

    Alphanumeric and at most 40 characters (smartro_v2 silently truncates longer ones). Built from nothing but its
    arguments, so that a repeated charge of the same period carries the same id and PortOne refuses it.
    """
    return _order(environment, subscription_id.removeprefix("sub_"), "p", period_index, generation)


def _order(environment: str, owner: str, kind: str, number: int, generation: int) -> str:
    uid = f"{environment}{owner}{kind}{number:05d}g{generation:02d}"
    if not uid.isalnum() or not uid.isascii() or len(uid) > 40:  # noqa: PLR2004 - PortOne's limit, see above
        raise AssertionError(f"merchant_uid {uid} is not alphanumeric or longer than 40")
    return uid


def order_is_taken(merchant_uid: str, invoice_id: str) -> Conflict:
    """The refusal of an order number that an invoice has or ever had."""
    problem = f"order {merchant_uid} has payment {invoice_id} already; look at it, or give this one another number"
    return Conflict(problem, field="order_id", existing_id=invoice_id)


_READABLE = re.compile(r"(?!\.+$)[A-Za-z0-9_.:~@+=,-]{1,40}")


def is_readable(merchant_uid: str) -> bool:
    """Whether an order number that another program gave can stand in a path of PortOne's API, and be read there.

    A slash, for one, would name another path: that nothing is found then proves nothing.
    """
    return _READABLE.fullmatch(merchant_uid) is not None


_OURS = re.compile(
    r"(?P<environment>[a-z0-9]{1,8})(?P<owner>[a-z0-9]{16})(?P<kind>[pq])(?P<period>\d{5})g(?P<generation>\d{2})"
)


@dataclass(frozen=True, slots=True)
class OrderNumber:
    """The parts of a merchant_uid that we made."""

    environment: str
    owner_id: str
    """The id of the subscription, or of the invoice of a single payment."""
    period_index: int | None
    generation: int


def read_merchant_uid(text: str) -> OrderNumber | None:
    """The parts of a merchant_uid in the form that `merchant_uid` makes; None for any other text."""
    found = _OURS.fullmatch(text)
    if found is None:
        return None
    is_period = found["kind"] == "p"
    owner = ("sub_" if is_period else "inv_") + found["owner"]
    index = int(found["period"]) if is_period else None
    return OrderNumber(found["environment"], owner, index, int(found["generation"]))
