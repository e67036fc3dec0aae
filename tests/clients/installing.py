"""Installing what others wrote, for one test, and running it."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

import pytest

PATIENCE = 300
NO_PROXY = {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}


def run(command: list[str], folder: Path) -> str:
    """Its output; fails with what it said. It reaches this machine without a proxy."""
    done = _done(command, folder, NO_PROXY)
    assert done.returncode == 0, f"{command}: {done.stdout[-3000:]}{done.stderr[-3000:]}"
    return done.stdout


def install(command: list[str], folder: Path) -> None:
    """Install; where no registry answers, this is missing."""
    done = _done(command, folder)
    if done.returncode != 0:
        missing(f"what the test needs cannot be installed here: {done.stderr.strip()[-300:]}")


def missing(what: str) -> NoReturn:
    """Skip the test, and say why. Continuous integration installs all of it, so there it fails."""
    if os.environ.get("CI"):
        pytest.fail(what)
    pytest.skip(what)


def environment(folder: Path, *arguments: str) -> str:
    """The Python of a new virtual environment with what these arguments of pip name."""
    run([sys.executable, "-m", "venv", "env"], folder)
    python = str(folder / "env" / "bin" / "python")
    install([python, "-m", "pip", "install", "-q", "--disable-pip-version-check", *arguments], folder)
    return python


def _done(command: list[str], folder: Path, more: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    env = os.environ | (more or {})
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=PATIENCE, check=False, env=env)
