"""The invariants some hours after all faults have stopped: nothing lost, nothing open, both books equal."""

from collections.abc import Iterator, Sequence
from datetime import timedelta

from billing_worker.domain.alerts import AlertKind
from billing_worker.domain.billing_key import PAYMENTWALL
from billing_worker.domain.invoice import Invoice
from billing_worker.domain.refund import Refund
from billing_worker.simulation.fleet.fleet import Fleet
from billing_worker.simulation.fleet.ledger import ISSUE, OPERATOR, SCHEDULE, Row
from billing_worker.simulation.judge.docket import RENEWING, Docket, Finding
from billing_worker.simulation.judge.schedules import Schedules
from billing_worker.simulation.world.paymentwall import Paymentwall

GRACE = timedelta(minutes=10)
"""Work that has just become due may be under way."""

TOLD_WITHIN = timedelta(hours=28)
SETTLED_WITHIN = timedelta(hours=3)
CONFIRMED_WITHIN = timedelta(hours=2)
LATE_SCHEDULE = timedelta(hours=3)
"""One that a clerk moved is waited for during an hour, and then revoked."""
GIVEN_UP_WITHIN = timedelta(days=8)
"""A failed issuing payment is final after a week."""


class Rest:
    """Checks one run at rest."""

    def __init__(self, fleet: Fleet, docket: Docket, paymentwall: Paymentwall) -> None:
        self._fleet = fleet
        self._store = fleet.world.store
        self._ledger = fleet.world.ledger
        self._docket = docket
        self._paymentwall = paymentwall
        self._alerted = self._store.alerts.table.open_ids
        """The open alerts: an alert is a stated reason to wait."""
        self._now = fleet.world.scheduler.now

    def look(self) -> None:
        """Report the first breach."""
        schedules = Schedules(self._docket).at_rest(self._alerted)
        for invariant, text, about in (
            *self._lost(),
            *self._unclear(),
            *self._unheard(),
            *self._books(),
            *schedules,
        ):
            self._docket.found(invariant, text, *about)

    def _lost(self) -> Iterator[Finding]:
        late = self._now - GRACE
        for row in self._store.subscriptions.rows.values():
            held = row.held_since is not None and (AlertKind.CATCH_UP, row.plan_id) in self._alerted
            if row.status in RENEWING and row.next_period_start <= late and not held:
                text = f"subscription {row.id} ({row.status}) has not opened the period of {row.next_period_start}"
                yield "I4", text, (row.id,)
        for invoice in self._store.invoices.rows.values():
            if invoice.status == "open" and not self._waits(invoice):
                text = f"invoice {invoice.id} is open, due since {invoice.next_attempt_at}, and no worker has it"
                yield "I4", text, (invoice.id,)

    def _waits(self, invoice: Invoice) -> bool:
        """Whether it waits for its date, for its key, or for the outcome of an attempt."""
        if invoice.next_attempt_at is None:
            return (AlertKind.TAKEN_BACK, invoice.id) in self._alerted
        pending = self._store.keys.rows[invoice.billing_key_id].status == "pending"
        in_doubt = any(
            self._store.attempts.rows[each].status in ("in_flight", "unknown")
            for each in self._store.attempts.by_invoice[invoice.id]
        )
        asked = (AlertKind.ISSUING_PAYMENT, invoice.billing_key_id) in self._alerted
        return invoice.next_attempt_at > self._now - GRACE or pending or in_doubt or asked

    def _unclear(self) -> Iterator[Finding]:
        for row in self._store.attempts.rows.values():
            within = LATE_SCHEDULE if row.scheduled else GRACE
            in_doubt = row.status in ("in_flight", "unknown") and row.started_at <= self._now - within
            # A contradiction at the gateway is a stated reason: an operator has an alert.
            if in_doubt and (AlertKind.MISMATCH, row.id) not in self._alerted:
                yield "I16", f"attempt {row.id} is {row.status} since {row.started_at}: {row.reason}", (row.id,)
        for refund in self._store.refunds.rows.values():
            old = refund.created_at <= self._now - self._settled_within(refund)
            told = (AlertKind.REFUND_STUCK, refund.id) in self._alerted
            if refund.status in ("pending", "in_flight", "unknown") and old and not told:
                yield "I16", f"refund {refund.id} is {refund.status}: {refund.note}", (refund.id, refund.attempt_id)
        yield from self._pending()

    def _pending(self) -> Iterator[Finding]:
        """Check keys that still wait, and the reason."""
        for key in self._store.keys.rows.values():
            if key.status != "pending" or (AlertKind.KEY_EMAIL, key.id) in self._alerted:
                continue
            card = self._ledger.cards.get(key.customer_uid)
            if card is None:
                # PortOne never had it: its customer left. An operator has an alert, which is a stated reason.
                told_of = (AlertKind.KEY_PENDING, key.id) in self._alerted
                if key.created_at <= self._now - SETTLED_WITHIN and not told_of:
                    yield "I4", f"key {key.id} is pending since {key.created_at}, and was never issued", (key.id,)
                continue
            known_from = card.known_from
            told = [row for row in self._store.pingbacks.rows.values() if row.uid == key.customer_uid]
            blocked = next((row.verdict for row in reversed(told) if row.blocks), None)
            heard = {(row.ref, mark) for row in told for mark in row.seen}
            if blocked is not None and set(self._paymentwall.sent[key.customer_uid]) <= heard:
                if key.created_at <= self._now - GIVEN_UP_WITHIN:
                    yield "I4", f"key {key.id} is pending, and its payment was {blocked}", (key.id,)
            elif blocked is None and max(known_from, key.created_at) <= self._now - CONFIRMED_WITHIN:
                yield "I4", f"key {key.id} is pending, and was confirmed at {known_from}", (key.id,)

    def _unheard(self) -> Iterator[Finding]:
        for scan, index in self._fleet.scans.items():
            when = index.next()
            if when is not None and when <= self._now - GRACE:
                yield "I4", f"{scan} has work that is due since {when}", (scan,)

    def _books(self) -> Iterator[Finding]:
        attempts = self._store.attempts.rows.values()
        approved = [row.imp_uid for row in attempts if row.status == "approved"]
        known = set(approved)
        if len(known) != len(approved):
            yield "I3", "one payment is approved on two attempts", ()
        for attempt in attempts:
            row = self._ledger.rows.get(attempt.imp_uid or "")
            if attempt.status == "approved" and row is not None and attempt.refunded != row.cancelled:
                text = f"{row.imp_uid} gave {row.cancelled} back, attempt {attempt.id} knows of {attempt.refunded}"
                yield "I10", text, (attempt.id,)
        # For example money under our order from another card: an operator has an alert, and must decide.
        disputed = {row.merchant_uid for row in attempts if (AlertKind.MISMATCH, row.id) in self._alerted}
        for row in self._ledger.rows.values():
            late = (row.paid_at or row.started_at) > self._now - GRACE
            if row.holds and row.imp_uid not in known and not late and row.merchant_uid not in disputed:
                yield from self._unknown(row)
        for invoice_id in self._store.invoices.rows:
            own = [row for row in self._docket.payments(invoice_id) if row.holds and row.merchant_uid not in disputed]
            if len(own) > 1 and (AlertKind.SURPLUS_PAYMENT, invoice_id) not in self._alerted:
                yield (
                    "I1",
                    f"invoice {invoice_id} holds {[row.imp_uid for row in own]}, and no alert is open",
                    (invoice_id,),
                )
            not_owed = self._store.invoices.rows[invoice_id].status == "void" and self._of_schedules(own)
            if (len(own) > 1 or not_owed) and not self._refused(invoice_id):
                yield "I1", f"invoice {invoice_id} still holds {[row.imp_uid for row in own]}", (invoice_id,)

    def _unknown(self, row: Row) -> Iterator[Finding]:
        """A payment that is on no attempt. One that issued a key pays for nothing here."""
        is_issue = row.cause == ISSUE and row.merchant_uid not in self._store.invoices.order_ids.rows
        # A clerk let a schedule run before its period begins: the period will be paid by it.
        if not is_issue and not self._docket.is_paid_early(row.merchant_uid):
            text = f"payment {row.imp_uid} ({row.cause}) of {row.merchant_uid} is on no attempt"
            yield "I3", text, (row.merchant_uid,)

    @staticmethod
    def _of_schedules(payments: Sequence[Row]) -> bool:
        return any(row.cause in (SCHEDULE, OPERATOR) for row in payments)

    def _refused(self, invoice_id: str) -> bool:
        """Whether an operator must give the surplus back, because the gateway did not."""
        refunds = self._store.refunds.of_invoice(invoice_id)
        kinds = (AlertKind.REFUND_FAILED, AlertKind.REFUND_STUCK)
        own = [refund for refund in refunds if refund.created_at <= self._now - self._settled_within(refund)]
        young = len(own) < len(refunds)
        return young or any((kind, refund.id) in self._alerted for refund in own for kind in kinds)

    def _settled_within(self, refund: Refund) -> timedelta:
        """How long a refund may be open. Paymentwall moves the money later: an alert opens after a day."""
        key = self._store.attempts.rows[refund.attempt_id].billing_key_id
        return TOLD_WITHIN if self._store.keys.rows[key].pg_provider == PAYMENTWALL else SETTLED_WITHIN
