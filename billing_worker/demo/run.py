"""Run the demonstration: start everything, load the customers, watch, close the books, stop everything."""

import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.live import Live

from billing_worker import bootstrap
from billing_worker.cli import stack
from billing_worker.cli.session import quiet_logs
from billing_worker.config import Settings, load_settings
from billing_worker.config.names import PREFIX
from billing_worker.demo import books, portfolio, view
from billing_worker.demo.steering import Steering, waits_since
from billing_worker.ports.books import Standing
from billing_worker.ports.bundle import Ports
from billing_worker.ports.outgoing import OutboxMessage
from billing_worker.runtime import Supervisor, free_port, port_is_free, wait_until
from billing_worker.usecases.reading.one import latest_events
from billing_worker.usecases.reading.report import payments, report

START = datetime.fromisoformat("2026-01-01T00:00:00+09:00")
END = datetime.fromisoformat("2026-03-31T23:59:59+09:00")
TIMEZONE = "Asia/Seoul"
PREFIX_OF_IDS = "demo"

STILL = 180.0
"""Real seconds without any change, after the end or while time waits: then the demonstration gives up."""
LINE_EVERY = 4.0
NEWS = 8
"""Events in the live view."""
LOOK_EVERY = 0.4
SURE = 3
"""Looks in a row that must find no work left."""

KEPT = ("BILLING_WEB_PORT", "BILLING_FLOWER_PORT")
"""The only settings of the caller that count: the ports to look at."""

IMPATIENT = {
    "BILLING_SCAN_INTERVAL": "0.3",
    "BILLING_HTTP_DEADLINE": "3",
    "BILLING_LEASE": "6",
    "BILLING_CLAIM": "3",
    "BILLING_RESOLVE_FIRST": "0.7",
    "BILLING_SETTLE_WINDOW": "1.5",
    "BILLING_SETTLE_WINDOWS": "paymentwall=1.5",
}
"""Real seconds are expensive here: one of them is more than a day of billing."""


@dataclass(slots=True)
class Watch:
    """The rate of payments since the last look."""

    paid: int = 0
    at: float = 0.0
    rate: float = 0.0

    def see(self, paid: int) -> float:
        """Note the number of payments; returns payments a second, smoothed."""
        now = time.monotonic()
        if self.at and now > self.at:
            self.rate = 0.7 * self.rate + 0.3 * (paid - self.paid) / (now - self.at)
        self.paid, self.at = paid, now
        return self.rate


@dataclass(slots=True)
class Stand:
    """For how long no figure of the view has changed."""

    seen: dict[str, int] | None = None
    since: float = 0.0

    def stands_for(self, seen: dict[str, int]) -> float:
        """Real seconds since these figures last changed."""
        if seen != self.seen:
            self.seen, self.since = seen, time.monotonic()
        return time.monotonic() - self.since


def run(seconds: float, console: Console) -> int:
    """Three months in `seconds`; returns the exit status: 0 only if both books agree and no outcome is open."""
    quiet_logs()
    folder = Path(tempfile.mkdtemp(prefix="billing-worker-demo-"))
    folder.chmod(0o755)  # as root, PostgreSQL runs under another account, which must be able to enter
    services = stack.Services(folder)
    status = 1
    try:
        status = _run(services, seconds, console)
    finally:
        services.stop()
        if services.postgres is not None:
            services.postgres.remove()
        if status == 0:
            shutil.rmtree(folder, ignore_errors=True)
        else:
            console.print(f"The logs of all processes are kept in {folder / 'logs'}", highlight=False)
    return status


def _run(services: stack.Services, seconds: float, console: Console) -> int:
    sandbox_port = free_port()
    rate = (END - START).total_seconds() / seconds
    console.print("Starting PostgreSQL and Redis ...", highlight=False)
    for name in [name for name in os.environ if name.startswith(PREFIX) and name not in KEPT]:
        del os.environ[name]  # the demonstration must never meet a real gateway, whatever is set here
    os.chdir(services.var_dir)  # and no .env
    steering = Steering(services.var_dir, START, END, rate, datetime.now(UTC))
    nowhere = load_settings()
    variables = IMPATIENT | {
        "BILLING_PORTONE_API_URL": f"http://{stack.LOOPBACK}:{sandbox_port}",
        "BILLING_PORTONE_IMP_KEY": "imp_key_sandbox",
        "BILLING_PORTONE_IMP_SECRET": "imp_secret_sandbox",
        "BILLING_ENVIRONMENT": PREFIX_OF_IDS,
        "BILLING_TIME_MACHINE": steering.of_merchant,
        "BILLING_WEB_PORT": str(_port(nowhere.web_port)),
        "BILLING_FLOWER_PORT": str(_port(nowhere.flower_port)),
        "BILLING_PAYMENTWALL_SECRET_KEY": "pingback_secret_sandbox",
        "BILLING_WORKER_CONCURRENCY": "16",
        "BILLING_CARD_ENTRY": "true",
        "BILLING_API_TOKEN": secrets.token_urlsafe(16),
    }
    variables |= services.start(nowhere, durable=False)
    os.environ.update(variables)
    settings = load_settings()
    ports, engine = bootstrap.build(settings, role="demo", connections=3)
    try:
        bootstrap.upgrade_database(engine)
        console.print("Starting sandbox, web, workers, beat and Flower ...", highlight=False)
        supervisor = _supervisor(services, settings, steering, sandbox_port)
        with supervisor:
            return _watch(supervisor, ports, settings, steering, console)
    finally:
        engine.dispose()


def _supervisor(services: stack.Services, settings: Settings, steering: Steering, sandbox_port: int) -> Supervisor:
    env = stack.child_environment(_variables())
    hooks = f"http://{stack.LOOPBACK}:{settings.web_port}/webhooks"
    sandbox = stack.sandbox(
        env | {"BILLING_TIME_MACHINE": steering.of_gateway},
        sandbox_port,
        *("--webhook-url", f"{hooks}/portone", "--pingback-url", f"{hooks}/paymentwall"),
        *("--ledger", str(services.var_dir / "ledger.jsonl"), "--latency", "60,190", "--slow-seconds", "4"),
    )
    processes = [sandbox, *stack.worker_processes(settings, env)]
    return Supervisor(processes, lambda _: None, output_dir=services.var_dir / "logs")


def _watch(supervisor: Supervisor, ports: Ports, settings: Settings, steering: Steering, console: Console) -> int:
    sandbox_url = str(settings.portone_api_url)
    wait_until(lambda: stack.listens_quietly(int(settings.portone_api_url.port or 0)), 30, "the sandbox")
    loaded = portfolio.load(ports, sandbox_url, START)
    console.print(f"{loaded} subscriptions loaded; billing begins on {START:%Y-%m-%d}.", highlight=False)
    for name, address in (
        ("Flower", f"http://{stack.LOOPBACK}:{settings.flower_port}/tasks"),
        ("API docs", f"http://{stack.LOOPBACK}:{settings.web_port}/docs"),
        ("API token", settings.api_token.get_secret_value() if settings.api_token else "none"),
        ("Sandbox ledger", f"{sandbox_url}_sandbox/ledger"),
    ):
        console.print(f"  {name:15}{address}", highlight=False, soft_wrap=True)
    finished = _live(supervisor, ports, steering, console)
    if finished is None:
        console.print("Stopped.")
        return 130
    comparison = books.compare(payments(ports), books.ledger(sandbox_url, PREFIX_OF_IDS), TIMEZONE)
    console.print(view.closing_books(comparison))
    for difference in comparison.differences:
        console.print(difference, style="red", highlight=False)
    last = report(ports, TIMEZONE)
    console.print(view.line(last, ports.clock.moment().billing, TIMEZONE, 0.0).rpartition(",")[0], highlight=False)
    verdict = view.verdict(comparison, last.standing, finished=finished, still=STILL)
    console.print(verdict.text, style=verdict.style, highlight=False)
    return verdict.status


def _live(supervisor: Supervisor, ports: Ports, steering: Steering, console: Console) -> bool | None:
    """Watch until the end; True when all work ended, False when it stood still before that, None when stopped."""
    watch, stand, quiet, last_line = Watch(), Stand(), 0, 0.0
    live = Live(console=console, auto_refresh=False) if console.is_terminal else None
    with live or nullcontext():
        while True:
            look_at = time.monotonic() + LOOK_EVERY
            if not supervisor.run(until=lambda: time.monotonic() >= look_at):  # noqa: B023 - called at once
                return None
            seen, moment = report(ports, TIMEZONE), ports.clock.moment()
            now, standing = moment.billing, seen.standing
            goes_on = steering.move_on(moment.real, waits_since(standing) if now < END else None)
            figures = view.totals(seen)
            rate = watch.see(figures["paid"])
            done = (now - START) / (END - START)
            if live is not None:
                shown = view.screen(seen, _news(ports), now, TIMEZONE, rate=rate, done=done, waits=not goes_on)
                live.update(shown, refresh=True)
            elif time.monotonic() - last_line >= LINE_EVERY:
                last_line = time.monotonic()
                console.print(view.line(seen, now, TIMEZONE, rate, waits=not goes_on), highlight=False, soft_wrap=True)
            quiet = quiet + 1 if now >= END and _nothing_left(standing) else 0
            if quiet >= SURE:
                return True
            if stand.stands_for(figures) > STILL and (now >= END or not goes_on):
                return False


def _news(ports: Ports) -> Sequence[OutboxMessage]:
    return latest_events(ports, NEWS)


def _nothing_left(standing: Standing) -> bool:
    open_work = standing.periods_due + standing.due + standing.in_flight + standing.unknown
    return open_work == 0 and standing.waiting_for_key == 0


def _port(wanted: int) -> int:
    return wanted if port_is_free(stack.LOOPBACK, wanted) else free_port()


def _variables() -> Mapping[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith(PREFIX)}
