"""Redis behind a Unix socket, behind TLS, and behind Sentinels: real servers, real workers, and charging goes on."""

import os
import ssl
import subprocess
import sys
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path

import pytest

from billing_worker import bootstrap
from billing_worker.config import load_settings
from billing_worker.domain.errors import Unavailable
from tests.support.redis_servers import (
    HOST,
    Replicated,
    Servers,
    answers,
    free_port,
    program,
    redis_servers,
    speaks_tls,
)
from tests.support.stack import ROOT, Stack, eventually, settings_for, stack_of
from tests.support.world import World

pytestmark = [
    pytest.mark.integration,
    pytest.mark.long,
    pytest.mark.timeout(600),
    pytest.mark.skipif(program() is None, reason="no redis-server: apt-get install redis-server redis-sentinel"),
]


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Servers]:
    with redis_servers(tmp_path / "redis") as running:
        yield running


def charged(world: World, stack: Stack, name: str) -> None:
    """What becomes due now is charged by the worker that runs."""
    subscription = world.subscribe(start=world.clock.now() + timedelta(days=1))
    world.backdate(subscription, world.clock.now() - timedelta(minutes=1))
    paid = f"SELECT FROM invoices WHERE status = 'paid' AND subscription_id = '{subscription.id}'"
    eventually(lambda: world.rows(paid), f"{name} is charged", 60)
    assert stack.processes_live


def test_charging_goes_on_when_the_master_behind_sentinels_is_lost(
    world: World, own: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    redis = Replicated(own)
    named = {"BILLING_BROKER_MASTER_NAME": redis.NAME, "BILLING_BROKER_SENTINEL_PASSWORD": redis.OF_SENTINELS}
    settings = settings_for(world.database_url, redis.url, world.sandbox.url, world.environment) | named
    with stack_of(settings, tmp_path) as stack:
        worker, beat = stack.worker(), stack.beat()
        charged(world, stack, "what is due before")
        redis.master.kill()
        eventually(lambda: redis.master_port() == redis.ports[1], "the replica is the master")
        charged(world, stack, "what is due after")
        assert (worker.alive, beat.alive) == (True, True)
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    loaded = load_settings()
    bootstrap.check_broker(loaded)
    assert rung(settings | {"BILLING_BROKER_URL": redis.url.partition(";")[2]})
    assert redis.PASSWORD in loaded.secrets
    assert redis.OF_SENTINELS in loaded.secrets
    assert world.alerts() == []
    world.assert_books_agree()
    own.close()
    with pytest.raises(Unavailable, match="master mymaster of the Sentinels"):
        bootstrap.check_broker(loaded)


def test_a_unix_socket_is_a_broker(world: World, own: Servers, tmp_path: Path, broker_socket: Path) -> None:
    own.start("socket", ["port 0", f"unixsocket {broker_socket}", "requirepass of-the-socket"])
    eventually(lambda: answers(unix_socket_path=str(broker_socket), password="of-the-socket"), "the socket answers")
    url = f"redis+socket://:of-the-socket@{broker_socket}?virtual_host=3"
    with stack_of(settings_for(world.database_url, url, world.sandbox.url, world.environment), tmp_path) as stack:
        stack.worker()
        stack.beat()
        charged(world, stack, "what is due")
    assert b"db3" in _keyspace(broker_socket)


@pytest.fixture
def broker_socket(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Short: a socket's path has at most 107 characters."""
    return tmp_path_factory.mktemp("s") / "r"


def _keyspace(path: Path) -> bytes:
    import redis  # noqa: PLC0415 - for this one look

    with redis.Redis(unix_socket_path=str(path), password="of-the-socket") as client:
        return bytes(str(client.info("keyspace")), "ascii")


@pytest.mark.skipif(
    not speaks_tls(), reason="redis-server without TLS, or no openssl: apt-get install redis-server openssl"
)
def test_tls_is_checked_in_both_spellings_and_a_stranger_is_refused(
    world: World, own: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, other = certificate(tmp_path / "ours"), certificate(tmp_path / "other")
    port = free_port()
    tls = [
        f"tls-cert-file {ours}",
        f"tls-key-file {ours.with_suffix('.key')}",
        "tls-auth-clients no",
        f"tls-ca-cert-file {ours}",
    ]
    own.start("tls", ["port 0", f"tls-port {port}", f"bind {HOST}", "requirepass of-the-server", *tls])
    eventually(
        lambda: answers(host=HOST, port=port, password="of-the-server", ssl=True, ssl_ca_certs=str(ours)), "it answers"
    )
    url = f"rediss://:of-the-server@{HOST}:{port}/0?ssl_ca_certs={ours}&ssl_cert_reqs="
    settings = settings_for(world.database_url, f"{url}CERT_REQUIRED", world.sandbox.url, world.environment)
    with stack_of(settings, tmp_path) as stack:
        stack.worker()
        stack.beat()
        charged(world, stack, "what is due")
    for spelling in ("CERT_REQUIRED", "required", "CERT_NONE", "none"):
        monkeypatch.setenv("BILLING_BROKER_URL", url + spelling)
        loaded = load_settings()
        bootstrap.check_broker(loaded)
        expected = ssl.CERT_NONE if "NONE" in spelling.upper() else ssl.CERT_REQUIRED
        assert loaded.broker_server.tls
        assert loaded.broker_server.tls["ssl_cert_reqs"] is expected
    monkeypatch.setenv("BILLING_BROKER_URL", (url + "required").replace(str(ours), str(other)))
    with pytest.raises(Unavailable, match="certificate verify failed"):
        bootstrap.check_broker(load_settings())
    stranger = settings | {"BILLING_BROKER_URL": (url + "required").replace(str(ours), str(other))}
    assert not rung(stranger)


RING = """
import asyncio
import sys
from flower.utils.broker import Broker
from tasks import app
try:
    app.send_task("billing.tidy_due", retry=False)
except Exception as error:
    sys.exit(f"not rung: {error}")
with app.connection() as connection:
    url = connection.as_uri(include_password=True)
flower = Broker(url, broker_options=app.conf.broker_transport_options, broker_use_ssl=app.conf.broker_use_ssl)
print(sorted(queue["name"] for queue in asyncio.run(flower.queues(["scans", "charges"]))))
"""


def rung(settings: Mapping[str, str]) -> bool:
    """Whether a process with these settings can put a message into a queue, as the receiver does; Flower counts it."""
    known = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)} | dict(settings)
    done = subprocess.run(
        [sys.executable, "-c", RING], env=known, capture_output=True, text=True, check=False, timeout=200
    )
    assert done.returncode == 0 or "not rung: " in done.stderr, done.stderr
    assert done.returncode or done.stdout == "['charges', 'scans']\n", done.stdout
    return done.returncode == 0


def certificate(folder: Path) -> Path:
    """A certificate for this host that signs itself; its key lies beside it."""
    folder.mkdir()
    path = folder / "own.crt"
    words = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "2",
    ]
    names = ["-subj", "/CN=localhost", "-addext", f"subjectAltName=IP:{HOST}"]
    subprocess.run([*words, *names, "-out", path, "-keyout", path.with_suffix(".key")], check=True, capture_output=True)
    return path


def test_a_worker_with_one_thread_of_control_charges_what_is_due(world: World, stack: Stack) -> None:
    stack.start("solo", "worker", "--loglevel", "INFO", "-P", "solo", "--hostname", "solo@test")
    stack.beat()
    charged(world, stack, "what is due")
