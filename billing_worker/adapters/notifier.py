"""Events for the merchant, as signed Standard Webhooks (the `standardwebhooks` library signs)."""

import json

import httpx
from standardwebhooks import Webhook

from billing_worker.domain.errors import SettingsInvalid
from billing_worker.ports import OutboxMessage

TIMEOUT = 15.0
"""Seconds; what the Standard Webhooks guide advises receivers to stay under."""


class WebhookNotifier:
    """Posts each event once a call; retrying is the outbox's matter."""

    def __init__(self, url: str, secret: str) -> None:
        try:
            self._webhook = Webhook(secret)
        except Exception as error:
            raise SettingsInvalid("BILLING_EVENTS_SECRET: must be whsec_ followed by base64") from error
        self._url = url
        self._client = httpx.Client(timeout=TIMEOUT, follow_redirects=False)

    def send(self, message: OutboxMessage) -> str | None:
        """Deliver; None when the receiver answered 2xx, else one line about what went wrong."""
        body = json.dumps(
            {
                "type": message.event.type,
                "timestamp": message.occurred_at.isoformat(),
                "data": {"id": message.event.subject_id, **message.event.data},
            },
            ensure_ascii=False,
        )
        headers = {
            "webhook-id": message.id,
            "webhook-timestamp": str(int(message.next_try_at.timestamp())),
            "webhook-signature": self._webhook.sign(message.id, message.next_try_at, body),
            "content-type": "application/json",
        }
        try:
            answer = self._client.post(self._url, content=body.encode(), headers=headers)
        except httpx.HTTPError as error:
            return f"{type(error).__name__}: the receiver could not be reached"
        return None if answer.is_success else f"the receiver answered HTTP {answer.status_code}"
