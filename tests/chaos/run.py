"""One run: start everything, load, let the nemesis loose, heal, wait for rest, judge, end everything."""

import json
import os
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from shutil import rmtree
from urllib.parse import urlsplit

from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from billing_worker import bootstrap
from billing_worker.cli.session import quiet_logs
from billing_worker.config import Settings
from billing_worker.domain.time_machine import TimeMachine
from billing_worker.runtime import EmbeddedPostgres, EmbeddedRedis, free_port, port_is_free, wait_until
from tests.chaos import judge, load
from tests.chaos.fleet import Program, Server
from tests.chaos.http_link import HttpLink
from tests.chaos.judge import DRAIN_SECONDS, UNKNOWN_SECONDS, Report
from tests.chaos.nemesis import Nemesis
from tests.chaos.plan import BEATS, GATEWAYS, RECEIVERS, WORKERS, Step, draw
from tests.chaos.proxy import HOST, Proxy
from tests.chaos.watch import Watch
from tests.support.invariants import Books
from tests.support.sandbox import Row, Sandbox

BOOT = timedelta(seconds=8)
"""Billing begins so long after the processes were started: by then most of them serve."""
LINE_EVERY = 5.0
TURN = 0.05
NOISE = 0.02
"""The share of charges that meets an HTTP fault at any time."""


@dataclass(frozen=True)
class Wish:
    """What was asked for."""

    minutes: float
    kills: int
    charges: int
    seed: int
    report: Path

    @property
    def seconds(self) -> float:
        """How long the nemesis is loose."""
        return self.minutes * 60


@dataclass
class Run:
    """The parts of a run. `stack` ends them, the last one first."""

    wish: Wish
    folder: Path
    stack: ExitStack
    report: Report
    servers: dict[str, Server] = field(default_factory=dict)
    programs: dict[str, Program] = field(default_factory=dict)
    began: float = 0.0

    def play(self) -> Report:
        """The whole run."""
        self.report.load_average.append(os.getloadavg()[0])
        self.proxy = self.stack.enter_context(Proxy(self.wish.seed))
        self._start_servers()
        self._start_sandbox()
        clock = self._load()
        self._start_programs(clock)
        self.watch = Watch(self.engine, self.redis.start(), self.sandbox, clock)
        self.nemesis = Nemesis(
            draw(self.wish.seed, self.wish.seconds, self.wish.kills),
            self.servers | {name: one for name, one in self.programs.items() if name != "sandbox"},
            self.proxy,
            self.watch,
            lambda: self.watch.broker_url,
            self._note,
        )
        with self.watch:
            self._suffer(clock)
            self._heal()
            self._rest()
        self._judge(clock)
        return self.report

    def _start_servers(self) -> None:
        self.postgres = EmbeddedPostgres(self.folder / "postgres")
        self.redis = EmbeddedRedis(self.folder / "redis")
        self.stack.callback(self.postgres.remove)
        for name, server in (("postgres", self.postgres), ("redis", self.redis)):
            self.servers[name] = Server(name, server, lambda url, name=name: self._moved(name, url))
            self.stack.callback(self.servers[name].close)
            self.proxy.add(name, port_of(server.start()))

    def _moved(self, name: str, url: str) -> None:
        """A server is back: its address is the old one, unless somebody took its port meanwhile."""
        self.proxy.retarget(name, port_of(url))

    def _start_sandbox(self) -> None:
        port, hooks = free_port(), [free_port() for _ in RECEIVERS]
        self.hook_ports = hooks
        webhooks = self.proxy.add("webhooks", *hooks)
        for gateway in GATEWAYS.values():
            self.proxy.add(gateway, port, kind=HttpLink)
        self.sandbox_arguments = (
            *("billing_worker", "sandbox", "--port", str(port), "--ledger", str(self.folder / "ledger.jsonl")),
            *("--webhook-url", f"http://{HOST}:{webhooks}/webhooks/portone", "--latency", load.LATENCY),
            # A request that the network doubles would be charged twice by a gateway that looks and then charges: no
            # client can prevent that, and here the question is what this client does.
            *("--slow-seconds", str(load.SLOW_SECONDS), "--serialised"),
        )
        self.sandbox = Sandbox(f"http://{HOST}:{port}")
        self.stack.callback(self.sandbox.close)

    def _load(self) -> TimeMachine:
        quiet_logs()
        settings = Settings(database_url=self.postgres.start(), broker_url=self.redis.start())
        ports, self.engine = bootstrap.build(settings, role="chaos", connections=8)
        self.stack.callback(self.engine.dispose)
        bootstrap.upgrade_database(self.engine)
        start = load.first_day()
        self.report.subscriptions = load.subscribe_all(ports, self.wish.charges, self.wish.seconds, start)
        self.report.day_seconds = load.day_of(self.wish.seconds)
        say(f"{self.report.subscriptions} subscriptions, a billing day in {self.report.day_seconds:g} s")
        return load.machine(start, datetime.now(UTC) + BOOT, self.wish.seconds)

    def _start_programs(self, clock: TimeMachine) -> None:
        database, broker = (self._through(name, server.start()) for name, server in
                            (("postgres", self.postgres), ("redis", self.redis)))  # fmt: skip
        settings = load.settings_of(clock, database, broker)
        own_clock = str(TimeMachine(clock.start, clock.rate, clock.origin))  # it promises things for later
        self._program("sandbox", self.sandbox_arguments, {"BILLING_TIME_MACHINE": own_clock})
        port = int(urlsplit(self.sandbox.url).port or 0)
        wait_until(lambda: not port_is_free(HOST, port), 30, "the sandbox")
        for name, gateway in GATEWAYS.items():
            quick = ("--without-gossip", "--without-mingle", "--loglevel", "WARNING", "--hostname", f"{name}@chaos")
            self._program(name, ("celery", "-A", "tasks", "worker", *quick), settings | self._gateway(gateway))
        anywhere = self._gateway(GATEWAYS[WORKERS[0]])
        for name in BEATS:
            self._program(name, ("celery", "-A", "tasks", "beat", "--loglevel", "WARNING"), settings | anywhere)
        for name, hook in zip(RECEIVERS, self.hook_ports, strict=True):
            self._program(name, ("billing_worker", "web"), settings | anywhere | {"BILLING_WEB_PORT": str(hook)})

    def _program(self, name: str, arguments: tuple[str, ...], settings: dict[str, str]) -> None:
        self.programs[name] = Program(name, arguments, settings, self.folder)
        self.stack.callback(self.programs[name].close)
        self.programs[name].start()

    def _gateway(self, link: str) -> dict[str, str]:
        return {"BILLING_PORTONE_API_URL": f"http://{HOST}:{self.proxy.links[link].port}"}

    def _through(self, link: str, url: str) -> str:
        return url.replace(f":{port_of(url)}/", f":{self.proxy.links[link].port}/")

    def _suffer(self, clock: TimeMachine) -> None:
        for gateway in GATEWAYS.values():
            self.proxy.links[gateway].noise = NOISE
        self._turn_until(lambda: datetime.now(UTC) >= clock.origin)
        self.began = time.monotonic()
        self._turn_until(lambda: self._elapsed >= self.wish.seconds, act=True)
        self.report.load_average.append(os.getloadavg()[0])

    def _heal(self) -> None:
        say("healing: every fault off, everything running")
        self.nemesis.heal()
        for gateway in GATEWAYS.values():
            self.proxy.links[gateway].noise = 0.0
        self.healed = time.monotonic()

    def _rest(self) -> None:
        """Wait until nothing is due, nothing queued, and nothing undecided."""
        report, began = self.report, time.monotonic()

        def rested() -> bool:
            since = time.monotonic() - began
            # A look is taken each second; none counts from before the healing, or before the clock stands still.
            if since < load.LAST_HOUR + 1 or self.watch.age > 1.5:
                return since > UNKNOWN_SECONDS
            standing = report.standing = self.watch.standing
            if not standing["in_flight"] + standing["unknown"] and report.no_unknown_seconds is None:
                report.no_unknown_seconds = since
            work = standing["periods_due"] + standing["due"] + standing["queued"] + standing["notifications"]
            if not work and since <= DRAIN_SECONDS and report.drained_seconds is None:
                report.drained_seconds = since
            done = report.drained_seconds is not None and report.no_unknown_seconds is not None
            return done or since > UNKNOWN_SECONDS

        self._turn_until(rested)
        if report.no_unknown_seconds is not None and report.no_unknown_seconds > UNKNOWN_SECONDS:
            report.no_unknown_seconds = None

    def _judge(self, clock: TimeMachine) -> None:
        report, watch = self.report, self.watch
        try:
            report.standing = watch.look()
        except (SQLAlchemyError, RedisError) as error:
            report.violations.append(f"a server is not back: {type(error).__name__}")
            return
        watch.read_deliveries()
        ledger: list[Row] = self.sandbox.ledger()
        judge.fill(report, self.engine, ledger)
        links = [self.proxy.links[gateway] for gateway in GATEWAYS.values()]
        posts = sum((link.charges for link in links), Counter())
        report.posts, report.http_faults = posts.total(), dict(sum((link.met for link in links), Counter()))
        report.kills, report.acts = dict(self.nemesis.kills), dict(self.nemesis.acts)
        report.acknowledged_webhooks = len(watch.acknowledged)
        report.worker_kill_to_resolved = judge.spread(watch.resolved)
        everybody = self.servers | self.programs
        report.lives = {name: one.lives for name, one in everybody.items()}
        report.ended_by_themselves = {name: dict(one.ended) for name, one in everybody.items() if one.ended}
        report.load_average.append(os.getloadavg()[0])
        books = Books(self.engine, ledger, clock.shows(datetime.now(UTC)))
        report.violations += judge.breaches(books, watch.acknowledged, posts)

    @property
    def _elapsed(self) -> float:
        return time.monotonic() - self.began

    def _turn_until(self, over, *, act: bool = False) -> None:
        line = 0.0
        while not over():
            for one in (*self.servers.values(), *self.programs.values()):
                one.look_after()
            if act:
                self.nemesis.act(self._elapsed)
            if time.monotonic() - line > LINE_EVERY:
                line = time.monotonic()
                self._progress()
            time.sleep(TURN)

    def _progress(self) -> None:
        if not self.began:
            return
        seen, nemesis = self.watch.standing, self.nemesis
        kills = sum(nemesis.kills.values())
        counts = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in seen.items() if name != "charged")
        down = [name for name, one in (self.servers | self.programs).items() if not one.alive]
        say(
            f"{self._elapsed:5.0f} s  kills {kills}/{self.wish.kills}  charged {seen.get('charged', 0)}/"
            f"{self.wish.charges}  {counts}, seen {self.watch.age:.0f} s ago"
            + (f"  down: {', '.join(down)}" if down else "")
        )

    def _note(self, step: Step, outcome: str) -> None:
        line = {"at": round(self._elapsed, 2), "time": datetime.now(UTC).isoformat(), "step": str(step)}
        with (self.folder / "acts.jsonl").open("a") as file:
            file.write(json.dumps(line | {"outcome": outcome}) + "\n")


def port_of(url: str) -> int:
    """The port in a URL."""
    return int(urlsplit(url).port or 0)


def say(line: str) -> None:
    """One line of progress."""
    print(line, file=sys.stderr, flush=True)  # noqa: T201 - that is its work


def run(wish: Wish) -> Report:
    """A run in a folder of its own, which stays only where something went wrong."""
    folder = Path(tempfile.mkdtemp(prefix="billing-worker-chaos-"))
    folder.chmod(0o711)  # as root PostgreSQL runs under another account, which must get through
    report = Report(wish.seed, wish.minutes, load.HASTE, wish.kills, wish.charges)
    try:
        with ExitStack() as stack:
            Run(wish, folder, stack, report).play()
    finally:
        if report.good:
            rmtree(folder, ignore_errors=True)
        else:
            say(f"logs, acts and ledger are kept in {folder}")
    return report
