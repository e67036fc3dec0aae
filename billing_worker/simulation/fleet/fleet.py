"""The processes: beats that ring, workers that serve, receivers that store the gateway's notifications."""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

from billing_worker.domain.errors import Unavailable
from billing_worker.domain.payment import ChargeRequest, Outcome
from billing_worker.domain.pg_limits import PgLimits
from billing_worker.domain.timing import DEFAULT_SETTLE_WINDOWS, Timing
from billing_worker.ports.bundle import Ports
from billing_worker.simulation.fleet.broker import Broker, Message, Worker
from billing_worker.simulation.fleet.calls import VirtualCalls
from billing_worker.simulation.fleet.client import FaultyDatabase, FaultyNotifier, VirtualClock, World
from billing_worker.simulation.fleet.gateway import FaultyGateway
from billing_worker.simulation.fleet.scheduler import Crash, Process
from billing_worker.simulation.fleet.swarm import Options
from billing_worker.simulation.memory.tables import DueIndex, Entry
from billing_worker.usecases.incoming.receive import Notification, receive
from billing_worker.usecases.jobs import JOBS, Job, JobName, chunks

ENVIRONMENT = "sim"
LOOKS_FOR_ITSELF = (JobName.COMPARE, JobName.AUDIT, JobName.TIDY, JobName.SHADOW_DAY, JobName.ALERT)
"""Jobs that check everything every few minutes, or tell an operator. The simulation leaves them out, and checks both
books itself."""
UNITS: dict[str, Job] = {job.name: job for job in JOBS if job.name not in LOOKS_FOR_ITSELF}
SCANS = {job.scan: job for job in UNITS.values() if job.due is not None}

TICK = 3.0
"""Seconds between two rings of beat while work is due. Otherwise it rings when the next work becomes due."""

LONGEST_TICK = 600.0
"""The longest wait between rings that change nothing, because everything else is down."""

LIMITED = "nice_v2"
"""The PG whose rate is limited where a run limits one: that of most cards."""
RESTART = (0.5, 60.0)
RESENT_AFTER = timedelta(seconds=60)


class Beat:
    """Rings for a scan when the store has work for it, and again while it has."""

    def __init__(self, process: Process, fleet: "Fleet") -> None:
        self.process = process
        self._fleet = fleet
        self._planned: set[str] = set()

    def expect(self, scan: str) -> None:
        """Ring at the next tick: work is due."""
        if scan not in self._planned:
            self._planned.add(scan)
            world = self._fleet.world
            world.scheduler.after(timedelta(seconds=TICK * world.chaos.roll()), partial(self._ring, scan))

    def _ring(self, scan: str) -> None:
        self._planned.discard(scan)
        fleet = self._fleet
        when = fleet.scans[scan].next()
        if not self.process.up or when is None or when > fleet.world.scheduler.now:
            return
        try:
            fleet.broker.send(scan, ())
        except Crash:
            self.process.die()


class Fleet:
    """All processes of one merchant."""

    def __init__(
        self,
        options: Options,
        world: World,
        committed: Callable[[Process, tuple[Entry, ...]], None],
        broken: Callable[[Process, Exception], None],
    ) -> None:
        self.options = options
        self.world = world
        self.scans: dict[str, DueIndex] = {UNITS[name].scan: due for name, due in world.store.scans().items()}
        if not options.notifies:
            del self.scans[UNITS[JobName.DELIVER].scan]
        self.broker = Broker(world.scheduler, world.chaos, timedelta(seconds=options.hidden_seconds))
        self._committed = committed
        self._broken = broken
        self.processes: list[Process] = []
        self.ports: dict[str, Ports] = {}
        self.beats = [Beat(self._process(f"beat{number}"), self) for number in range(1, options.beats + 1)]
        for number in range(1, options.workers + 1):
            self.broker.join(Worker(self._process(f"worker{number}"), options.threads, self._serve))
        self.receivers = [self._process(f"receiver{number}") for number in range(1, options.receivers + 1)]
        self.office = self._process("office")
        """The office of customers and operators."""
        self._woken: dict[str, datetime] = {}
        """When each scan is checked next. Between two such moments no work becomes due."""
        self._heard: dict[str, tuple[datetime, float]] = {}
        """The work due at the last look, and the delay of the next one."""
        for scan, index in self.scans.items():
            index.listener = partial(self._expect, scan)
        for beat in self.beats:
            beat.process.on_start.append(self.look)

    def receive(self, notification: Notification, *, again: bool) -> None:
        """Deliver a webhook or pingback to a receiver. `again`: send it until a receiver takes it."""
        chaos = self.world.chaos
        receiver = self.receivers[int(chaos.roll() * len(self.receivers))]
        later = partial(self.receive, notification, again=again)
        if not receiver.up:
            if again:
                self.world.scheduler.after(RESENT_AFTER, later)
            return
        self.world.scheduler.start(receiver, partial(self._store, receiver, notification, later if again else None))

    def die(self, process: Process, down: timedelta) -> None:
        """Kill a process; it restarts after this long."""
        process.down_for = lambda: down
        process.die()
        process.down_for = self._pause

    def _process(self, name: str) -> Process:
        world = self.world
        process = Process(name, world.scheduler, self._broken)
        process.down_for = self._pause
        self.processes.append(process)
        self.ports[name] = Ports(
            clock=VirtualClock(world.scheduler),
            ids=world.store.ids,
            database=FaultyDatabase(world, partial(self._committed, process)),
            gateway=FaultyGateway(world),
            calls=VirtualCalls(process, world.scheduler, partial(self._charge, name)),
            notifier=FaultyNotifier(world) if self.options.notifies else None,
            timing=Timing(settle_windows=DEFAULT_SETTLE_WINDOWS),
            environment=ENVIRONMENT,
            catch_up_rate=self.options.catch_up_rate,
            pg_limits=self._pg_limits(),
            card_entry=True,
        )
        return process

    def _pg_limits(self) -> PgLimits:
        rate = self.options.pg_rate
        spacing = {LIMITED: timedelta(minutes=1) / rate} if rate else {}
        return PgLimits(spacing=spacing, spread=timedelta(hours=self.options.spread_hours))

    def _charge(self, name: str, request: ChargeRequest) -> Outcome:
        """Through the gateway that the process has now: a judge may have put another one in its place."""
        return self.ports[name].gateway.charge(request)

    def _pause(self) -> timedelta:
        return self.world.chaos.between(*RESTART)

    def _expect(self, scan: str, when: datetime) -> None:
        now = self.world.scheduler.now
        planned = self._woken.get(scan)
        if planned is None or when < planned:
            self._woken[scan] = when = max(when, now)
            self.world.scheduler.at(when, partial(self._wake, scan, when))

    def look(self) -> None:
        """Ring for all due work at once, because a process has just started."""
        self._heard.clear()
        for scan, index in self.scans.items():
            when = index.next()
            if when is not None:
                self._expect(scan, when)

    def _wake(self, scan: str, planned: datetime) -> None:
        """Let the beats ring while work is due; then sleep until the next work is."""
        if self._woken.get(scan) != planned:
            return
        del self._woken[scan]
        when, now = self.scans[scan].next(), self.world.scheduler.now
        if when is None:
            return
        if when <= now:
            up = [beat for beat in self.beats if beat.process.up]
            if not up:
                return  # the first one that starts looks by itself
            for beat in up:
                beat.expect(scan)
            before, tick = self._heard.get(scan, (now, TICK))
            tick = min(2 * tick, LONGEST_TICK) if before == when else TICK
            self._heard[scan] = (when, tick)
            when = now + timedelta(seconds=tick)
        self._expect(scan, when)

    def _serve(self, worker: Worker, message: Message) -> None:
        ports = self.ports[worker.process.name]
        try:
            if message.job in UNITS:
                for ring in UNITS[message.job].work(ports, message.idents):
                    self.broker.send(ring.job if ring.idents else UNITS[ring.job].scan, ring.idents)
                return
            job = SCANS[message.job]
            for idents in chunks(job.claim(ports, self.options.scan_limit), job.chunk):
                self.broker.send(job.name, idents)
        except Unavailable:
            return  # the work is still in the database, for the next scan

    def _store(self, receiver: Process, told: Notification, later: Callable[[], None] | None) -> None:
        taken = False
        try:
            receipt = receive(self.ports[receiver.name], told.source, told.dedupe_key, told.payload)
            taken = True
            if receipt.at_once:
                self.broker.send(JobName.APPLY, [str(receipt.id)])
        except Unavailable:
            return
        finally:
            if not taken and later is not None:
                self.world.scheduler.after(RESENT_AFTER, later)
