"""Notices as signed Standard Webhooks, for senders of 알림톡 and SMS: the same code and form as the events."""

import json
from datetime import datetime

from billing_worker.adapters.notifier import SignedWebhook
from billing_worker.ports.notices import Letter
from billing_worker.ports.outgoing import Refusal

VERSION = 1
"""The version of the body. It grows when a field changes its meaning or goes away, not when one is added."""


def payload(letter: Letter, at: datetime) -> str:
    """The body of a delivery. `id` is also the `webhook-id`: a repeat has the same one."""
    data = {
        "id": letter.id,
        "kind": letter.kind,
        "language": letter.language,
        "customer": letter.customer,
        "to": {"name": letter.to.name, "email": letter.to.email, "phone": letter.to.phone},
        "title": letter.words.title,
        "text": letter.words.text,
        "facts": dict(letter.facts),
    }
    body = {"type": f"notice.{letter.kind}", "timestamp": at.isoformat(), "version": VERSION, "data": data}
    return json.dumps(body, ensure_ascii=False)


class WebhookMessenger(SignedWebhook):
    """Posts notices to the merchant's sender."""

    prefix = "BILLING_NOTICE"

    def send(self, letter: Letter, at: datetime) -> Refusal | None:
        """Deliver a notice; None when the receiver answered 2xx. 410 refuses this notice for good."""
        return self.post(letter.id, payload(letter, at), at)
