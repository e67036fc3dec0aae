"""The side door under `/_sandbox`: rules, outages, the ledger, and what an operator does at the console.

Tests and operators come in here, and merchants never do. It changes the world only by what the world offers.
"""
