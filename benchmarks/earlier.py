"""The benchmark of an earlier commit, in a worktree of its own that is removed afterwards."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
BUILD_SECONDS, RUN_SECONDS = 600.0, 900.0
BARE_CALLS = "200"
"""Its own yardstick is not needed: the ratios are taken to that of this run."""
ITS_BENCHMARK = "benchmarks/charges.py"


def measured_earlier(commit: str, subscriptions: int, environment: Mapping[str, str]) -> dict[str, Any] | None:
    """Its figures, under the names of ours; None, with a line that says why, if they cannot be had here."""
    if not _known(commit):
        print(f"{commit} is not in this repository (a shallow clone?); it is left out", file=sys.stderr)
        return None
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: the worktree is removed
    env = {name: value for name, value in environment.items() if not name.startswith("BILLING_")}
    try:
        with _worktree(commit) as tree:
            env["PYTHONPATH"] = str(tree)
            python = _python(tree, env)
            argv = (python, str(tree / ITS_BENCHMARK), "--json", "--subscriptions", str(subscriptions))
            said = _run((*argv, "--bare-calls", BARE_CALLS), tree, env, RUN_SECONDS)
            return _ours(json.loads(said))
    except (subprocess.SubprocessError, OSError, ValueError, KeyError) as error:
        print(f"{commit} could not be measured: {error}", file=sys.stderr)
        return None


def _known(commit: str) -> bool:
    argv = ("git", "cat-file", "-e", f"{commit}^{{commit}}")
    try:
        return subprocess.run(argv, cwd=ROOT, check=False, stderr=subprocess.DEVNULL).returncode == 0
    except OSError:
        return False


@contextmanager
def _worktree(commit: str) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="billing-worker-earlier-") as folder:
        tree = Path(folder) / "tree"
        try:
            _run(("git", "worktree", "add", "--detach", str(tree), commit), ROOT, dict(os.environ), BUILD_SECONDS)
            yield tree
        finally:
            subprocess.run(("git", "worktree", "remove", "--force", str(tree)), cwd=ROOT, check=False)


def _python(tree: Path, env: Mapping[str, str]) -> str:
    """This environment's Python if the commit's parts all load with it; else one built from its own requirements."""
    check = "import billing_worker.web.app, billing_worker.cli.stack, tasks; print(billing_worker.__file__)"
    try:
        found = _run((sys.executable, "-c", check), tree, env, BUILD_SECONDS, quiet=True)
    except subprocess.CalledProcessError:
        found = ""
    if found.startswith(str(tree)):
        return sys.executable
    print("building an environment for the earlier commit", file=sys.stderr)
    _run((getattr(sys, "_base_executable", sys.executable), "scripts/prepare.py"), tree, env, BUILD_SECONDS)
    return str(tree / ".venv" / "bin" / "python")


def _run(argv: tuple[str, ...], cwd: Path, env: Mapping[str, str], seconds: float, *, quiet: bool = False) -> str:
    """What it prints. It ends with us, and after these seconds."""
    errors = subprocess.DEVNULL if quiet else None
    done = subprocess.run(
        argv, cwd=cwd, env=dict(env), check=True, timeout=seconds, text=True, stdout=subprocess.PIPE, stderr=errors
    )
    return done.stdout


def _ours(found: Mapping[str, Any]) -> dict[str, Any]:
    """Under our names, with the sum that it did not print."""
    kept = {name: value for name, value in found.items() if not name.startswith("bare_") and name != "cpu_ratio"}
    return kept | {"total_cpu_ms_per_charge": round(sum(found["cpu_ms_per_charge"].values()), 2)}
