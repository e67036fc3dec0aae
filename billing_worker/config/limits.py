"""Settings of the size of the processes, and time limits."""

import re
from pathlib import Path

from pydantic import BaseModel, Field, field_validator

from billing_worker.domain.timing import DEFAULT_SETTLE_WINDOWS, Timing

LONGEST_SETTLE_WINDOW = 86_400
"""Seconds. A PG whose books need more than a day needs an operator instead of a setting."""
_PG_SECONDS = re.compile(r"(?P<pg>[a-z0-9_]{1,40}) *= *(?P<seconds>\d{1,6}(?:\.\d{1,3})?)")


class Size(BaseModel):
    """Addresses, the number of workers, and their rates."""

    web_host: str = Field("127.0.0.1", description="Address of the receiver and the HTTP API")
    web_port: int = Field(8000, ge=1, le=65535, description="Port of the receiver and the HTTP API")
    flower_port: int = Field(5555, ge=1, le=65535, description="Port of Flower")
    worker_concurrency: int = Field(32, ge=1, le=256, description="Threads of one worker process")
    worker_processes: int = Field(2, ge=1, le=64, description="Worker processes started by `up`")
    alive_file: Path | None = Field(
        None, description="File that a worker or a beat touches while it works, for a health check; one per process"
    )
    silent_after: float = Field(
        60.0, ge=5, le=3600, description="Seconds without a sign after which a process counts as silent"
    )
    scan_interval: float = Field(3.0, ge=0.1, le=60, description="Seconds between two rings of beat")
    scan_limit: int = Field(500, ge=1, le=10_000, description="The most ids that one scan returns")

    catch_up_rate: int = Field(
        600,
        ge=0,
        le=1_000_000,
        description="Late charges per minute after an outage; invoices due now go first; 0: no limit",
    )


class Limits(BaseModel):
    """Time limits in seconds. Those of a charge are checked against each other at start."""

    connect_timeout: float = Field(5.0, gt=0, le=60, description="Seconds to reach the gateway")
    http_deadline: float = Field(65.0, gt=0, le=300, description="Seconds for one whole gateway call")
    lease: float = Field(90.0, gt=0, le=3600, description="Seconds that an attempt belongs to its worker")
    claim: float = Field(30.0, gt=0, le=3600, description="Seconds until unstarted work is offered again")
    resolve_first: float = Field(10.0, gt=0, le=600, description="Seconds until an unclear charge is first looked up")
    settle_window: float = Field(
        120.0, gt=0, le=LONGEST_SETTLE_WINDOW, description="Seconds between two reads that prove absence"
    )
    settle_windows: str = Field(
        ",".join(f"{pg}={seconds:g}" for pg, seconds in DEFAULT_SETTLE_WINDOWS),
        description="The same for single PGs, e.g. paymentwall=3600,paypal_v2=600; all others use the value above",
    )
    compare_interval: float = Field(
        300.0, ge=1, le=3600, description="Seconds between two comparisons of our books with the gateway's"
    )
    key_pending_alert: float = Field(
        3600.0, ge=1, le=2_592_000, description="Seconds until a Paymentwall key that is not confirmed raises an alert"
    )

    @field_validator("settle_windows")
    @classmethod
    def _settle_windows_by_pg(cls, value: str) -> str:
        _by_pg(value)
        return value

    @property
    def timing(self) -> Timing:
        """The time limits of a charge. Raises SettingsInvalid when they contradict each other."""
        return Timing(
            http_deadline=self.http_deadline,
            lease=self.lease,
            claim=self.claim,
            first_look=self.resolve_first,
            settle_window=self.settle_window,
            settle_windows=_by_pg(self.settle_windows),
            compare_interval=self.compare_interval,
            key_pending_alert=self.key_pending_alert,
        )

    @property
    def visibility_timeout(self) -> int:
        """Seconds until Redis gives an unfinished message to another worker: longer than any task runs."""
        return int(self.lease + self.http_deadline) + 60


def _by_pg(text: str) -> tuple[tuple[str, float], ...]:
    """Read `paymentwall=3600,paypal_v2=600`. Raises ValueError, which names the wrong part."""
    windows: dict[str, float] = {}
    for part in filter(None, (each.strip() for each in text.split(","))):
        found = _PG_SECONDS.fullmatch(part)
        seconds = float(found["seconds"]) if found else 0.0
        if found is None or not 0 < seconds <= LONGEST_SETTLE_WINDOW:
            form = f"a PG code, = and seconds up to {LONGEST_SETTLE_WINDOW}, e.g. paymentwall=3600"
            raise ValueError(f"{part!r} is not {form}")
        if found["pg"] in windows:
            raise ValueError(f"{found['pg']} is named twice")
        windows[found["pg"]] = seconds
    return tuple(windows.items())
