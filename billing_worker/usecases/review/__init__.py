"""Reviews of the books: audits of the database, comparisons with the gateway's list of payments.

It writes comparisons, audits, doubts and alerts; its findings go through `settle`. It never writes an attempt itself.
"""
