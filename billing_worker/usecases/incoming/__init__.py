"""Notifications from outside: stored and acknowledged, then looked into at the gateway.

It touches the inbox; what a read of the gateway proves goes through `settle`. It never believes a notification.
"""
