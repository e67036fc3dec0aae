"""Beat ends when it is asked to, wherever the signal finds it."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RING = """
import signal
from unittest import mock
from celery.beat import Scheduler, Service
from tasks import app, beat
from tasks.process import process

class Deaf(Scheduler):
    # Its first round drops the exception of the signal, as Python does in a finalizer.
    rounds = 0

    def setup_schedule(self):
        pass

    def tick(self):
        self.rounds += 1
        assert self.rounds < 3, "beat goes on, although it was asked to end"
        try:
            signal.raise_signal(signal.SIGTERM)
        except SystemExit:
            return 0.001
        raise AssertionError("the signal was not heard")

with mock.patch.object(type(process), "check_settings_of_database"):
    service = Service(app, scheduler_cls=Deaf)
    service.start()
print("rounds", service.scheduler.rounds)
"""


def test_beat_ends_although_the_exception_of_the_signal_was_dropped() -> None:
    environment = os.environ | {"BILLING_BROKER_URL": "redis://127.0.0.1:1/0"}
    command = [sys.executable, "-c", RING]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "rounds 1"
