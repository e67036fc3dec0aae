"""PgBouncer and PostgreSQL as Debian packages them: what merchants run, beside what the wheels bring."""

import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from billing_worker.runtime import free_port
from billing_worker.runtime.accounts import Account, account_for, give_to
from billing_worker.runtime.children import spawn

APT = "apt-get install --yes postgresql pgbouncer"
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}
START_SECONDS = 240.0
STOP_SECONDS = 120.0


def debian_binaries() -> Path | None:
    """The folder with initdb and the others of the newest PostgreSQL that Debian's package brought."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    return found[-1].parent if found else None


PGBOUNCER = shutil.which("pgbouncer", path="/usr/sbin:/usr/bin:/usr/local/bin")
needs_pgbouncer = pytest.mark.skipif(PGBOUNCER is None, reason=f"PgBouncer is not installed: {APT}")
needs_debian = pytest.mark.skipif(debian_binaries() is None, reason=f"Debian's PostgreSQL is not installed: {APT}")


@contextmanager
def pgbouncer(server_url: str, *, mode: str = "transaction", size: int = 2, **settings: object) -> Iterator[str]:
    """A PgBouncer before this server; the URL through it. It knows no `options`, as its package is set up."""
    server, port = urlsplit(server_url), free_port()
    with _folder("pgbouncer") as (folder, account):
        told = {
            "listen_addr": "127.0.0.1",
            "listen_port": port,
            "unix_socket_dir": "",
            "auth_type": "any",
            "pool_mode": mode,
            "default_pool_size": size,
            "max_client_conn": 500,
        } | settings
        to = f"host={server.hostname} port={server.port} user={server.username} password={server.password}"
        lines = ["[databases]", f"* = {to}", "[pgbouncer]", *(f"{name} = {value}" for name, value in told.items())]
        (folder / "pgbouncer.ini").write_text("\n".join(lines) + "\n")
        with _running([str(PGBOUNCER), str(folder / "pgbouncer.ini")], folder, account, port, signal.SIGINT):
            yield server._replace(netloc=f"{server.username}:any@127.0.0.1:{port}").geturl()


@contextmanager
def debian_postgres(copy_of: "Cluster | None" = None) -> Iterator["Cluster"]:
    """A cluster of Debian's PostgreSQL, with the superuser `postgres` and no password; or a standby of another one."""
    binaries, port = debian_binaries(), free_port()
    assert binaries is not None, APT
    with _folder("debian") as (folder, account):
        data = folder / "data"
        if copy_of is None:
            made = ["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale", "C", "--no-sync"]
            _run([str(binaries / "initdb"), "-D", str(data), *made], account)
        else:
            source = ["-h", "127.0.0.1", "-p", str(copy_of.port), "-U", "postgres"]
            _run([str(binaries / "pg_basebackup"), "-D", str(data), *source, "-R", "-c", "fast", "--no-sync"], account)
        given = {"port": port, "listen_addresses": "127.0.0.1", "unix_socket_directories": "", "fsync": "off"}
        options = [word for name, value in given.items() for word in ("-c", f"{name}={value}")]
        with _running([str(binaries / "postgres"), "-D", str(data), *options], folder, account, port, signal.SIGINT):
            cluster, deadline = Cluster(port), time.monotonic() + START_SECONDS
            while not cluster.answers():
                assert time.monotonic() < deadline, (folder / "log").read_text()
                time.sleep(0.05)
            yield cluster


class Cluster:
    """A running cluster."""

    def __init__(self, port: int) -> None:
        self.port = port

    def answers(self) -> bool:
        """Whether it takes statements; a standby first reads what it has missed."""
        try:
            psycopg.connect(self.url()).close()
        except psycopg.OperationalError:
            return False
        return True

    def url(self, database: str = "postgres", user: str = "postgres") -> str:
        """The URL of one of its databases."""
        return f"postgresql://{user}@127.0.0.1:{self.port}/{database}"


@contextmanager
def _folder(name: str) -> Iterator[tuple[Path, Account | None]]:
    """A folder of the account under which the program runs: neither runs as root."""
    folder = Path(tempfile.mkdtemp(prefix=f"billing-worker-{name}-"))
    try:
        account = account_for(folder / "none")
        give_to(folder, account)
        yield folder, account
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run(argv: list[str], account: Account | None) -> None:
    with tempfile.TemporaryFile() as output:
        process = spawn(argv, death_signal=signal.SIGKILL, env=ENVIRONMENT, account=account, output=output)
        status = process.wait(START_SECONDS)
        output.seek(0)
        assert status == 0, output.read().decode(errors="replace")


@contextmanager
def _running(argv: list[str], folder: Path, account: Account | None, port: int, end: signal.Signals) -> Iterator[None]:
    log = folder / "log"
    with log.open("wb") as output:
        process = spawn(argv, death_signal=signal.SIGKILL, env=ENVIRONMENT, account=account, output=output)
    try:
        deadline = time.monotonic() + START_SECONDS
        while not _listens(port):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.02)
        yield
    finally:
        process.send_signal(end)
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)
        process.kill()
        process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
