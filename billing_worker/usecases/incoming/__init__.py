"""Notifications from outside: stored and acknowledged, then looked into at the gateway.

It writes the inbox; the result of a read goes through `settle`. It never trusts a notification.
"""
