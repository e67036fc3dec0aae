"""What PortOne is going to charge by schedules, for moving in: no schedule of a customer may be overlooked.

The list of the account is read once. A row in it that cannot be read refuses the customer whose key it shows. Where it
shows none, each customer's own list is read: a row there is that customer's.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from operator import attrgetter

from billing_worker.domain.errors import Conflict, Unavailable
from billing_worker.domain.schedule import GatewaySchedule, ShownStatus, UnreadableSchedule
from billing_worker.ports.bundle import Ports

FURTHEST = timedelta(days=2 * 366)
"""Schedules at PortOne are read so far ahead. Later ones would be left there, and `schedule compare` names them."""

NOBODY = ""
"""The key of a row that shows none."""


class CustomerUnread(Unavailable):
    """PortOne could not be read about one customer."""


@dataclass(frozen=True, slots=True)
class AtPortOne:
    """The schedules of the account by which PortOne may still charge, by customer_uid."""

    start: datetime
    end: datetime
    readable: Mapping[str, Sequence[GatewaySchedule]] = field(default_factory=dict)
    unreadable: Mapping[str, Sequence[UnreadableSchedule]] = field(default_factory=dict)

    @property
    def hides_whose(self) -> bool:
        """Whether a row does not show whose it is."""
        return NOBODY in self.readable or NOBODY in self.unreadable


def scheduled_at_portone(ports: Ports) -> AtPortOne:
    """What PortOne may charge by schedules. Raises Unavailable."""
    now = ports.clock.moment().billing
    start, end = now - timedelta(days=1), now + FURTHEST
    listing = ports.gateway.schedules_between(start, end)
    if listing.trouble is not None:
        raise Unavailable(f"PortOne's schedules could not be read: {listing.trouble}")
    readable: defaultdict[str, list[GatewaySchedule]] = defaultdict(list)
    unreadable: defaultdict[str, list[UnreadableSchedule]] = defaultdict(list)
    for found in listing.schedules:
        if found.may_run:
            readable[found.customer_uid].append(found)
    for row in listing.unreadable:
        if row.may_run:
            unreadable[row.customer_uid].append(row)
    return AtPortOne(start, end, dict(readable), dict(unreadable))


def scheduled_of(ports: Ports, there: AtPortOne, customer_uid: str) -> Sequence[GatewaySchedule]:
    """What PortOne is going to charge this key by schedules, earliest first.

    Raises Conflict where one of them cannot be read or judged, and CustomerUnread.
    """
    found = {each.merchant_uid: each for each in there.readable.get(customer_uid, ())}
    unreadable = list(there.unreadable.get(customer_uid, ()))
    if there.hides_whose:
        own = ports.gateway.schedules_of_key(customer_uid, there.start, there.end)
        if own.trouble is not None:
            raise CustomerUnread(f"PortOne could not be read about the schedules of this key: {own.trouble}")
        found |= {each.merchant_uid: each for each in own.schedules if each.may_run}
        unreadable += [each for each in own.unreadable if each.may_run]
    if unreadable:
        raise _refused(unreadable[0].merchant_uid, f"that cannot be read ({unreadable[0].problem})")
    strange = [each for each in found.values() if each.status is not ShownStatus.SCHEDULED]
    if strange:
        raise _refused(strange[0].merchant_uid, "in a state that this worker does not know")
    return sorted(found.values(), key=attrgetter("at"))


def _refused(merchant_uid: str, trouble: str) -> Conflict:
    order = f"{merchant_uid[:40]!r}" if merchant_uid else "an order number that it does not show"
    told = f"PortOne has a schedule of this key, {order}, {trouble}"
    return Conflict(f"{told}; look it up in PortOne's console, and revoke it there", field="customer_uid")
