"""Build the virtual environment in .venv from the locked requirements, once.

Two `make` commands may run in one folder at the same time, so the work is done under a file lock and skipped where
a finished environment for the same lock file is already there.
"""

import fcntl
import hashlib
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
LOCK = ROOT / "requirements" / "dev.txt"


def main() -> int:
    """Build a missing environment; returns the exit status."""
    if sys.version_info < (3, 11):  # noqa: UP036 - the user may have an older Python
        print(f"billing-worker needs Python 3.11 or newer; this is {sys.version.split()[0]}.", file=sys.stderr)
        return 2
    wanted = hashlib.sha256(LOCK.read_bytes() + (ROOT / "pyproject.toml").read_bytes()).hexdigest()
    wanted += f" {ROOT} {sys.version_info[:2]}"
    stamp = VENV / "ready"
    with (ROOT / ".venv.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if stamp.exists() and stamp.read_text() == wanted:
            return 0
        started = time.monotonic()
        print("Building .venv from requirements/dev.txt (hashes are checked) ...", flush=True)
        stamp.unlink(missing_ok=True)
        python = VENV / "bin" / "python"
        pip = [str(python), "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
        steps = (
            [sys.executable, "-m", "venv", "--clear", str(VENV)],
            [*pip, "--require-hashes", "--only-binary", ":all:", "-r", str(LOCK)],
            [*pip, "--no-deps", "--no-build-isolation", "-e", str(ROOT)],
        )
        for step in steps:
            done = subprocess.run(step, check=False)
            if done.returncode != 0:
                print(f"Failed: {' '.join(step)}", file=sys.stderr)
                return done.returncode
        stamp.write_text(wanted)
        print(f".venv is ready after {time.monotonic() - started:.0f} s.", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
