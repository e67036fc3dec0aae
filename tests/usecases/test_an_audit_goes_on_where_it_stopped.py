"""An audit looks at one window after the other: it loses nothing between them, and goes on where it was cut off."""

from collections.abc import Iterator
from datetime import datetime

import pytest

from billing_worker.ports.review import AuditWindow
from billing_worker.usecases.control.environment import accept_fingerprint
from billing_worker.usecases.control.stop_charging import stops
from billing_worker.usecases.review import audit as auditing
from billing_worker.usecases.review.audit import audit, audit_recent
from tests.support.databases import Databases
from tests.support.world import World
from tests.usecases.test_audit_finds_every_planted_breach import (
    ALERTING,
    STOPPING,
    broken,
    cases,
    copied,
    past,
    plant,
    with_secret,
)

pytestmark = pytest.mark.long

__all__ = ["past"]
"""The same past, as a fixture of this module."""


class DiesError(Exception):
    """What ends a worker in the midst of its work."""


@pytest.fixture
def busy(past: World, databases: Databases) -> Iterator[World]:
    with databases.copy_of(past.database_url) as url:
        world = past.elsewhere(url)
        accept_fingerprint(world.ports, compares=False)
        yield world
        world.close()


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows of three rows, and two of them a ring."""
    monkeypatch.setattr(auditing, "ROWS_A_WINDOW", 3)
    monkeypatch.setattr(auditing, "WINDOWS_AT_ONCE", 2)


def place(world: World, ident: int) -> datetime | None:
    with world.ports.database.transaction() as uow:
        return uow.audits.place(ident).reached


def finished(world: World, ident: int) -> bool:
    return bool(world.rows("SELECT finished_at IS NOT NULL AS done FROM audits WHERE id = :id", id=ident)[0]["done"])


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[AuditWindow]:
    """Every window that is looked at."""
    windows: list[AuditWindow] = []
    really = auditing.look_at

    def noted(ports, window):
        windows.append(window)
        return really(ports, window)

    monkeypatch.setattr(auditing, "look_at", noted)
    return windows


@pytest.mark.usefixtures("narrow")
@pytest.mark.parametrize(("invariant", "statements"), cases(STOPPING | ALERTING))
def test_each_breach_is_found_in_whichever_window_it_is(busy: World, invariant: str, statements: list[str]) -> None:
    plant(busy, *statements)
    assert invariant in broken(audit(with_secret(busy).ports, since=None, sample=0))


def test_windows_look_at_every_row_once(busy: World, seen: list[AuditWindow], monkeypatch: pytest.MonkeyPatch) -> None:
    at_once = {check.what: check.rows for check in audit(busy.ports, since=None, sample=0).checks}
    assert len(seen) == 1
    seen.clear()
    monkeypatch.setattr(auditing, "ROWS_A_WINDOW", 3)
    heard: list[datetime] = []
    found = audit(busy.ports, since=None, sample=0, tell=heard.append)
    assert {check.what: check.rows for check in found.checks} == at_once
    assert len(seen) > 5
    assert [window.until for window in seen[:-1]] == [window.since for window in seen[1:]] == heard
    assert found.breaches == 0


@pytest.mark.usefixtures("narrow")
def test_a_periodic_audit_is_rung_again_at_once_until_it_has_looked_at_everything(
    busy: World, seen: list[AuditWindow]
) -> None:
    rung, reached = list[int](), list[datetime]()
    while not rung or not finished(busy, rung[-1]):
        rung += auditing.due(busy.ports, 1)
        audit_recent(busy.ports, rung[-1])
        at = place(busy, rung[-1])
        assert at is not None
        assert not reached or at >= reached[-1]
        reached.append(at)
    assert len(rung) > 2
    assert len(set(rung)) == 1
    assert len(seen) <= 2 * len(rung)
    assert len({window.since for window in seen}) == len(seen), "no window twice"
    assert auditing.due(busy.ports, 1) == []
    busy.clock.advance(minutes=6)
    (following,) = auditing.due(busy.ports, 1)
    assert following != rung[-1]


@pytest.mark.usefixtures("narrow")
def test_an_audit_whose_worker_died_goes_on_where_it_stopped(
    busy: World, seen: list[AuditWindow], monkeypatch: pytest.MonkeyPatch
) -> None:
    (ident,) = auditing.due(busy.ports, 1)
    audit_recent(busy.ports, ident)
    stopped_at = place(busy, ident)
    (again,) = auditing.due(busy.ports, 1)
    noted = auditing.look_at

    def dies(*_):
        raise DiesError

    monkeypatch.setattr(auditing, "look_at", dies)
    with pytest.raises(DiesError):
        audit_recent(busy.ports, again)
    monkeypatch.setattr(auditing, "look_at", noted)
    assert auditing.due(busy.ports, 1) == [], "it may be at work yet"
    seen.clear()
    busy.clock.advance(seconds=auditing.LEASE.total_seconds())
    (offered,) = auditing.due(busy.ports, 1)
    audit_recent(busy.ports, offered)
    assert ident == again == offered
    assert seen[0].since == stopped_at


def test_what_a_window_breaks_is_acted_on_before_the_window_counts_as_done(
    busy: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(busy, copied("imp_surplus", surplus=True))
    (ident,) = auditing.due(busy.ports, 1)

    def dies(*_):
        raise DiesError

    monkeypatch.setattr(auditing, "_note", dies)
    with pytest.raises(DiesError):
        audit_recent(busy.ports, ident)
    assert [stop.stop.cause for stop in stops(busy.ports, 10)] == ["breach"]


@pytest.mark.usefixtures("narrow")
def test_many_rows_of_one_moment_do_not_hold_an_audit_up(busy: World) -> None:
    moment = busy.clock.now()
    plant(
        busy,
        f"UPDATE payment_attempts SET started_at = '{moment}', closed_at = CASE WHEN closed_at IS NOT NULL"  # noqa: S608
        f" THEN timestamptz '{moment}' END",
    )
    windows = list(auditing.windows(busy.ports, None, moment))
    assert windows[-1].last
    assert len(windows) < 100


@pytest.mark.usefixtures("narrow")
def test_an_alert_about_what_changed_stays_while_only_a_part_was_looked_at(busy: World) -> None:
    plant(busy, *ALERTING["I14 paid and not paid"][1])
    audit(busy.ports, since=None, sample=0)
    (ident,) = auditing.due(busy.ports, 1)
    plant(
        busy,
        """UPDATE invoices SET status = 'paid' WHERE status = 'uncollectible'
           AND id IN (SELECT invoice_id FROM payment_attempts WHERE status = 'approved')""",
    )
    audit_recent(busy.ports, ident)
    assert "I14" in {alert.subject_id for alert in busy.alerts() if alert.kind == "invariant"}
    audit(busy.ports, since=None, sample=0)
    assert "I14" not in {alert.subject_id for alert in busy.alerts() if alert.kind == "invariant"}


def test_an_open_invoice_of_a_canceled_subscription_is_found(busy: World) -> None:
    """However it came to be: canceled with it, opened after it, or opened again."""
    (row,) = busy.rows("""
        SELECT i.id, s.id AS owner FROM invoices i JOIN subscriptions s ON s.id = i.subscription_id
        WHERE s.status = 'canceled' ORDER BY i.created_at LIMIT 1""")
    plant(
        busy,
        f"UPDATE payment_attempts SET status = 'declined', imp_uid = NULL WHERE invoice_id = '{row['id']}'",  # noqa: S608
        f"""UPDATE invoices SET status = 'open', closed_at = NULL, next_attempt_at = period_start + interval '1 hour'
            WHERE id = '{row["id"]}'""",  # noqa: S608
    )
    assert {"I4", "I14"} <= broken(audit(busy.ports, since=None, sample=0))
    recent = audit(busy.ports, since=busy.clock.now(), sample=0)
    assert "I4" in broken(recent), "what is due and nobody will serve stands, whenever it was opened"
