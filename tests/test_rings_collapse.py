"""Beat and workers ask the queue before they ring: without a worker, one round of rings waits, and not one a second."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ASK = """
import json
from types import SimpleNamespace
from unittest import mock
from tasks import app
from tasks.beat import Bell

app.loader.import_default_modules()
waiting, sent, now = [], [], [0.0]
channel = SimpleNamespace(queue_declare=lambda **_: SimpleNamespace(message_count=len(waiting)))
bell = Bell(app=app, lazy=True)
bell.monotonic = lambda: now[0]
bell.setup_schedule()

def apply_async(entry, producer=None, advance=True):
    waiting.append(entry.task)

def ring(broker):
    now[0] += 7.0
    for entry in bell.schedule.values():
        bell.apply_entry(entry, producer=SimpleNamespace(channel=broker))
    sent.append(len(waiting))

with mock.patch.object(bell, "apply_async", apply_async):
    for taken in (0, 0, 0, 1, 0, 50):
        del waiting[:taken]
        ring(channel)
    ring(None)
names = sorted(entry.task for entry in bell.schedule.values())
print(json.dumps({"sent": sent, "last": waiting[-len(names):], "round": names}))
"""


def test_beat_rings_a_whole_round_or_none() -> None:
    settings = {"BILLING_BROKER_URL": "redis://127.0.0.1:1/0", "BILLING_SCAN_INTERVAL": "7"}
    command = [sys.executable, "-c", ASK]
    ended = subprocess.run(
        command, cwd=ROOT, env=os.environ | settings, capture_output=True, text=True, timeout=200, check=True
    )
    said = json.loads(ended.stdout.splitlines()[-1])  # a line of the log may come before
    one = len(said["round"])
    nothing_taken = [one, one, one]
    one_taken = [2 * one - 1, 2 * one - 1]
    all_taken = [one]
    broker_is_silent = [2 * one]
    assert said["sent"] == nothing_taken + one_taken + all_taken + broker_is_silent
    assert sorted(said["last"]) == said["round"]
