"""Tests that `nohup` or a shell's `&` started: no process that they start ignores what the starter had them ignore."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import HEARD

pytestmark = pytest.mark.long

ROOT = Path(__file__).resolve().parents[2]
CHILD = "import signal; print(*sorted(n.name for n in {numbers} if signal.getsignal(n) is signal.SIG_IGN), 'end')"
PROBE = """
import subprocess, sys

def test_of_a_child():
    said = subprocess.run([sys.executable, "-c", {child!r}], capture_output=True, text=True, check=True).stdout
    assert said == "end\\n"
"""


def _ignore_all() -> None:
    for number in HEARD:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, HEARD)


def test_a_child_of_tests_hears_what_their_own_starter_had_them_ignore(tmp_path: Path) -> None:
    numbers = "[" + ", ".join(f"signal.{number.name}" for number in HEARD) + "]"
    probe = tmp_path / "test_probe.py"
    probe.write_text(PROBE.format(child=CHILD.format(numbers=numbers)))
    options = ["-q", "-p", "no:xdist", "-p", "no:cacheprovider", "-p", "tests.conftest", "-c", "/dev/null"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, f"--rootdir={tmp_path}", str(probe)],
        cwd=ROOT,
        preexec_fn=_ignore_all,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:]
