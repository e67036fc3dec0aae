"""`python -m tests.chaos` as a process: a short run to its end, and one that is interrupted."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.fleet import ROOT

pytestmark = [pytest.mark.long, pytest.mark.nightly, pytest.mark.integration, pytest.mark.timeout(600)]


@pytest.fixture
def folder() -> Iterator[Path]:
    """Not pytest's own: as root that is closed to the account under which PostgreSQL runs."""
    path = Path(tempfile.mkdtemp(prefix="billing-worker-test-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


def start(folder: Path, *options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.chaos", "--seed", "5", "--report", str(folder / "report.json"), *options]
    # A live gateway in the caller's environment: the run must not go near it.
    environment = os.environ | {"BILLING_PORTONE_IMP_KEY": "live", "BILLING_ENVIRONMENT": "live", "TMPDIR": str(folder)}
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def left_behind(folder: Path) -> list[str]:
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            where = (entry / "cwd").readlink()
        except OSError:
            continue
        if str(folder) in line or folder in where.parents:
            found.append(line)
    return found


def nothing_is_left(folder: Path) -> None:
    deadline = time.monotonic() + 20
    while (found := left_behind(folder)) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert found == []


@pytest.mark.fm("B4")
@pytest.mark.fm("A4")
def test_a_short_run_ends_with_a_good_report_and_nothing_left_running(folder: Path) -> None:
    run = start(folder, "--minutes", "0.3", "--kills", "3", "--charges", "30")
    output, errors = run.communicate(timeout=220)
    assert run.returncode == 0, output + errors
    report = json.loads((folder / "report.json").read_text())
    assert report["good"]
    assert report["violations"] == report["missed"] == []
    assert sum(report["kills"].values()) >= 3
    assert report["charges"] == report["invoices"]["paid"] >= 30
    assert "GOOD" in output
    assert "Traceback" not in errors
    assert "kills" in errors, "it says how far it is"
    nothing_is_left(folder)
    assert list(folder.glob("billing-worker-chaos-*")) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_interrupted_takes_everything_with_it(folder: Path, number: signal.Signals) -> None:
    with start(folder, "--minutes", "2", "--kills", "20", "--charges", "200") as run:
        assert run.stderr is not None
        assert any("charged" in line for line in run.stderr), "it is under way"
        assert left_behind(folder)
        run.send_signal(number)
        assert run.wait(timeout=200) == 130
        assert "Traceback" not in run.stderr.read()
    nothing_is_left(folder)


def test_what_makes_no_sense_is_refused_in_one_line(folder: Path) -> None:
    run = start(folder, "--minutes", "0")
    _, errors = run.communicate(timeout=200)
    assert run.returncode == 2
    assert "--minutes" in errors.splitlines()[-1]
