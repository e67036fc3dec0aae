"""The files of a server besides its data: locks, a password, the last port, a log."""

import contextlib
import fcntl
import os
import secrets
from pathlib import Path
from typing import IO

from billing_worker.runtime.errors import RuntimeProblem

_LOG_BYTES = 10_000_000  # a larger log is moved aside when the server starts; one old log is kept


class Lock:
    """An exclusive lock on a file. The system drops it when the last process that holds the open file is gone."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[bytes] | None = None

    @property
    def fd(self) -> int:
        """The open file, for a child that also holds the lock."""
        if self._file is None:
            raise RuntimeProblem(f"the lock {self._path} is not held")
        return self._file.fileno()

    def take(self) -> bool:
        """Take the lock and return True, or return False at once when another process holds it."""
        if self._file is not None:
            return True
        file = self._path.open("a+b")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            return False
        file.truncate(0)
        file.write(f"{os.getpid()}\n".encode())
        file.flush()
        self._file = file
        return True

    def release(self) -> None:
        """Release our hold. A child that inherited the open file keeps the lock."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def holder(self) -> str:
        """Name the process that holds the lock, if it is known."""
        with contextlib.suppress(OSError, ValueError):
            return f"process {int(self._path.read_text())}"
        return "another process"


def make_directory(directory: Path) -> None:
    """Create the directory (passable for the server's account, readable for its owner only) unless it exists."""
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        directory.mkdir(mode=0o711, exist_ok=True)
        # Report this at start, instead of failing later at some file.
        (directory / ".writable").touch()
        (directory / ".writable").unlink()
    except OSError as error:
        raise RuntimeProblem(
            f"cannot write to {directory}: {error.strerror}; choose another folder with BILLING_VAR_DIR"
        ) from error


def write_private(path: Path, text: str) -> None:
    """Write the file so that only its owner can read it, and a crash leaves either the old or the new text."""
    draft = path.with_name(path.name + ".new")
    draft.unlink(missing_ok=True)
    with open(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:  # noqa: PTH123 - needs the mode
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def read_or_none(path: Path) -> str | None:
    """Return the file's text without surrounding blanks; None when there is no such file or it is empty."""
    try:
        return path.read_text().strip() or None
    except FileNotFoundError:
        return None


def password_in(path: Path) -> tuple[str, bool]:
    """Return the password in the file and False, or a new one, now stored there, and True."""
    kept = read_or_none(path)
    if kept:
        return kept, False
    password = secrets.token_hex(24)
    write_private(path, password + "\n")
    return password, True


def open_log(path: Path) -> IO[bytes]:
    """Open the log for appending; move a large one aside first."""
    with contextlib.suppress(FileNotFoundError):
        if path.stat().st_size > _LOG_BYTES:
            path.replace(path.with_name(path.name + ".1"))
    return open(os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600), "ab", buffering=0)  # noqa: PTH123
