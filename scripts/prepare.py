"""Build the virtual environment in .venv from locked requirements, once.

    python scripts/prepare.py demo      what `make demo` and `make up` need
    python scripts/prepare.py dev       that, and what the tests need

An environment for the tests serves the demo too. Two `make` commands may run in one folder at the same time, so the
work is done under a file lock, and skipped where a finished environment for the same lock file is already there.
"""

import fcntl
import hashlib
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
STAMPS = {"demo": VENV / "demo", "dev": VENV / "ready"}
LONG = {"demo": "half a minute", "dev": "one minute"}
"""With a fast line and an empty cache of pip."""
WIDTH = 30


def main(wanted: str) -> int:
    """Build a missing environment; returns the exit status."""
    if sys.version_info < (3, 11):  # noqa: UP036 - the user may have an older Python
        print(f"billing-worker needs Python 3.11 or newer; this is {sys.version.split()[0]}.", file=sys.stderr)
        return 2
    lock_file = ROOT / "requirements" / f"{wanted}.txt"
    with (ROOT / ".venv.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if _is_ready(wanted):
            return 0
        if wanted == "demo" and _is_ready("dev"):
            STAMPS["demo"].write_text(_fingerprint("demo"))
            return 0
        started = time.monotonic()
        packages = len(re.findall(r"(?m)^[a-z].*==", lock_file.read_text()))
        what = f"requirements/{wanted}.txt: up to {packages} packages, hashes checked"
        print(f"Building .venv from {what}; it takes about {LONG[wanted]} ...", flush=True)
        for stamp in STAMPS.values():
            stamp.unlink(missing_ok=True)
        pip = [
            str(VENV / "bin" / "python"),
            "-m",
            "pip",
            "install",
            "--disable-pip-version-check",
            "--progress-bar",
            "off",
        ]
        steps = (
            [sys.executable, "-m", "venv", "--clear", str(VENV)],
            [*pip, "--require-hashes", "--only-binary", ":all:", "-r", str(lock_file)],
            [*pip, "-q", "--no-deps", "--no-build-isolation", "-e", str(ROOT)],
        )
        for step in steps:
            status = _run(step, packages)
            if status != 0:
                print(f"Failed: {' '.join(step)}", file=sys.stderr)
                return status
        STAMPS[wanted].write_text(_fingerprint(wanted))
        print(f".venv is ready after {time.monotonic() - started:.0f} s.", flush=True)
    return 0


def _run(step: Sequence[str], packages: int) -> int:
    """Run one step. A bar shows how many packages pip has; what it says is shown if it fails."""
    said: list[str] = []
    got = 0
    process = subprocess.Popen(step, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    for line in process.stdout or ():
        said.append(line)
        if line.startswith("Collecting "):
            got += 1
            _show(f"{'#' * (WIDTH * got // packages):<{WIDTH}} {got} of {packages}")
        elif line.startswith("Installing collected"):
            _show(f"{'#' * WIDTH} installing")
    if got:
        _show("")
    status = process.wait()
    if status != 0:
        print("".join(said), file=sys.stderr)
    return status


def _show(text: str) -> None:
    """Show the bar on a terminal only: a log would have a line for each step of it."""
    if sys.stdout.isatty():
        print(f"\r\x1b[K{text}", end="", flush=True)


def _is_ready(wanted: str) -> bool:
    stamp = STAMPS[wanted]
    return stamp.exists() and stamp.read_text() == _fingerprint(wanted)


def _fingerprint(wanted: str) -> str:
    """Changes with all that the environment was made of: the lock file, the project, the folder, the interpreter."""
    made_of = (ROOT / "requirements" / f"{wanted}.txt").read_bytes() + (ROOT / "pyproject.toml").read_bytes()
    return f"{hashlib.sha256(made_of).hexdigest()} {ROOT} {sys.version_info[:2]}"


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in STAMPS:  # noqa: PLR2004 - the program and one word
        print(f"usage: python scripts/prepare.py {'|'.join(STAMPS)}", file=sys.stderr)
        sys.exit(2)
    sys.exit(main(sys.argv[1]))
