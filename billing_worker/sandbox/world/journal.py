"""The durable file of the books: one JSON value per line, append-only.

Promise: when `durable()` returns, every row appended before it was called has been forced to the disk. Rows of calls
that run at the same time share one fsync (group commit).
"""

import asyncio
import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Row = dict[str, Any]


class LedgerError(Exception):
    """The ledger file cannot be used; the message is one line for the user who started the sandbox."""


class Journal:
    """Appends rows to a file; without a path it stores no rows, and all count as durable."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._file = _open_alone(path) if path else None
        self._pending: list[str] = []
        self._waiting: list[asyncio.Future[None]] = []
        self._writer: asyncio.Task[None] | None = None
        self._failure: Exception | None = None

    def read(self) -> Iterator[Row]:
        """Yield the rows of earlier runs, and cut off a torn last line, which no answer has shown."""
        if self._path is None or self._file is None:
            return
        good = 0
        with self._path.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                row = _row(line)
                if row is None and line.endswith(b"\n"):
                    raise LedgerError(f"line {number} of {self._path} is not a row of a sandbox ledger")
                if row is None:
                    break
                good += len(line)
                yield row
        os.ftruncate(self._file, good)

    def append(self, row: Row) -> None:
        """Take a row and begin to write it; `durable()` returns when it is safe."""
        if self._file is not None:
            self._pending.append(json.dumps(row, ensure_ascii=False, separators=(",", ":")))
            if self._writer is None:
                self._writer = asyncio.create_task(self._write_all())

    async def durable(self) -> None:
        """Return when all rows appended so far are on the disk; raise the error otherwise."""
        if self._failure is not None:
            raise self._failure
        if self._writer is None:
            return
        mine = asyncio.get_running_loop().create_future()
        self._waiting.append(mine)
        await mine

    async def close(self) -> None:
        """Write the remaining rows and release the file."""
        await self.durable()
        if self._file is not None:
            os.close(self._file)
            self._file = None

    async def _write_all(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self._pending or self._waiting:
                rows, self._pending = self._pending, []
                waiting, self._waiting = self._waiting, []
                if rows and self._failure is None:
                    try:
                        await loop.run_in_executor(None, self._force, "\n".join(rows) + "\n")
                    except Exception as failure:  # noqa: BLE001 - a waiting caller must get it
                        self._failure = failure
                _release(waiting, self._failure)
        finally:
            self._writer = None

    def _force(self, text: str) -> None:
        data = memoryview(text.encode())
        if self._file is None:
            raise OSError("the ledger is closed")
        while data:
            data = data[os.write(self._file, data) :]
        os.fdatasync(self._file) if hasattr(os, "fdatasync") else os.fsync(self._file)


def _open_alone(path: Path) -> int:
    """Open exclusively for appending: two sandboxes on one file would have different books."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as problem:
        raise LedgerError(f"the ledger {path} cannot be opened: {problem.strerror}") from problem
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as problem:
        os.close(file)
        raise LedgerError(f"the ledger {path} is in use by another sandbox") from problem
    return file


def _row(line: bytes) -> Row | None:
    if not line.endswith(b"\n"):
        return None
    try:
        row = json.loads(line)
    except ValueError:
        return None
    return row if isinstance(row, dict) else None


def _release(waiting: list[asyncio.Future[None]], failure: Exception | None) -> None:
    for one in waiting:
        if one.done():
            continue
        if failure is None:
            one.set_result(None)
        else:
            one.set_exception(failure)
