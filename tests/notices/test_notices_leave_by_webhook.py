"""Notices to the merchant's own sender, over a real socket: signed as events are."""

import json
from datetime import UTC, datetime

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from billing_worker.adapters.notices.webhook import WebhookMessenger
from billing_worker.domain.errors import SettingsInvalid
from billing_worker.domain.notices.notice import Channel
from tests.adapters.test_events_are_sent_safely import NEW, OK, OLD, trap
from tests.support.heard import noticing, telling
from tests.support.world import World

BUYER = {"buyer_name": "홍길동", "buyer_email": "gildong@example.com", "buyer_tel": "010-1234-5678"}


def _told(heard: bytes) -> tuple[dict[str, str], bytes]:
    head, _, body = heard.partition(b"\r\n\r\n")
    lines = (line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
    return {name.lower(): value for name, value in lines}, body


def test_a_sender_gets_the_signed_facts_of_a_declined_charge(world: World) -> None:
    with trap() as made:
        # The signature is checked against the clock of this machine.
        world.clock.advance_to(max(world.clock.now(), datetime.now(UTC)))
        messenger = WebhookMessenger(f"http://127.0.0.1:{made.port}/notices", NEW, allow_private=True)
        told = telling(world, noticing({Channel.WEBHOOK: messenger}))
        plan = told.plan()
        subscription = told.subscribe(key=told.key("decline-limit", **BUYER), plan=plan, customer="user-42")
        told.settle()
        invoice = told.invoice(subscription)
    ((headers, body),) = map(_told, made.heard)
    with pytest.raises(WebhookVerificationError):
        Webhook(OLD).verify(body, headers)
    sent = Webhook(NEW).verify(body, headers)
    assert sent == json.loads(body)
    assert sent["type"] == "notice.failed"
    data = sent["data"]
    assert data["id"] == headers["webhook-id"] == told.rows("SELECT id FROM notices")[0]["id"]
    assert (data["kind"], data["language"], data["customer"]) == ("failed", "ko", "user-42")
    assert data["to"] == {"name": "홍길동", "email": "gildong@example.com", "phone": "010-1234-5678"}
    assert data["title"] == f"{plan.name} 결제가 되지 않았습니다"
    facts = data["facts"]
    assert (facts["amount"], facts["currency"], facts["product"]) == (9900, "KRW", plan.name)
    assert (facts["invoice_id"], facts["subscription_id"]) == (invoice.id, subscription.id)
    assert invoice.next_attempt_at is not None
    assert facts["next_attempt_at"] == invoice.next_attempt_at.isoformat()
    assert subscription.billing_key_id not in body.decode()


def test_a_sender_that_was_down_gets_it_under_the_same_id(world: World) -> None:
    answers = iter([b"HTTP/1.1 503 Service Unavailable\r\n\r\n", OK])
    with trap(lambda connection: connection.sendall(next(answers))) as made:
        messenger = WebhookMessenger(f"http://127.0.0.1:{made.port}/", NEW, allow_private=True)
        told = telling(world, noticing({Channel.WEBHOOK: messenger}))
        told.subscribe("decline-limit")
        told.settle()
        told.clock.advance(minutes=6)
        told.settle()
    first, again = [_told(heard)[0] for heard in made.heard]
    assert first["webhook-id"] == again["webhook-id"]
    assert told.rows("SELECT status, tries FROM notices") == [{"status": "sent", "tries": 2}]


def test_a_sender_that_refuses_a_notice_for_good_gets_it_once(world: World) -> None:
    with trap(b"HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n") as made:
        messenger = WebhookMessenger(f"http://127.0.0.1:{made.port}/", NEW, allow_private=True)
        told = telling(world, noticing({Channel.WEBHOOK: messenger}))
        told.subscribe("decline-limit")
        told.settle()
        told.clock.advance(hours=1)
        told.settle()
    assert len(made.heard) == 1
    assert told.rows("SELECT status, note FROM notices") == [
        {"status": "failed", "note": "the receiver answered HTTP 410"}
    ]


def test_a_mistake_in_the_settings_names_the_settings_of_notices() -> None:
    with pytest.raises(SettingsInvalid, match="BILLING_NOTICE_URL: sends customers' data in the clear"):
        WebhookMessenger("http://shop.example/notices", NEW)
    with pytest.raises(SettingsInvalid, match="BILLING_NOTICE_SECRET: must be whsec_"):
        WebhookMessenger("https://shop.example/notices", "short")
