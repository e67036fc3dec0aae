"""The schedules of the second gateway: a charge of a key at a time, in the shape of PortOne V2."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

Row = dict[str, Any]
Answer = tuple[int, Row]


BY_DEFAULT = timedelta(days=90)
"""A list without a span shows the past, as V2's does."""


class Lost(Exception):
    """The caller gets no answer."""


class ScheduleBooks:
    """Schedules by an id of the gateway. Due ones run before anybody looks."""

    def __init__(self, has_key: Callable[[str], bool], pay: Callable[[str, Row], Answer]) -> None:
        self._has_key = has_key
        self._pay = pay
        self.rows: list[Row] = []
        self.loses: Literal["nothing", "the request", "the answer"] = "nothing"
        """What becomes of the next change."""
        self.garbled: dict[str, Row] = {}
        """What reads show of some payments instead of their fields."""

    def run_due(self) -> None:
        """Charge what is due, once."""
        for row in self.rows:
            if row["status"] == "SCHEDULED" and datetime.fromisoformat(row["timeToPay"]) <= datetime.now(UTC):
                fields = {"billingKey": row["billingKey"], "amount": {"total": row["totalAmount"]}}
                status, _ = self._pay(row["paymentId"], fields | {"currency": row["currency"]})
                row["status"] = "SUCCEEDED" if status == 200 else "FAILED"

    def register(self, payment_id: str, fields: Row) -> Answer:
        """Take a schedule. Raises Lost."""
        self._lose("the request")
        wanted = fields["payment"]
        if not self._has_key(wanted["billingKey"]):
            return 404, {"type": "BILLING_KEY_NOT_FOUND"}
        if any(row["paymentId"] == payment_id for row in self.rows):
            return 409, {"type": "PAYMENT_SCHEDULE_ALREADY_EXISTS"}
        if datetime.fromisoformat(fields["timeToPay"]) <= datetime.now(UTC):
            return 400, {"type": "INVALID_REQUEST", "message": "timeToPay has passed"}
        row = {
            "id": f"schedule-{len(self.rows) + 1:06d}",
            "status": "SCHEDULED",
            "paymentId": payment_id,
            "billingKey": wanted["billingKey"],
            "orderName": wanted["orderName"],
            "totalAmount": wanted["amount"]["total"],
            "currency": wanted["currency"],
            "timeToPay": fields["timeToPay"],
        }
        self.rows.append(row)
        self._lose("the answer")
        return 200, {"schedule": {"id": row["id"]}}

    def revoke(self, wanted: Row) -> Answer:
        """Revoke schedules by their ids, all or none. Raises Lost."""
        self.run_due()
        self._lose("the request")
        found = [row for row in self.rows if row["id"] in wanted["scheduleIds"]]
        if len(found) < len(wanted["scheduleIds"]):
            return 404, {"type": "PAYMENT_SCHEDULE_NOT_FOUND"}
        if any(row["status"] != "SCHEDULED" for row in found):
            is_revoked = any(row["status"] == "REVOKED" for row in found)
            return 409, {"type": f"PAYMENT_SCHEDULE_ALREADY_{'REVOKED' if is_revoked else 'PROCESSED'}"}
        for row in found:
            row["status"] = "REVOKED"
        self._lose("the answer")
        return 200, {"revokedScheduleIds": [row["id"] for row in found]}

    def one(self, schedule_id: str) -> Answer:
        """Show one."""
        self.run_due()
        found = [row for row in self.rows if row["id"] == schedule_id]
        return (200, found[0]) if found else (404, {"type": "PAYMENT_SCHEDULE_NOT_FOUND"})

    def page(self, wanted: Row) -> Answer:
        """One page of those that a filter finds."""
        self.run_due()
        number, size = wanted["page"]["number"], wanted["page"]["size"]
        sought = wanted["filter"]
        found = [row for row in self.rows if _fits(row, sought)]
        part = [row | self.garbled.get(row["paymentId"], {}) for row in found[number * size : (number + 1) * size]]
        return 200, {"items": part, "page": {"number": number, "size": size, "totalCount": len(found)}}

    def _lose(self, what: str) -> None:
        if self.loses == what:
            self.loses = "nothing"
            raise Lost


def _fits(row: Row, sought: Row) -> bool:
    if "billingKey" in sought and row["billingKey"] != sought["billingKey"]:
        return False
    until = datetime.fromisoformat(sought["until"]) if "until" in sought else datetime.now(UTC)
    start = datetime.fromisoformat(sought["from"]) if "from" in sought else until - BY_DEFAULT
    return start <= datetime.fromisoformat(row["timeToPay"]) <= until
