"""Subscriptions and their periods: plans, enrolment, the next period, late periods, cancellation.

It writes plans and subscriptions, and opens and voids invoices. It never uses attempts or the gateway.
"""
