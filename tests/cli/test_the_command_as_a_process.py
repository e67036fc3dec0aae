import json
import os
import pty
import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import httpx
import pytest
import typer
from cli_helpers import Command, environment

from billing_worker import __version__
from billing_worker.cli.commands import COMMANDS
from billing_worker.runtime import free_port
from tests.support.plain_http import WITHOUT_TLS

pytestmark = pytest.mark.long

COMMAND = (sys.executable, "-m", "billing_worker")
SERVE_SECONDS = 240.0
SLOW = {"sqlalchemy", "alembic", "psycopg", "redis", "httpx", "celery", "fastapi", "uvicorn", "flower"}


def test_help_names_every_command_and_has_no_colours_in_a_pipe(process: Command) -> None:
    said = process("--help")
    assert "\x1b" not in said.out
    assert all(listed.name in said.out for listed in COMMANDS)


@pytest.mark.parametrize("words", [("--help",), ("plan", "create", "--help"), ("invoice", "list", "--limit", "0")])
def test_nothing_slow_is_loaded_where_nothing_is_asked_of_a_server(words: tuple[str, ...], here: Path) -> None:
    script = f"from billing_worker.cli.main import main; main({words!r})\n"
    script += f"import sys; sys.exit(bool({SLOW!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], cwd=here, env=environment(), capture_output=True, check=False)
    assert done.returncode == 0


def test_the_version_is_the_packages(process: Command) -> None:
    assert process("--version").out == f"billing-worker {__version__}\n"


def test_a_database_is_upgraded_once_and_used(process: Command, empty_database_url: str) -> None:
    url = {"BILLING_DATABASE_URL": empty_database_url}
    first = process("db", "upgrade", "--json", **url).json
    assert (first["from"], first["changed"]) == (None, True)
    assert process("db", "upgrade", "--json", **url).json == {"from": first["to"], "to": first["to"], "changed": False}
    made = process("plan", "create", "Basic", "--amount", "9900", "--interval", "month", "--json", **url)
    assert made.json["amount"] == 9900
    assert made.err == ""
    listed = process("plan", "list", **url)
    assert "\x1b" not in listed.out
    assert made.json["id"] in listed.out


def test_json_is_all_that_standard_output_holds(process: Command, database_url: str, plan_id: str, key_id: str) -> None:
    words = ("subscription", "create", "--plan", plan_id, "--key", key_id, "--customer", "김철수", "--json")
    said = process(*words, BILLING_DATABASE_URL=database_url)
    assert json.loads(said.out)["customer"] == "김철수"
    assert said.err == ""


def test_a_mistake_is_one_line_and_status_2(process: Command, database_url: str) -> None:
    words = ("plan", "create", "Basic", "--amount", "0", "--interval", "month")
    process(*words, BILLING_DATABASE_URL=database_url).refuses(2, "amount: ")


def test_a_terminal_without_unicode_is_no_mistake(
    process: Command, database_url: str, plan_id: str, key_id: str
) -> None:
    url = {"BILLING_DATABASE_URL": database_url, "PYTHONIOENCODING": "ascii"}
    process("subscription", "create", "--plan", plan_id, "--key", key_id, "--customer", "김", **url)
    said = process("subscription", "list", **url)
    assert (said.status, said.err) == (0, "")


def test_a_reader_that_has_enough_is_no_mistake(database_url: str, here: Path) -> None:
    line = f"{sys.executable} -m billing_worker settings --json | head -c 10"
    variables = environment(BILLING_DATABASE_URL=database_url)
    done = subprocess.run(line, shell=True, cwd=here, env=variables, capture_output=True, text=True, check=False)  # noqa: S602 - a pipe is the point
    assert (len(done.stdout), done.stderr) == (10, "")


@pytest.mark.parametrize("words", ["--help", "settings", "settings --json"])
@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_are_no_mistake(words: str, closed: str, database_url: str, here: Path) -> None:
    line = f"{sys.executable} -m billing_worker {words} {closed}"
    variables = environment(BILLING_DATABASE_URL=database_url)
    done = subprocess.run(line, shell=True, cwd=here, env=variables, capture_output=True, text=True, check=False)  # noqa: S602 - a shell closes them
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("words", ["--version", "settings", "settings --json"])
def test_an_output_that_cannot_be_written_is_one_line(words: str, database_url: str, here: Path) -> None:
    line = f"{sys.executable} -m billing_worker {words} >/dev/full"
    variables = environment(BILLING_DATABASE_URL=database_url)
    done = subprocess.run(line, shell=True, cwd=here, env=variables, capture_output=True, text=True, check=False)  # noqa: S602 - as above
    assert done.returncode == 1
    assert "No space left on device" in done.stderr
    assert "mistake in billing-worker" not in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_json_is_json_on_a_terminal_without_unicode(process: Command, database_url: str) -> None:
    name = "Caf\u00e9 \uc11c\U0001f600"
    variables = {"BILLING_DATABASE_URL": database_url, "PYTHONIOENCODING": "ascii"}
    made = process("plan", "create", name, "--amount", "9900", "--interval", "month", "--json", **variables)
    assert made.json["name"] == name
    wrong = process("plan", "show", "plan_\u00e9", "--json", **variables)
    assert "plan_\u00e9" in wrong.error["message"]


def test_no_color_and_the_width_are_respected_on_a_terminal(database_url: str, here: Path, plan_id: str) -> None:
    coloured = _on_a_terminal(here, database_url, "plan", "show", plan_id)
    assert "\x1b[" in coloured
    assert "\x1b[" not in re.sub(
        r"\x1b\[[12]m|\x1b\[0m", "", _on_a_terminal(here, database_url, "plan", "list", NO_COLOR="1")
    )
    narrow = _on_a_terminal(here, database_url, "plan", "list", NO_COLOR="1", COLUMNS="50")
    assert max(len(re.sub(r"\x1b\[[0-9;]*m", "", line)) for line in narrow.splitlines()) <= 50


def _on_a_terminal(here: Path, database_url: str, *words: str, **variables: str) -> str:
    master, slave = pty.openpty()
    env = environment(BILLING_DATABASE_URL=database_url, TERM="xterm-256color", **variables)
    with subprocess.Popen([*COMMAND, *words], cwd=here, env=env, stdin=slave, stdout=slave, stderr=slave) as running:
        os.close(slave)
        shown = b""
        try:
            while piece := os.read(master, 4096):
                shown += piece
        except OSError:  # the terminal's other end was closed
            pass
        assert running.wait(20) == 0
    os.close(master)
    return shown.decode()


def test_the_sandbox_takes_its_own_options_and_answers(here: Path, process: Command) -> None:
    port = free_port()
    assert "| `ok` |" in process("sandbox", "--behaviours").out
    process("sandbox", "--port", "x").refuses(2, "--port: invalid int value", "sandbox --help")
    process("sandbox", "--port", "99999").refuses(2, "--port: must be between 0")
    _served(here, f"http://127.0.0.1:{port}/_sandbox", "sandbox", "--port", str(port), "--seed", "7")


def test_web_serves_and_ends_with_ctrl_c(here: Path, database_url: str, broker_url: str) -> None:
    port = free_port()
    url = {"BILLING_DATABASE_URL": database_url, "BILLING_BROKER_URL": broker_url}
    _served(here, f"http://127.0.0.1:{port}/healthz", "web", "--port", str(port), **url)


def _served(here: Path, url: str, *words: str, **variables: str) -> None:
    with subprocess.Popen(
        [*COMMAND, *words], cwd=here, env=environment(**variables), stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as running:
        try:
            deadline = time.monotonic() + SERVE_SECONDS
            while not _answers(url):
                assert running.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.05)
            running.send_signal(signal.SIGINT)
            assert running.wait(SERVE_SECONDS) == 0
        finally:
            running.kill()


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, verify=WITHOUT_TLS, timeout=1, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


def test_web_says_which_port_is_taken(process: Command, database_url: str, broker_url: str) -> None:
    url = {"BILLING_DATABASE_URL": database_url, "BILLING_BROKER_URL": broker_url}
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        said = process("web", "--port", str(port), **url)
    assert said.status == 2
    assert said.err.startswith("billing-worker: BILLING_WEB_PORT: ")
    assert f"port {port}" in said.err
    assert "Traceback" not in said.err


def test_ctrl_c_ends_quietly_with_130(here: Path, database_url: str) -> None:
    script = "import os, signal, sys\nfrom billing_worker.cli import main\nfrom billing_worker.cli import why\n"
    script += "why.explain = lambda *_: os.kill(os.getpid(), signal.SIGINT)\n"
    script += "sys.argv = ['billing-worker', 'why', 'sub_1']\nmain.run()\n"
    env = environment(BILLING_DATABASE_URL=database_url)
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=here, env=env, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


@pytest.mark.parametrize("listed", COMMANDS, ids=lambda listed: listed.name)
def test_every_command_explains_itself_with_an_example(listed, billing: Command) -> None:
    pages = [(listed.name,)]
    found = listed.load()
    if isinstance(found, typer.Typer):
        pages = [(listed.name, each.name or each.callback.__name__) for each in found.registered_commands]
    for page in pages:
        said = billing(*page, "--help")
        assert said.status == 0
        if not listed.passes_arguments_on:
            assert "Example: billing-worker" in " ".join(said.out.split())
            if listed.panel != "Start here":
                assert "--json" in said.out
