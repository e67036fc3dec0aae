"""The very command lines of Procfile and docker-compose.yml: they start, serve, are found healthy, and stop.

Only what a container would provide is put in their place: the addresses of the servers, and ports that are free here.
"""

import contextlib
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
import redis

from billing_worker.runtime import free_port, wait_until
from billing_worker.runtime.redis import find_redis
from tests.deployment.files import PROCESSES, filled_in, procfile, services
from tests.support.databases import Databases
from tests.support.plain_http import WITHOUT_TLS
from tests.support.sandbox import Sandbox
from tests.support.servers import Servers

pytestmark = [pytest.mark.long, pytest.mark.integration, pytest.mark.timeout(600)]

TOKEN = "0123456789abcdef-token"
FLOWER_AUTH = ("operator", "0123456789abcdef")
START_SECONDS = 240.0
STOP_SECONDS = 120.0
CHECK_SECONDS = 120.0
CHEAP = 1.0
"""Seconds of CPU: several times what a check needs on the slowest machine, and less than one that starts Celery."""
ALIVE = "/tmp/alive"  # noqa: S108 - the file's own, in a container


@dataclass
class Deployed:
    """The four processes of one of the files, at work."""

    folder: Path
    environment: dict[str, str]
    ports: dict[str, int]
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.ports[name]}"

    def start(self, name: str, command: Sequence[str]) -> None:
        argv = [self.here(word) for word in command]
        with self.log(name).open("wb") as log:
            self.running[name] = subprocess.Popen(
                argv,
                cwd=self.folder / "cwd",
                env=self.environment | {"BILLING_ALIVE_FILE": str(self.alive(name))},
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def stop(self, name: str) -> int:
        process = self.running.pop(name)
        process.send_signal(signal.SIGTERM)
        try:
            return process.wait(STOP_SECONDS)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def healthy(self, name: str) -> bool:
        """Run the health check that compose runs."""
        kind, *words = services()[name]["healthcheck"]["test"]
        words = [self.here(word).replace("$$", "$").replace(ALIVE, str(self.alive(name))) for word in words]
        argv = ["sh", "-c", *words] if kind == "CMD-SHELL" else words
        done = subprocess.run(
            argv, cwd=self.folder / "cwd", env=self.environment, capture_output=True, timeout=CHECK_SECONDS, check=False
        )
        return done.returncode == 0

    def here(self, word: str) -> str:
        """The word with the ports that are free on this machine."""
        return word.replace("127.0.0.1:8000", f"127.0.0.1:{self.ports['web']}").replace(
            "5555", str(self.ports["flower"])
        )

    def alive(self, name: str) -> Path:
        return self.folder / f"{name}.alive"

    def log(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def said(self, name: str) -> str:
        return self.log(name).read_text(errors="replace")


def commands_of(file: str) -> dict[str, list[str]]:
    return procfile() if file == "Procfile" else {name: services()[name]["command"] for name in PROCESSES}


def environment(database_url: str, broker_url: str, sandbox_url: str, web_port: int) -> dict[str, str]:
    return dict(os.environ) | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "HOSTNAME": socket.gethostname(),  # a container has it
        "PYTHONUNBUFFERED": "1",
        "BILLING_DATABASE_URL": database_url,
        "BILLING_BROKER_URL": broker_url,
        "BILLING_PORTONE_API_URL": sandbox_url,
        "BILLING_PORTONE_IMP_KEY": "imp_key_sandbox",
        "BILLING_PORTONE_IMP_SECRET": "imp_secret_sandbox",
        "BILLING_API_TOKEN": TOKEN,
        "BILLING_ENVIRONMENT": "deploy",
        "BILLING_WEB_PORT": str(web_port),
        "BILLING_WORKER_CONCURRENCY": "4",
        "FLOWER_BASIC_AUTH": ":".join(FLOWER_AUTH),
        "FLOWER_READ_ONLY": "true",
    }


@pytest.fixture(scope="module", params=["Procfile", "docker-compose.yml"])
def deployed(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    servers: Servers,
    databases: Databases,
    shared_sandbox: Sandbox,
) -> Iterator[Deployed]:
    folder = tmp_path_factory.mktemp("deployed")
    (folder / "cwd").mkdir()
    ports = {"web": free_port(), "flower": free_port()}
    with databases.migrated() as database_url, servers.broker_url() as broker_url:
        found = Deployed(folder, environment(database_url, broker_url, shared_sandbox.url, ports["web"]), ports)
        try:
            for name, command in commands_of(request.param).items():
                found.start(name, command)
            yield found
        finally:
            for name in list(found.running):
                found.stop(name)


def test_web_becomes_ready_and_asks_for_the_token(deployed):
    _until(deployed, "web", lambda: _status(f"{deployed.url('web')}/readyz") == httpx.codes.OK)
    assert deployed.healthy("web")
    assert _status(f"{deployed.url('web')}/v1/plans") == httpx.codes.UNAUTHORIZED


def test_beat_rings_and_the_worker_charges(deployed, shared_sandbox):
    _until(deployed, "web", lambda: _status(f"{deployed.url('web')}/readyz") == httpx.codes.OK)
    customer_uid = f"ok-deployed-{deployed.ports['web']}"
    headers = {"Authorization": f"Bearer {TOKEN}"}
    with httpx.Client(base_url=deployed.url("web"), headers=headers, timeout=60) as api:
        plan = {"name": "Deployed", "amount": 9900, "currency": "KRW", "interval": "month"}
        plan_id = api.post("/v1/plans", json=plan).raise_for_status().json()["id"]
        key = {"customer_uid": customer_uid, "pg_provider": "nice_v2"}
        key_id = api.post("/v1/billing-keys", json=key).raise_for_status().json()["id"]
        wanted = {"plan_id": plan_id, "billing_key_id": key_id, "customer": "deployed"}
        api.post("/v1/subscriptions", json=wanted).raise_for_status()
        _until(deployed, "worker", lambda: api.get("/v1/invoices", params={"status": "paid"}).json()["data"])
    assert [row["status"] for row in shared_sandbox.ledger(customer_uid=customer_uid)] == ["paid"]


@pytest.mark.parametrize("name", ["worker", "beat"])
def test_worker_and_beat_are_found_healthy_while_they_work_and_only_then(deployed, name):
    _until(deployed, name, lambda: deployed.healthy(name))
    deployed.running[name].send_signal(signal.SIGSTOP)
    try:
        a_minute_ago = time.time() - 61
        os.utime(deployed.alive(name), (a_minute_ago, a_minute_ago))
        assert not deployed.healthy(name)
    finally:
        deployed.running[name].send_signal(signal.SIGCONT)
    _until(deployed, name, lambda: deployed.healthy(name))


@pytest.mark.parametrize("name", ["web", "worker", "beat", "flower"])
def test_a_health_check_is_cheap(deployed, name):
    _until(deployed, name, lambda: deployed.healthy(name))
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    for _ in range(5):
        assert deployed.healthy(name)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    assert used / 5 < CHEAP


def test_flower_serves_no_visitor_without_the_password_and_none_a_switch(deployed):
    url = deployed.url("flower")
    _until(deployed, "flower", lambda: deployed.healthy("flower"))
    for path in ("/", "/workers", "/tasks", "/api/workers", "/api/tasks"):
        assert _status(url + path) == httpx.codes.UNAUTHORIZED, path
    # Flower serves these two to everybody, as the runbook says: another reason not to publish its port.
    assert [_status(url + path) for path in ("/healthcheck", "/metrics")] == [httpx.codes.OK] * 2
    assert httpx.get(f"{url}/workers", auth=FLOWER_AUTH, timeout=60).status_code == httpx.codes.OK
    worker = f"celery@{socket.gethostname()}"
    switched = httpx.post(f"{url}/api/worker/shutdown/{worker}", auth=FLOWER_AUTH, timeout=60)
    assert switched.status_code in (httpx.codes.FORBIDDEN, httpx.codes.METHOD_NOT_ALLOWED)
    assert deployed.running["worker"].poll() is None


@pytest.mark.fm("A7")
def test_nothing_is_written_into_the_folder_and_all_end_when_asked_to(deployed):
    _until(deployed, "worker", lambda: deployed.healthy("worker"))
    for name in ("beat", "worker", "web", "flower"):
        assert deployed.stop(name) == 0, deployed.said(name)[-2000:]
    assert list((deployed.folder / "cwd").iterdir()) == []


def test_the_migration_command_creates_the_tables_and_runs_again(empty_database_url, tmp_path):
    settings = environment(empty_database_url, "redis://127.0.0.1:1/0", "http://127.0.0.1:1", 1)
    said = []
    for command in (
        services()["migrate"]["command"],
        services()["migrate"]["command"],
        ["billing-worker", "db", "check"],
    ):
        done = subprocess.run(
            command, cwd=tmp_path, env=settings, capture_output=True, text=True, timeout=CHECK_SECONDS, check=True
        )
        said.append(done.stdout)
    assert said[0].startswith("Migrated the database: empty -> ")
    assert "already" in said[1]


def test_redis_starts_with_its_command_and_asks_for_the_password(tmp_path):
    port = free_port()
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "redis-server").symlink_to(find_redis())
    shell, flag, text = services()["redis"]["command"]
    text = filled_in(text, {}).replace("/tmp/redis.conf", str(tmp_path / "redis.conf"))  # noqa: S108 - the file's own
    text += f" --port {port} --bind 127.0.0.1 --dir {tmp_path}"
    path = f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}"
    environment = {"PATH": path, "REDIS_PASSWORD": "0123456789abcdef"}
    process = subprocess.Popen(
        [shell, flag, text], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        with redis.Redis(port=port, password="0123456789abcdef", decode_responses=True) as client:
            wait_until(lambda: _pings(client), 20, "Redis")
            assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
            assert client.info("persistence")["aof_enabled"] == 1
        with redis.Redis(port=port) as stranger, pytest.raises(redis.AuthenticationError):
            stranger.ping()
        assert (tmp_path / "redis.conf").stat().st_mode & 0o077 == 0
    finally:
        process.terminate()
        process.wait(20)


def _until(deployed: Deployed, name: str, condition) -> None:
    """Wait for the condition; fail at once, with the log, when the process ends instead."""
    deadline = time.monotonic() + START_SECONDS
    while not condition():
        ended = deployed.running[name].poll()
        assert ended is None, f"{name} ended with {ended}: {deployed.said(name)[-2000:]}"
        assert time.monotonic() < deadline, f"{name}: {deployed.said(name)[-2000:]}"
        time.sleep(0.1)


def _status(url: str) -> int | None:
    with contextlib.suppress(httpx.HTTPError):
        return httpx.get(url, verify=WITHOUT_TLS, timeout=60).status_code
    return None


def _pings(client: redis.Redis) -> bool:
    with contextlib.suppress(redis.ConnectionError):
        return bool(client.ping())
    return False
