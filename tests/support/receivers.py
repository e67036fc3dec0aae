"""Merchants at the other end of the outgoing events."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from billing_worker.domain.events import EventType
from billing_worker.ports.outgoing import Address, OutboxMessage, Refusal

OF_ALERTS = (EventType.ALERT_OPENED, EventType.ALERT_CLOSED)


@dataclass
class Merchant:
    """Takes events, or says what is wrong."""

    trouble: str | None = None
    got: list[tuple[str, str]] = field(default_factory=list)
    """Subject and type of what was taken, in order; without the events of alerts, which any trouble brings."""
    alerts: list[tuple[str, str]] = field(default_factory=list)
    """Subject and type of the events of alerts that were taken."""
    asked: list[str] = field(default_factory=list)
    """Ids of all deliveries, taken or not."""
    refuses: Callable[[OutboxMessage], Refusal | None] = lambda _message: None
    address: Address = field(default_factory=lambda: Address("merchant", "https://shop.example/events"))

    def send(self, message: OutboxMessage, at: datetime) -> Refusal | None:  # noqa: ARG002 - as the port has it
        self.asked.append(message.id)
        refusal = Refusal(self.trouble) if self.trouble else self.refuses(message)
        if refusal is None:
            taken = self.alerts if message.event.type in OF_ALERTS else self.got
            taken.append((message.event.subject_id, message.event.type))
        return refusal
