"""The one door for evidence: every answer and every read of the gateway ends here, and nowhere else.

It touches attempts, invoices, subscriptions, keys and refunds, within the caller's transaction. It never places a
charge and never sends a refund.
"""
