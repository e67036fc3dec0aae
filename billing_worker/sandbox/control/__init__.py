"""The side door under `/_sandbox`: rules, outages, the ledger, and a clerk's acts at the console.

Tests and clerks use it; merchants never do. It changes the world only through the world's methods.
"""
