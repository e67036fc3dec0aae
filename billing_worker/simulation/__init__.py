"""The real core on a virtual clock, with seeded faults: years of billing in seconds, the same again for the same seed.

Use cases and domain are the ones that production runs. Around them everything is a model: a database in memory with
the constraints of the schema, a gateway with a ledger of its own, a broker that loses and doubles, processes that die
at any step. The gateway's ledger and the rooms of the judge share no decision with what they judge.

`memory` is the database, `fleet` the processes, `world` the people outside, `judge` what must be so. `run` puts one
world together, and `many` runs a world for each seed.
"""
