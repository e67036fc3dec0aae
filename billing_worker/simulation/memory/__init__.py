"""The database in memory: one file a subject, with the constraints and indexes that its SQL tables have.

It serves the path of the money. What the simulation never calls raises `NotSimulated` instead of looking like
behaviour. It never reads a clock, rolls no dice, and knows nothing of processes, gateways or customers.
"""
