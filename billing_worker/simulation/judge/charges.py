"""Invariants of the charges sent to the gateway, and of the payments it takes (I1, I5, I6, I7, I15, I17)."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from billing_worker.domain.declines.reasons import Category
from billing_worker.domain.dunning.policy import DunningPolicy
from billing_worker.domain.invoice import Invoice, PaymentAttempt
from billing_worker.domain.payment import ChargeRequest
from billing_worker.simulation.fleet.ledger import AGAIN, ISSUE, LATE, OPERATOR, RECOVERY, SCHEDULE, Row
from billing_worker.simulation.judge.docket import IN_DOUBT, Docket

SENT_AFTER_CANCEL = timedelta(seconds=66)
"""A charge written down before the cancellation may still be sent within the HTTP deadline."""

CAPS = ((10, timedelta(hours=24)), (20, timedelta(days=30)))
"""What card networks allow, written independently of the domain."""

HARD, SOFT = "hard", "soft"


@dataclass(frozen=True, slots=True)
class _Decline:
    when: datetime
    customer_uid: str
    kind: str


class Charges:
    """Checks each charge when it reaches the gateway, and its result there."""

    def __init__(self, docket: Docket) -> None:
        self.clicked: dict[str, datetime] = {}
        """When a customer last asked for a retry of an invoice, or gave another card for it."""
        self.requests = 0
        self._docket = docket
        self._posts: defaultdict[str, int] = defaultdict(int)
        self._declines: defaultdict[str, list[_Decline]] = defaultdict(list)
        self._of_card: defaultdict[str, list[datetime]] = defaultdict(list)

    def requested(self, request: ChargeRequest) -> None:
        """Check a charge that is sent."""
        self.requests += 1
        uid, tables, now = request.merchant_uid, self._docket.rows, self._docket.now
        order = tables.invoices.order_ids.rows.get(uid)
        if order is None:
            self._docket.found("I17", f"{uid} is charged, and no invoice has this order", uid)
            return
        invoice = tables.invoices.rows[order.invoice_id]
        own = [tables.attempts.rows[each] for each in tables.attempts.by_invoice[invoice.id]]
        sent = [row for row in own if row.merchant_uid == uid and not row.scheduled]
        intents = [row for row in sent if row.status in IN_DOUBT]
        self._posts[uid] += 1
        if not intents or self._posts[uid] > len(sent):
            self._docket.found(
                "I17", f"{uid} is charged {self._posts[uid]} times by {len(sent)} attempts", uid, invoice.id
            )
        if any((row.money, invoice.money) != (request.money, request.money) for row in intents):
            self._docket.found("I5", f"{uid} is charged over {request.money}, owed is {invoice.money}", uid, invoice.id)
        if now < invoice.owed_from:
            self._docket.found("I15", f"{uid} is charged before it is owed, at {invoice.owed_from}", uid, invoice.id)
        key = tables.keys.rows[intents[0].billing_key_id] if intents else None
        if key is not None and key.issue_claim == "open" and invoice.single is None:
            text = f"{uid} is charged before the payment that issued {key.id} is decided"
            self._docket.found("I1", text, uid, invoice.id)
        self._after_cancel(invoice, intents)
        self._bounded(invoice, request, now)

    def paid(self, row: Row) -> None:
        """Check a payment that the gateway took."""
        order = self._docket.rows.invoices.order_ids.rows.get(row.merchant_uid)
        if order is None:
            return
        payments = self._docket.payments(order.invoice_id)
        holding = [each for each in payments if each.holds and each.cause in (AGAIN, ISSUE, SCHEDULE)]
        if len(holding) > 1:
            names = ", ".join(each.imp_uid for each in holding)
            self._docket.found(
                "I1", f"invoice {order.invoice_id} is charged {len(holding)} times: {names}", order.invoice_id
            )

    def declined(self, row: Row) -> None:
        """Note a card that the gateway refused."""
        kind = SOFT if row.reason == "한도초과" else HARD
        if row.cause == AGAIN:
            self._of_card[row.customer_uid].append(row.started_at)
        if row.cause not in (LATE, RECOVERY, OPERATOR):
            self._declines[row.merchant_uid].append(_Decline(row.started_at, row.customer_uid, kind))

    def _after_cancel(self, invoice: Invoice, intents: Sequence[PaymentAttempt]) -> None:
        canceled_at = self._ended_at(invoice)
        if canceled_at is None:
            return
        begun = max((row.started_at for row in intents), default=canceled_at)
        if begun > canceled_at or self._docket.now - canceled_at > SENT_AFTER_CANCEL:
            text = f"invoice {invoice.id} is charged, its {_whose(invoice)} was canceled at {canceled_at}"
            self._docket.found("I6", text, invoice.id, invoice.owner_id)

    def _ended_at(self, invoice: Invoice) -> datetime | None:
        """When its subscription, or a single payment itself, was canceled."""
        if invoice.subscription_id is not None:
            return self._docket.rows.subscriptions.rows[invoice.subscription_id].canceled_at
        return invoice.closed_at if invoice.status == "void" else None

    def _below_caps(self, invoice: Invoice, request: ChargeRequest, now: datetime) -> None:
        """Check that the card networks let this card be tried: for any invoice, by a policy or by hand."""
        tried = self._of_card[request.customer_uid]
        # The first tries of many invoices on a good card may go together.
        known = now if invoice.declines else now - SENT_AFTER_CANCEL
        for most, within in CAPS:
            lately = sum(now - within < each <= known for each in tried)
            if lately >= most:
                text = f"{request.customer_uid} is charged for {invoice.id} after {lately} declines in {within}"
                self._docket.found("I7", text, invoice.id, request.merchant_uid)

    def _bounded(self, invoice: Invoice, request: ChargeRequest, now: datetime) -> None:
        """Check the policy: no charge on a dead card, none too early, and none too many."""
        self._below_caps(invoice, request, now)
        declines = [each for uid in self._docket.orders[invoice.id] for each in self._declines[uid]]
        own = [each for each in declines if each.customer_uid == request.customer_uid]
        if not own:
            return
        last, asked = max(declines, key=lambda each: each.when), self.clicked.get(invoice.id)
        policy = self._docket.rows.policies.rows[invoice.dunning_policy].policy
        steps, about = policy.steps_for(Category.LIMIT), (invoice.id, request.merchant_uid)
        won_back = policy.ending.win_back is not None
        if asked is None and len(own) > len(steps) + won_back:
            text = f"invoice {invoice.id} is charged again on a card after {len(own)} declines"
            self._docket.found("I7", text, *about)
        elif last.customer_uid == request.customer_uid and (asked is None or asked < last.when):
            if last.kind == HARD:
                text = f"invoice {invoice.id} is charged to a card that was declined for good"
                self._docket.found("I7", text, *about)
            elif asked is None:
                self._in_time(invoice, policy, (len(own), len(declines)), last.when, now)

    def _in_time(
        self, invoice: Invoice, policy: DunningPolicy, declines: tuple[int, int], last: datetime, now: datetime
    ) -> None:
        """Check that a try comes when its policy says: after so many declines of the card, and of all cards."""
        own, every = declines
        steps, win_back = policy.steps_for(Category.LIMIT), policy.ending.win_back
        about = (invoice.id, invoice.merchant_uid)
        waits = [step.wait for step in steps] + ([win_back.wait] if win_back is not None else [])
        # Steps that other cards spent, or declines of a clerk under this number, are unknown here: then no
        # wait may be shorter than the shortest.
        least = waits[own - 1] if own == every == invoice.declines else min(waits)
        if any(quiet.ends(now) and quiet.ends(now - SENT_AFTER_CANCEL) for quiet in (policy.hours.quiet,) if quiet):
            self._docket.found("I7", f"invoice {invoice.id} is tried again in the quiet hours", *about)
        elif now < last + least:
            self._docket.found("I7", f"invoice {invoice.id} is charged again at once after {last}", *about)


def _whose(invoice: Invoice) -> str:
    return "payment" if invoice.single is not None else "subscription"
