"""A test of the tests: mistakes that a careful person could make, each of which the suite must catch.

`python -m tests.planted` makes each mistake in a copy of the sources and demands that the tests named beside it fail.
The mistakes are data, in `tests/planted/bugs/`.
"""
