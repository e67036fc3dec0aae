"""The database in memory: one file per subject, with the constraints and indexes of its SQL tables.

It serves the path of the money. Methods that the simulation never calls raise `NotSimulated`, instead of looking like
behaviour. It reads no clock, rolls no dice, and uses no processes, gateways or customers.
"""
