"""The trace of a run, line by line: a hash of all lines, and the last ones for the report of a failure."""

from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import blake2b

KEPT = 20_000
"""Lines: enough for the history of one invoice, from the start of its period to its breach."""

TOLD = 60

_CHUNK = 2000


class Trace:
    """Every commit, request, payment, death and fault, in order."""

    def __init__(self) -> None:
        self._hash = blake2b(digest_size=8)
        self._waiting: list[str] = []
        self._kept: deque[str] = deque(maxlen=KEPT)

    def note(self, now: datetime, text: str) -> None:
        """Add one line."""
        line = f"{now.timestamp()} {text}"
        self._kept.append(line)
        waiting = self._waiting
        waiting.append(line)
        if len(waiting) >= _CHUNK:
            self._flush()

    def digest(self) -> str:
        """Sixteen hexadecimal digits: equal for equal runs."""
        self._flush()
        return self._hash.hexdigest()

    def about(self, words: Sequence[str]) -> list[str]:
        """The last lines with any of these ids."""
        lines = [line for line in self._kept if any(word in line for word in words)]
        return [_readable(line) for line in lines[-TOLD:]]

    def _flush(self) -> None:
        self._hash.update("\n".join(self._waiting).encode())
        self._waiting.clear()


def _readable(line: str) -> str:
    when, _, what = line.partition(" ")
    return f"{datetime.fromtimestamp(float(when), tz=UTC):%Y-%m-%d %H:%M:%S.%f} {what}"
