"""Dunning policies: made, and found by name.

It writes policies, and nothing else. It never charges, and never changes an invoice.
"""
