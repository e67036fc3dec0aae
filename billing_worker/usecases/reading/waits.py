"""What a charge depends on, in words of `why`: its keys, the limits of its PG, the spread of renewals, and stops."""

from collections.abc import Sequence
from datetime import datetime

from billing_worker.domain.alerts import Action, WayOut
from billing_worker.domain.billing_key import BillingKey, KeyWait, masked_email
from billing_worker.domain.declines.reasons import Advice
from billing_worker.domain.dunning.caps import free_from
from billing_worker.domain.invoice import Invoice, PaymentAttempt
from billing_worker.domain.language import Language
from billing_worker.domain.pg_limits import PgLimits, month_of
from billing_worker.domain.stop import ALL, Stop
from billing_worker.domain.subscription import Subscription
from billing_worker.ports.bundle import Ports
from billing_worker.ports.storage import UnitOfWork
from billing_worker.texts.words import Words, together


def missing_of(uow: UnitOfWork, key: BillingKey, words: Words) -> str:
    """What a pending key lacks, as a clause."""
    if key.issue is not None and not key.email_agrees:
        registered, issued = masked_email(key.buyer_email), masked_email(key.issue.buyer_email)
        return words.say("why.key_lacks.email", registered=registered, issued=issued)
    newest = uow.pingbacks.newest(key.customer_uid, key.goodsid)
    if newest is not None and newest.blocks:
        return words.say("why.key_lacks.pingback", ref=newest.ref, verdict=words.of(newest.verdict))
    return words.say(f"why.key_lacks.{key.waits_for or KeyWait.UNREAD}")


def lack_of(ports: Ports, key: BillingKey) -> str:
    """The same in English, in a transaction of its own."""
    with ports.database.transaction() as uow:
        return missing_of(uow, key, Words(Language.EN))


def ways_to_confirm(key: BillingKey) -> tuple[WayOut, ...]:
    """What an operator can do for a pending key, beside waiting."""
    if key.issue is not None and not key.email_agrees:
        return (WayOut(Action.SET_KEY_EMAIL, {"key": key.id}),)
    return ()


def last_month(key: BillingKey, words: Words) -> str:
    """A sentence about the last month of the card; empty if it is unknown."""
    return "" if key.card_expires is None else words.say("why.card.last_month", month=key.card_expires)


def cards_of(uow: UnitOfWork, subscription: Subscription, main: BillingKey, words: Words) -> str:
    """The cards of a subscription and the consents; empty if there is nothing to tell."""
    sentences = [last_month(main, words)]
    for number, each in enumerate(uow.fallbacks.in_use([subscription.id]).get(subscription.id, ()), 1):
        agreed, key = each.agreed, each.key
        consent = {"day": words.day(agreed.consented_at), "consent": agreed.consent}
        card = words.say("why.card.fallback", number=number, key=key.id, status=words.of(key.status), **consent)
        sentences += [card, last_month(key, words)]
    return together(*sentences)


def cap_of(key: BillingKey, now: datetime, words: Words) -> str:
    """A sentence about a card that may not be tried now; empty if it may."""
    free, times = free_from(key.declined_at, now), len(key.declined_at)
    return "" if free <= now else words.say("why.cap", times=times, free=f"{free:%Y-%m-%d %H:%M}")


def limit_of(
    uow: UnitOfWork, invoice: Invoice, key: BillingKey, *, limits: PgLimits, now: datetime, words: Words
) -> str:
    """A sentence about the limit that set the date of this invoice; empty if none did.

    The date itself tells: no row holds the reason of a wait.
    """
    pg, look = key.pg_provider, invoice.next_attempt_at
    if look is None:
        return ""
    quiet, most, spacing = limits.quiet.get(pg), limits.monthly_uses.get(pg), limits.spacing.get(pg)
    begin, end = month_of(now)
    if quiet is not None and quiet.ends(look - datetime.resolution) == look:
        return words.say("why.limit.quiet", pg=pg, start=f"{quiet.start:%H:%M}", end=f"{quiet.end:%H:%M}")
    if most is not None and look == end and uow.spending.uses_of_key(key.id, begin) >= most:
        return words.say("why.limit.uses", most=most, pg=pg)
    period = invoice.period
    offset = limits.offset(invoice.owner_id, period.end - period.start) if period is not None else None
    if offset and not invoice.is_first and look == invoice.owed_from + offset:
        return words.say("why.limit.spread")
    if spacing is not None and not invoice.attempts and look > invoice.owed_from:
        return words.say("why.limit.spacing", pg=pg, seconds=f"{spacing.total_seconds():g}")
    return ""


def not_the_customers(attempts: Sequence[PaymentAttempt], words: Words) -> str:
    """What a decline says that is not the customer's."""
    advice = attempts[-1].decline_advice if attempts else None
    if advice is Advice.RETRY_SOON:
        return words.say("why.spared.soon")
    return words.say("why.spared.merchant") if advice is Advice.FIX_CONFIGURATION else ""


def stop_in_words(stop: Stop, words: Words) -> str:
    """Where charging is stopped, and why: a clause."""
    return words.say(
        f"why.stop.{'all' if stop.scope == ALL else 'scope'}",
        scope=stop.scope,
        since=f"{stop.opened_at:%Y-%m-%d %H:%M}",
        cause=words.of(stop.cause),
        reason=words.reason(stop.reason),
    )


def when_ended(stops: Sequence[Stop], words: Words, *, is_due: bool) -> str:
    """What has to happen until these stops hold nothing: only the pause for the gateway ends by itself."""
    pauses = sum(stop.waits_for_gateway for stop in stops)
    ends = "gateway" if pauses == len(stops) else "both" if pauses else "operator"
    return words.say(f"why.held.{'due' if is_due else 'later'}.{ends}")


def next_charge(limits: PgLimits, next_start: str, words: Words) -> str:
    """When the next period begins and is charged: renewals may be spread."""
    if not limits.spread:
        return words.say("why.next_period", day=next_start)
    return words.say("why.next_period.spread", day=next_start, hours=f"{limits.spread.total_seconds() / 3600:g}")
