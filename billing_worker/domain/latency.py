"""The bounds of all histograms of times."""

from itertools import pairwise

BOUNDS_MS = (100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000, 300_000, 900_000, 3_600_000, 86_400_000)
"""Upper bounds in milliseconds, each belonging to its bucket: from a quick answer to a day of waiting.

The migration that counts has them, too: a change needs another migration, and makes the earlier counts wrong.
"""


def bucket_of(milliseconds: int) -> int:
    """The number of the first bound that is not exceeded; that of the bucket without a bound otherwise."""
    return sum(bound < milliseconds for bound in BOUNDS_MS)


if not all(low < high for low, high in pairwise(BOUNDS_MS)):
    raise AssertionError("bounds must grow")
