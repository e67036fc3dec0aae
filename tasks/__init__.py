"""Celery's side: `celery -A tasks worker`, `celery -A tasks beat`, `celery -A tasks flower`.

The only importer of celery. In `billing_worker`, only the commands that start it import this package.
"""

from typing import Any

from celery.signals import beat_init, celeryd_init, setup_logging, worker_init, worker_shutdown

from billing_worker import logs
from billing_worker.domain.errors import BillingError
from billing_worker.domain.presence import Role
from tasks.app import create_app
from tasks.attendance import attendance, beat_name
from tasks.options import check_options
from tasks.process import process, stop

try:
    app = create_app(process.settings)
except BillingError as error:
    stop(error)


@setup_logging.connect
def _configure_logs(loglevel: int, **_: Any) -> None:
    logs.configure(loglevel, process.settings.secrets)


@celeryd_init.connect
def _check_command_line(options: dict[str, Any], **_: Any) -> None:
    try:
        check_options(options)
    except BillingError as error:
        stop(error)


@worker_init.connect
def _check_before_work(**_: Any) -> None:
    process.check()


@worker_shutdown.connect
def _finish_calls(**_: Any) -> None:
    process.drain()


@beat_init.connect
def _check_before_ringing(**_: Any) -> None:
    process.check_settings_of_database()
    if process.settings.knows_database:
        attendance.begin(Role.BEAT, beat_name(), process.beat_ports)
