"""Charges: claim what is due, commit an intent, make the call, and read what is unclear until it is known.

It touches attempts through their intent, and is the only caller of `gateway.charge`. It never calls the gateway
within a transaction.
"""
