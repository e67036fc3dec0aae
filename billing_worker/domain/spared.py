"""Declines that are not the customer's: they spend no step of dunning, and have waits of their own."""

from collections.abc import Sequence
from datetime import timedelta

from billing_worker.domain.billing_key import ISSUED_BY_PAYMENT, NEVER_REUSES_IDS
from billing_worker.domain.declines.reasons import Advice
from billing_worker.domain.dunning.policy import DunningPolicy
from billing_worker.domain.invoice import PaymentAttempt

MERCHANT_WAIT = timedelta(days=1)
MERCHANT_TRIES = 30
"""A decline because of the merchant's own side is tried again each day, for a month."""

NOT_SOON = ISSUED_BY_PAYMENT | NEVER_REUSES_IDS
"""PGs that may still turn a failure into a payment, or that take no order number twice. A charge within minutes could
take the money twice there, so a failure waits for the dunning day."""


def spared_wait(advice: Advice, pg: str, earlier: int, policy: DunningPolicy) -> timedelta | None:
    """How long to wait after a decline that is not the customer's; None: it spends a step.

    `earlier` is the number of the invoice's declines before it with the same advice: an outage does not use up the
    merchant's month, and a merchant's mistake does not use up the waits after failures.
    """
    if not policy.retries:
        return None
    if advice is Advice.RETRY_SOON and earlier < len(policy.failures) and pg not in NOT_SOON:
        return policy.failures[earlier]
    return MERCHANT_WAIT if advice is Advice.FIX_CONFIGURATION and earlier < MERCHANT_TRIES else None


def declined_alike(attempt: PaymentAttempt, attempts: Sequence[PaymentAttempt]) -> int:
    """How many other attempts of its invoice were declined with the same advice."""
    return sum(each.id != attempt.id and each.decline_advice is attempt.decline_advice for each in attempts)
