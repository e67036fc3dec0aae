"""Decide whether a row is already stored. An equal row is; a contradicting row is refused.

A row is compared with live subscriptions in the database, and with earlier lines of the same file. Both have one form
here, so a dry run decides as the import does. An empty cell contradicts nothing.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from billing_worker.cli.import_columns import COLUMNS, Part
from billing_worker.domain.billing_key import BillingKey
from billing_worker.domain.errors import Conflict
from billing_worker.domain.subscription import Subscription
from billing_worker.domain.text import normal_form
from billing_worker.usecases.subscription.enroll import Stored

Values = Mapping[str, Any]
COMPARED = (Part.KEY, Part.SUBSCRIPTION)


@dataclass(frozen=True, slots=True)
class There:
    """Stored data that a row may equal: its place, and its values by column."""

    where: str
    values: Values
    canceled_at: datetime | None = None


@dataclass(slots=True)
class Earlier:
    """The accepted lines of this file, and their keys."""

    by_uid: dict[str, list[There]] = field(default_factory=lambda: defaultdict(list))
    by_customer: dict[tuple[str, str], There] = field(default_factory=dict)
    keys: dict[str, BillingKey] = field(default_factory=dict)

    def add(self, line: int, values: Values, key: BillingKey) -> None:
        """Add an accepted line."""
        there = There(f"line {line}", {column.name: values.get(column.name) for column in COLUMNS})
        self.by_uid[values["customer_uid"]].append(there)
        self.by_customer.setdefault((values["customer"], values["plan_id"]), there)
        self.keys.setdefault(values["customer_uid"], key)

    def forget(self, line: int, values: Values) -> None:
        """Remove the last line, because its transaction failed."""
        uid, customer = values["customer_uid"], (values["customer"], values["plan_id"])
        self.by_uid[uid].pop()
        if not self.by_uid[uid]:
            self.keys.pop(uid, None)
        if self.by_customer.get(customer, There("", {})).where == f"line {line}":
            del self.by_customer[customer]


def found_in(row: Values, earlier: Earlier, stored: Stored) -> str | None:
    """The place where a row is already stored; None if it is new.

    Raises Conflict, with both values, for a contradiction.
    """
    uid, on_plan = row["customer_uid"], (row["customer"], row["plan_id"])
    key = stored.keys.get(uid)
    in_file = earlier.by_uid.get(uid, ())
    on_key = [_of(each, key) for each in stored.by_key.get(key.id, ())] if key is not None else []
    live, ended = _live(on_key), _ended(on_key)
    there: There
    for there in (*in_file, *live):
        if _contradiction(row, there) is None:
            return there.where
    only_key = [There(f"billing key {key.id}", _values_of(Part.KEY, key))] if key is not None else []
    _refuse_contradiction(row, [*in_file, *only_key], Part.KEY)
    of_customer = [_of(each, None) for each in stored.by_customer.get(on_plan, ())]
    _refuse_ended(row, [*ended, *_ended(of_customer)])
    if row.get("allow_duplicate"):
        return None
    _refuse_contradiction(row, [*in_file, *live], Part.SUBSCRIPTION)
    _refuse_card_of_another(row, ended)
    others = [earlier.by_customer[on_plan]] if on_plan in earlier.by_customer else []
    _refuse_other_card(row, [*others, *_live(of_customer)])
    return None


def _of(subscription: Subscription, key: BillingKey | None) -> There:
    values = _values_of(Part.SUBSCRIPTION, subscription) | (_values_of(Part.KEY, key) if key is not None else {})
    return There(f"subscription {subscription.id}", values, subscription.canceled_at)


def _values_of(part: Part, entity: Any) -> dict[str, Any]:
    found = {column.name: getattr(entity, column.attribute) for column in COLUMNS if column.part is part}
    return {name: normal_form(value) if isinstance(value, str) else value for name, value in found.items()}


def _live(found: Iterable[There]) -> list[There]:
    return [there for there in found if there.canceled_at is None]


def _ended(found: Iterable[There]) -> list[There]:
    return [there for there in found if there.canceled_at is not None]


def _contradiction(row: Values, there: There, *parts: Part) -> str | None:
    """The first column of these parts (by default both) in which the row differs."""
    for column in COLUMNS:
        given = row.get(column.name)
        if given is None or column.name not in there.values or column.part not in (parts or COMPARED):
            continue
        if given != there.values[column.name]:
            return column.name
    return None


def _refuse_contradiction(row: Values, there: Iterable[There], part: Part) -> None:
    for each in there:
        name = _contradiction(row, each, part)
        if name is not None:
            given, known = row[name], each.values.get(name)
            raise Conflict(f"{name}: is {_shown(given)} here, but {_shown(known, given)} in {each.where}", field=name)


def _refuse_ended(row: Values, ended: Iterable[There]) -> None:
    """Refuse a canceled customer: an old file that is imported again must not charge them."""
    for there in ended:
        if (row["customer"], row["plan_id"]) != (there.values["customer"], there.values["plan_id"]):
            continue
        start, canceled = row.get("start"), there.canceled_at
        if start is None or canceled is None or start == there.values["start"] or start <= canceled:
            when = f"{canceled:%Y-%m-%d %H:%M} UTC"
            way_out = "if the customer comes back, give the row a start after that"
            raise Conflict(
                f"customer: {there.where} of this customer was canceled on {when}; {way_out}", field="customer"
            )


def _refuse_card_of_another(row: Values, ended: Iterable[There]) -> None:
    """Refuse a card of another customer, even if that customer has left."""
    for there in ended:
        if row["customer"] != there.values["customer"]:
            here = f"{there.values['customer']} in {there.where}, which was canceled"
            raise Conflict(f"customer: is {row['customer']} here, but {here}", field="customer")


def _refuse_other_card(row: Values, there: Iterable[There]) -> None:
    for each in there:
        known = each.values.get("customer_uid", "another card")
        here = f"{row['customer']} is already on plan {row['plan_id']}, with {known} in {each.where}"
        way_out = "for a second subscription, write yes in the column allow_duplicate"
        raise Conflict(f"customer_uid: is {row['customer_uid']} here, but {here}; {way_out}", field="customer_uid")


def _shown(value: Any, beside: Any = None) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, datetime):
        zone = beside.tzinfo if isinstance(beside, datetime) else value.tzinfo
        return value.astimezone(zone).isoformat()
    return str(value)
