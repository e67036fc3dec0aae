"""Log lines: one an event, `key=value`, to standard output; card-like numbers and secrets are masked last of all."""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

from billing_worker.adapters.portone.masking import masked

QUIET = ("httpx", "httpcore", "celery.app.trace", "celery.worker.strategy", "celery.beat", "alembic")
"""They log every URL, where a customer_uid may stand, or two lines a task: what matters is logged as an event."""


def configure(level: int = logging.INFO) -> None:
    """Send structlog's and the standard library's lines the same way. Our own events show at any level."""
    shared: list[structlog.types.Processor] = [
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
                _mask,
                structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"], bool_as_flag=False),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    logging.getLogger("billing").setLevel(logging.INFO)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)


def _mask(_: Any, __: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key, value in line.items():
        if isinstance(value, str):
            line[key] = masked(value, ())
    return line
