"""Refunds: written down, sent once, and read until their outcome is known.

It touches refunds, and is the only caller of `gateway.cancel`. It never decides what an invoice owes.
"""
