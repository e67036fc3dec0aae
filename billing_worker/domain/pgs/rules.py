"""What is refused here because of a PG, before anything is sent: one function per rule.

Each takes the code of a PG. A code that the table does not have follows no rule, so that a stored key of an unknown PG
keeps working; only `require_pg` refuses it, at the entrances.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from billing_worker.domain.calendar import plus_months
from billing_worker.domain.errors import InvalidInput
from billing_worker.domain.money import Money
from billing_worker.domain.pgs.facts import Fact, Flow, Pg, Rule, Support
from billing_worker.domain.pgs.table import PGS, closest

KOREA = ZoneInfo("Asia/Seoul")

_FIRST_LAST = re.compile(r"\S+ \S+")
_ALPHANUMERIC = re.compile(r"[A-Za-z0-9]{1,40}")


def require_pg(code: str, flow: Flow = Flow.AGAIN) -> Pg:
    """The PG, which has this flow or may have it.

    Raises InvalidInput for a code that PortOne V1 does not have, with the closest one, and for a PG that surely does
    not have the flow, with those that it has.
    """
    pg = PGS.get(code)
    if pg is None:
        meant = closest(code)
        hint = f"; is {meant.code} ({meant.korean}) meant?" if meant is not None else ""
        raise InvalidInput("pg_provider", None, f"{code!r} is no PG of PortOne V1{hint}")
    if pg.has(flow) is Support.NO:
        flows = ", ".join(pg.flows) or "no billing key at all"
        raise InvalidInput("pg_provider", None, f"{named(pg)} does not have {flow}; it has {flows}")
    return pg


def require_buyer(code: str, buyer: Mapping[str, str | None]) -> None:
    """The fields of the buyer that every charge at this PG needs. Raises InvalidInput."""
    pg = PGS.get(code)
    if pg is None:
        return
    for fact in pg.all_of(Rule.BUYER_FIELD):
        if not buyer.get(fact.field):
            raise InvalidInput(fact.field, None, f"is needed with every charge at {named(pg)}; give it with the key")
    if pg.of(Rule.FIRST_LAST) is not None and not _FIRST_LAST.fullmatch(buyer.get("buyer_name") or ""):
        problem = f"must be 'First Last' with one space for {pg.code}"
        raise InvalidInput("buyer_name", buyer.get("buyer_name"), problem)


def require_money(code: str, money: Money, field: str = "amount") -> None:
    """A sum that this PG charges. Raises InvalidInput for another currency, or for too little."""
    pg = PGS.get(code)
    if pg is None:
        return
    only, never, least = pg.of(Rule.CURRENCIES), pg.of(Rule.NOT_CURRENCIES), pg.of(Rule.LEAST)
    if only is not None and money.currency not in only.value:
        raise InvalidInput(field, money.currency, f"{named(pg)} charges {_listed(only)} only; take another PG")
    if never is not None and money.currency in never.value:
        raise InvalidInput(field, money.currency, f"{named(pg)} charges no {_listed(never)}; take another PG")
    if least is not None and money.currency == "KRW" and money.amount < int(least.value[0]):
        raise InvalidInput(field, str(money), f"{named(pg)} charges {least.text}")


def require_id(code: str, merchant_uid: str) -> None:
    """A merchant_uid that this PG keeps as it is. Raises InvalidInput."""
    pg = PGS.get(code)
    if pg is not None and pg.of(Rule.ALPHANUMERIC) is not None and not _ALPHANUMERIC.fullmatch(merchant_uid):
        problem = f"must be 1 to 40 letters and digits at {named(pg)}, which cuts or refuses any other"
        raise InvalidInput("merchant_uid", merchant_uid, problem)


def require_product_type(code: str, product_type: str | None) -> str | None:
    """The kind of product, where this PG takes one. Raises InvalidInput if it needs one, and there is none."""
    pg = PGS.get(code)
    if pg is None or pg.of(Rule.PRODUCT_TYPE) is None:
        return None
    if product_type is None:
        problem = f"{named(pg)} needs it: set BILLING_PRODUCT_TYPE to real or digital"
        raise InvalidInput("product_type", None, problem)
    return product_type


@dataclass(frozen=True, slots=True)
class Return:
    """A refund as a rule sees it."""

    money: Money
    paid: Money
    paid_at: datetime
    now: datetime
    partials: int
    """Partial refunds of the payment so far."""


def require_return(code: str, wanted: Return) -> None:
    """A refund that this PG takes. Raises InvalidInput for a part, or for a time, that it does not."""
    pg = PGS.get(code)
    if pg is None:
        return
    paid, now = wanted.paid_at.astimezone(KOREA), wanted.now.astimezone(KOREA)
    by_console = "ask the PG, or pay the customer back in another way"
    in_part = wanted.money.amount < wanted.paid.amount
    most, months = pg.of(Rule.PARTIALS), pg.of(Rule.MONTHS)
    if pg.of(Rule.WHOLE) is not None and in_part:
        raise InvalidInput(
            "amount", str(wanted.money), f"{named(pg)} gives back the whole {wanted.paid}, no part of it"
        )
    if pg.of(Rule.SAME_MONTH) is not None and (now.year, now.month) != (paid.year, paid.month):
        problem = f"{named(pg)} gives nothing back after the month of the payment ({paid:%Y-%m}); {by_console}"
        raise InvalidInput("invoice_id", None, problem)
    if most is not None and in_part and wanted.partials >= int(most.value[0]):
        problem = f"{named(pg)} takes {most.text}, and {wanted.partials} were made; {by_console}"
        raise InvalidInput("amount", str(wanted.money), problem)
    if months is not None and now > plus_months(paid, int(months.value[0])):
        problem = f"{named(pg)} takes refunds {months.text} ({paid:%Y-%m-%d}); {by_console}"
        raise InvalidInput("invoice_id", None, problem)


def named(pg: Pg) -> str:
    """The PG in a sentence: its code and its Korean name."""
    return f"{pg.code} ({pg.korean})"


def _listed(fact: Fact) -> str:
    return " and ".join(str(each) for each in fact.value)
