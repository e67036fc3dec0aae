import os
import pwd
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import sqlalchemy
from runtime_helpers import alive, helper, kill_9, listening, poll, port_of, python_for

from billing_worker.runtime import EmbeddedPostgres, RuntimeProblem, postgres_binaries, server
from billing_worker.runtime.accounts import Account

pytestmark = [pytest.mark.long, pytest.mark.integration]
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root changes accounts")
NOBODY = Account("nobody", pwd.getpwnam("nobody").pw_uid, pwd.getpwnam("nobody").pw_gid)

OWNER = """
import sys
from pathlib import Path
from billing_worker.runtime import EmbeddedPostgres
postgres = EmbeddedPostgres(Path(sys.argv[1]), durable=False)
print(postgres.start(), postgres._process.pid)
sys.stdin.read()
postgres.stop()
"""
OWNER_WITHOUT_KERNEL_HELP = (
    """
import functools, signal
from billing_worker.runtime import children, postgres, server
children.KERNEL_SIGNALS_PARENT_DEATH = server.KERNEL_SIGNALS_PARENT_DEATH = False
real = children.spawn
postgres.spawn = lambda argv, **options: real(argv, **{**options, "death_signal": 0})
"""
    + OWNER
)


def ask(url: str, statement: str) -> object:
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        answer = connection.execute(statement)
        return answer.fetchone()[0] if answer.description else None


@pytest.fixture
def postgres(open_folder: Path) -> Iterator[EmbeddedPostgres]:
    database = EmbeddedPostgres(open_folder / "postgres", durable=False)
    yield database
    database.remove()


def test_the_url_suits_sqlalchemy_and_the_settings_are_as_promised(open_folder: Path) -> None:
    with EmbeddedPostgres(open_folder / "pg") as durable:
        engine = sqlalchemy.create_engine(durable.start())
        with engine.connect() as connection:
            names = (
                "server_encoding",
                "timezone",
                "fsync",
                "synchronous_commit",
                "max_connections",
                "listen_addresses",
            )
            values = [connection.execute(sqlalchemy.text(f"show {name}")).scalar() for name in names]
            assert values == ["UTF8", "UTC", "on", "on", "300", "127.0.0.1"]
            assert connection.execute(sqlalchemy.text("select '한글' || current_database()")).scalar() == "한글billing"
        engine.dispose()
        assert (durable.directory / "password").stat().st_mode & 0o777 == 0o600
        assert (durable.directory / "data").is_dir()


def test_no_login_without_the_password(postgres: EmbeddedPostgres) -> None:
    port = port_of(postgres.start())
    for credentials in ("billing", "billing:wrong", "postgres:"):
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(f"postgresql://{credentials}@127.0.0.1:{port}/billing", passfile="/dev/null")


def test_data_and_url_survive_a_restart(postgres: EmbeddedPostgres) -> None:
    url = postgres.start()
    assert postgres.start() == url
    ask(url, "create table kept as select 7 as value")
    postgres.stop()
    postgres.stop()
    assert not listening(port_of(url))
    assert postgres.start() == url
    assert ask(url, "select value from kept") == 7


def test_a_killed_server_starts_again_with_its_data(open_folder: Path) -> None:
    with EmbeddedPostgres(open_folder / "pg") as postgres:
        url = postgres.start()
        ask(url, "create table kept as select 7 as value")
        kill_9(postgres._process.pid)
        poll(lambda: not postgres.running, "the death of the server")
        assert postgres.start() == url
        assert ask(url, "select value from kept") == 7


def test_a_stale_pid_file_that_names_a_living_process_does_no_harm(postgres: EmbeddedPostgres) -> None:
    postgres.start()
    account, pid_file = postgres._account, postgres._data / "postmaster.pid"
    kill_9(postgres._process.pid)
    poll(lambda: not postgres.running, "the death of the server")
    identity = {"user": account.uid} if account else {}
    with subprocess.Popen(["sleep", "60"], **identity) as sleeper:
        pid_file.write_text(f"{sleeper.pid}\n" + pid_file.read_text().partition("\n")[2])
        assert ask(postgres.start(), "select 1") == 1
        sleeper.kill()


@pytest.mark.parametrize("owner", [OWNER, OWNER_WITHOUT_KERNEL_HELP], ids=["kernel", "guardian"])
def test_kill_9_of_the_owner_ends_the_server_and_frees_the_directory(open_folder: Path, owner: str) -> None:
    folder = open_folder / "pg"
    with helper(owner, folder) as process:
        url, pid = process.stdout.readline().split()
        ask(url, "create table kept as select 7 as value")
        kill_9(process.pid)
        poll(lambda: not alive(int(pid)), "the end of the server")
        assert not listening(port_of(url))
    with EmbeddedPostgres(folder, durable=False) as again:
        assert ask(again.start(), "select value from kept") == 7


def test_after_kill_9_of_the_owner_a_new_owner_may_come_at_once(open_folder: Path) -> None:
    folder = open_folder / "pg"
    with helper(OWNER, folder) as process:
        url = process.stdout.readline().split()[0]
        with psycopg.connect(url.replace("+psycopg", "")):  # a session that the fast shutdown has to end
            kill_9(process.pid)
            with EmbeddedPostgres(folder, durable=False) as again:
                assert ask(again.start(), "select 1") == 1


def test_two_directories_run_side_by_side(postgres: EmbeddedPostgres, open_folder: Path) -> None:
    with EmbeddedPostgres(open_folder / "other", durable=False) as other:
        assert postgres.start() != other.start()
        assert ask(postgres.start(), "select 1") == ask(other.start(), "select 1") == 1


def test_the_second_owner_of_a_directory_is_told_who_has_it(open_folder: Path) -> None:
    folder = open_folder / "pg"
    with helper(OWNER, folder) as process:
        url = process.stdout.readline().split()[0]
        with pytest.raises(RuntimeProblem, match=f"already in use by process {process.pid}:.* BILLING_VAR_DIR"):
            EmbeddedPostgres(folder, durable=False).start()
        with pytest.raises(RuntimeProblem, match=r"already in use"):
            EmbeddedPostgres(folder, durable=False).remove()
        assert ask(url, "select 1") == 1
        process.stdin.close()
        assert process.wait(20) == 0


def test_a_server_started_in_a_thread_outlives_the_thread(postgres: EmbeddedPostgres) -> None:
    urls: list[str] = []
    thread = threading.Thread(target=lambda: urls.append(postgres.start()))
    thread.start()
    thread.join()
    assert ask(urls[0], "select 1") == 1
    assert postgres.running
    postgres.stop()
    assert not listening(port_of(urls[0]))


def test_ctrl_c_during_the_start_leaves_nothing(postgres: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[int] = []

    def interrupt(process: subprocess.Popen[bytes], port: int) -> bool:  # noqa: ARG001
        started.append(process.pid)
        signal.raise_signal(signal.SIGINT)
        return False

    with monkeypatch.context() as patch:
        patch.setattr(postgres, "_is_ready", interrupt)
        with pytest.raises(KeyboardInterrupt):
            postgres.start()
    assert started
    assert not alive(started[0])
    assert ask(postgres.start(), "select 1") == 1


def test_a_port_lost_to_another_program_is_replaced(
    postgres: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as thief:
        taken = thief.getsockname()[1]
        offers = iter([taken, taken])
        free = server.free_port
        monkeypatch.setattr(server, "free_port", lambda host: next(offers, None) or free(host))
        url = postgres.start()
    assert port_of(url) != taken
    assert ask(url, "select 1") == 1


def test_a_lost_password_is_replaced(postgres: EmbeddedPostgres) -> None:
    before = postgres.start()
    postgres.stop()
    (postgres.directory / "password").unlink()
    after = postgres.start()
    assert after != before
    assert ask(after, "select 1") == 1
    with pytest.raises(psycopg.OperationalError):
        ask(before, "select 1")


def test_a_half_made_database_is_made_again(postgres: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(postgres, "_single_user", lambda *_: signal.raise_signal(signal.SIGINT))
        with pytest.raises(KeyboardInterrupt):
            postgres.start()
    assert ask(postgres.start(), "select 1") == 1


def test_kill_9_of_the_owner_during_the_very_first_start_costs_nothing(open_folder: Path) -> None:
    folder = open_folder / "pg"
    with helper(OWNER, folder) as process:
        poll((folder / "data.new" / "base").exists, "initdb at work")
        kill_9(process.pid)
    with EmbeddedPostgres(folder, durable=False) as again:
        assert ask(again.start(), "select 1") == 1
        assert not (folder / "data.new").exists()


def test_a_server_that_cannot_start_says_why(postgres: EmbeddedPostgres) -> None:
    postgres.start()
    postgres.stop()
    (postgres._data / "global" / "pg_control").unlink()
    with pytest.raises(RuntimeProblem, match=r"PostgreSQL ended at start \(.*server\.log") as caught:
        postgres.start()
    assert "\n" not in str(caught.value)


def test_data_of_a_version_that_is_not_here_are_left_alone(postgres: EmbeddedPostgres) -> None:
    postgres.start()
    postgres.stop()
    (postgres._data / "PG_VERSION").write_text("13\n")
    with pytest.raises(RuntimeProblem, match=r"PostgreSQL 13, which wrote the data here, was not found"):
        postgres.start()


def test_without_any_postgres_one_line_says_what_to_do(
    postgres: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_binaries, "_candidates", lambda _: iter(()))
    with pytest.raises(RuntimeProblem, match=r"billing-worker\[embedded\].*BILLING_DATABASE_URL"):
        postgres.start()


def test_a_folder_that_cannot_be_made_is_named(open_folder: Path) -> None:
    (open_folder / "file").touch()
    with pytest.raises(RuntimeProblem, match=r"cannot write to .*BILLING_VAR_DIR"):
        EmbeddedPostgres(open_folder / "file" / "pg").start()


def test_an_installed_server_does_when_there_is_no_wheel(open_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_binaries, "wheel_folders", list)
    try:
        postgres_binaries.find_postgres(None, None)
    except RuntimeProblem:
        pytest.skip("no PostgreSQL is installed on this machine")
    with EmbeddedPostgres(open_folder / "pg", durable=False) as installed:
        assert ask(installed.start(), "select 1") == 1


@as_root
def test_root_runs_it_under_an_existing_account_and_creates_none(postgres: EmbeddedPostgres) -> None:
    accounts = Path("/etc/passwd").read_bytes()
    postgres.start()
    assert Path(f"/proc/{postgres._process.pid}").stat().st_uid in {e.pw_uid for e in pwd.getpwall()} - {0}
    assert Path("/etc/passwd").read_bytes() == accounts


@as_root
def test_as_an_ordinary_user_everything_stays_in_the_directory(open_folder: Path) -> None:
    if python_for(NOBODY) is None:
        pytest.skip("no Python that `nobody` can run")
    folder = open_folder / "home"
    folder.mkdir()
    os.chown(folder, NOBODY.uid, NOBODY.gid)
    with helper(OWNER, folder / "pg", account=NOBODY) as process:
        url, pid = process.stdout.readline().split()
        assert ask(url, "create table kept as select 7 as value") is None
        assert Path(f"/proc/{pid}").stat().st_uid == NOBODY.uid
        kill_9(process.pid)
        poll(lambda: not alive(int(pid)), "the end of the server")
        assert not listening(port_of(url))
    # Root after the user: the server keeps running under the owner of the data.
    with EmbeddedPostgres(folder / "pg", durable=False) as again:
        assert ask(again.start(), "select value from kept") == 7
        assert (folder / "pg" / "data").stat().st_uid == NOBODY.uid


@as_root
def test_data_of_another_user_are_refused_by_name(postgres: EmbeddedPostgres) -> None:
    if python_for(NOBODY) is None:
        pytest.skip("no Python that `nobody` can run")
    postgres.start()
    postgres.stop()
    os.chown(postgres.directory, NOBODY.uid, NOBODY.gid)
    if postgres._data.stat().st_uid == NOBODY.uid:
        pytest.skip("this machine has no account `postgres`")
    with helper(OWNER, postgres.directory, account=NOBODY) as process:
        assert "owner.lock: Permission denied; start as the user who made it" in process.stdout.read()
    for name in ("owner.lock", "server.lock"):
        (postgres.directory / name).unlink()
    with helper(OWNER, postgres.directory, account=NOBODY) as process:
        assert "belongs to `postgres`: start as that user or as root" in process.stdout.read()


@as_root
def test_below_a_closed_folder_the_data_go_elsewhere_and_are_found_again(open_folder: Path) -> None:
    closed = open_folder / "closed"
    closed.mkdir(mode=0o700)
    postgres = EmbeddedPostgres(closed / "pg", durable=False)
    url = postgres.start()
    home = Path((closed / "pg" / "location").read_text().strip())
    assert not (closed / "pg" / "data").exists()
    assert (home / "data").is_dir()
    ask(url, "create table kept as select 7 as value")
    postgres.stop()
    again = EmbeddedPostgres(closed / "pg", durable=False)
    assert ask(again.start(), "select value from kept") == 7
    again.remove()
    assert not home.exists()
    assert not (closed / "pg").exists()


@as_root
def test_a_lost_place_of_durable_data_is_not_taken_by_an_empty_database(open_folder: Path) -> None:
    (open_folder / "pg").mkdir()
    (open_folder / "pg" / "location").write_text(f"{open_folder}/gone\n")
    with pytest.raises(RuntimeProblem, match=r"gone, which is gone: restore that folder"):
        EmbeddedPostgres(open_folder / "pg").start()


@as_root
def test_binaries_below_a_closed_folder_are_copied_once(open_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folders = postgres_binaries.wheel_folders()
    if not folders:
        pytest.skip("the wheel is not installed")
    package = folders[0].parent.parent
    closed = open_folder / "closed"
    closed.mkdir(mode=0o700)
    for part in (package, package.with_name(package.name + ".libs")):
        shutil.copytree(part, closed / part.name, symlinks=True)
    hidden = closed / folders[0].relative_to(package.parent)
    place = open_folder / "place"
    place.mkdir()
    monkeypatch.setattr(postgres_binaries, "wheel_folders", lambda: [hidden])
    monkeypatch.setattr(postgres_binaries, "shared_place", lambda *_: place)
    copies: list[Path] = []
    threads = [threading.Thread(target=lambda: copies.append(postgres_binaries.copied(hidden))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert copies[0] == copies[1]
    assert len(list(place.iterdir())) == 1
    with EmbeddedPostgres(open_folder / "pg", durable=False) as postgres:
        assert ask(postgres.start(), "select 1") == 1
        assert postgres._installation.bin == copies[0]
