"""A copy of the sources to make mistakes in, and pytest run in it."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.planted.witness import REPORT

ROOT = Path(__file__).resolve().parents[2]
LEFT_OUT = shutil.ignore_patterns(".git", ".venv*", "__pycache__", ".*_cache", ".hypothesis", "var")
RUN_SECONDS = 120.0
SECONDS_PER_TEST = 10.0
"""For one run of pytest: what hangs is ended, and a busy machine is not. A test takes a second at the most."""

FAILED = 1
"""The exit status of a pytest that ran and saw a test fail; what cannot be collected ends with 2 or more."""


@dataclass(frozen=True)
class Run:
    """What became of one run of pytest in a copy."""

    status: int | None
    """None: it did not end in time."""
    imported: str
    failed: tuple[str, ...]
    seconds: float
    output: str

    def noticed_by(self, catcher: str) -> bool:
        """Whether this test failed, or one of its cases."""
        return any(test == catcher or test.startswith((catcher + "[", catcher + "::")) for test in self.failed)


@contextmanager
def copied() -> Iterator[Path]:
    """A copy of the sources, removed afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="billing-worker-planted-")).resolve()
    try:
        yield Path(shutil.copytree(ROOT, folder / "copy", ignore=LEFT_OUT))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def run_tests(copy: Path, tests: Sequence[str], database_url: str) -> Run:
    """Run these tests in the copy, on the copy's own code."""
    report = copy.parent / "report.json"
    own = {"PYTHONPATH": str(copy), "TEST_DATABASE_URL": database_url, REPORT: str(report)}
    options = ["-q", "-p", "no:cacheprovider", "-p", "tests.planted.witness", "--tb=short"]
    began = time.monotonic()
    with subprocess.Popen(
        [sys.executable, "-m", "pytest", *options, *tests],
        cwd=copy,
        env={name: value for name, value in os.environ.items() if not name.startswith("PYTEST")} | own,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as child:
        try:
            output, _ = child.communicate(timeout=RUN_SECONDS + SECONDS_PER_TEST * len(tests))
            status: int | None = child.returncode
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            output, status = child.communicate()[0], None
    seen = json.loads(report.read_text(encoding="utf-8")) if report.exists() else {"imported": "", "failed": []}
    return Run(status, seen["imported"], tuple(seen["failed"]), time.monotonic() - began, output)
