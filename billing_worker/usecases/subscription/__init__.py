"""Subscriptions and their periods: plans, enrolment, the next period, late periods, cancellation.

It touches plans, subscriptions and invoices, which it opens and voids. It never touches an attempt or the gateway.
"""
