"""A PostgreSQL of a merchant that is backed up, lost and restored, by the commands of docs/backup.md as they stand."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from billing_worker.runtime import free_port, wait_until
from billing_worker.runtime.accounts import Account, account_for, give_to
from tests.support.pooler import APT, debian_binaries

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 240.0
SETTINGS = """
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 60
wal_level = replica
"""


@dataclass
class Site:
    """One server, the folder of its backups, and the account under which both are."""

    folder: Path
    account: Account | None
    programs: Path
    port: int
    variables: Mapping[str, str]

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def environment(self) -> dict[str, str]:
        """What the page has the reader set, and the way to the programs."""
        path = os.pathsep.join([str(self.programs), str(Path(sys.executable).parent), os.environ["PATH"]])
        at = f"postgresql://postgres@127.0.0.1:{self.port}"
        own = {"SERVER": f"{at}/postgres", "DATABASE": f"{at}/billing", "CHECK": f"{at}/billing_check"}
        own |= {"RESTORED": f"{at}/billing_new", "BACKUPS": str(self.folder / "backups"), "DATA": str(self.data)}
        return (
            {"PATH": path, "PYTHONPATH": str(ROOT), "LC_ALL": "C.UTF-8", "HOME": str(self.folder)}
            | own
            | dict(self.variables)
        )

    def run(self, text: str, **more: str) -> str:
        """Run a script of the page, as the server's account unless it needs ours; returns what it printed."""
        account = None if "billing-worker" in text else self.account
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", text],
            **self._as(account, more),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"exit status {done.returncode}:\n{done.stdout[-3000:]}"
        return done.stdout

    def start(self) -> None:
        self.run('pg_ctl start --wait --pgdata="$DATA" --log="$BACKUPS/../log"')

    def kill(self) -> None:
        """The server dies without a word, and its data are gone."""
        for line in (self.data / "postmaster.pid").read_text().splitlines()[:1]:
            os.kill(int(line), signal.SIGQUIT)
        wait_until(lambda: not (self.data / "postmaster.pid").exists(), SECONDS, "the server to be gone")
        shutil.rmtree(self.data)

    def stop(self) -> None:
        with suppress(FileNotFoundError):
            for line in (self.data / "postmaster.pid").read_text().splitlines()[:1]:
                os.kill(int(line), signal.SIGINT)
            wait_until(lambda: not (self.data / "postmaster.pid").exists(), SECONDS, "the server to end")

    @contextmanager
    def beside(self, text: str) -> Iterator[None]:
        """A command of the page that runs as a service."""
        with (self.folder / "service.log").open("w") as log:
            process = subprocess.Popen(
                ["bash", "-c", f"exec {text}"], **self._as(self.account, {}), stdout=log, stderr=subprocess.STDOUT
            )
        try:
            yield
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(SECONDS)
            finally:
                process.kill()

    def has_received_all(self) -> bool:
        """Whether the receiver of the log has written everything that was committed."""
        with psycopg.connect(self.environment["SERVER"]) as connection:
            rows = connection.execute("SELECT state, write_lsn >= pg_current_wal_lsn() FROM pg_stat_replication")
            return rows.fetchall() == [("streaming", True)]

    def _as(self, account: Account | None, more: Mapping[str, str]) -> dict[str, Any]:
        who = {} if account is None else {"user": account.uid, "group": account.gid, "extra_groups": []}
        return {"cwd": self.folder, "env": self.environment | dict(more)} | who


@contextmanager
def site() -> Iterator[Site]:
    """A new server of Debian's with an empty database `billing`. The wheel's `pg_verifybackup` crashes."""
    programs = debian_binaries()
    assert programs is not None, APT
    folder = Path(tempfile.mkdtemp(prefix="billing-worker-restore-"))
    try:
        account = account_for(folder / "none")
        give_to(folder, account)
        made = Site(folder, account, programs, free_port(), {})
        made.run('mkdir "$BACKUPS"; initdb -U postgres -A trust -E UTF8 --locale C --no-sync -D "$DATA" > /dev/null')
        with (made.data / "postgresql.conf").open("a") as conf:
            conf.write(f"{SETTINGS}port = {made.port}\n")
        made.start()
        made.run('createdb --maintenance-db="$SERVER" billing')
        try:
            yield made
        finally:
            made.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
