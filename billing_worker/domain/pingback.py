"""The verdict on one payment at Paymentwall from all its pingbacks, in any order.

A payment is named by its `ref`; each pingback about it is one signal. The table below has all rules: the verdict so
far, the signal, the new verdict, and the effect. The worst news wins. A hold never overrides a decision, and no late
signal revives a payment that was declined or taken back.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class Signal(StrEnum):
    """The meaning of one pingback, by its type (and reason)."""

    PAID = "paid"
    UNDER_REVIEW = "under_review"
    ACCEPTED = "accepted"
    DECLINED = "declined"
    VOIDED = "voided"
    REVERSED = "reversed"
    PARTLY_REVERSED = "partly_reversed"
    SUBSCRIPTION = "subscription"
    UNKNOWN = "unknown"


class Verdict(StrEnum):
    """The state of a payment after all pingbacks so far."""

    UNDECIDED = "undecided"
    """No signal has decided yet."""
    HELD = "held"
    """Under risk review: the merchant must not deliver for it."""
    DELIVERED = "delivered"
    DECLINED = "declined"
    VOIDED = "voided"
    REVERSED = "reversed"


class Effect(StrEnum):
    """The action that a signal requires."""

    CONFIRM = "confirm"
    """The key that this payment issued may be charged from now on."""
    HOLD = "hold"
    """The key stays pending."""
    CANCEL = "cancel"
    """A pending key becomes invalid; `kills_active` decides about an active one. An operator looks."""
    PARTIAL = "partial"
    """A part was given back: the key stays as it is. An operator looks."""
    SUBSCRIPTION = "subscription"
    """Paymentwall itself bills this customer: tell the merchant. An operator looks."""
    CONTRADICTION = "contradiction"
    """Accepted after it was declined: the key stays as it is. An operator looks."""
    STORE = "store"
    """An undocumented type: kept. An operator looks."""
    NOTHING = "nothing"
    """Late news that is outdated."""


SIGNALS: Mapping[int, Signal] = {
    0: Signal.PAID,
    1: Signal.PAID,
    2: Signal.REVERSED,
    12: Signal.SUBSCRIPTION,
    13: Signal.SUBSCRIPTION,
    14: Signal.SUBSCRIPTION,
    200: Signal.UNDER_REVIEW,
    201: Signal.ACCEPTED,
    202: Signal.DECLINED,
    203: Signal.VOIDED,
    220: Signal.PARTLY_REVERSED,
}

PARTLY = "10"
"""The reason of a type 2 that took back only a part."""
FRAUD = frozenset({"1", "2", "3"})
"""Reasons of a type 2: chargeback, card fraud, other fraud."""

_V, _S, _E = Verdict, Signal, Effect

TABLE: Mapping[tuple[Verdict, Signal], tuple[Verdict, Effect]] = {
    (_V.UNDECIDED, _S.PAID): (_V.DELIVERED, _E.CONFIRM),
    (_V.UNDECIDED, _S.UNDER_REVIEW): (_V.HELD, _E.HOLD),
    (_V.UNDECIDED, _S.ACCEPTED): (_V.DELIVERED, _E.CONFIRM),
    (_V.UNDECIDED, _S.DECLINED): (_V.DECLINED, _E.CANCEL),
    (_V.UNDECIDED, _S.VOIDED): (_V.VOIDED, _E.CANCEL),
    (_V.UNDECIDED, _S.REVERSED): (_V.REVERSED, _E.CANCEL),
    (_V.HELD, _S.PAID): (_V.DELIVERED, _E.CONFIRM),
    (_V.HELD, _S.UNDER_REVIEW): (_V.HELD, _E.HOLD),
    (_V.HELD, _S.ACCEPTED): (_V.DELIVERED, _E.CONFIRM),
    (_V.HELD, _S.DECLINED): (_V.DECLINED, _E.CANCEL),
    (_V.HELD, _S.VOIDED): (_V.VOIDED, _E.CANCEL),
    (_V.HELD, _S.REVERSED): (_V.REVERSED, _E.CANCEL),
    (_V.DELIVERED, _S.PAID): (_V.DELIVERED, _E.CONFIRM),
    (_V.DELIVERED, _S.UNDER_REVIEW): (_V.DELIVERED, _E.NOTHING),
    (_V.DELIVERED, _S.ACCEPTED): (_V.DELIVERED, _E.CONFIRM),
    (_V.DELIVERED, _S.DECLINED): (_V.DECLINED, _E.CANCEL),
    (_V.DELIVERED, _S.VOIDED): (_V.VOIDED, _E.CANCEL),
    (_V.DELIVERED, _S.REVERSED): (_V.REVERSED, _E.CANCEL),
    (_V.DECLINED, _S.PAID): (_V.DECLINED, _E.NOTHING),
    (_V.DECLINED, _S.UNDER_REVIEW): (_V.DECLINED, _E.NOTHING),
    (_V.DECLINED, _S.ACCEPTED): (_V.DECLINED, _E.CONTRADICTION),
    (_V.DECLINED, _S.DECLINED): (_V.DECLINED, _E.CANCEL),
    (_V.DECLINED, _S.VOIDED): (_V.DECLINED, _E.CANCEL),
    (_V.DECLINED, _S.REVERSED): (_V.REVERSED, _E.CANCEL),
    (_V.VOIDED, _S.PAID): (_V.VOIDED, _E.NOTHING),
    (_V.VOIDED, _S.UNDER_REVIEW): (_V.VOIDED, _E.NOTHING),
    (_V.VOIDED, _S.ACCEPTED): (_V.VOIDED, _E.NOTHING),
    (_V.VOIDED, _S.DECLINED): (_V.DECLINED, _E.CANCEL),
    (_V.VOIDED, _S.VOIDED): (_V.VOIDED, _E.CANCEL),
    (_V.VOIDED, _S.REVERSED): (_V.REVERSED, _E.CANCEL),
    (_V.REVERSED, _S.PAID): (_V.REVERSED, _E.NOTHING),
    (_V.REVERSED, _S.UNDER_REVIEW): (_V.REVERSED, _E.NOTHING),
    (_V.REVERSED, _S.ACCEPTED): (_V.REVERSED, _E.NOTHING),
    (_V.REVERSED, _S.DECLINED): (_V.REVERSED, _E.CANCEL),
    (_V.REVERSED, _S.VOIDED): (_V.REVERSED, _E.CANCEL),
    (_V.REVERSED, _S.REVERSED): (_V.REVERSED, _E.CANCEL),
    **{(verdict, _S.PARTLY_REVERSED): (verdict, _E.PARTIAL) for verdict in _V},
    **{(verdict, _S.SUBSCRIPTION): (verdict, _E.SUBSCRIPTION) for verdict in _V},
    **{(verdict, _S.UNKNOWN): (verdict, _E.STORE) for verdict in _V},
}

BLOCKING = frozenset({Verdict.HELD, Verdict.DECLINED, Verdict.VOIDED, Verdict.REVERSED})
"""While a key's newest payment has one of these verdicts, nothing confirms the key."""


@dataclass(slots=True)
class PingbackPayment:
    """One payment at Paymentwall, with the pingbacks about it so far."""

    id: int
    ref: str
    uid: str
    """The payer; for a billing key its customer_uid."""
    goodsid: str | None
    verdict: Verdict
    created_at: datetime
    """Billing time of the first pingback."""
    confirmed_key: bool = False
    """Whether a signal of this payment confirmed its key."""
    seen: list[str] = field(default_factory=list)
    """Marks of the pingbacks taken in so far."""
    waiting: list[str] = field(default_factory=list)
    """Those whose effect on the key is still to come, for example because the key is not registered yet."""

    @property
    def blocks(self) -> bool:
        """Whether a pending key stays unconfirmed while this is its newest payment."""
        return self.verdict in BLOCKING

    def take(self, mark: str, signal: Signal) -> Effect | None:
        """Take in a signal; None if this pingback was already handled.

        A signal whose effect is still to come is not judged again. Good news that is outdated has no effect any more.
        """
        if mark not in self.seen:
            self.verdict, effect = TABLE[self.verdict, signal]
            return effect
        if mark not in self.waiting:
            return None
        effect = TABLE[Verdict.UNDECIDED, signal][1]
        outdated = effect is Effect.CONFIRM and self.verdict is not Verdict.DELIVERED
        return Effect.NOTHING if outdated else effect

    def note(self, mark: str, *, done: bool) -> None:
        """Note that this pingback was taken in, and whether its effect is complete."""
        if mark not in self.seen:
            self.seen = [*self.seen, mark]
        self.waiting = [each for each in self.waiting if each != mark]
        if not done:
            self.waiting = [*self.waiting, mark]


def signal_of(kind: int, reason: str | None) -> Signal:
    """The signal of a pingback with this type and reason."""
    signal = SIGNALS.get(kind, Signal.UNKNOWN)
    return Signal.PARTLY_REVERSED if signal is Signal.REVERSED and reason == PARTLY else signal


def mark_of(payload: Mapping[str, str]) -> str:
    """The mark that distinguishes a pingback from others about the same payment, and is the same for its repetition.

    The mark is the type. A reversal adds the reason, since a chargeback can follow a refund. A partial refund adds the
    merchant's number of the refund or its amount, since there can be several.
    """
    kind, reason = payload["type"], payload.get("reason", "")
    parts = [kind, reason] if kind == "2" and reason else [kind]
    if signal_of(int(kind), reason) is Signal.PARTLY_REVERSED:
        parts.append(payload.get("merchant_refund_id") or payload.get("refund_amount") or "")
    return "|".join(parts)


def kills_active(signal: Signal, reason: str | None, *, confirmed_key: bool) -> bool:
    """Whether this invalidates an active key: the payment that confirmed it was refused, or the card is disputed."""
    if signal is Signal.REVERSED:
        return reason in FRAUD
    return confirmed_key and signal in (Signal.DECLINED, Signal.VOIDED)
