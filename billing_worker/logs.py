"""Log lines: one per event, `key=value`, to standard output. Card-like numbers and secrets are masked last."""

import logging
import re
import sys
import threading
from collections.abc import Collection, MutableMapping, Sequence
from types import TracebackType
from typing import Any

import structlog
from structlog.types import Processor

from billing_worker.adapters.masking import masked

QUIET = ("httpx", "httpcore", "celery.app.trace", "celery.worker.strategy", "celery.beat", "alembic")
"""They log every URL, which may contain a customer_uid, or two lines per task. Our events have the important facts."""

OWN_WAYS = ("uvicorn", "uvicorn.error", "uvicorn.access", "celery", "celery.task", "celery.redirected")
"""They have their own handlers, which would bypass the masking."""

OF_NODES = ("celery.apps.worker", "celery.worker.consumer.gossip", "celery.worker.consumer.mingle")
"""They name workers (celery@host), which look like e-mail addresses but never are."""

_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
"""Characters that could end a line, colour a terminal, or reverse the text after them."""


_BETWEEN = "\0"


def configure(level: int = logging.INFO, secrets: Collection[str] = ()) -> None:
    """Send structlog's and the standard library's lines the same way. Our own events are shown at any level.

    `secrets` (`Settings.secrets`) are blanked everywhere.
    """
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                *last_processors(secrets),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    logging.getLogger("billing").setLevel(logging.INFO)
    for name in OWN_WAYS:
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.captureWarnings(capture=True)
    sys.excepthook = _crashed
    threading.excepthook = _thread_crashed


def last_processors(secrets: Collection[str] = ()) -> list[Processor]:
    """The last processors of our lines: masked, one line, without terminal control characters."""

    def mask(_: Any, __: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        texts = {key: str(value) for key, value in line.items() if not isinstance(value, bool | None)}
        parts = _all_masked(list(texts.values()), secrets, addresses=line.get("logger") not in OF_NODES)
        line.update(zip(texts, parts, strict=True))
        return line

    return [
        mask,
        structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"], bool_as_flag=False),
        _escaped,
    ]


def _all_masked(texts: Sequence[str], secrets: Collection[str], *, addresses: bool) -> Sequence[str]:
    """Each of them masked, in one go: no number or name goes on behind a NUL.

    A text that holds a NUL itself, or a quote without an end, would move the borders: then each is masked by itself.
    """
    joined = _BETWEEN.join(texts)
    parts = masked(joined, secrets, addresses=addresses).split(_BETWEEN)
    if joined.count(_BETWEEN) + 1 == len(texts) == len(parts):
        return parts
    return [masked(text, secrets, addresses=addresses) for text in texts]


def _escaped(_: Any, __: str, line: Any) -> str:
    return _UNPRINTABLE.sub(lambda found: found[0].encode("unicode_escape", "surrogatepass").decode(), line)


def _crashed(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Log an unexpected end like all other lines: Python's own output is not masked."""
    logging.getLogger("billing").critical("crashed", exc_info=(kind, error, trace))


def _thread_crashed(arguments: threading.ExceptHookArgs) -> None:
    if arguments.exc_value is not None:
        _crashed(arguments.exc_type, arguments.exc_value, arguments.exc_traceback)
