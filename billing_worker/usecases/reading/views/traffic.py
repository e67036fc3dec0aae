"""The views of events for the merchant, the receiver, and notifications from outside."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from billing_worker.domain.alerts import Fact
from billing_worker.domain.delivery import Endpoint, EndpointStatus
from billing_worker.domain.events import EventType
from billing_worker.ports.incoming import InboxMessage, InboxStatus
from billing_worker.ports.outgoing import EventStatus, OutboxMessage
from billing_worker.usecases.reading.views.fields import described, view_of

LONGEST_VALUE = 80
_PLAIN = {
    *("imp_uid", "merchant_uid", "status", "cancellation_id"),
    *("ref", "type", "goodsid", "slength", "speriod", "reason", "is_test", "sign_version", "currency", "amount"),
    *("revenue", "refund_id", "revid"),
}
"""Fields that may be shown as received. Other fields of a pingback name a customer, or may contain anything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventView:
    """An event and its delivery."""

    id: str = field(metadata=described("The `webhook-id`", example="evt_0123456789abcdef"))
    type: EventType
    subject_id: str
    stream: str = field(metadata=described("The stream that orders its delivery: its subscription, or its key"))
    sequence: int = field(metadata=described("Its place in that order"))
    version: int
    data: dict[str, str | int | dict[str, Fact] | None]
    status: EventStatus
    occurred_at: datetime
    tries: int
    replays: int
    next_try_at: datetime | None
    delivered_at: datetime | None
    abandoned_at: datetime | None = field(metadata=described("Given up after three days; `replay` sends it again"))
    note: str | None = field(metadata=described("The receiver's last answer", example="the receiver answered HTTP 503"))


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointView:
    """Your receiver, as its answers show it."""

    url: str
    status: EndpointStatus
    failing_since: datetime | None
    next_probe_at: datetime | None
    disabled_at: datetime | None
    last_success_at: datetime | None
    last_trouble: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NotificationSummary:
    """A webhook or pingback in a list."""

    id: int
    source: str
    status: InboxStatus
    foreign: bool
    payload: dict[str, str] = field(metadata=described("Its fields; names of cards are masked"))
    note: str | None = field(metadata=described(example="the payment is recorded already"))
    received_at: datetime
    deliveries: int
    tries: int = field(metadata=described("Answered reads of the gateway since its last delivery"))


@dataclass(frozen=True, slots=True, kw_only=True)
class NotificationView(NotificationSummary):
    """A webhook or pingback."""

    led_to: str | None = field(metadata=described("The invoice or key that it is about"))
    last_received_at: datetime | None = field(metadata=described("The last repeated delivery"))
    read_at: datetime | None = field(metadata=described("When the gateway was last asked about it"))
    unanswered: int = field(metadata=described("Unanswered reads in a row"))
    next_try_at: datetime | None
    closed_at: datetime | None
    answer: dict[str, Any] | None = field(metadata=described("The gateway's last answer, with card numbers masked"))


def of_event(message: OutboxMessage) -> EventView:
    """The view of an event."""
    return view_of(
        EventView,
        message,
        type=message.event.type,
        subject_id=message.event.subject_id,
        stream=message.event.stream_id,
        sequence=message.stream_sequence,
        data=dict(message.event.data),
        next_try_at=message.next_try_at if message.waits else None,
    )


def of_endpoint(endpoint: Endpoint) -> EndpointView:
    """The view of the receiver."""
    return view_of(EndpointView, endpoint)


def summary_of_notification(message: InboxMessage) -> NotificationSummary:
    """The view of a notification in a list."""
    return view_of(NotificationSummary, message, foreign=message.is_foreign, payload=_payload(message.payload))


def of_notification(message: InboxMessage) -> NotificationView:
    """The view of a notification."""
    return view_of(
        NotificationView,
        summary_of_notification(message),
        led_to=message.subject_id,
        last_received_at=message.last_received_at,
        read_at=message.read_at,
        unanswered=message.failures,
        next_try_at=message.next_try_at if message.status is InboxStatus.RECEIVED else None,
        closed_at=message.closed_at,
        answer=message.answer,
    )


def _payload(payload: Mapping[str, str]) -> dict[str, str]:
    """The fields of a notification: names of customers' cards are masked, and unknown fields are left out."""
    return {name: _masked(name, value) for name, value in payload.items()}


def _masked(name: str, value: str) -> str:
    if name in _PLAIN:
        return value[:LONGEST_VALUE]
    few = 12
    return f"{value[:4]}…{value[-3:]}" if name == "uid" and len(value) > few else "…"
