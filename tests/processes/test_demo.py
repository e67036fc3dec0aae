"""`billing-worker demo`: the first thing that a newcomer runs."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from billing_worker.runtime import free_port

pytestmark = [pytest.mark.long, pytest.mark.integration]

COMMAND = (sys.executable, "-m", "billing_worker", "demo")


def start(folder: Path, *options: str) -> subprocess.Popen[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("BILLING_")}
    # A live gateway in the caller's environment: the demonstration must not go near it.
    environment |= {"BILLING_PORTONE_IMP_KEY": "live", "BILLING_PORTONE_IMP_SECRET": "live", "TMPDIR": str(folder)}
    environment |= {"BILLING_WEB_PORT": str(free_port()), "BILLING_FLOWER_PORT": str(free_port())}
    (folder / ".env").write_text("BILLING_ENVIRONMENT=live\n")
    return subprocess.Popen(
        (*COMMAND, *options),
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def processes_that_mention(folder: Path) -> list[str]:
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            where = (entry / "cwd").readlink()
            line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if (str(folder) in line or folder in where.parents) and int(entry.name) != os.getpid():
            found.append(line)
    return found


@pytest.mark.timeout(1200)
def test_three_months_end_with_books_that_agree_and_nothing_left_running(folder: Path) -> None:
    demo = start(folder, "--seconds", "30")
    output, _ = demo.communicate(timeout=580)
    assert demo.returncode == 0, output
    assert "The books agree" in output
    rows = re.findall(r"(2026-0[123]) │ +(\d+) │ +([\d,.]+) (KRW|USD) │ +(\d+) │ +([\d,.]+) (KRW|USD) │ agree", output)
    assert {row[0] for row in rows} == {"2026-01", "2026-02", "2026-03"}
    assert sum(int(row[1]) for row in rows) > 250
    assert all((row[1], row[2]) == (row[4], row[5]) for row in rows)
    last = output.split("agree │")[-1]
    assert re.search(r"due 0, .*waiting for confirmation 0, unknown 0", last, re.DOTALL)
    # Every kind of trouble took part.
    assert int(re.search(r"recovered (\d+)", last)[1]) >= 5
    assert int(re.search(r"given up (\d+)", last)[1]) >= 15
    waiting = [int(number) for number in re.findall(r"waiting for confirmation (\d+)", output)]
    assert max(waiting) >= 1
    assert "Traceback" not in output
    assert processes_that_mention(folder) == []


@pytest.mark.timeout(1200)
def test_ctrl_c_stops_everything(folder: Path) -> None:
    with start(folder) as demo:
        assert demo.stdout is not None
        seen = []
        for line in demo.stdout:
            seen.append(line)
            if "Sandbox ledger" in line:
                break
        assert processes_that_mention(folder), "".join(seen)
        os.kill(demo.pid, signal.SIGINT)
        output = demo.stdout.read()
        assert demo.wait(timeout=240) == 130
    assert "Traceback" not in output
    deadline = time.monotonic() + 120
    while (left := processes_that_mention(folder)) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert left == []
