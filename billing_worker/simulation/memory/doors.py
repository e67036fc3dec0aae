"""What stands at the doors of the real database. The simulation comes in through none of them."""

from collections.abc import Sequence
from typing import Any, NoReturn

from billing_worker.domain.action import Action


class MemoryActions:
    """What was done by whom: kept to the end, undone with its transaction."""

    kind = "action"

    def __init__(self, journal: list[Any]) -> None:
        self._journal = journal
        self.done: list[Action] = []

    def add_all(self, added: Sequence[Action]) -> None:
        """Keep them."""
        for action in added:
            self.done.append(action)
            self._journal.append((self, None, action))

    def of_subjects(self, subjects: Sequence[str], most: int) -> Sequence[Action]:  # noqa: ARG002 - the port's
        """Nobody asks here."""
        raise AssertionError("reading actions is not simulated")

    def undo(self, _before: None, _after: Action) -> None:
        """Take the newest one back."""
        self.done.pop()


class NotSimulated:
    """Fails whoever asks: what looked like an answer could pass for behaviour."""

    def __getattr__(self, name: str) -> NoReturn:
        raise AssertionError(f"{name} is not simulated")
