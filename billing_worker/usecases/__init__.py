"""The use cases, by room. Each room describes its purpose, what it may use, and what it never does.

The floors, from the top: jobs; incoming, review, charge, refund; subscription, settle; key, control, outgoing; access.
Beside them: reading. Imports go down only (`.importlinter`).
"""
