"""Declines that are not the customer's: they spend no step of dunning, and have waits of their own."""

from datetime import datetime, timedelta

from billing_worker.domain.billing_key import ISSUED_BY_PAYMENT, NEVER_REUSES_IDS, BillingKey
from billing_worker.domain.declines.reasons import Advice
from billing_worker.domain.dunning.planner import TryFacts, opened
from billing_worker.domain.dunning.policy import DunningPolicy
from billing_worker.domain.invoice import Invoice

MERCHANT_WAIT = timedelta(days=1)
MERCHANT_TRIES = 30
"""A decline because of the merchant's own side is tried again each day, for a month."""

NOT_SOON = ISSUED_BY_PAYMENT | NEVER_REUSES_IDS
"""PGs that may still turn a failure into a payment, or that take no order number twice. A charge within minutes could
take the money twice there, so a failure waits for the dunning day."""


def spared_wait(advice: Advice, pg: str, spared: int, policy: DunningPolicy) -> timedelta | None:
    """How long to wait after a decline that is not the customer's and comes after so many; None: it spends a step."""
    if not policy.retries:
        return None
    if advice is Advice.RETRY_SOON and spared < len(policy.failures) and pg not in NOT_SOON:
        return policy.failures[spared]
    return MERCHANT_WAIT if advice is Advice.FIX_CONFIGURATION and spared < MERCHANT_TRIES else None


def spared_until(  # noqa: PLR0917 - a decline, with all that decides
    advice: Advice, invoice: Invoice, key: BillingKey, policy: DunningPolicy, now: datetime, facts: TryFacts
) -> datetime | None:
    """When to charge again after a decline that is not the customer's; None if it spends a step of dunning.

    A policy without retries is kept. The customer may have given another card while `key` was being charged: that one
    is tried at once.
    """
    wait = spared_wait(advice, key.pg_provider, invoice.spared, policy)
    if wait is None:
        return None
    return opened(policy.hours, now + wait, facts) if invoice.billing_key_id == key.id else now
