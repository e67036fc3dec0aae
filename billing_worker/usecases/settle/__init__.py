"""The one door for evidence: every answer and every read of the gateway ends here.

It writes attempts, invoices, subscriptions, keys and refunds, within the caller's transaction. It never places a charge
and never sends a refund.
"""
