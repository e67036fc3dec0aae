"""One run: start everything, load, let the nemesis loose, heal, wait for rest, judge, end everything."""

import json
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from shutil import rmtree

from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from billing_worker.domain.time_machine import TimeMachine
from tests.chaos import judge, load
from tests.chaos.judge import UNKNOWN_SECONDS, Report
from tests.chaos.nemesis import Nemesis
from tests.chaos.plan import Step, draw
from tests.chaos.proxy import Proxy
from tests.chaos.stage import Stage
from tests.chaos.watch import Watch
from tests.support.invariants import Books
from tests.support.sandbox import Row

BOOT = timedelta(seconds=8)
"""Billing begins so long after the processes were started: by then most of them serve."""
LINE_EVERY = 5.0
TURN = 0.05
FRESH = 1.5
"""Seconds; the watch looks every second."""
WORK = ("periods_due", "due", "queued", "notifications")
NOISE = 0.02
"""The share of charges that meets an HTTP fault at any time."""


@dataclass(frozen=True)
class Wish:
    """What was asked for."""

    minutes: float
    kills: int
    charges: int
    seed: int

    @property
    def seconds(self) -> float:
        """How long the nemesis is loose."""
        return self.minutes * 60


@dataclass
class Run:
    """One run, from the first process to the report."""

    wish: Wish
    folder: Path
    report: Report
    began: float = 0.0

    def play(self, stack: ExitStack) -> None:
        """All phases; fills the report."""
        self._note_load()
        self.stage = Stage(self.folder, stack, stack.enter_context(Proxy(self.wish.seed)))
        ports, self.engine = self.stage.start_servers()
        start = load.first_day()
        self.report.day_seconds = load.day_of(self.wish.seconds)
        self.report.subscriptions = load.subscribe_all(ports, self.wish.charges, self.wish.seconds, start)
        say(f"{self.report.subscriptions} subscriptions, a billing day in {self.report.day_seconds:g} s")
        self.clock = load.machine(start, datetime.now(UTC) + BOOT, self.wish.seconds)
        self.sandbox = self.stage.start_sandbox(self.clock)
        self.stage.start_workers(self.clock)
        self.watch = Watch(self.engine, self.stage.redis.start(), self.sandbox, self.clock)
        steps = draw(self.wish.seed, self.wish.seconds, self.wish.kills)
        self.nemesis = Nemesis(steps, self.stage.victims, self.stage.proxy, self.watch, self._note)
        with self.watch:
            self._suffer(self.clock)
            self._heal()
            self._rest()
        self.stage.silence()
        self._judge(self.clock)

    def _suffer(self, clock: TimeMachine) -> None:
        self._turn_until(lambda: datetime.now(UTC) >= clock.origin)
        self.began = time.monotonic()
        for link in self.stage.gateways:
            link.noise = NOISE
        self._turn_until(lambda: self._elapsed >= self.wish.seconds, act=True)
        self._note_load()

    def _heal(self) -> None:
        say("healing: every fault off, everything running")
        self.nemesis.heal()
        for link in self.stage.gateways:
            link.noise = 0.0

    def _rest(self) -> None:
        """Wait until nothing is due, nothing queued, and nothing undecided."""
        report, began = self.report, time.monotonic()

        def rested() -> bool:
            since = time.monotonic() - began
            # No look counts from before the healing, or from before the clock stands still.
            if since > load.LAST_HOUR + FRESH and self.watch.age < FRESH:
                standing = report.standing = self.watch.standing
                if not sum(standing[name] for name in WORK):
                    report.drained_seconds = report.drained_seconds or since
                    if not standing["in_flight"] + standing["unknown"]:
                        report.no_unknown_seconds = since
            return since > UNKNOWN_SECONDS or report.no_unknown_seconds is not None

        self._turn_until(rested)

    def _judge(self, clock: TimeMachine) -> None:
        report, watch, links = self.report, self.watch, self.stage.gateways
        posts = sum((link.charges for link in links), Counter())
        report.posts, report.http_faults = posts.total(), dict(sum((link.met for link in links), Counter()))
        report.kills, report.acts = dict(self.nemesis.kills), dict(self.nemesis.acts)
        report.worker_kill_to_resolved = judge.spread(watch.resolved)
        everybody = self.stage.everybody
        report.lives = {name: one.lives for name, one in everybody.items()}
        report.ended_by_themselves = {name: dict(one.ended) for name, one in everybody.items() if one.ended}
        self._note_load()
        try:
            report.standing = watch.look()
        except (SQLAlchemyError, RedisError) as error:
            report.violations.append(f"a server is not back: {type(error).__name__}")
            return
        watch.read_deliveries()
        report.acknowledged_webhooks = len(watch.acknowledged)
        ledger: list[Row] = self.sandbox.ledger()
        judge.fill(report, self.engine, ledger)
        books = Books(self.engine, ledger, clock.shows(datetime.now(UTC)))
        rested = report.no_unknown_seconds is not None
        report.violations += judge.breaches(books, watch.acknowledged, posts, at_rest=rested)

    @property
    def _elapsed(self) -> float:
        return time.monotonic() - self.began

    def _turn_until(self, over: Callable[[], bool], *, act: bool = False) -> None:
        line = time.monotonic()
        while not over():
            self.stage.look_after()
            if act:
                self.nemesis.act(self._elapsed)
            if self.began and time.monotonic() - line > LINE_EVERY:
                line = time.monotonic()
                self._progress()
            time.sleep(TURN)

    def _progress(self) -> None:
        seen, kills = dict(self.watch.standing), self.nemesis.kills.total()
        charged = f"charged {seen.pop('charged', 0)}/{self.wish.charges}"
        counts = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in seen.items())
        down = [name for name, one in self.stage.everybody.items() if not one.alive]
        line = f"{self._elapsed:5.0f} s  kills {kills}/{self.wish.kills}, {charged}, {counts}"
        say(f"{line} ({self.watch.age:.0f} s ago){'  down: ' if down else ''}{', '.join(down)}")

    def _note(self, step: Step, outcome: str) -> None:
        line = {"at": round(self._elapsed, 2), "time": datetime.now(UTC).isoformat(), "step": str(step)}
        with (self.folder / "acts.jsonl").open("a") as file:
            file.write(json.dumps(line | {"outcome": outcome}) + "\n")

    def _note_load(self) -> None:
        self.report.load_average.append(round(os.getloadavg()[0], 2))


def say(line: str) -> None:
    """One line of progress."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def run(wish: Wish) -> Report:
    """A run in a folder of its own, which stays only where something went wrong."""
    folder = Path(tempfile.mkdtemp(prefix="billing-worker-chaos-"))
    folder.chmod(0o711)  # as root PostgreSQL runs under another account, which must get through
    report = Report(wish.seed, wish.minutes, load.HASTE, wish.kills, wish.charges)
    keep = True
    try:
        with ExitStack() as stack:
            Run(wish, folder, report).play(stack)
        keep = not report.good
    except KeyboardInterrupt:
        keep = False
        raise
    finally:
        if keep:
            say(f"logs, acts and ledger are kept in {folder}")
        else:
            rmtree(folder, ignore_errors=True)
    return report
