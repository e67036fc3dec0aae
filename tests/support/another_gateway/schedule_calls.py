"""The port's schedules by the wire of the second gateway, which knows them by an id of its own."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol
from urllib.parse import quote

from billing_worker.domain.errors import InvalidInput
from billing_worker.domain.money import Money
from billing_worker.domain.payment import Failed, Trouble, Unknown
from billing_worker.domain.schedule import (
    GatewaySchedule,
    NotRegistered,
    RegisterAnswer,
    Registered,
    RevokeAnswer,
    Revoked,
    ScheduleListing,
    ScheduleReading,
    ScheduleRequest,
    ShownStatus,
    UnreadableSchedule,
)
from tests.support.another_gateway.wire import OK, Said, Silence

NOTHING_DONE = ("UNAUTHORIZED", "FORBIDDEN", "CHANNEL_NOT_FOUND")
REFUSED = ("BILLING_KEY_NOT_FOUND", "BILLING_KEY_ALREADY_DELETED", "INVALID_REQUEST")
STATUSES: Mapping[str, ShownStatus] = {
    "SCHEDULED": ShownStatus.SCHEDULED,
    "SUCCEEDED": ShownStatus.EXECUTED,
    "FAILED": ShownStatus.EXECUTED,
    "REVOKED": ShownStatus.REVOKED,
}
NOT_UNDERSTOOD = (InvalidInput, TypeError, ValueError)
PAGE_SIZE = 3
EVER = {"from": "2020-01-01T00:00:00+00:00", "until": "2100-01-01T00:00:00+00:00"}


class Send(Protocol):
    """Sends one call."""

    def __call__(
        self, method: str, path: str, fields: dict[str, Any] | None = None, query: dict[str, str] | None = None
    ) -> Said | Silence:
        """What came back."""


class ScheduleCalls:
    """The five calls about schedules."""

    def __init__(self, send: Send) -> None:
        self._send = send

    def register(self, request: ScheduleRequest) -> RegisterAnswer:
        charge = request.charge
        payment = {
            "billingKey": charge.customer_uid,
            "orderName": charge.name,
            "amount": {"total": charge.money.amount},
            "currency": charge.money.currency,
        }
        fields = {"payment": payment, "timeToPay": request.at.isoformat()}
        said = self._send("POST", f"/payments/{quote(charge.merchant_uid)}/schedule", fields)
        if isinstance(said, Silence):
            return _silent(said)
        if said.type in NOTHING_DONE:
            return Failed(said.type, said.evidence)
        if said.type in REFUSED:
            return NotRegistered(said.type, said.evidence)
        if said.type != OK:
            return Unknown(said.type, said.evidence, duplicate=said.type == "PAYMENT_SCHEDULE_ALREADY_EXISTS")
        shown = self._send("GET", f"/payment-schedules/{said.fields['schedule']['id']}")
        if isinstance(shown, Silence) or shown.type != OK:
            return Unknown("registered, and not shown yet", said.evidence)
        found = schedule_in(shown.fields)
        same = (found.merchant_uid, found.money, found.at) == (charge.merchant_uid, charge.money, request.at)
        return Registered(shown.evidence) if same else Unknown("another schedule", shown.evidence, alarming=True)

    def revoke(self, customer_uid: str, merchant_uid: str) -> RevokeAnswer:
        rows, trouble = self._rows({"billingKey": customer_uid})
        ids = [row["id"] for row in rows if row["paymentId"] == merchant_uid]
        if trouble is not None or not ids:
            return Failed(trouble) if trouble else Unknown("there is nothing to revoke")
        said = self._send("DELETE", "/payment-schedules", query={"requestBody": json.dumps({"scheduleIds": ids})})
        if isinstance(said, Silence):
            return _silent(said)
        if said.type in NOTHING_DONE:
            return Failed(said.type, said.evidence)
        is_revoked = said.type == OK and said.fields["revokedScheduleIds"] == ids
        return Revoked(said.evidence) if is_revoked else Unknown(said.type, said.evidence)

    def read(self, merchant_uid: str) -> ScheduleReading:
        rows, trouble = self._rows({})
        if trouble is not None:
            return ScheduleReading(trouble=trouble)
        try:
            found = [schedule_in(row) for row in rows if row["paymentId"] == merchant_uid]
        except NOT_UNDERSTOOD as problem:
            return ScheduleReading(trouble=str(problem))
        return ScheduleReading(found[0] if found else None)

    def listed(self, start: datetime, end: datetime, **sought: str) -> ScheduleListing:
        rows, trouble = self._rows({"from": start.isoformat(), "until": end.isoformat()} | sought)
        found: list[GatewaySchedule] = []
        unreadable: list[UnreadableSchedule] = []
        for row in rows:
            try:
                found.append(schedule_in(row))
            except NOT_UNDERSTOOD as problem:
                unreadable.append(_unreadable(row, str(problem)))
        return ScheduleListing(tuple(each for each in found if each.at < end), tuple(unreadable), trouble)

    def _rows(self, sought: dict[str, str]) -> tuple[list[dict[str, Any]], str | None]:
        """All rows that a filter finds, to the last page or to trouble."""
        rows: list[dict[str, Any]] = []
        number, total = 0, 1
        while number * PAGE_SIZE < total:
            wanted = {"page": {"number": number, "size": PAGE_SIZE}, "filter": EVER | sought}
            said = self._send("GET", "/payment-schedules", query={"requestBody": json.dumps(wanted)})
            if isinstance(said, Silence) or said.type != OK:
                return rows, said.reason if isinstance(said, Silence) else said.type
            rows += said.fields["items"]
            number, total = number + 1, said.fields["page"]["totalCount"]
        return rows, None


def schedule_in(row: dict[str, Any]) -> GatewaySchedule:
    """The schedule in a row of `GET /payment-schedules`."""
    return GatewaySchedule(
        merchant_uid=row["paymentId"],
        customer_uid=row["billingKey"],
        at=datetime.fromisoformat(row["timeToPay"]),
        money=Money(row["totalAmount"], row["currency"]),
        status=STATUSES.get(row["status"], ShownStatus.UNRECOGNISED),
        name=row["orderName"],
    )


def _unreadable(row: dict[str, Any], problem: str) -> UnreadableSchedule:
    order, key = (row[name] if isinstance(row[name], str) else "" for name in ("paymentId", "billingKey"))
    may_run = STATUSES.get(row["status"]) not in (ShownStatus.EXECUTED, ShownStatus.REVOKED)
    return UnreadableSchedule(order, key, problem, may_run)


def _silent(said: Silence) -> Failed | Unknown:
    if not said.sent:
        return Failed(said.reason, trouble=Trouble.NOT_REACHED)
    return Unknown(said.reason, trouble=Trouble.NO_ANSWER)
