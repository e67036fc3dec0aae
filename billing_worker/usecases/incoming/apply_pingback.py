"""Apply a Paymentwall pingback: note its signal on the payment, and update the key.

Good news confirms a key only if the gateway has the key. Bad news is applied directly: it can only prevent charges.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from billing_worker.domain.alerts import AlertKind, Fact
from billing_worker.domain.billing_key import BillingKey, KeyStatus
from billing_worker.domain.events import Data, Event, EventType, of_key
from billing_worker.domain.moment import Moment
from billing_worker.domain.pingback import (
    Effect,
    PingbackPayment,
    Signal,
    kills_active,
    mark_of,
    signal_of,
)
from billing_worker.ports.incoming import InboxMessage, InboxStatus
from billing_worker.ports.storage import UnitOfWork
from billing_worker.usecases.incoming.applied import Applied, apply_confirmation
from billing_worker.usecases.key.unlock import blocked_by_pingback

MOST_DELIVERIES = 4
"""The first delivery, and three repetitions after an `OK`: networks lose some answers, but not more."""
SAME_CONFIRMATION = timedelta(days=1)
"""PortOne's webhook and the pingback about an issuing payment: the first to arrive confirms the key."""

SUBSCRIPTION_EVENTS = {
    "12": EventType.PAYMENTWALL_SUBSCRIPTION_CANCELED,
    "13": EventType.PAYMENTWALL_SUBSCRIPTION_EXPIRED,
    "14": EventType.PAYMENTWALL_SUBSCRIPTION_PAYMENT_FAILED,
}
UNREGISTERED = "is about a Paymentwall key that is not registered here (yet)"


@dataclass(slots=True)
class _News:
    """One pingback, with all records that it can change."""

    uow: UnitOfWork
    moment: Moment
    payload: dict[str, str]
    payment: PingbackPayment
    key: BillingKey | None
    knows_key: bool | None
    first: bool
    """Whether it is taken in now; if not, only its effect on the key is pending."""

    @property
    def kind(self) -> str:
        return self.payload["type"]

    @property
    def reason(self) -> str | None:
        return self.payload.get("reason") or None

    @property
    def signal(self) -> Signal:
        return signal_of(int(self.kind), self.reason)

    @property
    def text(self) -> str:
        reason = f", reason {self.reason}" if self.reason else ""
        return f"Paymentwall's {self.payment.ref} (type {self.kind}{reason})"

    @property
    def facts(self) -> dict[str, Fact]:
        """The common facts of all alerts about it."""
        return {"ref": self.payment.ref, "type": self.kind, "reason": self.reason}

    @property
    def key_id(self) -> str | None:
        return self.key.id if self.key is not None else None

    @property
    def other_product(self) -> bool:
        return self.key is not None and self.key.goodsid not in (None, self.payload.get("goodsid"))


def dedupe_key(payload: dict[str, str]) -> str:
    """The key that repetitions of this pingback share."""
    return f"{payload['ref']}|{mark_of(payload)}"


def apply_pingback(uow: UnitOfWork, message: InboxMessage, *, knows_key: bool | None, moment: Moment) -> Applied:
    """Apply a pingback. `knows_key` is the gateway's answer about the key, None without one."""
    payload = message.payload
    if message.deliveries > MOST_DELIVERIES:
        uow.alerts.open(AlertKind.PINGBACK_REPEATED, message.dedupe_key, {"times": message.deliveries}, moment)
    mark, uid, goodsid = mark_of(payload), payload["uid"], payload.get("goodsid")
    payment = uow.pingbacks.start(payload["ref"], uid, goodsid, moment.billing)
    if (payment.uid, payment.goodsid) != (uid, goodsid):
        uow.alerts.open(AlertKind.PINGBACK_CONTRADICTION, payment.ref, {"case": "owners"}, moment)
        return Applied(InboxStatus.IGNORED, "names another uid or goodsid than before")
    first = mark not in payment.seen
    news = _News(uow, moment, payload, payment, uow.keys.with_customer_uid(uid), knows_key, first)
    effect = payment.take(mark, news.signal)
    if effect is None:
        return Applied(InboxStatus.APPLIED, "was taken in before; changes nothing")
    uow.pingbacks.save(payment)  # the decision about the key reads it
    applied = _EFFECTS[effect](news)
    payment.note(mark, done=applied.status is not InboxStatus.RECEIVED)
    uow.pingbacks.save(payment)
    return applied


def _confirm(news: _News) -> Applied:
    key, payment = news.key, news.payment
    if key is None:
        return Applied(InboxStatus.RECEIVED, UNREGISTERED)
    if news.other_product:
        return _other_product(news, key)
    if key.status is KeyStatus.INVALID and not key.awaits_confirmation:
        return _too_late(news, key)
    not_yet = _not_yet(news, key)
    if not_yet is not None:
        return Applied(InboxStatus.RECEIVED, not_yet)
    applied = apply_confirmation(news.uow, key, news.moment)
    just_now = key.activated_at is not None and news.moment.billing - key.activated_at <= SAME_CONFIRMATION
    payment.confirmed_key = payment.confirmed_key or bool(applied.unlocked or applied.to_confirm) or just_now
    return applied


def _not_yet(news: _News, key: BillingKey) -> str | None:
    """Why the key cannot be confirmed yet."""
    if news.knows_key is None:
        return "the gateway could not be asked whether it has the key"
    if not news.knows_key:
        return "the gateway does not have the key (yet)"
    newest = blocked_by_pingback(news.uow, key) if key.awaits_confirmation else None
    return None if newest is None else f"the key's newest payment {newest.ref} is {newest.verdict}"


def _hold(news: _News) -> Applied:
    return Applied(InboxStatus.APPLIED, f"{news.payment.ref} is under review: the key waits")


def _cancel(news: _News) -> Applied:
    if news.first:
        disputed = kills_active(news.signal, news.reason, confirmed_key=False)
        facts = news.facts | {"case": "disputed" if disputed else "reversed", "key": news.key_id}
        news.uow.alerts.open(AlertKind.PINGBACK_REVERSAL, news.payment.ref, facts, news.moment)
    if news.key is None:
        return Applied(InboxStatus.RECEIVED, UNREGISTERED)
    if news.other_product:
        return Applied(InboxStatus.IGNORED, "of another product than the key")
    key = news.uow.keys.lock(news.key.id)
    if key.status is KeyStatus.PENDING:
        # A newer payment may have been paid, and only the gateway's confirmation of the key is missing.
        dies = blocked_by_pingback(news.uow, key) is not None
    else:
        dies = kills_active(news.signal, news.reason, confirmed_key=news.payment.confirmed_key)
    reason = f"{news.text} was {news.payment.verdict}"
    if not dies or not key.invalidate(reason):
        return Applied(InboxStatus.APPLIED, f"key {key.id} stays {key.status}; an operator decides")
    news.uow.keys.save(key)
    news.uow.alerts.close(AlertKind.KEY_PENDING, key.id, news.moment)
    news.uow.announce([of_key(EventType.BILLING_KEY_INVALID, key, reason=reason)], news.moment)
    return Applied(InboxStatus.APPLIED, f"key {key.id} is {key.status}")


def _partial(news: _News) -> Applied:
    facts = news.facts | {"key": news.key_id, "amount": news.payload.get("refund_amount") or None}
    subject = f"{news.payment.ref} {mark_of(news.payload)}"
    news.uow.alerts.open(AlertKind.PINGBACK_PARTIAL, subject, facts, news.moment)
    return Applied(InboxStatus.APPLIED, "a part was given back: an operator decides")


def _subscription(news: _News) -> Applied:
    payment, key_id = news.payment, news.key_id
    data: Data = {"ref": payment.ref, "goodsid": payment.goodsid, "billing_key_id": key_id}
    event = Event(SUBSCRIPTION_EVENTS[news.kind], key_id or f"pingback_{payment.id}", data)
    news.uow.announce([event], news.moment)
    news.uow.alerts.open(AlertKind.PAYMENTWALL_BILLS, key_id or payment.ref, news.facts, news.moment)
    return Applied(InboxStatus.APPLIED, "told the merchant")


def _too_late(news: _News, key: BillingKey) -> Applied:
    case = "worked" if key.activated_at is not None else "never_worked"
    facts = news.facts | {"case": case, "key": key.id, "key_reason": key.invalid_reason}
    news.uow.alerts.open(AlertKind.PINGBACK_CONTRADICTION, news.payment.ref, facts, news.moment)
    return Applied(InboxStatus.IGNORED, f"key {key.id} is {key.status}")


def _contradiction(news: _News) -> Applied:
    facts = news.facts | {"case": "verdict", "verdict": str(news.payment.verdict)}
    news.uow.alerts.open(AlertKind.PINGBACK_CONTRADICTION, news.payment.ref, facts, news.moment)
    return Applied(InboxStatus.IGNORED, f"the payment was {news.payment.verdict} before")


def _store(news: _News) -> Applied:
    subject = f"{news.payment.ref} {news.kind}"
    news.uow.alerts.open(AlertKind.PINGBACK_UNKNOWN_TYPE, subject, news.facts, news.moment)
    return Applied(InboxStatus.IGNORED, f"type {news.kind} is not known")


def _nothing(news: _News) -> Applied:
    return Applied(InboxStatus.IGNORED, f"outdated: the payment is {news.payment.verdict}")


def _other_product(news: _News, key: BillingKey) -> Applied:
    facts = news.facts | {"key": key.id}
    news.uow.alerts.open(AlertKind.PINGBACK_GOODSID, news.payment.ref, facts, news.moment)
    return Applied(InboxStatus.IGNORED, "of another product than the key")


_EFFECTS: dict[Effect, Callable[[_News], Applied]] = {
    Effect.CONFIRM: _confirm,
    Effect.HOLD: _hold,
    Effect.CANCEL: _cancel,
    Effect.PARTIAL: _partial,
    Effect.SUBSCRIPTION: _subscription,
    Effect.CONTRADICTION: _contradiction,
    Effect.STORE: _store,
    Effect.NOTHING: _nothing,
}
