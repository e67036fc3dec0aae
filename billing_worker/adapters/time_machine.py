"""The time machine of a process: fixed by its setting, or in a file whose owner makes time wait and go on."""

from collections.abc import Callable
from pathlib import Path

from billing_worker.domain.errors import SettingsInvalid
from billing_worker.domain.time_machine import IN_A_FILE, TimeMachine


def time_machine(setting: str) -> Callable[[], TimeMachine]:
    """Read the setting: the time machine itself, or `file:PATH` of a file that holds one and may change at any time.

    Raises SettingsInvalid if either cannot be read.
    """
    if setting.startswith(IN_A_FILE):
        steered = _Steered(Path(setting.removeprefix(IN_A_FILE)))
        steered()
        return steered
    fixed = TimeMachine.parse(setting)
    return lambda: fixed


class _Steered:
    """Follows a file that its owner replaces as a whole; a file that did not change is not read again."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[tuple[int, int], TimeMachine] | None = None
        """Which file was read, and what it said: replaced as one value, read without a lock."""

    def __call__(self) -> TimeMachine:
        try:
            found = self._path.stat()
            which, seen = (found.st_ino, found.st_mtime_ns), self._seen
            if seen is None or seen[0] != which:
                seen = self._seen = (which, TimeMachine.parse(self._path.read_text(encoding="utf-8")))
        except OSError as problem:
            reason = problem.strerror or "it cannot be read"
            raise SettingsInvalid(f"BILLING_TIME_MACHINE: no time machine in {self._path}: {reason}") from problem
        return seen[1]
