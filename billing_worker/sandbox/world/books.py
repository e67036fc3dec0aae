"""The gateway's books: every record in memory, and every change in the journal before any answer shows it.

Promise: the state shown in an answer survives `kill -9`; opening the same ledger again gives the same books.
"""

from collections.abc import Iterator
from typing import Any

from billing_worker.sandbox.records import Json, Key, Later, Payment, Schedule, as_row
from billing_worker.sandbox.world.behaviours import BY_CARD
from billing_worker.sandbox.world.journal import Journal
from billing_worker.sandbox.world.payment_view import masked
from billing_worker.sandbox.world.tokens import Tokens

SPREAD = 618_033_988_749  # coprime to 10**12: ids look random and never repeat
IDS = 10**12


def kept(card_number: str) -> str:
    """A card number as the books keep it: a test card of this sandbox as it is, any other without its middle."""
    return card_number if card_number.replace("-", "") in BY_CARD else masked(card_number) or ""


class Books:
    """Records by id, and their order."""

    def __init__(self, journal: Journal, tokens: Tokens, seed: int) -> None:
        self._journal = journal
        self._tokens = tokens
        self._seed = seed
        self.payments: list[Payment] = []
        self.by_imp_uid: dict[str, Payment] = {}
        self.by_merchant_uid: dict[str, list[Payment]] = {}
        self.by_customer_uid: dict[str, list[Payment]] = {}
        self.keys: dict[str, Key] = {}
        self.schedules: dict[str, Schedule] = {}
        self.laters: dict[tuple[str, str], Later] = {}
        self.prepared: dict[str, Json] = {}
        self.amended = 0  # grows with every change of a payment; new ones are at the end of `payments`
        self.durable = journal.durable
        for row in journal.read():
            self._reload(row)

    def new_imp_uid(self, prefix: str = "imps_") -> str:
        """Return an unused id: `imps_` for a server's request, `imp_` for a browser's (observed)."""
        number = (self._seed * 314_159_265_359 + (len(self.payments) + 1) * SPREAD) % IDS
        return f"{prefix}{number:012d}"

    def add(self, payment: Payment) -> Payment:
        """Enter a new payment."""
        payment.order = len(self.payments) + 1
        payment.card_number = kept(payment.card_number)
        payment.updated_at = payment.updated_at or payment.started_at
        self._enter(payment)
        self._journal.append(as_row("payment", payment))
        return payment

    def save(self, record: Payment | Key | Schedule | Later) -> None:
        """Write down a changed record, or a new key, schedule or later event."""
        kind = type(record).__name__.lower()
        match record:
            case Payment():
                self.amended += 1
            case Key():
                record.card_number = kept(record.card_number)
                self.keys[record.customer_uid] = record
            case Schedule():
                self.schedules[record.merchant_uid] = record
            case Later():
                self.laters[record.imp_uid, record.to] = record
                if record.done:
                    del self.laters[record.imp_uid, record.to]
        self._journal.append(as_row(kind, record))

    def save_token(self) -> None:
        """Write down the access token: it survives a restart."""
        token = self._tokens
        self._journal.append({"kind": "token", "access_token": token.access_token, "expired_at": token.expired_at})

    def prepare(self, merchant_uid: str, prepared: Json) -> None:
        """Write down a pre-registered amount."""
        self.prepared[merchant_uid] = prepared
        self._journal.append({"kind": "prepared", "merchant_uid": merchant_uid, "prepared": prepared})

    def key(self, customer_uid: str) -> Key | None:
        """Return an issued key that is not deleted."""
        key = self.keys.get(customer_uid)
        return None if key is None or key.deleted else key

    def under(self, merchant_uid: str, status: str | None = None) -> list[Payment]:
        """Return the payments of a merchant_uid, oldest first."""
        found = self.by_merchant_uid.get(merchant_uid, [])
        return [one for one in found if status is None or one.status == status]

    def blocks(self, merchant_uid: str, *, failed_too: bool) -> bool:
        """Whether a new charge under this merchant_uid is refused, because one was paid or cancelled (observed)."""
        found = self.by_merchant_uid.get(merchant_uid, ())
        return any(failed_too or one.status != "failed" for one in found)

    def newest(self) -> Iterator[Payment]:
        """Yield payments, the newest first."""
        return reversed(self.payments)

    def _enter(self, payment: Payment) -> None:
        self.payments.append(payment)
        self.by_imp_uid[payment.imp_uid] = payment
        self.by_merchant_uid.setdefault(payment.merchant_uid, []).append(payment)
        if payment.customer_uid:
            self.by_customer_uid.setdefault(payment.customer_uid, []).append(payment)

    def _reload(self, row: Json) -> None:
        values: dict[str, Any] = {name: value for name, value in row.items() if name != "kind"}
        match row.get("kind"):
            case "payment":
                self._reload_payment(Payment(**{"customer_uid": None, "usage": None, "amount": 0} | values))
            case "key":
                key = Key(**values)
                self.keys[key.customer_uid] = key
            case "schedule":
                schedule = Schedule(**{"schedule_at": 0, "amount": 0} | values)
                self.schedules[schedule.merchant_uid] = schedule
            case "later":
                later = Later(**values)
                self.laters[later.imp_uid, later.to] = later
                if later.done:
                    del self.laters[later.imp_uid, later.to]
            case "token":
                self._tokens.access_token = values["access_token"]
                self._tokens.expired_at = values["expired_at"]
            case "prepared":
                self.prepared[values["merchant_uid"]] = values["prepared"]

    def _reload_payment(self, payment: Payment) -> None:
        known = self.by_imp_uid.get(payment.imp_uid)
        if known is None:
            self._enter(payment)
            return
        for name in ("status", "cancel_amount", "paid_at", "failed_at", "cancelled_at", "updated_at", "fail_reason",
                     "cancel_reason", "cancel_history", "ref"):  # fmt: skip
            setattr(known, name, getattr(payment, name))
