"""Both books side by side: the payments in the database, and those in the sandbox's ledger.

The ledger is the judge: another process writes it, which shares no code with the worker.
"""

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from zoneinfo import ZoneInfo

import httpx

from billing_worker.domain.errors import InvalidInput
from billing_worker.domain.money import Money
from billing_worker.ports.books import SettledPayment

PAGE = 1000


@dataclass(slots=True)
class Month:
    """One month (of the period's start) and currency, in both books. Money in minor units."""

    ours: int = 0
    our_amount: int = 0
    theirs: int = 0
    their_amount: int = 0

    @property
    def agree(self) -> bool:
        """Whether both books agree."""
        return (self.ours, self.our_amount) == (self.theirs, self.their_amount)


@dataclass(slots=True)
class Comparison:
    """The result of comparing payment by payment."""

    months: dict[tuple[str, str], Month] = field(default_factory=lambda: defaultdict(Month))
    differences: list[str] = field(default_factory=list)

    @property
    def agree(self) -> bool:
        """Whether the books are the same, to the payment."""
        return not self.differences and all(month.agree for month in self.months.values())


def ledger(sandbox_url: str, prefix: str) -> list[dict[str, object]]:
    """Every payment in the ledger that holds money under one of our merchant_uids."""
    found: list[dict[str, object]] = []
    after: object = 0
    with httpx.Client(base_url=sandbox_url, timeout=30) as client:
        while after is not None:
            answer = client.get("/_sandbox/ledger", params={"after": str(after), "limit": PAGE}).raise_for_status()
            page = json.loads(answer.content, parse_float=Decimal)
            found += page["list"]
            after = page["next"]
    return [
        payment
        for payment in found
        if str(payment["merchant_uid"]).startswith(prefix) and payment["status"] in ("paid", "cancelled")
        if Money.from_major(payment["amount"], str(payment["currency"])).amount
        > Money.from_major(payment["cancel_amount"], str(payment["currency"])).amount
    ]


def compare(ours: Sequence[SettledPayment], theirs: Sequence[dict[str, object]], timezone: str) -> Comparison:
    """Match payment by payment, by imp_uid; a payment in only one of the books, or a different sum, is a difference."""
    result = Comparison()
    zone = ZoneInfo(timezone)
    by_imp_uid = {payment.imp_uid: payment for payment in ours}
    for payment in ours:
        month = result.months[f"{payment.period_start.astimezone(zone):%Y-%m}", payment.currency]
        month.ours += 1
        month.our_amount += payment.amount
        if payment.surplus:
            result.differences.append(f"{payment.merchant_uid} was paid twice ({payment.imp_uid})")
    seen: set[str] = set()
    for entry in theirs:
        imp_uid, merchant_uid = str(entry["imp_uid"]), str(entry["merchant_uid"])
        known = by_imp_uid.get(imp_uid)
        seen.add(imp_uid)
        if known is None and entry["origin"] == "issue":
            continue  # it pays the first period, unless that began long before the customers came
        if known is None:
            result.differences.append(f"the ledger has {imp_uid} for {merchant_uid}, the database does not")
            continue
        amount = _amount(entry)
        month = result.months[f"{known.period_start.astimezone(zone):%Y-%m}", known.currency]
        month.theirs += 1
        month.their_amount += amount
        if amount != known.amount or merchant_uid != known.merchant_uid:
            result.differences.append(f"{imp_uid}: the ledger says {amount} for {merchant_uid}, the database {known}")
    for imp_uid in by_imp_uid.keys() - seen:
        result.differences.append(f"the database has {imp_uid} as paid, the ledger does not")
    return result


def _amount(entry: dict[str, object]) -> int:
    try:
        return Money.from_major(entry["amount"], str(entry["currency"])).amount
    except InvalidInput:
        return -1
