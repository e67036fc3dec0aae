"""The record of who changed what: each change by an operator or an API token is kept with its actor."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

WORKER = "worker"
"""The actor of every change that the worker makes by itself."""


class Verb(StrEnum):
    """What was done. The part before the dot names the kind of thing that changed."""

    POLICY_CREATED = "dunning_policy.created"
    PLAN_CREATED = "plan.created"
    PLAN_CHANGED = "plan.changed"
    CARD_SESSION_CREATED = "card_session.created"
    KEY_REGISTERED = "key.registered"
    KEY_ISSUE_REQUESTED = "key.issue_requested"
    KEY_DELETE_REQUESTED = "key.delete_requested"
    KEY_CHANGED = "key.changed"
    KEY_REACTIVATED = "key.reactivated"
    ISSUING_PAYMENT_DECIDED = "key.issuing_payment_decided"
    SUBSCRIPTION_CREATED = "subscription.created"
    SUBSCRIPTION_CHANGED = "subscription.changed"
    SUBSCRIPTION_CANCELED = "subscription.canceled"
    SUBSCRIPTION_CANCEL_SCHEDULED = "subscription.cancel_scheduled"
    KEY_REPLACED = "subscription.key_replaced"
    FALLBACK_ADDED = "subscription.fallback_added"
    FALLBACK_REMOVED = "subscription.fallback_removed"
    INVOICE_RETRIED = "invoice.retried"
    PAYMENT_CREATED = "payment.created"
    PAYMENT_CANCELED = "payment.canceled"
    REFUND_REQUESTED = "refund.requested"
    STOP_OPENED = "stop.opened"
    STOP_CLEARED = "stop.cleared"
    ENVIRONMENT_CLAIMED = "environment.claimed"
    LATE_PERIODS_DECIDED = "catch_up.decided"
    ALERT_CLOSED = "alert.closed"
    EVENT_REPLAYED = "event.replayed"
    EVENTS_REPLAYED = "events.replayed"
    ENDPOINT_ENABLED = "events.endpoint_enabled"
    NOTIFICATION_REPLAYED = "notification.replayed"
    NOTIFICATIONS_REPLAYED = "notifications.replayed"
    CUSTOMER_FORGOTTEN = "customer.forgotten"
    TOKEN_CREATED = "token.created"  # noqa: S105 - the name of an action, not a token
    TOKEN_REVOKED = "token.revoked"  # noqa: S105 - as above


@dataclass(frozen=True, slots=True)
class Action:
    """Who did what to which thing, and when (real time, aware UTC)."""

    actor: str
    """`token:NAME` for the API, `cli:USER` for the command line, `card:SESSION` for the card page, or `worker`."""
    verb: Verb
    subject_id: str
    """The id of the thing; numbers have their kind before them, such as `stop:12`."""
    at: datetime
    detail: str | None = None
    """One line about how it was done, without customer data."""
    id: int | None = None
