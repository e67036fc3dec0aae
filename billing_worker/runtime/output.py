"""The output of supervised processes."""

import contextlib
import logging
import logging.handlers
import threading
from collections.abc import Callable
from pathlib import Path
from typing import IO

from billing_worker.runtime.errors import RuntimeProblem

_LINE_BYTES = 64 * 1024  # a longer line is cut into several: a runaway print must not fill our memory
_FILE_BYTES = 10_000_000
_OLD_FILES = 2

Sink = Callable[[str], None]


class _RotatingFile(logging.handlers.RotatingFileHandler):
    """The standard rotation, but a full disk loses only lines, and does not end the process."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the name is the library's
        pass


def prefixed(name: str, log: Sink) -> Sink:
    """Return a sink that passes each line to `log`, with the name first."""
    return lambda line: log(f"{name} | {line}")


def into_file(directory: Path, name: str, limit: int = _FILE_BYTES) -> Sink:
    """Return a sink that appends to `directory/name.log`, kept under `limit` bytes, with two older files beside it.

    Raises RuntimeProblem when the file cannot be written.
    """
    path = directory / f"{name}.log"
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)  # the output may contain names of customers
        file = _RotatingFile(path, maxBytes=limit, backupCount=_OLD_FILES, encoding="utf-8", delay=True)
        path.touch()
    except OSError as error:
        raise RuntimeProblem(f"cannot write {path}: {error.strerror}") from error

    alone = threading.Lock()

    def write(line: str) -> None:
        with alone:  # a process that was started again writes beside the last lines of the one before
            file.emit(logging.makeLogRecord({"msg": line}))
            file.close()  # opens itself again at the next line, so nothing needs to be closed at the end

    return write


def follow(stream: IO[bytes], sink: Sink, name: str) -> threading.Thread:
    """Pass each line of the stream to the sink, in a thread that ends with the stream."""

    def read() -> None:
        with stream:
            while line := stream.readline(_LINE_BYTES):
                # A sink that cannot write (a closed terminal) must not block the process that prints.
                with contextlib.suppress(OSError, ValueError):
                    sink(line.decode(errors="replace").rstrip("\r\n"))

    thread = threading.Thread(target=read, name=f"output of {name}", daemon=True)
    thread.start()
    return thread
