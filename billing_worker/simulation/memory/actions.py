"""The log of actions in memory."""

from collections.abc import Sequence
from typing import Any

from billing_worker.domain.action import Action
from billing_worker.simulation.memory.unserved import Unserved


class MemoryActions:
    """The log of actions: kept to the end, undone with its transaction."""

    kind = "action"

    def __init__(self, journal: list[Any]) -> None:
        self._journal = journal
        self.done: list[Action] = []

    def add_all(self, added: Sequence[Action]) -> None:
        """Store the actions."""
        for action in added:
            self.done.append(action)
            self._journal.append((self, None, action))

    of_subjects: Any = Unserved()

    def undo(self, _before: None, _after: Action) -> None:
        """Remove the newest action."""
        self.done.pop()
