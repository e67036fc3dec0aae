"""What `celery -A tasks worker` may be asked for: queues and pools that fit, and one line for the others."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

pytestmark = pytest.mark.long

ROOT = Path(__file__).resolve().parents[1]
ASK = """
import json
from tasks import app
from tasks.options import check_options
from billing_worker.domain.errors import SettingsInvalid
told = {"queues": {q.name: [q.exchange.name, q.exchange.type, q.routing_key] for q in app.conf.task_queues}}
for pool in ("gevent", "eventlet", "solo", "thread", "prefork"):
    kind = type("TaskPool", (), {"__module__": "celery.concurrency." + pool})
    try:
        check_options({"pool": kind, "pool_cls": None, "queues": "scans,charges"})
    except SettingsInvalid as error:
        told[pool] = str(error)
print(json.dumps(told))
"""


def run(*words: str, packages: str = "") -> "subprocess.CompletedProcess[str]":
    known = {"PATH": os.environ["PATH"], "BILLING_BROKER_URL": "redis://127.0.0.1:1/0"}
    known["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), packages]))
    command = [sys.executable, "-W", "ignore", *words]
    return subprocess.run(command, env=known, capture_output=True, text=True, timeout=200, check=False, cwd="/")


def test_each_queue_has_an_exchange_and_a_key_of_its_own_and_green_pools_are_refused() -> None:
    told = json.loads(run("-c", ASK).stdout)
    names = ("scans", "charges", "lookups", "notices")
    assert told.pop("queues") == {name: [name, "direct", name] for name in names}
    assert set(told) == {"gevent", "eventlet"}
    for pool, line in told.items():
        assert line.startswith(f"-P {pool}: is not supported")
        assert "leave -P out (threads), or use -P solo" in line


def test_the_command_line_with_gevent_is_one_line(tmp_path: Path) -> None:
    """Celery loads gevent before any of our modules; what it asks of it is stood in for."""
    stand_in = tmp_path / "gevent"
    stand_in.mkdir()
    (stand_in / "__init__.py").write_text("")
    (stand_in / "monkey.py").write_text("def patch_all(): pass\ndef is_module_patched(name): return False\n")
    (stand_in / "signal.py").write_text("")
    said = run("-m", "celery", "-A", "tasks", "worker", "-P", "gevent", packages=str(tmp_path))
    assert said.returncode == 2
    (line,) = said.stderr.splitlines()
    assert line.startswith("billing-worker: -P gevent: is not supported")


@pytest.mark.parametrize("words", [("-Q", "charge"), ("-Q", "scans,charge"), ("-X", "charge")])
def test_an_unknown_queue_is_refused_in_one_line(words: Sequence[str]) -> None:
    said = run("-m", "celery", "-A", "tasks", "worker", *words)
    known = "known are scans, charges, lookups, notices"
    assert said.returncode == 2
    assert said.stderr.splitlines() == [f"billing-worker: {words[0]} charge: is not a queue of this worker; {known}"]
