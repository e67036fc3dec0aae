"""Refunds: written down, sent once, and read until their outcome is known.

It writes refunds, and is the only caller of `gateway.cancel`. It never changes the debt of an invoice.
"""
