"""Beat's scheduler: it rings no round of scans while an earlier one waits, and it bears a broker that is away."""

import signal
import time
from typing import Any, NoReturn

from celery.beat import Scheduler, Service
from celery.signals import beat_init
from structlog import get_logger

from billing_worker.domain.backpressure import is_heard
from billing_worker.domain.queues import Queue
from billing_worker.runtime.outage import Outage
from billing_worker.usecases.jobs import ROUND
from tasks.alive import alive
from tasks.attendance import attendance
from tasks.waiting import counted

_log = get_logger("billing.tasks")


class Bell(Scheduler):  # type: ignore[misc] # celery has no types
    """Celery's own scheduler, in memory. An overloaded worker takes rings slower than beat sends them."""

    monotonic = staticmethod(time.monotonic)
    _decided_at: float | None = None
    _rings = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.outage = Outage(_log.warning)
        super().__init__(*args, **kwargs)

    def apply_entry(self, entry: Any, producer: Any = None) -> None:
        """Ring one scan, unless its round is left out. A ring that the broker does not take is lost."""
        if not self._round_is_rung(entry, producer):
            return
        try:
            self.apply_async(entry, producer=producer, advance=False)
        except Exception as error:  # noqa: BLE001 - beat rings on, whatever the broker says
            self.outage.lose(error, self.monotonic())
        else:
            self.outage.over(self.monotonic())
            alive.touch()
            attendance.ring()

    def tick(self, *args: Any, **kwargs: Any) -> Any:
        """Ring what is due."""
        attendance.tick()
        return super().tick(*args, **kwargs)

    def close(self) -> None:
        """End."""
        super().close()
        attendance.end()

    def _ensure_connected(self) -> Any:
        def failed(error: Exception, _: float) -> None:
            attendance.tick()
            self.outage.failed(error, self.monotonic())

        return self.connection.ensure_connection(failed, self.app.conf.broker_connection_max_retries)

    def _round_is_rung(self, entry: Any, producer: Any) -> bool:
        """Decided once for the scans that are due together: else the last of them would always be left out."""
        now = self.monotonic()
        if self._decided_at is None or now - self._decided_at > entry.schedule.run_every.total_seconds() / 2:
            self._decided_at = now
            try:
                self._rings = is_heard(counted(producer.channel, Queue.SCANS), ROUND)
                if not self._rings:
                    attendance.ring()  # the one before still waits at the broker
            except Exception as error:  # noqa: BLE001 - as without this rule: the ring itself tells of the broker
                _log.debug("queue.not_counted", error=type(error).__name__)
                self._rings = True
        return self._rings


@beat_init.connect
def _end_when_asked(sender: Service, **_: Any) -> None:
    """End beat's loop before its next round, also if the exception of the signal is lost.

    Celery ends beat by that exception alone. It is raised wherever the signal finds the thread, and Python drops it
    in a finalizer.
    """

    def end(*_: object) -> NoReturn:
        sender.stop(wait=False)
        raise SystemExit

    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, end)
