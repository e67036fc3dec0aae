"""Lists for people and programs, part by part."""

import base64
import binascii
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from billing_worker.domain.errors import InvalidInput
from billing_worker.domain.language import Language
from billing_worker.domain.stop import Stop
from billing_worker.domain.text import storable
from billing_worker.ports.alerts import Alert
from billing_worker.ports.bundle import Ports
from billing_worker.ports.lists import Kind, Position
from billing_worker.ports.storage import UnitOfWork
from billing_worker.usecases.reading.views.control import of_action, of_alert, of_stop
from billing_worker.usecases.reading.views.dunning import of_policy
from billing_worker.usecases.reading.views.invoices import of_attempt, of_invoice
from billing_worker.usecases.reading.views.keys import summary_of_key
from billing_worker.usecases.reading.views.notices import of_notice
from billing_worker.usecases.reading.views.payments import of_payment
from billing_worker.usecases.reading.views.plans import of_plan
from billing_worker.usecases.reading.views.refunds import of_refund
from billing_worker.usecases.reading.views.schedules import of_schedule
from billing_worker.usecases.reading.views.shadow import of_shadow_charge
from billing_worker.usecases.reading.views.subscriptions import of_subscription
from billing_worker.usecases.reading.views.traffic import of_event, summary_of_notification

AT_ONCE = 500
"""Rows per transaction when a whole list is read."""
LONGEST_CURSOR = 500

SHOWN: Mapping[Kind, Callable[[Any], Any]] = {
    Kind.DUNNING_POLICIES: of_policy,
    Kind.PLANS: of_plan,
    Kind.BILLING_KEYS: summary_of_key,
    Kind.SUBSCRIPTIONS: of_subscription,
    Kind.INVOICES: of_invoice,
    Kind.PAYMENTS: of_payment,
    Kind.ATTEMPTS: of_attempt,
    Kind.REFUNDS: of_refund,
    Kind.SCHEDULES: of_schedule,
    Kind.SHADOW: of_shadow_charge,
    Kind.ACTIONS: of_action,
    Kind.EVENTS: of_event,
    Kind.NOTICES: of_notice,
    Kind.NOTIFICATIONS: summary_of_notification,
}
"""The view of each kind in a list. A stop also shows its waiting invoices, and an alert is in the reader's language."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A part of a list, as views, and the cursor of the next part."""

    items: Sequence[Any]
    next_cursor: str | None


def listed(
    ports: Ports,
    kind: Kind,
    wanted: Mapping[str, object],
    *,
    limit: int,
    cursor: str | None = None,
    language: Language = Language.EN,
) -> Listed:
    """At most `limit` matches, newest first, from the cursor on.

    A filter of None matches all. Raises InvalidInput for a cursor of another kind of list.
    """
    chosen = {name: value for name, value in wanted.items() if value is not None}
    with ports.database.transaction() as uow:
        now = ports.clock.moment().billing
        if chosen.pop("due", False):
            chosen["due_by"] = now
        part = uow.lists.part(kind, chosen, limit, None if cursor is None else _position(kind, cursor))
        items = [_shown(uow, now, kind, item, language) for item in part.items]
    return Listed(items, None if part.next is None else _cursor(kind, part.next))


def every(
    ports: Ports, kind: Kind, wanted: Mapping[str, object], most: int | None, *, language: Language = Language.EN
) -> Iterator[Any]:
    """All matches, newest first, at most `most`; read in parts, so that the first ones arrive at once."""
    left, cursor = most, None
    while left is None or left > 0:
        limit = AT_ONCE if left is None else min(left, AT_ONCE)
        part = listed(ports, kind, wanted, limit=limit, cursor=cursor, language=language)
        yield from part.items
        cursor = part.next_cursor
        left = None if left is None else left - len(part.items)
        if cursor is None:
            return


def _shown(uow: UnitOfWork, now: datetime, kind: Kind, item: Any, language: Language) -> Any:
    if isinstance(item, Stop):
        return of_stop(item, uow.stops.waiting(item.scope, now) if item.is_open else 0)
    if isinstance(item, Alert):
        return of_alert(item, language)
    return SHOWN[kind](item)


def _cursor(kind: Kind, position: Position) -> str:
    text = json.dumps([kind.value, *position], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


def _position(kind: Kind, cursor: str) -> Position:
    problem = "is none that an answer gave for this list; begin without one"
    if not 0 < len(cursor) <= LONGEST_CURSOR:
        raise InvalidInput("cursor", "…", problem)
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        found = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (ValueError, binascii.Error, RecursionError) as error:
        raise InvalidInput("cursor", "…", problem) from error
    # No row contains NUL or half a surrogate pair, which PostgreSQL cannot look for.
    texts = isinstance(found, list) and all(isinstance(each, str) and storable(each) for each in found)
    if not texts or not found or found[0] != kind.value:
        raise InvalidInput("cursor", "…", problem)
    return tuple(found[1:])
