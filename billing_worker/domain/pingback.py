"""What Paymentwall's pingbacks about one payment add up to, in whatever order they come.

A payment is named by its `ref`; each pingback about it is one signal. The table below is the whole of it: what a
payment was held to be, what comes, what it is held to be then, and what has to be done. The worst news wins: a hold
never overrides a decision, and nothing that came late brings back what was declined or taken back.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class Signal(StrEnum):
    """What one pingback says, by its type (and reason)."""

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
    """What a payment is held to be after all that was heard of it."""

    UNDECIDED = "undecided"
    """Nothing was heard that decides."""
    HELD = "held"
    """Under risk review: nothing may be delivered for it."""
    DELIVERED = "delivered"
    DECLINED = "declined"
    VOIDED = "voided"
    REVERSED = "reversed"


class Effect(StrEnum):
    """What has to be done about a signal."""

    CONFIRM = "confirm"
    """The key that this payment issued may be charged from now on."""
    HOLD = "hold"
    """The key stays pending."""
    CANCEL = "cancel"
    """A pending key becomes invalid; whether an active one does, is decided by `kills_active`. An operator looks."""
    PARTIAL = "partial"
    """A part was given back: the key stays as it is. An operator looks."""
    SUBSCRIPTION = "subscription"
    """Paymentwall itself bills this customer: tell the merchant. An operator looks."""
    CONTRADICTION = "contradiction"
    """Accepted after it was declined: nothing is delivered. An operator looks."""
    STORE = "store"
    """A type that nobody documented: kept. An operator looks."""
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
"""The reason of a type 2 that took back a part only."""
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
"""While a key's newest payment stands so, nothing confirms the key."""


@dataclass(slots=True)
class PingbackPayment:
    """One payment at Paymentwall, and what its pingbacks said so far."""

    id: int
    ref: str
    uid: str
    """Whose; for a billing key its customer_uid."""
    goodsid: str | None
    verdict: Verdict
    created_at: datetime
    """Billing time of the first pingback."""
    confirmed_key: bool = False
    """Whether this payment's good news is what its key was confirmed by."""
    seen: list[str] = field(default_factory=list)
    """Marks of the pingbacks that were taken in."""
    waiting: list[str] = field(default_factory=list)
    """Those of them whose effect on the key is still to come: the key is not registered yet, say."""

    @property
    def blocks(self) -> bool:
        """Whether nothing confirms a pending key while this is its newest payment."""
        return self.verdict in BLOCKING

    def take(self, mark: str, signal: Signal) -> Effect | None:
        """Take in a signal; None where this very pingback was dealt with before.

        One whose effect is still to come is not judged again, but good news that is outdated by now has none left.
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
        """Remember that this pingback was taken in, and whether its effect is complete."""
        if mark not in self.seen:
            self.seen = [*self.seen, mark]
        self.waiting = [each for each in self.waiting if each != mark]
        if not done:
            self.waiting = [*self.waiting, mark]


def signal_of(kind: int, reason: str | None) -> Signal:
    """What a pingback of this type and reason says."""
    signal = SIGNALS.get(kind, Signal.UNKNOWN)
    return Signal.PARTLY_REVERSED if signal is Signal.REVERSED and reason == PARTLY else signal


def mark_of(payload: Mapping[str, str]) -> str:
    """What tells a pingback from others about the same payment, and from its own repetition.

    Its type; for a reversal the reason too, since a chargeback can follow a refund; for a part of it the merchant's
    number of the refund or its amount, since there can be several.
    """
    kind, reason = payload["type"], payload.get("reason", "")
    parts = [kind, reason] if kind == "2" and reason else [kind]
    if signal_of(int(kind), reason) is Signal.PARTLY_REVERSED:
        parts.append(payload.get("merchant_refund_id") or payload.get("refund_amount") or "")
    return "|".join(parts)


def kills_active(signal: Signal, reason: str | None, *, confirmed_key: bool) -> bool:
    """Whether an active key is out of use after this: the payment it lives by was refused, or the card is disputed."""
    if signal is Signal.REVERSED:
        return reason in FRAUD
    return confirmed_key and signal in (Signal.DECLINED, Signal.VOIDED)
