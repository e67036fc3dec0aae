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

CELERY = (sys.executable, "-m", "celery", "-A", "tasks")
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
    """Web, workers, beat and Flower, in the order in which they start."""
    quick = ("--without-gossip", "--without-mingle")
    processes = [
        Process("web", (*COMMAND, "web"), env=env, cwd=cwd, ready=lambda: listens(settings.web_port)),
    ]
    for number in range(1, settings.worker_processes + 1):
        argv = (*CELERY, "worker", *quick, "-n", f"worker{number}@%h")
        processes.append(Process(f"worker{number}", argv, env=env, cwd=cwd, stop_grace=CHARGE_GRACE))
    processes.append(Process("beat", (*CELERY, "beat"), env=env, cwd=cwd))
    flower = (*CELERY, "flower", f"--address={LOOPBACK}", f"--port={settings.flower_port}")
    processes.append(Process("flower", flower, env=env, cwd=cwd, ready=lambda: listens(settings.flower_port)))
    return processes


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
