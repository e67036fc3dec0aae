"""Requests to the merchant: webhooks and Paymentwall's pingbacks, repeated until the merchant takes them.

It reads stored payments, and has no rule of the gateway. It never decides whether to send.
"""
