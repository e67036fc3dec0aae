"""Everything that plays a part: servers, sandbox, proxy, and the processes of the worker."""

from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from sqlalchemy import Engine

from billing_worker import bootstrap
from billing_worker.cli.session import quiet_logs
from billing_worker.config import Settings
from billing_worker.domain.time_machine import TimeMachine
from billing_worker.ports.bundle import Ports
from billing_worker.runtime import EmbeddedPostgres, EmbeddedRedis, free_port, port_is_free, wait_until
from tests.chaos import load
from tests.chaos.fleet import Program, Server
from tests.chaos.http_link import HttpLink
from tests.chaos.plan import BEATS, GATEWAYS, RECEIVERS, WORKERS
from tests.chaos.proxy import HOST, Proxy
from tests.support.sandbox import Sandbox

START_SECONDS = 240.0
CONNECTIONS = 8


@dataclass
class Stage:
    """The parts, in the order in which they are started. `stack` ends them, the last one first."""

    folder: Path
    stack: ExitStack
    proxy: Proxy
    servers: dict[str, Server] = field(default_factory=dict)
    programs: dict[str, Program] = field(default_factory=dict)
    """Also the sandbox, which gets no faults."""

    def start_servers(self) -> tuple[Ports, Engine]:
        """PostgreSQL, durable and with its tables, and Redis; the ports and the engine go past the proxy."""
        self.postgres = EmbeddedPostgres(self.folder / "postgres")
        self.redis = EmbeddedRedis(self.folder / "redis")
        self.stack.callback(self.postgres.remove)
        for name, server in (("postgres", self.postgres), ("redis", self.redis)):
            self.servers[name] = Server(name, server, lambda url, name=name: self._moved(name, url))
            self.stack.callback(self.servers[name].close)
            self.proxy.add(name, port_of(server.start()))
        quiet_logs()
        settings = Settings(database_url=self.postgres.start(), broker_url=self.redis.start())
        ports, engine = bootstrap.build(settings, role="chaos", connections=CONNECTIONS)
        self.stack.callback(engine.dispose)
        bootstrap.upgrade_database(engine)
        return ports, engine

    def start_sandbox(self, clock: TimeMachine) -> Sandbox:
        """The judge, a process of its own. Its calls to the receivers go through the proxy, in turn."""
        self.hooks = [free_port() for _ in RECEIVERS]
        port, webhooks = free_port(), self.proxy.add("webhooks", *self.hooks)
        own_clock = TimeMachine(clock.start, clock.rate, clock.origin)  # without an end: it promises things for later
        arguments = (
            *("billing_worker", "sandbox", "--port", str(port), "--ledger", str(self.folder / "ledger.jsonl")),
            *("--webhook-url", f"http://{HOST}:{webhooks}/webhooks/portone", "--latency", load.LATENCY),
            # A request that the network doubles would be charged twice by a gateway that looks and then charges: no
            # client can prevent that, and here the question is what this client does.
            *("--slow-seconds", str(load.SLOW_SECONDS), "--serialised"),
        )
        self._program("sandbox", arguments, {"BILLING_TIME_MACHINE": str(own_clock)})
        wait_until(lambda: not port_is_free(HOST, port), START_SECONDS, "the sandbox")
        for gateway in GATEWAYS.values():
            self.proxy.add(gateway, port, kind=HttpLink)
        sandbox = Sandbox(f"http://{HOST}:{port}")
        self.stack.callback(sandbox.close)
        return sandbox

    def start_workers(self, clock: TimeMachine) -> None:
        """Workers, beats and receivers; all that they reach is behind the proxy."""
        database = self._through("postgres", self.postgres.start())
        settings = load.settings_of(clock, database, self._through("redis", self.redis.start()))
        quiet = ("--loglevel", "WARNING")
        for name, gateway in GATEWAYS.items():
            quick = ("--without-gossip", "--without-mingle", "--hostname", f"{name}@chaos")
            self._program(name, ("celery", "-A", "tasks", "worker", *quick, *quiet), settings | self._gateway(gateway))
        settings |= self._gateway(GATEWAYS[WORKERS[0]])
        for name in BEATS:
            self._program(name, ("celery", "-A", "tasks", "beat", *quiet), settings)
        for name, hook in zip(RECEIVERS, self.hooks, strict=True):
            self._program(name, ("billing_worker", "web"), settings | {"BILLING_WEB_PORT": str(hook)})

    @property
    def victims(self) -> dict[str, Program | Server]:
        """Who may be harmed."""
        return {name: one for name, one in self.everybody.items() if name != "sandbox"}

    @property
    def everybody(self) -> dict[str, Program | Server]:
        """All that have lives."""
        return {**self.servers, **self.programs}

    @property
    def gateways(self) -> list[HttpLink]:
        """The workers' links to the gateway."""
        return [self.proxy.links[gateway] for gateway in GATEWAYS.values()]

    def look_after(self) -> None:
        """Start again who is down and whose time has come."""
        for one in self.everybody.values():
            one.look_after()

    def silence(self) -> None:
        """Let only the sandbox and the servers go on: both books stand still."""
        for name, program in self.programs.items():
            if name != "sandbox":
                program.close()

    def _program(self, name: str, arguments: tuple[str, ...], settings: dict[str, str]) -> None:
        self.programs[name] = Program(name, arguments, settings, self.folder)
        self.stack.callback(self.programs[name].close)
        self.programs[name].start()

    def _moved(self, name: str, url: str) -> None:
        """A server is back: its address is the old one, unless another program took its port meanwhile."""
        self.proxy.retarget(name, port_of(url))

    def _gateway(self, link: str) -> dict[str, str]:
        return {"BILLING_PORTONE_API_URL": f"http://{HOST}:{self.proxy.links[link].port}"}

    def _through(self, link: str, url: str) -> str:
        return url.replace(f":{port_of(url)}/", f":{self.proxy.links[link].port}/")


def port_of(url: str) -> int:
    """The port in a URL."""
    return int(urlsplit(url).port or 0)
