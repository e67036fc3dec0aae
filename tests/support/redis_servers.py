"""Redis servers and Sentinels as processes, with a configuration that the test chooses."""

import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import redis

from billing_worker.runtime.children import spawn
from billing_worker.runtime.errors import RuntimeProblem
from billing_worker.runtime.redis import find_redis
from tests.support.stack import eventually

HOST = "127.0.0.1"


def program() -> Path | None:
    """A redis-server, which is a Sentinel too; None where there is none."""
    try:
        return find_redis()
    except RuntimeProblem:
        return None


def speaks_tls() -> bool:
    """Whether the server was built with TLS, and openssl can make certificates."""
    found = program()
    if found is None or shutil.which("openssl") is None:
        return False
    # A server without TLS refuses the directive before it listens anywhere.
    tried = subprocess.run(
        [found, "-"],
        input=b"port 0\ntls-port 0\nunixsocket /nonexistent/x\n",
        capture_output=True,
        check=False,
        timeout=60,
    )
    return b"Bad directive" not in tried.stdout + tried.stderr


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


class Servers:
    """Starts them; what still runs at the end is killed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._processes: list[subprocess.Popen[bytes]] = []

    def start(self, name: str, lines: Sequence[str], *, sentinel: bool = False) -> subprocess.Popen[bytes]:
        """One server with these lines of configuration."""
        own = self._folder / name
        own.mkdir(parents=True)
        config = own / "redis.conf"
        config.write_text("\n".join([f"dir {own}", *lines, ""]))
        with (own / "log").open("wb") as log:
            words = [str(program()), str(config), *(["--sentinel"] if sentinel else [])]
            process = spawn(words, death_signal=signal.SIGKILL, env={"LC_ALL": "C"}, cwd=own, output=log)
        self._processes.append(process)
        return process

    def close(self) -> None:
        """End everything."""
        for process in self._processes:
            with suppress(ProcessLookupError):
                process.kill()
            process.wait(20)


@contextmanager
def redis_servers(folder: Path) -> Iterator[Servers]:
    """Servers that end with the block."""
    servers = Servers(folder)
    try:
        yield servers
    finally:
        servers.close()


def answers(**how: Any) -> bool:
    """Whether a server answers a ping."""
    with redis.Redis(socket_timeout=1, socket_connect_timeout=1, **how) as client:
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False


class Replicated:
    """A master, a replica and three Sentinels that watch them."""

    NAME, PASSWORD = "mymaster", "of-the-servers"
    OF_SENTINELS = "of-the-sentinels"

    def __init__(self, servers: Servers) -> None:
        self._servers = servers
        self.ports = [free_port(), free_port()]
        self.sentinels = [free_port() for _ in range(3)]
        account = [
            f"requirepass {self.PASSWORD}",
            f"masterauth {self.PASSWORD}",
            f"bind {HOST}",
            "repl-diskless-sync-delay 0",
        ]
        self.master = servers.start("master", [f"port {self.ports[0]}", *account])
        servers.start("replica", [f"port {self.ports[1]}", f"replicaof {HOST} {self.ports[0]}", *account])
        eventually(lambda: answers(host=HOST, port=self.ports[1], password=self.PASSWORD), "the replica answers")
        eventually(self._replicates, "it replicates")
        for port in self.sentinels:
            servers.start(f"sentinel-{port}", self._sentinel(port), sentinel=True)
        eventually(lambda: all(self._knows_all(port) for port in self.sentinels), "the Sentinels know each other")

    @property
    def url(self) -> str:
        """All Sentinels, and before them one that is not there."""
        ports = [free_port(), *self.sentinels]
        return ";".join(f"sentinel://:{self.PASSWORD}@{HOST}:{port}/0" for port in ports)

    def ask(self, port: int) -> "redis.Redis":
        """A client of one Sentinel."""
        return redis.Redis(host=HOST, port=port, password=self.OF_SENTINELS, decode_responses=True, socket_timeout=2)

    def master_port(self) -> int:
        """Where the last Sentinel sees the master."""
        with self.ask(self.sentinels[-1]) as sentinel:
            return int(sentinel.sentinel_get_master_addr_by_name(self.NAME)[1])

    def _sentinel(self, port: int) -> list[str]:
        return [
            f"port {port}",
            f"bind {HOST}",
            f"requirepass {self.OF_SENTINELS}",
            f"sentinel monitor {self.NAME} {HOST} {self.ports[0]} 2",
            f"sentinel auth-pass {self.NAME} {self.PASSWORD}",
            f"sentinel down-after-milliseconds {self.NAME} 500",
            f"sentinel failover-timeout {self.NAME} 3000",
        ]

    def _replicates(self) -> bool:
        with redis.Redis(host=HOST, port=self.ports[0], password=self.PASSWORD, decode_responses=True) as client:
            return client.info("replication").get("slave0", {}).get("state") == "online"

    def _knows_all(self, port: int) -> bool:
        try:
            with self.ask(port) as sentinel:
                state = sentinel.sentinel_master(self.NAME)
        except redis.RedisError:
            return False
        return (state["num-slaves"], state["num-other-sentinels"]) == (1, 2)
