"""Which event may follow which: the grammar of events, as data.

Each thing (an invoice, a subscription, a key, a refund, a payment) has an automaton of its own. An event that its
automaton does not expect contradicts an earlier one: a merchant who acts on both makes a mistake.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from billing_worker.domain.events import EventType

_E = EventType

Edges = Mapping[str, Mapping[EventType, str]]
"""For each state: which event may come, and the state after it."""

BEGIN = "begin"

INVOICE: Edges = {
    BEGIN: {
        _E.INVOICE_PAYMENT_FAILED: "failing",
        _E.INVOICE_PAID: "paid",
        _E.INVOICE_UNCOLLECTIBLE: "uncollectible",
        _E.INVOICE_VOIDED: "void",
    },
    "failing": {
        _E.INVOICE_PAYMENT_FAILED: "failing",
        _E.INVOICE_PAID: "paid",
        _E.INVOICE_UNCOLLECTIBLE: "uncollectible",
        _E.INVOICE_VOIDED: "void",
    },
    "uncollectible": {
        _E.INVOICE_REOPENED: "failing",
        # A late approval of an attempt that counted as declined.
        _E.INVOICE_PAID: "paid",
        _E.INVOICE_VOIDED: "void",
    },
    # A refund does not make the invoice owed again.
    "paid": {_E.PAYMENT_SURPLUS: "paid", _E.PAYMENT_REFUNDED: "paid"},
    # Money that came too late is surplus, and can only be given back.
    "void": {_E.PAYMENT_SURPLUS: "void, paid"},
    "void, paid": {_E.PAYMENT_SURPLUS: "void, paid", _E.PAYMENT_REFUNDED: "void, paid"},
}

_ALIVE = {
    _E.SUBSCRIPTION_CANCEL_SCHEDULED: None,
    _E.SUBSCRIPTION_PERIODS_SKIPPED: None,
    _E.SUBSCRIPTION_KEY_CHANGED: None,
    _E.SUBSCRIPTION_UNPAID: "unpaid",
    _E.SUBSCRIPTION_CANCELED: "canceled",
}


def _alive(state: str, **ways: str) -> Mapping[EventType, str]:
    return {kind: to or state for kind, to in _ALIVE.items()} | {
        _E("subscription." + name): to for name, to in ways.items()
    }


SUBSCRIPTION: Edges = {
    BEGIN: {_E.SUBSCRIPTION_CREATED: "pending"},
    "pending": _alive("pending", activated="active", past_due="past_due"),
    "active": _alive("active", past_due="past_due"),
    "past_due": _alive("past_due", activated="active"),
    "unpaid": {
        _E.SUBSCRIPTION_KEY_CHANGED: "unpaid",
        _E.SUBSCRIPTION_ACTIVATED: "active",
        # A new period begins on another card.
        _E.SUBSCRIPTION_PAST_DUE: "past_due",
        _E.SUBSCRIPTION_CANCELED: "canceled",
    },
    # The last event of a subscription. Its invoices may still learn the outcome of a charge that was under way.
    "canceled": {},
}

KEY: Edges = {
    # A key that was active when it was registered has no event about that.
    BEGIN: {_E.BILLING_KEY_ACTIVATED: "active", _E.BILLING_KEY_INVALID: "invalid", _E.BILLING_KEY_EXPIRING: "active"},
    "active": {_E.BILLING_KEY_INVALID: "invalid", _E.BILLING_KEY_EXPIRING: "active"},
    # By an operator's decision.
    "invalid": {_E.BILLING_KEY_ACTIVATED: "active"},
}

REFUND: Edges = {
    BEGIN: {_E.REFUND_SUCCEEDED: "succeeded", _E.REFUND_FAILED: "failed"},
    # The gateway shows the refund after all.
    "failed": {_E.REFUND_SUCCEEDED: "succeeded"},
    "succeeded": {},
}

PAYMENT: Edges = {
    BEGIN: {_E.INVOICE_PAYMENT_FAILED: "failed", _E.INVOICE_PAID: "taken", _E.PAYMENT_SURPLUS: "taken"},
    # Some PGs decide a second time, after a review.
    "failed": {_E.INVOICE_PAID: "taken", _E.PAYMENT_SURPLUS: "taken"},
    "taken": {_E.PAYMENT_REFUNDED: "taken"},
}

ALERT: Edges = {
    # One that an earlier release opened has no event about that. If its trouble returns, another alert opens.
    BEGIN: {_E.ALERT_OPENED: "open", _E.ALERT_CLOSED: "closed"},
    "open": {_E.ALERT_CLOSED: "closed"},
    "closed": {},
}

GRAMMAR: Mapping[str, Edges] = {
    "invoice": INVOICE,
    "subscription": SUBSCRIPTION,
    "billing key": KEY,
    "refund": REFUND,
    "payment": PAYMENT,
    "alert": ALERT,
}

WHOSE: Mapping[str, str] = {
    "invoice": "invoice",
    "payment": "invoice",
    "subscription": "subscription",
    "billing_key": "billing key",
    "refund": "refund",
    "alert": "alert",
}
"""The automaton of each subject, by the first word of the event's type.

Paymentwall's own subscriptions have none: their events are passed on unchanged."""


@dataclass(slots=True)
class Story:
    """All events so far, in the order of each stream."""

    states: dict[tuple[str, str], str] = field(default_factory=dict)
    """The state of each automaton, by kind and id."""
    _given: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    _places: dict[str, int] = field(default_factory=dict)

    def hear(self, kind: str, subject_id: str, data: Mapping[str, object]) -> list[str]:
        """Take in the next event; returns how it contradicts earlier events. Unknown types are ignored."""
        if kind not in set(EventType):
            return []
        told = EventType(kind)
        whose = WHOSE.get(kind.partition(".")[0])
        found = [*self._step(whose, subject_id, told)] if whose is not None else []
        imp_uid = data.get("imp_uid")
        concerns_payment = any(told in ways for ways in PAYMENT.values())
        if imp_uid is not None and concerns_payment:
            found += self._step("payment", str(imp_uid), told)
        if told is EventType.PAYMENT_REFUNDED:
            found += self._add_up(str(imp_uid), data)
        return found

    def place(self, stream_id: str, sequence: int) -> list[str]:
        """Check the place of an event in its stream; returns what is wrong with it. Places grow by one."""
        before = self._places.get(stream_id)
        self._places[stream_id] = sequence
        if before is None or sequence == before + 1:
            return []
        return [f"place {sequence} of {stream_id} comes after place {before}"]

    def _step(self, whose: str, ident: str, told: EventType) -> Iterable[str]:
        state = self.states.get((whose, ident), BEGIN)
        ways = GRAMMAR[whose][state]
        if told not in ways:
            return [f"{told} of {whose} {ident} was told although it was {state}"]
        self.states[whose, ident] = ways[told]
        return []

    def _add_up(self, imp_uid: str, data: Mapping[str, object]) -> list[str]:
        amount, refunded = data.get("amount"), data.get("refunded")
        self._given[imp_uid] += amount if isinstance(amount, int) else 0
        if amount is None or self._given[imp_uid] == refunded:
            return []
        return [f"{self._given[imp_uid]} of payment {imp_uid} were told as given back one by one, {refunded} in all"]
