"""What is refused here because of a PG, before anything is sent: one function per rule.

Each takes the code of a PG. A code that the table does not have follows no rule, so that a stored key of an unknown PG
keeps working; only `require_pg` refuses it, at the entrances.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from billing_worker.domain.calendar import plus_months
from billing_worker.domain.card_entry import CARD_FIELDS
from billing_worker.domain.errors import InvalidInput
from billing_worker.domain.money import Money
from billing_worker.domain.payment_options import PaymentOptions
from billing_worker.domain.pgs.facts import Fact, Flow, Pg, Rule, Support
from billing_worker.domain.pgs.table import PGS, closest

KOREA = ZoneInfo("Asia/Seoul")

_FIRST_LAST = re.compile(r"\S+ \S+")
_ORDER_NUMBER = re.compile(r"[A-Za-z0-9_-]{1,40}")
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


ENTRANCE_NAMES = {"customer_name": "buyer_name"} | {name: f"card.{name}" for name in CARD_FIELDS}
"""Our names of fields that PortOne calls otherwise."""


def require_onetime(code: str, given: Collection[str]) -> None:
    """The fields that a payment by card data has at this PG. Raises InvalidInput for one not given."""
    _require_fields(code, given, Rule.ONETIME_FIELD, "charge a card once")


def require_issue(code: str, given: Collection[str]) -> None:
    """The fields that a key of this PG is issued with, by PortOne's names. Raises InvalidInput for one not given."""
    _require_fields(code, given, Rule.ISSUE_FIELD, "issue a key")


def _require_fields(code: str, given: Collection[str], rule: Rule, purpose: str) -> None:
    pg = PGS.get(code)
    if pg is None:
        return
    for fact in pg.all_of(rule):
        for name in fact.field.split(", "):
            if name not in given:
                raise InvalidInput(ENTRANCE_NAMES.get(name, name), None, f"is needed to {purpose} at {named(pg)}")


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


def require_id(code: str, merchant_uid: str, field: str = "merchant_uid") -> None:
    """A merchant_uid that this PG keeps as it is. Raises InvalidInput."""
    pg = PGS.get(code)
    if pg is not None and pg.of(Rule.ALPHANUMERIC) is not None and not _ALPHANUMERIC.fullmatch(merchant_uid):
        problem = f"must be 1 to 40 letters and digits at {named(pg)}, which cuts or refuses any other"
        if field != "merchant_uid":
            problem = f"is an order number that waits for this key, and {problem}"
        raise InvalidInput(field, merchant_uid, problem)


def takes_id(code: str, merchant_uid: str) -> bool:
    """Whether a key of this PG can be charged under this order number, which another program may have given."""
    if not _ORDER_NUMBER.fullmatch(merchant_uid):
        return False
    pg = PGS.get(code)
    return pg is None or pg.of(Rule.ALPHANUMERIC) is None or _ALPHANUMERIC.fullmatch(merchant_uid) is not None


def require_options(pg_provider: str, options: PaymentOptions, money: Money, field: str = "vat_amount") -> None:
    """Options that the key's PG takes. Raises InvalidInput, about `field` where the caller named another one."""
    if options.vat_amount is not None:
        require_vat(pg_provider, options.vat_amount, money, field)


def require_vat(code: str, vat_amount: int, money: Money, field: str = "vat_amount") -> None:
    """A part of VAT that may be named at this PG. Raises InvalidInput for a PG that takes none, or for too much."""
    pg = PGS.get(code)
    if pg is None:
        return
    if pg.of(Rule.VAT) is None:
        problem = f"{named(pg)} takes no vat_amount; leave it out, and the PG reckons it"
        raise InvalidInput(field, vat_amount, problem)
    most = pg.of(Rule.VAT_TENTH)
    if most is not None and vat_amount * 10 > money.amount:
        raise InvalidInput(field, vat_amount, f"{named(pg)} takes {most.text}; the amount is {money.amount}")


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


def alike(registered: str, told: str) -> bool:
    """Whether a charge keeps the same rules at both PGs: one PG may be told by the code of its other module."""
    return registered == told or _ruling(registered) == _ruling(told)


def _ruling(code: str) -> frozenset[tuple[Rule | None, str, tuple[str | int, ...]]]:
    pg = PGS.get(code)
    return frozenset((fact.rule, fact.field, fact.value) for fact in pg.facts if fact.rule) if pg else frozenset()


def named(pg: Pg) -> str:
    """The PG in a sentence: its code and its Korean name."""
    return f"{pg.code} ({pg.korean})"


def _listed(fact: Fact) -> str:
    return " and ".join(str(each) for each in fact.value)
