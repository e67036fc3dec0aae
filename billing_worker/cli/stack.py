"""The processes of a running worker: their programs, their order, and their settings.

`up` and `demo` run the same list; the Procfile and docker-compose.yml name the same programs.
"""

import json
import os
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from billing_worker.config import Settings
from billing_worker.config.gateway import SANDBOX_SETTINGS
from billing_worker.config.names import PREFIX
from billing_worker.config.services import RUNTIME_FILE
from billing_worker.runtime import EmbeddedPostgres, EmbeddedRedis, Process, RuntimeProblem, port_is_free

LOOPBACK = "127.0.0.1"
CHARGE_GRACE = 80.0
"""Seconds for a worker to finish the charges it has begun: longer than the HTTP deadline."""

CELERY = (sys.executable, "-m", "celery", "-A", "tasks", "--quiet")
"""Quiet: a banner of each process, thirty lines, would hide what it says."""
COMMAND = (sys.executable, "-m", "billing_worker")


@dataclass(slots=True)
class Services:
    """The servers started because no URL was set."""

    var_dir: Path
    postgres: EmbeddedPostgres | None = None
    redis: EmbeddedRedis | None = None

    def start(self, settings: Settings, *, durable: bool = True) -> dict[str, str]:
        """Start the missing servers; returns the variables for the processes. Raises RuntimeProblem."""
        self.var_dir.mkdir(parents=True, exist_ok=True)
        variables = {}
        if settings.database_url is None:
            self.postgres = EmbeddedPostgres(self.var_dir / "postgres", durable=durable)
            variables["BILLING_DATABASE_URL"] = self.postgres.start()
        if settings.broker_url is None:
            self.redis = EmbeddedRedis(self.var_dir / "redis")
            variables["BILLING_BROKER_URL"] = self.redis.start()
        return variables

    def publish(self, variables: Mapping[str, str]) -> None:
        """Write the URLs for other commands in this folder. Only the owner can read the file: it contains passwords."""
        names = ("database_url", "broker_url", *SANDBOX_SETTINGS)
        found = {name: variables.get(PREFIX + name.upper()) for name in names}
        content = {name: value for name, value in found.items() if value is not None}
        path = self.var_dir / RUNTIME_FILE
        path.unlink(missing_ok=True)
        with os.fdopen(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600), "w") as file:
            json.dump(content, file)

    def stop(self) -> None:
        """Stop the servers started here."""
        (self.var_dir / RUNTIME_FILE).unlink(missing_ok=True)
        if self.redis is not None:
            self.redis.stop()
        if self.postgres is not None:
            self.postgres.stop()


def sandbox(env: Mapping[str, str], port: int, *options: str) -> Process:
    """The stand-in for PortOne."""
    argv = (*COMMAND, "sandbox", "--port", str(port), *options)
    return Process("sandbox", argv, env=env, ready=lambda: listens(port))


def worker_processes(settings: Settings, env: Mapping[str, str], *, cwd: Path | None = None) -> list[Process]:
    """Web, workers, beat and Flower, in the order in which they start.

    A worker is ready when it takes messages, beat when Redis took a ring of it: both then touch their file.
    """
    quick = ("--without-gossip", "--without-mingle")
    processes = [
        Process("web", (*COMMAND, "web"), env=env, cwd=cwd, ready=lambda: listens(settings.web_port)),
    ]
    for number in range(1, settings.worker_processes + 1):
        name, argv = f"worker{number}", (*CELERY, "worker", *quick, "-n", f"worker{number}@%h")
        own, sign = _signing(settings, env, name)
        processes.append(Process(name, argv, env=own, cwd=cwd, sign=sign, stop_grace=CHARGE_GRACE))
    own, sign = _signing(settings, env, "beat")
    processes.append(Process("beat", (*CELERY, "beat"), env=own, cwd=cwd, sign=sign))
    address = (f"--address={LOOPBACK}", f"--port={settings.flower_port}")
    # Its list of all tasks, 70 lines at each start, says nothing to an operator.
    flower = (*CELERY, "flower", *address, "--logging=warning")
    processes.append(Process("flower", flower, env=env, cwd=cwd, ready=lambda: listens(settings.flower_port)))
    return processes


def _signing(settings: Settings, env: Mapping[str, str], name: str) -> tuple[Mapping[str, str], Path]:
    """The environment of a process that touches a file of its own while it works, and that file."""
    sign = settings.var_dir.absolute() / f"{name}.alive"
    sign.parent.mkdir(parents=True, exist_ok=True)
    return {**env, "BILLING_ALIVE_FILE": str(sign)}, sign


def child_environment(variables: Mapping[str, str]) -> dict[str, str]:
    """Our environment with these settings on top. Flower reads its own FLOWER_… variables from it."""
    # Read-only: Flower shows the tasks. A visitor of its port can neither start nor revoke any.
    return {"FLOWER_READ_ONLY": "true", "FLOWER_MAX_TASKS": "10000"} | dict(os.environ) | dict(variables)


def refuse_taken_port(host: str, port: int, variable: str) -> None:
    """Raise RuntimeProblem while another program listens on the port."""
    if not port_is_free(host, port):
        raise RuntimeProblem(f"{variable}: port {port} on {host} is in use; stop the other program or set another port")


def listens(port: int) -> bool:
    """Whether a program accepts connections on this loopback port."""
    with socket.create_connection((LOOPBACK, port), timeout=0.5):
        return True


def listens_quietly(port: int) -> bool:
    """As `listens`, with False for a refused connection."""
    try:
        return listens(port)
    except OSError:
        return False
