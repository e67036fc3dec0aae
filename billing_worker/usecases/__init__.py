"""What the worker does, by rooms; each says what happens in it, what it may touch, and what it never does.

The floors, from the top: jobs; incoming, review, charge, refund; subscription, settle; key, control, outgoing; access.
Beside them: reading. Imports go down only (`.importlinter`).
"""
