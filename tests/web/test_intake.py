"""Notifications that arrive during a write are written together; one that cannot be written harms no other."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
import structlog
from sqlalchemy import text
from web_calls import DEADLINE
from web_helpers import RecordingDoorbell, Web

from billing_worker.domain.errors import Unavailable
from billing_worker.ports.storage import Database
from billing_worker.usecases.incoming.receive import PORTONE, Notification
from billing_worker.web import intake as module
from billing_worker.web.bell import AT_FIRST, RINGS, Bell
from billing_worker.web.errors import Refused
from billing_worker.web.intake import MOST_NOTIFICATIONS_TOGETHER, MOST_NOTIFICATIONS_WAITING, WRITERS, Intake


class Watched:
    """The database, with a gate before each commit and an account of what went through it."""

    def __init__(self, inner: Database) -> None:
        self._inner = inner
        self.gate = threading.Event()
        self.gate.set()
        self.begun = 0
        self.commits = 0
        self.lost = 0
        """So many of the next transactions find a connection that has died."""

    @contextmanager
    def transaction(self) -> Iterator[Any]:
        self.begun += 1
        if self.lost:
            self.lost -= 1
            raise Unavailable("the database does not answer: terminating connection")
        with self._inner.transaction() as uow:
            commit = uow.commit

            def gated() -> None:
                assert self.gate.wait(DEADLINE)
                commit()
                self.commits += 1

            uow.commit = gated
            yield uow


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow this machine is, a batch is not taken for one that is held up, but where a test is about that."""
    monkeypatch.setattr(module, "HELD_UP", DEADLINE)


def note(number: int, **fields: str) -> Notification:
    payload = {"imp_uid": f"imp_{number}", "merchant_uid": f"m-{number}", "status": "paid"} | fields
    return Notification(PORTONE, f"{number}|paid||", payload)


def stored(web: Web, story: Callable[[Intake, Watched], Any]) -> Any:
    """Run a story with an intake of its own on the database of the test."""
    watched = Watched(web.ports.database)
    bell = Bell(RecordingDoorbell())

    async def run() -> Any:
        intake = Intake(replace(web.ports, database=watched), bell)
        try:
            return await story(intake, watched)
        finally:
            watched.gate.set()
            intake.close()
            bell.close()

    return asyncio.run(run())


async def all_of(intake: Intake, notifications: list[Notification]) -> list[str]:
    """What each sender is told."""
    answers = await asyncio.gather(*map(intake.store, notifications), return_exceptions=True)
    return ["stored" if answer is None else type(answer).__name__ for answer in answers]


def test_what_comes_while_a_commit_is_under_way_shares_the_next_one(web: Web) -> None:
    async def story(intake: Intake, database: Watched) -> None:
        database.gate.clear()
        first = asyncio.create_task(intake.store(note(0)))
        await eventually(lambda: database.begun == 1)
        others = asyncio.create_task(all_of(intake, [note(n) for n in range(1, MOST_NOTIFICATIONS_TOGETHER + 11)]))
        await waiting(intake, MOST_NOTIFICATIONS_TOGETHER + 10)
        assert not first.done()
        database.gate.set()
        assert await others == ["stored"] * (MOST_NOTIFICATIONS_TOGETHER + 10)
        await first
        assert database.commits == 3

    stored(web, story)
    assert web.count("inbox") == MOST_NOTIFICATIONS_TOGETHER + 11


def test_no_notification_waits_for_company(web: Web) -> None:
    async def story(intake: Intake, database: Watched) -> None:
        for number in range(3):
            await intake.store(note(number))
            assert database.commits == number + 1

    stored(web, story)


def test_one_that_cannot_be_stored_harms_no_other(web: Web) -> None:
    async def story(intake: Intake, database: Watched) -> list[str]:
        database.gate.clear()
        first = asyncio.create_task(intake.store(note(0)))
        await eventually(lambda: database.begun == 1)
        poison = note(3, imp_uid="imp_\x00")
        rest = asyncio.create_task(all_of(intake, [note(1), note(2), poison, note(4), note(5)]))
        await waiting(intake, 5)
        database.gate.set()
        await first
        return await rest

    assert stored(web, story) == ["stored", "stored", "DataError", "stored", "stored"]
    assert web.count("inbox") == 5


def test_one_whose_row_is_locked_is_sent_away_and_the_others_are_stored(web: Web) -> None:
    async def story(intake: Intake, database: Watched) -> list[str]:
        await intake.store(note(0))
        with web.engine.connect() as other:
            other.execute(text("SELECT * FROM inbox FOR UPDATE"))
            database.gate.clear()
            first = asyncio.create_task(intake.store(note(1)))
            await eventually(lambda: database.begun == 2)
            rest = asyncio.create_task(all_of(intake, [note(2), note(0), note(3)]))
            await waiting(intake, 3)
            database.gate.set()
            await first
            return await rest

    assert stored(web, story) == ["stored", "Refused", "stored"]
    assert web.count("inbox") == 4


def test_a_writer_that_is_held_up_holds_up_only_what_it_took(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HELD_UP", 0.1)

    async def story(intake: Intake, database: Watched) -> None:
        held = []
        for number in range(WRITERS):
            database.gate.clear()
            held.append(asyncio.create_task(intake.store(note(number))))
            await eventually(lambda wanted=number: database.begun == wanted + 1)
            await asyncio.sleep(module.HELD_UP + 0.02)
        more = asyncio.create_task(intake.store(note(WRITERS)))
        await asyncio.sleep(0.05)
        assert database.begun == WRITERS
        database.gate.set()
        await asyncio.gather(*held, more)

    stored(web, story)
    assert web.count("inbox") == WRITERS + 1


@pytest.mark.fm("E28")
def test_too_many_waiting_are_told_to_come_again_and_memory_stays_bounded(web: Web) -> None:
    async def story(intake: Intake, database: Watched) -> list[str]:
        database.gate.clear()
        first = asyncio.create_task(intake.store(note(0)))
        await eventually(lambda: database.begun == 1)
        flood = asyncio.create_task(all_of(intake, [note(1)] * (MOST_NOTIFICATIONS_WAITING + 500)))
        await waiting(intake, MOST_NOTIFICATIONS_WAITING)
        database.gate.set()
        await first
        return await flood

    answers = stored(web, story)
    assert (answers.count("stored"), answers.count("Refused")) == (MOST_NOTIFICATIONS_WAITING, 500)
    found = web.rows("SELECT deliveries FROM inbox ORDER BY id")
    assert found == [{"deliveries": 1}, {"deliveries": MOST_NOTIFICATIONS_WAITING}]


@pytest.mark.fm("E14")
def test_a_database_that_is_away_is_told_to_every_sender_and_logged_once(web: Web) -> None:
    async def story(intake: Intake, database: Watched) -> list[str]:
        database.gate.clear()
        first = asyncio.create_task(intake.store(note(0)))
        await eventually(lambda: database.begun == 1)
        rest = asyncio.create_task(all_of(intake, [note(n) for n in range(1, 50)]))
        await waiting(intake, 49)
        database.lost = 2
        database.gate.set()
        await first
        return await rest

    with structlog.testing.capture_logs() as lines:
        assert stored(web, story) == ["Refused"] * 49
    (line,) = [line for line in lines if line["event"] == "request.unavailable"]
    assert line["notifications"] == 49
    assert web.count("inbox") == 1


def test_an_old_connection_that_has_died_is_no_reason_to_refuse_a_sender(web: Web) -> None:
    async def story(intake: Intake, database: Watched) -> None:
        database.lost = 1
        await intake.store(note(0))

    stored(web, story)
    assert web.count("inbox") == 1


@pytest.mark.fm("E14")
def test_a_database_that_hangs_sends_everybody_away_in_bounded_time(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LONGEST_WAIT_SECONDS", 0.2)

    async def story(intake: Intake, database: Watched) -> None:
        database.gate.clear()
        began = time.monotonic()
        answers = asyncio.gather(intake.store(note(0)), intake.store(note(1)), return_exceptions=True)
        for answer in await answers:
            assert isinstance(answer, Refused)
            assert answer.status == 503
        assert time.monotonic() - began < DEADLINE / 2
        database.gate.set()
        await intake.store(note(2))

    stored(web, story)


def test_a_flood_rings_no_more_often_than_the_scan_is_worth() -> None:
    doorbell = RecordingDoorbell()
    bell = Bell(doorbell)
    began = time.monotonic()
    for number in range(5000):
        bell.ring("apply", str(number))
    bell._thread.submit(int).result(DEADLINE)
    assert AT_FIRST <= len(doorbell.rings) <= AT_FIRST + RINGS * (time.monotonic() - began) + 1
    bell.close()


async def waiting(intake: Intake, count: int) -> None:
    """Return once so many wait to be written."""
    await eventually(lambda: len(intake._waiting) == count)


async def eventually(condition: Callable[[], bool]) -> None:
    """Return once it is true, without holding up the loop."""
    end = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < end
        await asyncio.sleep(0.002)
