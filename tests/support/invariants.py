"""The invariants, evaluated from outside: the database by plain SQL, the gateway by its own ledger.

Nothing here uses the worker's code but the grammar of events, so a mistake there cannot hide itself. Each function
returns what is wrong, one line a breach; an empty list is the proof.
"""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Engine, text

from tests.support.money import minor_units
from tests.support.told import EVENTS, STATES, contradictions

Row = dict[str, Any]

GRACE = timedelta(minutes=5)
"""Due work that is older than this, at rest, was lost."""


@dataclass
class Books:
    """The database, the gateway's ledger (only what concerns this merchant), and the time at which both are read."""

    engine: Engine
    ledger: list[Row]
    now: datetime
    charged_at: dict[str, datetime] = field(default_factory=dict)
    """Billing time of each charge, by imp_uid, if it was recorded."""

    def rows(self, statement: str) -> list[Row]:
        """Rows of a query."""
        with self.engine.connect() as connection:
            return [dict(row) for row in connection.execute(text(statement)).mappings()]

    @property
    def holding(self) -> list[Row]:
        """Ledger payments that hold money."""
        paid = ("paid", "cancelled")
        return [row for row in self.ledger if row["status"] in paid and row["amount"] > row["cancel_amount"]]


def violations(books: Books, *, at_rest: bool = True) -> list[str]:
    """All invariants; those of liveness only when the system had time to come to rest."""
    found = i1_single_charge(books) + i2_no_phantom(books) + i5_exact_money(books) + i15_calendar(books)
    found += i10_refunds(books) + i22_no_contradiction(books)
    return found + i3_no_orphan(books) + i4_nothing_lost(books) if at_rest else found


def i1_single_charge(books: Books) -> list[str]:
    """Every period holds at most one uncompensated payment; a surplus one must be known as such and alerted."""
    owner = {row["merchant_uid"]: row["invoice_id"] for row in books.rows("SELECT * FROM merchant_uids")}
    surplus = {row["imp_uid"] for row in books.rows("SELECT imp_uid FROM payment_attempts WHERE surplus")}
    alerted = {
        row["subject_id"]
        for row in books.rows("SELECT subject_id FROM alerts WHERE kind = 'surplus_payment' AND closed_at IS NULL")
    }
    found = []
    per_invoice: defaultdict[str, list[Row]] = defaultdict(list)
    for row in books.holding:
        per_invoice[owner.get(row["merchant_uid"], row["merchant_uid"])].append(row)
    for invoice_id, payments in per_invoice.items():
        own = [row for row in payments if row["imp_uid"] not in surplus]
        if len(own) > 1:
            found.append(f"I1: invoice {invoice_id} was charged {len(own)} times: {[p['imp_uid'] for p in own]}")
        if len(own) < len(payments) and invoice_id not in alerted:
            found.append(f"I1: invoice {invoice_id} has a surplus payment and no open alert")
    return found


def i2_no_phantom(books: Books) -> list[str]:
    """What the database calls paid, the ledger shows: the same order, amount, currency and card."""
    ledger = {row["imp_uid"]: row for row in books.ledger}
    found = []
    for row in books.rows("""
        SELECT a.*, k.customer_uid FROM payment_attempts a JOIN billing_keys k ON k.id = a.billing_key_id
        WHERE a.status = 'approved'"""):
        payment = ledger.get(row["imp_uid"])
        if payment is None:
            found.append(f"I2: attempt {row['id']} is approved by {row['imp_uid']}, which the ledger does not have")
            continue
        # A card that is not kept has a name here only.
        uid = None if row["customer_uid"].startswith("once_") else row["customer_uid"]
        said = (row["merchant_uid"], row["amount"], row["currency"], uid)
        amount = minor_units(payment["amount"], payment["currency"])
        shown = (payment["merchant_uid"], amount, payment["currency"], payment["customer_uid"] or None)
        if said != shown or payment["status"] not in ("paid", "cancelled"):
            found.append(f"I2: attempt {row['id']} says {said}, the ledger says {shown} and {payment['status']}")
    unbacked = books.rows("""
        SELECT i.id FROM invoices i WHERE i.status = 'paid' AND NOT EXISTS (
            SELECT FROM payment_attempts a WHERE a.invoice_id = i.id AND a.status = 'approved' AND NOT a.surplus)""")
    return found + [f"I2: invoice {row['id']} is paid by nothing" for row in unbacked]


def i3_no_orphan(books: Books) -> list[str]:
    """Every payment that holds money is one approved attempt of ours (or waits, alerted, as a mismatch)."""
    approved = Counter(
        row["imp_uid"] for row in books.rows("SELECT imp_uid FROM payment_attempts WHERE status = 'approved'")
    )
    mismatched = {
        row["merchant_uid"]
        for row in books.rows("""
            SELECT a.merchant_uid FROM payment_attempts a
            JOIN alerts ON alerts.subject_id = a.id AND alerts.kind = 'mismatch' AND alerts.closed_at IS NULL""")
    }
    return [
        f"I3: the ledger's {row['imp_uid']} ({row['merchant_uid']}) is in {approved[row['imp_uid']]} attempts"
        for row in books.holding
        if approved[row["imp_uid"]] != 1 and row["merchant_uid"] not in mismatched
    ]


def i4_nothing_lost(books: Books) -> list[str]:
    """Every due period has an invoice; every due invoice is paid, planned for later, waiting for a reason, or over.

    A subscription on hold waits for an operator, and its plan must have an open alert.
    """
    asked = {
        row["subject_id"]
        for row in books.rows("SELECT subject_id FROM alerts WHERE kind = 'catch_up' AND closed_at IS NULL")
    }
    found = [
        f"I4: subscription {row['id']} ({row['status']}) has not opened the period of {row['next_period_start']}"
        for row in books.rows(
            "SELECT * FROM subscriptions WHERE status IN ('pending', 'trialing', 'active', 'past_due')"
        )
        if row["next_period_start"] <= books.now - GRACE
        and not (row["held_since"] is not None and row["plan_id"] in asked)
    ]
    for row in books.rows("""
        SELECT i.id, i.next_attempt_at, k.status AS key_status, a.status AS attempt_status, s.status AS sub_status
        FROM invoices i JOIN billing_keys k ON k.id = i.billing_key_id
        LEFT JOIN subscriptions s ON s.id = i.subscription_id
        LEFT JOIN payment_attempts a ON a.invoice_id = i.id AND a.status IN ('in_flight', 'unknown')
        WHERE i.status = 'open'"""):
        waiting = row["attempt_status"] == "unknown" or row["key_status"] == "pending"
        planned = row["next_attempt_at"] is not None and row["next_attempt_at"] > books.now - GRACE
        if not waiting and not planned:
            found.append(f"I4: invoice {row['id']} is open, due since {row['next_attempt_at']}, and no worker has it")
    return found


def i5_exact_money(books: Books) -> list[str]:
    """What was asked for equals the invoice's snapshot, and the snapshot equals the plan's price."""
    return [
        f"I5: attempt {row['id']} is over {row['amount']} {row['currency']}, its invoice over {row['owed']}"
        for row in books.rows("""
            SELECT a.id, a.amount, a.currency, i.amount AS owed, i.currency AS owed_currency
            FROM payment_attempts a JOIN invoices i ON i.id = a.invoice_id
            WHERE (a.amount, a.currency) <> (i.amount, i.currency)""")
    ]


def i10_refunds(books: Books) -> list[str]:
    """No more is given back than was paid, and none is booked that the ledger does not show."""
    ledger = {row["imp_uid"]: row for row in books.ledger}
    found = []
    for row in books.rows("SELECT * FROM payment_attempts WHERE refunded > 0"):
        payment = ledger.get(row["imp_uid"], {"cancel_amount": 0, "currency": row["currency"]})
        given = minor_units(payment["cancel_amount"], payment["currency"])
        if not row["refunded"] <= given <= row["amount"]:
            found.append(f"I10: attempt {row['id']} books {row['refunded']} as given back, the ledger {given}")
    for row in books.rows("""
        SELECT a.imp_uid, a.currency, sum(r.amount) AS given FROM refunds r
        JOIN payment_attempts a ON a.id = r.attempt_id WHERE r.status = 'succeeded' GROUP BY 1, 2"""):
        given = minor_units(ledger[row["imp_uid"]]["cancel_amount"], row["currency"])
        if row["given"] > given:
            found.append(
                f"I10: refunds of {row['imp_uid']} over {row['given']} succeeded, the ledger gave {given} back"
            )
    return found


def i22_no_contradiction(books: Books) -> list[str]:
    """No event contradicts another, and what they say together is what the rows say. Read in one snapshot."""
    with books.engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
        events = [dict(row) for row in connection.execute(text(EVENTS)).mappings()]
        states = [dict(row) for row in connection.execute(text(STATES)).mappings()]
    return contradictions(events, states)


def i15_calendar(books: Books) -> list[str]:
    """Periods follow each other without gap or overlap, and nothing is charged before it is due.

    Three gaps are allowed: periods before a customer came who brought an older start, those that began while one was
    unpaid, and late ones that were waived. Of the last two the database must have said how many, and of a waived one
    there must be no invoice.
    """
    found = []
    skipped = {
        row["subject_id"]: row["periods"]
        for row in books.rows("""
            SELECT subject_id, sum((data->>'skipped_periods')::int) AS periods FROM outbox
            WHERE type = 'subscription.activated' GROUP BY 1""")
    }
    waived: Counter[str] = Counter()
    for row in books.rows("""
        SELECT o.subject_id, (o.data->>'count')::int AS periods, i.id AS billed
        FROM outbox o LEFT JOIN invoices i ON i.subscription_id = o.subject_id
          AND i.period_start BETWEEN (o.data->>'first')::timestamptz AND (o.data->>'last')::timestamptz
        WHERE o.type = 'subscription.periods_skipped'"""):
        waived[row["subject_id"]] += row["periods"]
        if row["billed"] is not None:
            found.append(f"I15: invoice {row['billed']} bills a period of {row['subject_id']} that was waived")
    skipped = {owner: (skipped.get(owner) or 0) + waived[owner] for owner in {*skipped, *waived}}
    gaps: Counter[str] = Counter()
    previous: Row = {"subscription_id": None}
    for row in books.rows("""
        SELECT i.*, s.anchor < s.created_at AS older FROM invoices i JOIN subscriptions s ON s.id = i.subscription_id
        ORDER BY i.subscription_id, i.period_index"""):
        owner = row["subscription_id"]
        first = previous["subscription_id"] != owner
        expected = row["period_index"] if first and row["older"] else 0
        gap = row["period_index"] - (expected if first else previous["period_index"] + 1)
        gaps[owner] += gap
        if not first and not gap and row["period_start"] != previous["period_end"]:
            found.append(f"I15: invoice {row['id']} does not begin where {previous['id']} ends")
        # On another card a new period may begin, instead of one that is void.
        again = not first and previous["status"] == "void"
        if gap and not again and (first or row["period_start"] <= previous["period_end"]):
            found.append(f"I15: invoice {row['id']} leaves {gap} periods out, but no time")
        previous = row
    found += [
        f"I15: {gap} periods of {owner} were left out, {skipped.get(owner, 0)} are accounted for"
        for owner, gap in gaps.items()
        if gap > (skipped.get(owner) or 0)
    ]
    for row in books.rows("""
        SELECT i.id, i.period_start, a.imp_uid, a.started_at FROM invoices i
        JOIN payment_attempts a ON a.invoice_id = i.id
        WHERE NOT EXISTS (SELECT FROM billing_keys k WHERE k.id = a.billing_key_id AND k.issue_imp_uid = a.imp_uid)"""):
        charged = books.charged_at.get(row["imp_uid"], row["started_at"])
        if min(charged, row["started_at"]) < row["period_start"]:
            found.append(f"I15: invoice {row['id']} was charged at {charged}, before it was owed")
    return found
