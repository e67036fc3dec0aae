"""What a charge depends on, in words of `why`: its keys, the limits of its PG, the spread of renewals, and stops."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from billing_worker.domain.alerts import Action, WayOut
from billing_worker.domain.billing_key import BillingKey, KeyWait, masked_email
from billing_worker.domain.declines.reasons import Advice
from billing_worker.domain.dunning.caps import free_from
from billing_worker.domain.invoice import Invoice, PaymentAttempt
from billing_worker.domain.pg_limits import PgLimits, month_of
from billing_worker.domain.stop import Stop, StopCause
from billing_worker.domain.subscription import Subscription
from billing_worker.ports.bundle import Ports
from billing_worker.ports.storage import UnitOfWork

_UNCONFIRMED = "Paymentwall has not confirmed the payment that issued it"
_MISSING: Mapping[KeyWait, str] = {
    KeyWait.UNREAD: "PortOne has not been read about it yet",
    KeyWait.UNREADABLE: "PortOne could not be read about it",
    KeyWait.NOT_STORED: "PortOne has no key with its customer_uid",
    KeyWait.OTHER_PG: "PortOne stores it at another PG than the registered one",
    KeyWait.OTHER_PAYMENT: "the payment named as the one that issued it is not there, or is another key's",
    KeyWait.NOT_PAID: "the payment named as the one that issued it is not paid",
    KeyWait.FIRST_PAYMENT: "the outcome of the payment that issues it is not known yet",
    KeyWait.NO_PAYMENT: f"{_UNCONFIRMED}, which PortOne does not show",
    KeyWait.NO_KEY: f"{_UNCONFIRMED}, and PortOne has no key",
    KeyWait.HAS_KEY: _UNCONFIRMED,
}


def missing_of(uow: UnitOfWork, key: BillingKey) -> str:
    """What a pending key lacks, as a clause."""
    if key.issue is not None and not key.email_agrees:
        issued = masked_email(key.issue.buyer_email)
        return f"its e-mail {masked_email(key.buyer_email)} is not {issued}, that of the payment which issued it"
    newest = uow.pingbacks.newest(key.customer_uid, key.goodsid)
    if newest is not None and newest.blocks:
        return f"the newest pingback of Paymentwall about it, for payment {newest.ref}, says {newest.verdict}"
    return _MISSING[key.waits_for or KeyWait.UNREAD]


def lack_of(ports: Ports, key: BillingKey) -> str:
    """The same, in a transaction of its own."""
    with ports.database.transaction() as uow:
        return missing_of(uow, key)


def ways_to_confirm(key: BillingKey) -> tuple[WayOut, ...]:
    """What an operator can do for a pending key, beside waiting."""
    if key.issue is not None and not key.email_agrees:
        return (WayOut(Action.SET_KEY_EMAIL, {"key": key.id}),)
    return ()


def last_month(key: BillingKey) -> str:
    """A sentence about the last month of the card, with a blank before it; empty if it is unknown."""
    return "" if key.card_expires is None else f" Its card is good to the end of {key.card_expires}."


def cards_of(uow: UnitOfWork, subscription: Subscription, main: BillingKey, day: Callable[[datetime], str]) -> str:
    """The cards of a subscription and the consents, with a blank before; empty if there is nothing to tell."""
    told = last_month(main)
    for number, each in enumerate(uow.fallbacks.in_use([subscription.id]).get(subscription.id, ()), 1):
        agreed, key = each.agreed, each.key
        told += f" Its fallback {number} is {key.id}, which is {key.status}: the customer agreed on"
        told += f" {day(agreed.consented_at)} ({agreed.consent}).{last_month(key)}"
    return told


def cap_of(key: BillingKey, now: datetime) -> str:
    """A sentence about a card that may not be tried now, with a blank before it; empty if it may."""
    free, times = free_from(key.declined_at, now), len(key.declined_at)
    if free <= now:
        return ""
    return f" Its card was declined {times} times lately: card networks allow no try before {free:%Y-%m-%d %H:%M} UTC."


def limit_of(uow: UnitOfWork, invoice: Invoice, key: BillingKey, limits: PgLimits, now: datetime) -> str:
    """A sentence about the limit that set the date of this invoice, with a blank before it; empty if none did.

    The date itself tells: no row holds the reason of a wait.
    """
    pg, look = key.pg_provider, invoice.next_attempt_at
    if look is None:
        return ""
    quiet, most, spacing = limits.quiet.get(pg), limits.monthly_uses.get(pg), limits.spacing.get(pg)
    begin, end = month_of(now)
    if quiet is not None and quiet.ends(look - datetime.resolution) == look:
        return f" Until then are the quiet hours of {pg}: {quiet.start:%H:%M} to {quiet.end:%H:%M} in Seoul."
    if most is not None and look == end and uow.spending.uses_of_key(key.id, begin) >= most:
        return f" This month's {most} uses of its key at {pg} are used up."
    period = invoice.period
    offset = limits.offset(invoice.owner_id, period.end - period.start) if period is not None else None
    if offset and not invoice.is_first and look == invoice.owed_from + offset:
        return " Renewals are spread: this is its time in each period."
    if spacing is not None and not invoice.attempts and look > invoice.owed_from:
        return f" {pg} takes 1 charge each {spacing.total_seconds():g} s, and others go first."
    return ""


def not_the_customers(attempts: Sequence[PaymentAttempt]) -> str:
    """What a decline says that is not the customer's."""
    advice = attempts[-1].decline_advice if attempts else None
    if advice is Advice.RETRY_SOON:
        return " The way to the card company fails: this spends no step of dunning, unless it lasts longer than a day."
    if advice is Advice.FIX_CONFIGURATION:
        return " The merchant must change something first: this spends no step of dunning for a month."
    return ""


def when_ended(stops: Sequence[Stop], *, is_due: bool) -> str:
    """What has to happen until these stops hold nothing: only the pause for the gateway ends by itself."""
    then = "It keeps its place and is charged" if is_due else "It is charged when it is due"
    pauses = sum(stop.cause is StopCause.GATEWAY for stop in stops)
    ends = ["once an operator clears the stop"] if pauses < len(stops) else []
    ends += ["as soon as the gateway answers"] if pauses else []
    return f"{then} {' and '.join(ends)}."


def next_charge(limits: PgLimits, next_start: str) -> str:
    """When the next period begins and is charged: renewals may be spread."""
    if not limits.spread:
        return f"The next period begins, and is charged, on {next_start}."
    hours = limits.spread.total_seconds() / 3600
    return f"The next period begins on {next_start}, and is charged within {hours:g} h of it: renewals are spread."
