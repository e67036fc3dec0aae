"""The one door for evidence: every answer and every read of the gateway ends here.

It writes attempts, invoices, subscriptions, keys, refunds and doubts, within the caller's transaction or, for answers
and doubts, in one of its own. It may read the gateway. It never places a charge and never sends a refund.
"""
