"""The web process is killed at every step of a request: the same request then finds nothing, or its own answer."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from sqlalchemy import Engine, text
from web_calls import DEADLINE, PLAN, TOKEN

from billing_worker.adapters.database.engine import open_engine
from billing_worker.runtime import free_port
from tests.support.plain_http import WITHOUT_TLS

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
BEARER = {"Authorization": f"Bearer {TOKEN}"}
KEY = BEARER | {"Idempotency-Key": "order-1001"}
FEWEST_STEPS, MOST_STEPS = 15, 200
"""A request that was killed at fewer places was not looked at."""

Body = dict[str, str | int]


class Servers:
    """Processes that serve the application, living and dying ones."""

    def __init__(self, url: str) -> None:
        path = os.pathsep.join([str(ROOT), str(HERE)])
        self._parent = subprocess.Popen(
            [sys.executable, str(HERE / "dying_app.py"), url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": path},
            cwd=ROOT,
        )
        self._pids: list[int] = []
        self.address, _ = self.start(0)

    def start(self, step: int) -> tuple[str, int]:
        """One that dies at this step; 0: never. Returns its address, once it answers, and its process id."""
        port = free_port()
        assert self._parent.stdin is not None
        self._parent.stdin.write(f"{step} {port}\n")
        self._parent.stdin.flush()
        assert self._parent.stdout is not None
        pid = next(int(line.split()[1]) for line in self._parent.stdout if line.startswith("pid "))
        self._pids.append(pid)
        address, end = f"http://127.0.0.1:{port}", time.monotonic() + 3 * DEADLINE
        while True:
            try:
                httpx.get(f"{address}/healthz", verify=WITHOUT_TLS, trust_env=False)
            except httpx.TransportError:
                assert time.monotonic() < end, "it does not come up"
                time.sleep(0.02)
            else:
                return address, pid

    def end(self) -> None:
        """All that live: the first, which never dies, and the last, which was not asked enough."""
        for pid in (self._pids[0], self._pids[-1]):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._parent.kill()
        self._parent.communicate(timeout=DEADLINE)


@pytest.fixture
def mortals(database_url: str) -> Iterator[Servers]:
    started = Servers(database_url)
    yield started
    started.end()


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    made = open_engine(database_url, pool_size=1, application="test")
    yield made
    made.dispose()


def post(address: str, body: Body) -> httpx.Response | None:
    """The answer; None where the server died over it."""
    try:
        return httpx.post(f"{address}/v1/subscriptions", json=body, headers=KEY, timeout=DEADLINE, trust_env=False)
    except httpx.TransportError:
        return None


def post_again(address: str, body: Body) -> httpx.Response:
    """The same request at a server that lives; the dead one's lock ends when the database notices."""
    end = time.monotonic() + DEADLINE
    while True:
        answer = post(address, body)
        assert answer is not None
        if answer.status_code != 409 or time.monotonic() > end:
            return answer
        time.sleep(0.02)


def prepared(address: str) -> Body:
    """A request that subscribes a customer."""
    names = {"customer_uid": "card-1", "pg_provider": "nice_v2"}
    plan = httpx.post(f"{address}/v1/plans", json=PLAN, headers=BEARER, trust_env=False).json()["id"]
    key = httpx.post(f"{address}/v1/billing-keys", json=names, headers=BEARER, trust_env=False).json()["id"]
    return {"plan_id": plan, "billing_key_id": key, "customer": "user-1"}


def forget(engine: Engine) -> None:
    """As if the request had never come."""
    with engine.begin() as connection:
        for table in ("kept_answers", "outbox", "event_streams", "actions", "subscriptions"):
            connection.execute(text(f"DELETE FROM {table}"))  # noqa: S608 - names from here


@pytest.mark.long
@pytest.mark.timeout(600)
def test_whatever_the_step_at_which_the_web_process_dies_there_is_one_effect(mortals: Servers, engine: Engine) -> None:
    body = prepared(mortals.address)
    first = post(mortals.address, body)
    assert first is not None
    assert first.status_code == 201
    replays: list[bool] = []
    for step in range(1, MOST_STEPS):
        forget(engine)
        address, _ = mortals.start(step)
        if post(address, body) is not None:
            break  # it has fewer steps than this
        again = post_again(mortals.address, body)
        assert again.status_code == 201, f"step {step}: {again.text}"
        replays.append(again.headers.get("idempotency-replayed") == "true")
        with engine.connect() as connection:
            ids = connection.execute(text("SELECT id FROM subscriptions")).scalars().all()
        assert ids == [again.json()["id"]], f"step {step}"
    assert FEWEST_STEPS <= len(replays) < MOST_STEPS - 1
    # First the effect was undone with the answer; from the commit on both are there.
    assert replays == sorted(replays)
    assert set(replays) == {False, True}
