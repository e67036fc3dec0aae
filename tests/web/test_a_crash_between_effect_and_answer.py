"""The web process is killed at every step of a request: the same request then finds nothing, or its own answer."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from sqlalchemy import text
from web_calls import DEADLINE, PLAN, TOKEN

from billing_worker.adapters.database.engine import open_engine
from billing_worker.runtime import free_port

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
KEY = {"Idempotency-Key": "order-1001", "Authorization": f"Bearer {TOKEN}"}
FEWEST_STEPS = 15
"""A request that was killed at fewer places was not looked at."""
MANY_AT_ONCE = 4


@contextmanager
def serving(url: str, step: int) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The application as a process that dies at this step; 0: never."""
    port = free_port()
    command = [sys.executable, str(HERE / "dying_app.py"), url, str(step), str(port)]
    env = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(HERE)]), "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env, cwd=ROOT)
    try:
        address, end = f"http://127.0.0.1:{port}", time.monotonic() + 3 * DEADLINE
        while True:
            try:
                httpx.get(f"{address}/healthz", trust_env=False)
                break
            except httpx.TransportError:
                assert process.poll() is None, process.communicate()[0]
                assert time.monotonic() < end, "it does not come up"
                time.sleep(0.05)
        yield address, process
    finally:
        if process.poll() is None:
            process.terminate()
        process.communicate(timeout=DEADLINE)


def post(address: str, path: str, body: dict[str, str | int]) -> httpx.Response | None:
    """The answer; None where the server died over it."""
    try:
        return httpx.post(f"{address}{path}", json=body, headers=KEY, timeout=DEADLINE, trust_env=False)
    except httpx.TransportError:
        return None


@pytest.mark.long
def test_whatever_the_step_at_which_the_web_process_dies_there_is_one_effect(database_url: str) -> None:
    engine = open_engine(database_url, pool_size=1, application="test")
    with serving(database_url, 0) as (address, process):
        token = {"Authorization": f"Bearer {TOKEN}"}
        plan = httpx.post(f"{address}/v1/plans", json=PLAN, headers=token, trust_env=False).json()["id"]
        named = {"customer_uid": "card-1", "pg_provider": "nice_v2"}
        key = httpx.post(f"{address}/v1/billing-keys", json=named, headers=token, trust_env=False).json()["id"]
        body: dict[str, str | int] = {"plan_id": plan, "billing_key_id": key, "customer": "user-1"}
        first = post(address, "/v1/subscriptions", body)
        assert first is not None
        assert first.status_code == 201
        assert process.stdout is not None
        counted = next(line for line in process.stdout if line.startswith("steps:"))
        steps = int(re.sub(r"\D", "", counted))
    assert steps >= FEWEST_STEPS
    found_nothing = found_answer = 0
    with serving(database_url, 0) as (living, _):
        for step in range(1, steps + 1):
            with engine.begin() as connection:
                for table in ("kept_answers", "outbox", "event_streams", "actions", "subscriptions"):
                    connection.execute(text(f"DELETE FROM {table}"))  # noqa: S608 - names from here
            with serving(database_url, step) as (address, process):
                assert post(address, "/v1/subscriptions", body) is None, f"step {step}"
                assert process.wait(DEADLINE) == -9
            again = post(living, "/v1/subscriptions", body)
            while again is not None and again.status_code == 409:  # its lock ends when the server notices its death
                time.sleep(0.05)
                again = post(living, "/v1/subscriptions", body)
            assert again is not None
            assert again.status_code == 201, f"step {step}: {again.text}"
            replayed = again.headers.get("idempotency-replayed") == "true"
            found_answer, found_nothing = found_answer + replayed, found_nothing + (not replayed)
            with engine.connect() as connection:
                ids = connection.execute(text("SELECT id FROM subscriptions")).scalars().all()
            assert ids == [again.json()["id"]], f"step {step}"
    engine.dispose()
    assert found_nothing > 0
    assert found_answer > 0
