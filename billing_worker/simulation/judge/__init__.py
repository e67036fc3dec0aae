"""The judge: the invariants at every step, the invariants at rest, and the trace of events.

It reads rows as data and the gateway's ledger as the truth about money. It shares no decision with the code that it
judges, and never changes a row.
"""
