"""Events for the merchant: sent in order, retried, and replayed on request. Alerts for the operator: told by channels.

It writes the outbox, the receivers, and what a channel was told. It never writes records of billing.
"""
