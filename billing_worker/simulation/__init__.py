"""The real core on a virtual clock, with seeded faults: years of billing in seconds, repeatable by seed.

Use cases and domain are those of production. Everything around them is a model: a database in memory with the
constraints of the schema, a gateway with its own ledger, a broker that loses and duplicates messages, and processes
that die at any step. The gateway's ledger and the rooms of the judge share no decision with the code that they judge.

`memory` is the database, `fleet` the processes, `world` the people outside, `judge` the invariants. `run` builds one
world, and `many` runs a world for each seed.
"""
