"""One customer of each other way in: the payment window, card data, a first payment, now or later, and single ones."""

from datetime import UTC, datetime, timedelta

import httpx

from billing_worker.domain.card_entry import Card
from billing_worker.ports.bundle import Ports
from billing_worker.usecases.card.create import NewCardSession, create_session
from billing_worker.usecases.card.visit import begin, report
from billing_worker.usecases.charge.card_payment import NewCardPayment, pay_by_card
from billing_worker.usecases.entry.issue import NewCard, issue_key
from billing_worker.usecases.payment.create import NewPayment, create_payment
from billing_worker.usecases.subscription.subscribe import NewSubscription, subscribe

PG = "nice_v2"


def load(ports: Ports, sandbox: httpx.Client, plan_id: str, start: datetime) -> int:
    """Bring each of them in; returns the number of new subscriptions."""
    begins = start + timedelta(days=2, hours=9)
    keys = {
        "window": _by_window(ports, sandbox),
        "card-data": issue_key(ports, NewCard("by-card-data", PG, _card())).id,
        "first-payment": _by_first_payment(ports),
    }
    for name, key in keys.items():
        subscribe(ports, NewSubscription(plan_id, key, f"came-by-{name}", start=begins))
    usage = start + timedelta(days=40, hours=10)
    create_payment(ports, NewPayment(keys["window"], 4_200, name="추가 사용료", at=usage))
    pay_by_card(ports, NewCardPayment(PG, _card(), 50_000, name="가입비", customer="came-by-telephone"))
    pay_by_card(ports, NewCardPayment(PG, _card(), 12_000, name="예약금", customer_uid="kept-until-later", at=usage))
    return len(keys)


def _card() -> Card:
    number, password = "5409-6000-1234-5677", "37"
    return Card.entered(number, "2099-12", birth="880301", pwd_2digit=password, real_now=datetime.now(UTC))


def _by_first_payment(ports: Ports) -> str:
    deposit = NewCardPayment(PG, _card(), 30_000, name="보증금", customer_uid="by-first-payment")
    return pay_by_card(ports, deposit).billing_key_id


def _by_window(ports: Ports, sandbox: httpx.Client) -> str:
    """What a customer does on the card page, without a browser: the sandbox's window takes the card."""
    session = create_session(ports, NewCardSession("kakaopay", customer="came-by-window"))
    begin(ports, session.id)
    names = {"customer_uid": session.customer_uid, "merchant_uid": session.merchant_uid}
    asked = {"request": names | {"pg": session.pg, "amount": 0}, "action": "card", "card_number": "4242-4242-4242-4242"}
    said = sandbox.post("/v1/window", json=asked).raise_for_status().json()
    key_id = report(ports, session.id, said["imp_uid"]).session.billing_key_id
    if key_id is None:
        raise RuntimeError(f"the window gave no key: {said}")
    return key_id
