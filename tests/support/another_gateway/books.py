"""The books of the second gateway: a payment has the merchant's id and many tries, each with an id of the gateway."""

import itertools
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from tests.support.another_gateway.schedules import Lost, ScheduleBooks

Row = dict[str, Any]
Answer = tuple[int, Row]

BAD_CARD = "0000"
"""A card with this ending is refused, as by the sandbox."""

OPEN_AFTER = ("FAILED", "READY")
"""A payment that has only such tries may be tried again."""


@dataclass(frozen=True)
class Try:
    """What becomes of one charge of a key."""

    refused_for: str | None = None
    """The PG's words; None: approved."""
    lost: Literal["nothing", "the request", "the answer"] = "nothing"


class Books:
    """Keys and tries. Every answer is an HTTP status and a JSON object with a `type` where it refuses."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._numbers = itertools.count(1)
        self._conducts: dict[str, list[Try]] = {}
        self._deleted: set[str] = set()
        self.tries: list[Row] = []
        self.schedules = ScheduleBooks(self._has_key, self.pay)

    def issue(self, *conduct: Try) -> str:
        """A new key. Its charges go as told, in turn; all further ones are approved."""
        with self._lock:
            key = f"billing-key-{next(self._numbers):06d}"
            self._conducts[key] = list(conduct)
            return key

    def store(self, key: str, card: Row) -> Answer:
        """Store a card under the caller's name."""
        with self._lock:
            if card["card_number"].endswith(BAD_CARD):
                return 502, {"type": "PG_PROVIDER", "pgMessage": "카드번호틀림"}
            self._conducts[key] = []
            self._deleted.discard(key)
            return 200, {"billingKey": key}

    def delete(self, key: str) -> Answer:
        """Remove a card, at the wish of the customer or of the merchant."""
        with self._lock:
            if key not in self._conducts:
                return 404, {"type": "BILLING_KEY_NOT_FOUND"}
            if key in self._deleted:
                return 409, {"type": "BILLING_KEY_ALREADY_DELETED"}
            self._deleted.add(key)
            return 200, {"deletedAt": _now()}

    def pay_by_card(self, payment_id: str, fields: Row) -> Answer:
        """Charge card data once; an approved charge stores them, if a name is given."""
        with self._lock:
            if any(row["status"] not in OPEN_AFTER for row in self._of(payment_id)):
                return 409, {"type": "ALREADY_PAID"}
            is_bad = fields["card"]["card_number"].endswith(BAD_CARD)
            row = self._tried(payment_id, fields, "카드번호틀림" if is_bad else None)
            if fields.get("billingKey") and not is_bad:
                self._conducts[fields["billingKey"]] = []
        return 200, {"payment": {"pgTxId": f"pg-{row['id']}"}}

    def key(self, key: str) -> Answer:
        """Show a key, deleted ones as well."""
        if key not in self._conducts:
            return 404, {"type": "BILLING_KEY_NOT_FOUND"}
        return 200, {
            "billingKey": key,
            "status": "DELETED" if key in self._deleted else "ISSUED",
            "methods": [
                {"type": "BillingKeyPaymentMethodCard", "card": {"name": "신한카드", "number": "43302812****1234"}}
            ],
            "channels": [{"type": "LIVE", "pgProvider": "NICE_V2"}],
        }

    def pay(self, payment_id: str, fields: Row) -> Answer:
        """Charge a key. Raises Lost."""
        with self._lock:
            key = fields["billingKey"]
            if key not in self._conducts:
                return 404, {"type": "BILLING_KEY_NOT_FOUND", "message": "no such key"}
            if key in self._deleted:
                return 409, {"type": "BILLING_KEY_ALREADY_DELETED"}
            if any(row["status"] not in OPEN_AFTER for row in self._of(payment_id)):
                return 409, {"type": "ALREADY_PAID"}
            conduct = self._conducts[key].pop(0) if self._conducts[key] else Try()
            if conduct.lost == "the request":
                raise Lost
            row = self._tried(payment_id, fields, conduct.refused_for)
        if conduct.lost == "the answer":
            raise Lost
        if conduct.refused_for is not None:
            return 502, {"type": "PG_PROVIDER", "pgCode": "51", "pgMessage": conduct.refused_for}
        return 200, {"payment": {"pgTxId": f"pg-{row['id']}", "paidAt": row["paidAt"]}}

    def cancel(self, payment_id: str, fields: Row) -> Answer:
        """Give money back, if the caller knows what is left."""
        with self._lock:
            taken = [row for row in self._of(payment_id) if row["status"] not in OPEN_AFTER]
            if not taken:
                return 404, {"type": "PAYMENT_NOT_FOUND"}
            (row,) = taken
            left = row["amount"]["total"] - row["amount"]["cancelled"]
            if not left:
                return 409, {"type": "PAYMENT_ALREADY_CANCELLED"}
            if fields.get("currentCancellableAmount", left) != left:
                return 409, {"type": "CANCELLABLE_AMOUNT_CONSISTENCY_BROKEN"}
            amount = fields.get("amount", left)
            if amount > left:
                return 409, {"type": "CANCEL_AMOUNT_EXCEEDS_CANCELLABLE_AMOUNT"}
            cancellation = {"status": "SUCCEEDED", "id": f"c-{next(self._numbers)}", "totalAmount": amount}
            cancellation |= {"reason": fields["reason"], "cancelledAt": _now()}
            row["amount"]["cancelled"] += amount
            row["status"] = "CANCELLED" if amount == left else "PARTIAL_CANCELLED"
            row["statusChangedAt"] = _now()
            row["cancellations"].append(cancellation)
            return 200, {"cancellation": cancellation}

    def transactions(self, payment_id: str) -> Answer:
        """All tries of a payment."""
        with self._lock:
            found = self._of(payment_id)
            return (200, {"items": found}) if found else (404, {"type": "PAYMENT_NOT_FOUND"})

    def payments(self, wanted: Row) -> Answer:
        """One page of the payments that a filter finds: their ids only, as much as the adapter reads."""
        number, size = wanted["page"]["number"], wanted["page"]["size"]
        sought = wanted["filter"]
        with self._lock:
            found = dict.fromkeys(row["paymentId"] for row in self.tries if _fits(row, sought))
        rows = [{"id": each} for each in found][number * size : (number + 1) * size]
        return 200, {"items": rows, "page": {"number": number, "size": size, "totalCount": len(found)}}

    def _has_key(self, key: str) -> bool:
        return key in self._conducts and key not in self._deleted

    def _of(self, payment_id: str) -> list[Row]:
        return [row for row in self.tries if row["paymentId"] == payment_id]

    def _tried(self, payment_id: str, fields: Row, refused_for: str | None) -> Row:
        row = {
            "id": f"try-{next(self._numbers):012d}",
            "paymentId": payment_id,
            "status": "PAID" if refused_for is None else "FAILED",
            "billingKey": fields["billingKey"],
            "amount": {"total": fields["amount"]["total"], "cancelled": 0},
            "currency": fields["currency"],
            "customData": fields.get("customData"),
            "channel": {"type": "LIVE", "pgProvider": "NICE_V2"},
            "requestedAt": _now(),
            "statusChangedAt": _now(),
            "cancellations": [],
        }
        if refused_for is None:
            row["paidAt"] = _now()
        else:
            row["failure"] = {"reason": "the PG refused", "pgCode": "51", "pgMessage": refused_for}
        self.tries.append(row)
        return row


def _fits(row: Row, sought: Row) -> bool:
    names = {"TX_ID": "id", "BILLING_KEY": "billingKey"}
    if any(row[names[each["field"]]] != each["value"] for each in sought.get("textSearch", ())):
        return False
    changed = datetime.fromisoformat(row["statusChangedAt"])
    return datetime.fromisoformat(sought["from"]) <= changed <= datetime.fromisoformat(sought["until"])


def _now() -> str:
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")
