"""A fuzzer of the one parser of PortOne's answers: seeded, structural, from real answers of the sandbox.

`python -m tests.fuzz --inputs 1000000 --seed 1`. What it finds is a line for `tests/fuzz/regressions.py`.
"""
