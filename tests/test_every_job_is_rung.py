"""Beat rings every job, and Celery is set up so that nothing but the database is needed to know what is due."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from billing_worker.usecases.jobs import BY_NAME, JOBS

ROOT = Path(__file__).resolve().parents[1]
ASK = """
import json
from tasks import app
names = ["task_acks_late", "task_ignore_result", "result_backend", "worker_prefetch_multiplier", "beat_scheduler",
         "accept_content", "enable_utc", "timezone"]
said = {name: app.conf[name] for name in names}
said["rung"] = {entry["task"]: entry["schedule"] for entry in app.conf.beat_schedule.values()}
said["routes"] = {task: route["queue"] for task, route in app.conf.task_routes.items()}
app.loader.import_default_modules()
said["told"] = {name: task.send_events for name, task in app.tasks.items() if not name.startswith("celery.")}
print(json.dumps(said))
"""


@pytest.fixture(scope="module")
def celery() -> dict:
    """What a process of ours would tell Celery."""
    settings = {"BILLING_BROKER_URL": "redis://127.0.0.1:1/0", "BILLING_SCAN_INTERVAL": "7"}
    command = [sys.executable, "-c", ASK]
    said = subprocess.run(
        command, cwd=ROOT, env=os.environ | settings, capture_output=True, text=True, timeout=200, check=True
    )
    return json.loads(said.stdout)


@pytest.mark.fm("A3")
@pytest.mark.fm("B6")
def test_every_job_that_finds_due_work_is_rung_again_and_again(celery: dict) -> None:
    finding = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in (ROOT / "billing_worker" / "usecases").rglob("*.py")
        if _finds_due_work(path)
    }
    assert finding == {job.due.__module__ for job in JOBS if job.due is not None}
    assert celery["rung"] == {f"billing.{job.scan}": 7.0 for job in JOBS if job.due is not None}


def test_every_job_has_a_queue_and_rings_lead_to_jobs(celery: dict) -> None:
    assert celery["routes"] == {f"billing.{job.name}": job.queue.value for job in JOBS}
    assert len(BY_NAME) == len(JOBS)


def test_flower_hears_of_units_and_not_of_scans(celery: dict) -> None:
    told = {f"billing.{job.name}": True for job in JOBS}
    assert celery["told"] == told | {f"billing.{job.scan}": False for job in JOBS if job.due is not None}


@pytest.mark.fm("A7")
@pytest.mark.fm("H3")
def test_beat_keeps_its_schedule_in_memory_and_counts_seconds_only(celery: dict) -> None:
    assert celery["beat_scheduler"] == "tasks.beat:Bell"
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
