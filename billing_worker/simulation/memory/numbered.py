"""Names that a run gives: the same run gives the same ones."""

from itertools import count


class Numbered:
    """Names in the order of their use: the same run has the same names."""

    def __init__(self) -> None:
        self._numbers = count(1)

    def new(self, prefix: str) -> str:
        """The prefix, `_`, and sixteen digits."""
        return f"{prefix}_{next(self._numbers):016d}"
