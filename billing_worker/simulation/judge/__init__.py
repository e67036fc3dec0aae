"""The judge: what must never happen, what must be so at rest, and the trace of what did happen.

It reads rows as data and the gateway's ledger as the truth about money. It shares no decision with the code that it
judges, and never changes a row.
"""
