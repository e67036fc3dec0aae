"""Billing keys: registered, confirmed by the payment that issued them, unlocked, changed and reactivated.

It writes keys and alerts, reads pingbacks and the gateway, and makes invoices due again. It never places a charge.
"""
