"""Whether the books are right: audits of the database, comparisons with the gateway's list of payments.

It touches comparisons, audits, doubts and alerts; what it finds goes through `settle`. It never writes an
attempt itself.
"""
