"""Charges: claim due invoices, commit an intent, make the call, and read the gateway until the outcome is known.

It writes the intent of attempts. It is the only room that places charges, with `calls.place`, `gateway.charge` or
`gateway.charge_card`. It
never calls the gateway within a transaction.
"""
