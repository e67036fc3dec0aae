"""Notices to customers: foreseen by the calendar, checked under the lock of what they are about, and sent.

It writes notices, receivers, alerts, and card sessions for its links. It never writes records of billing, and decides
nothing about money.
"""
