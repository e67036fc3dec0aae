"""Events for the merchant: sent in order, retried, and replayed on request.

It writes the outbox and the receivers. It never writes records of billing.
"""
