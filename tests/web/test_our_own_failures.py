"""When we are at fault, or the database is away: the sender learns that, and nothing of our inside."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import structlog
from sqlalchemy import text
from web_calls import HINT, PLAN, Api, assert_problem, eventually, pingback
from web_helpers import RecordingDoorbell, Web, serving, settings

from billing_worker import bootstrap
from billing_worker.domain.errors import InvalidTransition, Unavailable
from billing_worker.ports.storage import Database, UnitOfWork
from billing_worker.runtime import EmbeddedPostgres
from billing_worker.web import CONNECTIONS, create_app

pytestmark = pytest.mark.long

PASSWORD = "s3cret-in-an-error"


class FailingDatabase:
    """Raises what no code of ours expects."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    @contextmanager
    def transaction(self) -> Iterator[UnitOfWork]:
        raise self.error
        yield  # a generator, as the protocol wants


class ForgettingDatabase:
    """Does everything, and loses its connection when it comes to keeping it."""

    def __init__(self, inner: Database) -> None:
        self._inner = inner

    @contextmanager
    def transaction(self) -> Iterator[Any]:
        with self._inner.transaction() as uow:
            uow.commit = self._lose
            yield uow

    def _lose(self) -> None:
        raise Unavailable("the database does not answer: terminated by administrator command")


@pytest.mark.fm("E14")
def test_nothing_is_acknowledged_that_was_not_committed(web: Web) -> None:
    doorbell, wanted = RecordingDoorbell(), settings()
    ports = replace(web.ports, database=ForgettingDatabase(web.ports.database))
    app = create_app(ports, wanted, doorbell, bootstrap.verify_pingback(wanted), check_database=lambda: None)
    with serving(app) as url, Api(url, app.openapi()) as api:
        assert_problem(api.post("/webhooks/portone", json=HINT), 503)
        answer = api.get(f"/webhooks/paymentwall?{pingback()}")
        assert_problem(answer, 503)
        assert b"OK" not in answer.content
        assert_problem(api.post("/v1/plans", json=PLAN), 503)
    assert (web.count("inbox"), web.count("plans"), doorbell.rings) == (0, 0, [])


@pytest.mark.parametrize(
    "error", [RuntimeError(f"SELECT 1 -- {PASSWORD}"), InvalidTransition("invoice", PASSWORD, "paid", "open")]
)
def test_an_unforeseen_failure_is_answered_with_the_name_that_is_in_the_log(web: Web, error: Exception) -> None:
    broken = FailingDatabase(error)
    app = create_app(
        replace(web.ports, database=broken), settings(), RecordingDoorbell(), None, check_database=lambda: None
    )
    with structlog.testing.capture_logs() as lines, serving(app) as url, Api(url, app.openapi()) as api:
        for answer in (
            api.get("/v1/plans"),
            api.post("/v1/plans", json=PLAN),
            api.post("/webhooks/portone", json=HINT),
        ):
            assert_problem(answer, 500)
            assert PASSWORD not in answer.text
            name = answer.json()["request_id"]
            (line,) = [one for one in lines if one.get("request_id") == name]
            assert (line["event"], line["error"]) == ("request.failed", type(error).__name__)
            assert "our_own_failures.py" in line["where"]
        assert api.get("/healthz").status_code == 200
    assert PASSWORD not in str(lines)


def test_nothing_but_one_line_is_logged_for_a_failure(
    web: Web, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    broken = FailingDatabase(RuntimeError(PASSWORD))
    app = create_app(
        replace(web.ports, database=broken), settings(), RecordingDoorbell(), None, check_database=lambda: None
    )
    with serving(app) as url, Api(url, app.openapi()) as api:
        assert_problem(api.get("/v1/plans"), 500)
    out, err = capfd.readouterr()
    assert PASSWORD not in out + err + caplog.text
    assert "Traceback" not in out + err + caplog.text


@pytest.mark.fm("E14")
@pytest.mark.fm("G5")
def test_while_the_database_is_away_senders_are_asked_to_come_again(tmp_path: Path) -> None:
    with EmbeddedPostgres(tmp_path / "postgres", durable=False) as postgres:
        url = postgres.start()
        wanted = settings(database_url=url)
        ports, engine = bootstrap.build(wanted, role="web", connections=CONNECTIONS)
        bootstrap.upgrade_database(engine)
        doorbell = RecordingDoorbell()
        app = create_app(
            ports,
            wanted,
            doorbell,
            bootstrap.verify_pingback(wanted),
            check_database=lambda: bootstrap.check_database(engine),
        )
        with structlog.testing.capture_logs() as lines, serving(app) as at, Api(at, app.openapi()) as api:
            assert api.post("/webhooks/portone", json=HINT).status_code == 200
            assert api.get("/readyz").status_code == 200
            postgres.stop()
            while_it_is_away(api, url)
            assert any("does not answer" in str(line.get("error")) for line in lines)
            postgres.start()
            eventually(lambda: api.get("/readyz").status_code == 200, "the database")
            assert api.post("/webhooks/portone", json=HINT | {"imp_uid": "imp_2"}).status_code == 200
        with engine.connect() as connection:
            assert connection.execute(text("SELECT count(*) FROM inbox")).scalar_one() == 2
        engine.dispose()
        postgres.remove()


def while_it_is_away(api: Api, url: str) -> None:
    answers: list[Any] = [
        api.post("/webhooks/portone", json=HINT | {"imp_uid": "imp_3"}),
        api.post("/iamport-callback/schedule", data=HINT),
        api.get(f"/webhooks/paymentwall?{pingback()}"),
        api.get("/v1/plans"),
        api.post("/v1/plans", json=PLAN),
        api.get("/metrics"),
        api.get("/readyz"),
    ]
    for answer in answers:
        message = assert_problem(answer, 503)
        assert answer.headers["retry-after"] == "5"
        assert "database" in message
        for inner in ("127.0.0.1", url.rpartition("@")[2], "connection", "billing:"):
            assert inner not in message
    assert b"OK" not in answers[2].content
    assert "whether this request was carried out is not known" in answers[4].json()["detail"]
    assert api.get("/healthz").status_code == 200
    # What is wrong in itself is still told so.
    assert_problem(api.post("/webhooks/portone", json={}), 400)
    assert_problem(api.get("/webhooks/paymentwall?uid=1"), 403)
