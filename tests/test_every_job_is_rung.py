"""Beat rings every job, and Celery is set up so that nothing but the database is needed to know what is due."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ASK = """
import json
from tasks import app
names = ["task_acks_late", "task_ignore_result", "result_backend", "worker_prefetch_multiplier", "beat_scheduler",
         "accept_content", "enable_utc", "timezone"]
said = {name: app.conf[name] for name in names}
said["rung"] = sorted(entry["task"] for entry in app.conf.beat_schedule.values())
said["every"] = sorted({entry["schedule"] for entry in app.conf.beat_schedule.values()})
print(json.dumps(said))
"""


@pytest.fixture(scope="module")
def celery() -> dict:
    """What a process of ours would tell Celery."""
    settings = {"BILLING_BROKER_URL": "redis://127.0.0.1:1/0", "BILLING_SCAN_INTERVAL": "7"}
    command = [sys.executable, "-c", ASK]
    said = subprocess.run(
        command, cwd=ROOT, env=os.environ | settings, capture_output=True, text=True, timeout=60, check=True
    )
    return json.loads(said.stdout)


@pytest.mark.fm("A3")
@pytest.mark.fm("B6")
def test_every_job_that_finds_due_work_is_rung_again_and_again(celery: dict) -> None:
    jobs = {path.stem for path in (ROOT / "billing_worker" / "usecases").glob("*.py") if _finds_due_work(path)}
    handed_out = _handed_out()
    assert jobs == {module for module, _ in handed_out.values()}
    assert celery["rung"] == sorted(f"billing.{scan}" for scan in handed_out)
    assert celery["every"] == [7.0]


@pytest.mark.fm("A7")
@pytest.mark.fm("H3")
def test_beat_keeps_its_schedule_in_memory_and_counts_seconds_only(celery: dict) -> None:
    assert celery["beat_scheduler"] == "celery.beat:Scheduler"
    assert (celery["enable_utc"], celery["timezone"]) == (True, "UTC")


@pytest.mark.fm("B16")
@pytest.mark.fm("B17")
def test_a_worker_hoards_no_messages_and_keeps_no_results(celery: dict) -> None:
    assert (celery["task_acks_late"], celery["worker_prefetch_multiplier"]) == (True, 1)
    assert (celery["task_ignore_result"], celery["result_backend"]) == (True, None)
    assert celery["accept_content"] == ["json"]


def _finds_due_work(path: Path) -> bool:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return any(isinstance(node, ast.FunctionDef) and node.name == "due" for node in tree.body)


def _handed_out() -> dict[str, tuple[str, str]]:
    """Each scan task, with the use case that it asks and the unit task that it hands ids to."""
    tree = ast.parse((ROOT / "tasks" / "jobs.py").read_text(encoding="utf-8"))
    modules = {
        alias.asname or alias.name: alias.name
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and node.module == "billing_worker.usecases"
        for alias in node.names
    }
    found = {}
    for task in (node for node in tree.body if isinstance(node, ast.FunctionDef)):
        for call in ast.walk(task):
            if isinstance(call, ast.Call) and ast.unparse(call.func) == "hand_out":
                due, unit = map(ast.unparse, call.args)
                found[task.name] = (modules[due.removesuffix(".due")], unit)
    return found
