"""What dunning recovered: declined invoices, added up by any of their sides, and two policies compared."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from statistics import median

from billing_worker.domain.dunning.version import name_of
from billing_worker.domain.shares import Difference, Share, difference

RIPE = timedelta(days=45)
"""Two policies are compared by invoices whose first decline is older: by then any policy has made most of its tries."""


@dataclass(frozen=True, slots=True)
class CardAnswer:
    """What a card said to one try of a declined invoice."""

    invoice_id: str
    amount: int
    """Of the invoice, minor units."""
    billing_key_id: str
    at: datetime
    category: str | None
    """Of the decline; None: approved."""
    paid_at: datetime | None
    """When the invoice was paid, by whichever way."""


class Side(StrEnum):
    """By what declined invoices are added up."""

    STEP = "step"
    """By the number of declines that spent a step."""
    CATEGORY = "category"
    """By what the first decline was about."""
    PG = "pg"
    """By PortOne's code of the PG whose card was declined first; another one may have been paid by."""
    POLICY = "policy"
    """By the version of the policy."""
    MONTH = "month"
    """By the month of the first decline."""


@dataclass(frozen=True, slots=True)
class DeclinedInvoice:
    """One invoice whose charge was declined at least once."""

    policy: str
    """The id of its version."""
    pg: str
    category: str
    month: str
    """Of the first decline, as 2026-01."""
    declines: int
    currency: str
    amount: int
    """Minor units."""
    is_paid: bool
    is_open: bool
    days: float | None
    """From the first decline to the payment."""


@dataclass(frozen=True, slots=True)
class Line:
    """The declined invoices of one value of a side, in one currency."""

    value: str
    currency: str
    attempted: int
    """Invoices that were declined and, by step, tried again after so many declines or given up there."""
    recovered: int
    open: int
    attempted_amount: int
    recovered_amount: int
    days: float | None
    """From the first decline to the payment, the median."""

    @property
    def share(self) -> Share:
        """The share recovered."""
        return Share(self.recovered, self.attempted)


def added_up(invoices: Iterable[DeclinedInvoice], side: Side) -> Sequence[Line]:
    """One line for each value and currency, in order."""
    found: dict[tuple[str, str], list[tuple[DeclinedInvoice, bool]]] = {}
    for invoice in invoices:
        for value, is_recovered in _values(invoice, side):
            found.setdefault((value, invoice.currency), []).append((invoice, is_recovered))
    return [_line(value, currency, found[value, currency]) for value, currency in sorted(found)]


def _values(invoice: DeclinedInvoice, side: Side) -> Sequence[tuple[str, bool]]:
    if side is Side.STEP:
        # An invoice that was paid after its third decline was tried at the steps one and two without success.
        last = invoice.declines
        return [(f"{step:02}", invoice.is_paid and step == last) for step in range(min(last, 1), last + 1)]
    value = {
        Side.CATEGORY: invoice.category,
        Side.PG: invoice.pg,
        Side.POLICY: invoice.policy,
        Side.MONTH: invoice.month,
    }[side]
    return [(value, invoice.is_paid)]


def _line(value: str, currency: str, members: Sequence[tuple[DeclinedInvoice, bool]]) -> Line:
    paid = [invoice for invoice, is_recovered in members if is_recovered]
    days = [invoice.days for invoice in paid if invoice.days is not None]
    return Line(
        value=value,
        currency=currency,
        attempted=len(members),
        recovered=len(paid),
        open=sum(invoice.is_open for invoice, _ in members),
        attempted_amount=sum(invoice.amount for invoice, _ in members),
        recovered_amount=sum(invoice.amount for invoice in paid),
        days=median(days) if days else None,
    )


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two policies over the declined invoices of separate customers."""

    one: Share
    other: Share
    difference: Difference
    """What `one` recovered more than `other`."""
    open: tuple[int, int]
    """Invoices of each that are still in dunning: so far they count as not recovered."""

    @property
    def is_settled(self) -> bool:
        """Whether the difference would stay one if every open invoice of the worse policy were paid yet."""
        shares = [self.one, self.other]
        worse = 0 if self.difference.value < 0 else 1
        shares[worse] = Share(shares[worse].count + self.open[worse], shares[worse].total)
        yet = difference(*shares)
        return self.difference.is_one and yet.is_one and (yet.value > 0) == (self.difference.value > 0)


def compared(invoices: Iterable[DeclinedInvoice], one: str, other: str) -> Comparison:
    """Compare two policies by name, over all their versions."""
    found: dict[str, list[DeclinedInvoice]] = {one: [], other: []}
    for invoice in invoices:
        name = name_of(invoice.policy)
        if name in found:
            found[name].append(invoice)
    first, second = (Share(sum(each.is_paid for each in found[name]), len(found[name])) for name in (one, other))
    one_open, other_open = (sum(each.is_open for each in found[name]) for name in (one, other))
    return Comparison(first, second, difference(first, second), (one_open, other_open))
