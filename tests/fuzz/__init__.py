"""Fuzzers of what reads strangers' bytes, seeded and structural: PortOne's answers, its webhooks, and pingbacks.

`python -m tests.fuzz --inputs 1000000 --seed 1`. What it finds is a line for `tests/fuzz/regressions.py`.
"""
