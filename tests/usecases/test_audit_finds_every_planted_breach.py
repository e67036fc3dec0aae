"""Each breach is planted by hand, past the schema where that forbids it; the audit must see it and stop the line."""
# ruff: noqa: S608

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text

from billing_worker.adapters.database.audit import MOST_SHOWN
from billing_worker.domain.alerts import AlertKind
from billing_worker.domain.audit import exposes
from billing_worker.domain.runaway import MOST_CUSTOMERS_BY_HAND
from billing_worker.domain.stop import ALL
from billing_worker.ports.bundle import Auditing
from billing_worker.ports.outside import Listing
from billing_worker.usecases.control.environment import accept_fingerprint
from billing_worker.usecases.control.stop_charging import clear_stop, stop_on_word, stops
from billing_worker.usecases.review import audit as auditing
from billing_worker.usecases.review.audit import Audit, audit, audit_recent
from tests.support.alerts import said
from tests.support.databases import Databases
from tests.support.gateways import Around
from tests.support.sandbox import Row, Sandbox
from tests.support.world import World

pytestmark = pytest.mark.long

CARD = "4111 1111 1111 1111"
"""The card industry's best known test number."""


@pytest.fixture(scope="module")
def past(databases: Databases, shared_sandbox: Sandbox) -> Iterator[World]:
    """A world in which everything happened that may: paid, declined, given up, canceled, unknown and resolved."""
    with databases.migrated() as url, World.built(url, shared_sandbox) as world:
        plan = world.plan(interval="day", dunning_days=(1,))
        for behaviour in ("ok", "decline-limit", "decline-stolen", "drop-after-charge-1x", "error502-html-1x"):
            world.subscribe(behaviour, plan=plan)
        gone = world.subscribe(plan=plan)
        world.run_until(world.clock.now() + timedelta(days=4))
        world.cancel(gone)
        world.clock.advance(hours=1)
        world.settle()
        world.resolve(hours=1)
        yield world


@pytest.fixture
def busy(past: World, databases: Databases) -> Iterator[World]:
    """A copy of it, claimed, whose tables the test may change."""
    with databases.copy_of(past.database_url) as url:
        world = past.elsewhere(url)
        accept_fingerprint(world.ports, compares=False)
        yield world
        world.close()


def whole(world: World, *, sample: int = 0) -> Audit:
    return audit(world.ports, since=None, sample=sample)


def broken(found: Audit) -> set[str]:
    return {check.invariant for check in found.checks if check.breaches}


def plant(world: World, *statements: str) -> None:
    with world.engine.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))  # no trigger stands in the way
        for statement in statements:
            connection.execute(text(statement))


ANY_PAID = "(SELECT id FROM invoices WHERE status = 'paid' ORDER BY id LIMIT 1)"
PAID_LONG_AGO = """(
    SELECT i.id FROM invoices i JOIN subscriptions s ON s.id = i.subscription_id
    WHERE i.status = 'paid' AND s.status = 'active' ORDER BY i.period_start, i.id LIMIT 1)"""
ANY_APPROVED = "(SELECT id FROM payment_attempts WHERE status = 'approved' ORDER BY id LIMIT 1)"
CHARGED_ON_TIME = """(
    SELECT a.id FROM payment_attempts a JOIN invoices i ON i.id = a.invoice_id WHERE a.status = 'approved'
    AND NOT a.found AND a.started_at < i.period_start + interval '2 days' ORDER BY a.id LIMIT 1)"""
COPY = (
    """
    INSERT INTO payment_attempts (id, invoice_id, number, merchant_uid, billing_key_id, amount, currency, status, fence,
        started_at, lease_until, next_look_at, looks, refused, imp_uid, surplus, evidence_id, closed_at)
    SELECT '{id}', invoice_id, 90 + length('{id}'), merchant_uid, billing_key_id, amount, currency, '{status}', fence,
        started_at, lease_until, {look}, looks, refused, '{id}', {surplus}, evidence_id, {closed}
    FROM payment_attempts WHERE id = """
    + ANY_APPROVED
)


def copied(ident: str, *, status: str = "approved", surplus: bool = False) -> str:
    is_open = status in ("in_flight", "unknown")
    look, closed = ("now()", "NULL") if is_open else ("NULL", "closed_at")
    return COPY.format(id=ident, status=status, surplus=surplus, look=look, closed=closed)


REFUND = (
    """
    INSERT INTO refunds (id, attempt_id, amount, currency, balance, cause, reason, created_at, status, fence, sends,
        failures, looks, accepted, refused, evidence_id, closed_at)
    SELECT '{id}', id, {amount}, currency, {balance}, 'requested', 'planted', now(), 'succeeded', 0, 1,
        0, 0, true, false, evidence_id, now()
    FROM payment_attempts WHERE id = """
    + ANY_APPROVED
)

STOPPING = {
    "I1 two payments": (
        "I1",
        ["DROP INDEX uq_payment_attempts_one_payment", copied("imp_twice")],
    ),
    "I1 a surplus without an alert": ("I1", [copied("imp_surplus", surplus=True)]),
    "I2 paid by nothing": (
        "I2",
        [
            "UPDATE payment_attempts SET status = 'declined', imp_uid = NULL WHERE id = " + ANY_APPROVED,
        ],
    ),
    "I5 attempt and invoice": ("I5", ["UPDATE payment_attempts SET amount = amount + 1 WHERE id = " + ANY_APPROVED]),
    "I5 invoice and plan": (
        "I5",
        [
            f"UPDATE payment_attempts SET amount = amount + 1 WHERE invoice_id = {ANY_PAID}",
            f"UPDATE invoices SET amount = amount + 1 WHERE id = {ANY_PAID}",
        ],
    ),
    "I5 currency": ("I5", ["UPDATE payment_attempts SET currency = 'USD' WHERE id = " + ANY_APPROVED]),
    "I6 after the cancellation": (
        "I6",
        [
            """UPDATE payment_attempts SET started_at = started_at + interval '30 days', closed_at = closed_at
               + interval '30 days' WHERE invoice_id IN (SELECT i.id FROM invoices i JOIN subscriptions s
               ON s.id = i.subscription_id WHERE s.canceled_at IS NOT NULL)"""
        ],
    ),
    "I10 given back too much": (
        "I10",
        [
            "ALTER TABLE refunds DROP CONSTRAINT ck_refunds_amount_within_balance",
            REFUND.format(id="rfd_a", amount="amount", balance="amount"),
            REFUND.format(id="rfd_b", amount="1", balance="amount"),
        ],
    ),
    "I10 no sound checksum": (
        "I10",
        [
            "ALTER TABLE refunds DROP CONSTRAINT ck_refunds_amount_within_balance",
            REFUND.format(id="rfd_a", amount="amount", balance="0"),
        ],
    ),
    "I13 a card in the evidence": (
        "I13",
        [f"UPDATE evidence SET body = 'card {CARD}' WHERE id = (SELECT min(id) FROM evidence)"],
    ),
    "I13 a card in an event": (
        "I13",
        [
            """UPDATE outbox SET data = '{"reason": "4111111111111111"}'
               WHERE sequence = (SELECT min(sequence) FROM outbox)"""
        ],
    ),
    "I13 our secret in a reason": (
        "I13",
        ["UPDATE payment_attempts SET reason = 'refused: sehr-geheim-123' WHERE id = " + ANY_APPROVED],
    ),
}

ALERTING = {
    "I17 no alert was opened": ("I17", ["UPDATE payment_attempts SET found = true WHERE id = " + ANY_APPROVED]),
    "I4 a lost invoice": (
        "I4",
        [
            f"UPDATE payment_attempts SET status = 'declined', imp_uid = NULL WHERE invoice_id = {PAID_LONG_AGO}",
            f"""UPDATE invoices SET status = 'open', closed_at = NULL, next_attempt_at = period_start,
                lease_until = 'infinity' WHERE id = {PAID_LONG_AGO}""",
        ],
    ),
    "I4 a lost period": (
        "I4",
        ["UPDATE subscriptions SET next_period_start = next_period_start - interval '9 days' WHERE status = 'active'"],
    ),
    "I7 a loop": ("I7", [copied("x" * length, status="declined") for length in range(1, 7)]),
    "I8 two open attempts": (
        "I8",
        [
            "DROP INDEX uq_payment_attempts_one_open",
            copied("x", status="unknown"),
            copied("xx", status="in_flight"),
        ],
    ),
    "I12 no evidence": (
        "I12",
        [
            "ALTER TABLE payment_attempts DROP CONSTRAINT ck_payment_attempts_approved_has_evidence",
            "UPDATE payment_attempts SET evidence_id = NULL WHERE id = " + ANY_APPROVED,
        ],
    ),
    "I12 the evidence of another": (
        "I12",
        [
            "UPDATE evidence SET attempt_id = 'att_else' WHERE id = "
            "(SELECT evidence_id FROM payment_attempts WHERE id = " + ANY_APPROVED + ")"
        ],
    ),
    "I14 paid and not paid": (
        "I14",
        [f"UPDATE invoices SET status = 'uncollectible' WHERE id = {ANY_PAID}"],
    ),
    "I15 overlap": (
        "I15",
        ["UPDATE invoices SET period_end = period_end + interval '12 hours' WHERE period_index = 0"],
    ),
    "I15 charged too early": (
        "I15",
        [
            f"UPDATE payment_attempts SET started_at = started_at - interval '2 days' WHERE id = {CHARGED_ON_TIME}",
        ],
    ),
    "I23 a forgotten doubt": (
        "I23",
        [
            copied("x", status="unknown"),
            "UPDATE payment_attempts SET lease_until = lease_until - interval '9 days' WHERE id = 'x'",
        ],
    ),
}


def cases(table: dict) -> list:
    return [pytest.param(*case, id=name) for name, case in table.items()]


def with_secret(world: World) -> World:
    return world.with_ports(auditing=Auditing(secrets=("sehr-geheim-123",)))


def test_a_busy_world_breaks_nothing(busy: World) -> None:
    found = whole(with_secret(busy), sample=50)
    assert [check for check in found.checks if check.breaches] == []
    assert found.stop is None
    assert {check.invariant for check in found.checks} >= {
        f"I{number}" for number in (1, 2, 4, 5, 6, 7, 8, 10, 12, 13, 14, 15, 17, 23)
    }
    looked_at = {check.what: check.rows for check in found.checks}
    assert looked_at["approvals, at the gateway"] > 5
    assert looked_at["texts for card numbers and secrets"] > 20
    assert stops(busy.ports, 10) == []


@pytest.mark.parametrize(("invariant", "statements"), cases(STOPPING))
def test_a_grave_breach_is_found_and_stops_all_charging(busy: World, invariant: str, statements: list[str]) -> None:
    plant(busy, *statements)
    found = whole(with_secret(busy))
    assert invariant in broken(found)
    assert found.stop is not None
    (stopped,) = stops(busy.ports, 10)
    assert (stopped.stop.scope, stopped.stop.cause) == (ALL, "breach")
    named = next(check for check in found.checks if check.invariant == invariant and check.breaches).breaches[0].subject
    assert named in stopped.stop.reason
    (alert,) = [alert for alert in busy.alerts() if alert.kind == "stopped"]
    assert named in said(alert)
    assert "sehr-geheim" not in str(found) + said(alert)
    assert CARD not in str(found) + said(alert)
    before = len(busy.ledger())
    busy.clock.advance(days=1)
    busy.settle()
    assert len(busy.ledger()) == before


@pytest.mark.parametrize(("invariant", "statements"), cases(ALERTING))
def test_another_breach_is_found_and_opens_an_alert_only(busy: World, invariant: str, statements: list[str]) -> None:
    plant(busy, *statements)
    found = whole(busy)
    assert invariant in broken(found)
    assert invariant in {alert.subject_id for alert in busy.alerts() if alert.kind == "invariant"}


@pytest.mark.fm("L22")
def test_an_amount_changed_by_hand_is_found_and_charges_nothing_more(busy: World) -> None:
    plant(busy, "UPDATE invoices SET amount = 5 WHERE id = " + ANY_PAID)
    assert "I5" in broken(whole(busy))
    assert stops(busy.ports, 10)[0].stop.cause == "breach"


def test_an_order_number_of_the_shop_that_looks_like_a_card_stops_no_customer(busy: World) -> None:
    """An alert about a payment in the console quotes its order; a secret of ours in an alert is another thing."""
    with busy.ports.database.transaction() as uow:
        facts = {"money": "9,900 KRW", "order": CARD}
        uow.alerts.open(AlertKind.FOREIGN_PAYMENT, "imp_1", facts, busy.clock.moment())
        uow.commit()
    found = whole(with_secret(busy))
    assert (broken(found), found.stop) == ({"I13"}, None)
    with busy.ports.database.transaction() as uow:
        facts = {"money": "9,900 KRW", "order": "sehr-geheim-123"}
        uow.alerts.open(AlertKind.FOREIGN_PAYMENT, "imp_2", facts, busy.clock.moment())
        uow.commit()
    found = whole(with_secret(busy))
    assert found.stop is not None
    assert found.stop.scope == ALL


def test_an_alert_of_an_invariant_closes_when_its_cause_is_gone(busy: World) -> None:
    statement = ALERTING["I4 a lost period"][1]
    plant(busy, *statement)
    whole(busy)
    assert "I4" in {alert.subject_id for alert in busy.alerts() if alert.kind == "invariant"}
    plant(busy, statement[0].replace("- interval", "+ interval"))
    busy.clock.advance(minutes=6)
    (ident,) = auditing.due(busy.ports, 1)
    audit_recent(busy.ports, ident)
    assert "I4" not in {alert.subject_id for alert in busy.alerts() if alert.kind == "invariant"}


def test_an_alert_about_what_changed_closes_only_when_everything_was_looked_at(busy: World) -> None:
    plant(busy, *ALERTING["I14 paid and not paid"][1])
    whole(busy)
    plant(
        busy,
        """UPDATE invoices SET status = 'paid' WHERE status = 'uncollectible'
           AND id IN (SELECT invoice_id FROM payment_attempts WHERE status = 'approved')""",
    )

    def told() -> bool:
        return "I14" in {alert.subject_id for alert in busy.alerts() if alert.kind == "invariant"}

    recent = audit(busy.ports, since=busy.clock.now(), sample=0)
    assert recent.breaches == 0
    assert told(), "what changed lately is not everything"
    assert broken(whole(busy)) == set()
    assert not told()


def test_a_forged_notification_stops_no_customer(busy: World) -> None:
    busy.webhook("imp_" + CARD.replace(" ", ""), "order1")
    found = whole(busy)
    assert broken(found) == {"I13"}
    assert found.stop is None
    assert stops(busy.ports, 10) == []


def hide(world: World, imp_uid: str, *, hidden: bool = True) -> None:
    """No read shows the payment, or all do again."""
    world.sandbox.control("/operator/hide", imp_uid=imp_uid, hidden=hidden)


def newest_paid(world: World) -> Row:
    (row,) = world.rows("""
        SELECT a.id, a.imp_uid, i.subscription_id FROM payment_attempts a JOIN invoices i ON i.id = a.invoice_id
        WHERE a.status = 'approved' ORDER BY a.closed_at DESC, a.id LIMIT 1""")
    return row


def test_a_payment_that_the_gateway_does_not_know_is_found_by_two_reads_and_stops_its_subscription(busy: World) -> None:
    row = newest_paid(busy)
    hide(busy, row["imp_uid"])
    try:
        assert broken(whole(busy, sample=10)) == set(), "one read proves no absence"
        busy.clock.advance(minutes=6)
        found = whole(busy, sample=10)
    finally:
        hide(busy, row["imp_uid"], hidden=False)
    assert broken(found) == {"I2"}
    (stopped,) = stops(busy.ports, 10)
    assert (stopped.stop.scope, stopped.stop.cause) == (f"subscription:{row['subscription_id']}", "breach")
    assert [alert.subject_id for alert in busy.alerts() if alert.kind == "phantom_payment"] == [row["id"]]
    before = len(busy.ledger())
    busy.clock.advance(days=1)
    busy.settle()
    assert len(busy.ledger()) > before, "everybody else is charged"
    clear_stop(busy.ports, stopped.stop.id, "PortOne shows it again")
    assert whole(busy, sample=10).stop is None
    assert "phantom_payment" not in {alert.kind for alert in busy.alerts()}


def test_a_gateway_that_shows_nothing_at_all_proves_nothing(busy: World) -> None:
    blind = busy.with_ports(
        gateway=Around(
            busy.ports.gateway,
            on_payments_of=lambda _gateway, _uid: Listing(()),
            on_payment=lambda _gateway, _uid: Listing(()),
        )
    )
    for _ in range(2):
        assert broken(whole(blind, sample=3)) == set()
        busy.clock.advance(minutes=6)
    assert stops(busy.ports, 10) == []


def test_many_payments_that_the_gateway_does_not_know_stop_everybody(busy: World) -> None:
    """Single ones are single cases. More than five customers, and a fifth of those that were read, are a pattern."""
    more = [busy.subscribe() for _ in range(MOST_CUSTOMERS_BY_HAND + 1)]
    busy.settle()
    busy.clock.advance(minutes=6)
    busy.subscribe()  # the newest payment is the control
    busy.settle()
    busy.clock.advance(minutes=6)
    hidden = [str(busy.attempt(busy.invoice(each)).imp_uid) for each in more]
    for uid in hidden:
        hide(busy, uid)
    try:
        whole(busy, sample=20)
        busy.clock.advance(minutes=6)
        found = whole(busy, sample=20)
    finally:
        for uid in hidden:
            hide(busy, uid, hidden=False)
    assert [(stop.scope, stop.cause) for stop in found.stops] == [(ALL, "breach")]


def test_a_gateway_that_cannot_be_read_proves_nothing(busy: World) -> None:
    away = busy.with_ports(
        gateway=Around(busy.ports.gateway, on_payments_of=lambda _gateway, _uid: Listing((), "no answer"))
    )
    found = whole(away, sample=3)
    assert broken(found) == set()
    assert {check.rows for check in found.checks if "at the gateway" in check.what} == {0}


def test_a_payment_with_another_amount_at_the_gateway_is_found(busy: World) -> None:
    def dearer(gateway, uid):
        listing = gateway.payments_of(uid)
        changed = [(replace(p, money=replace(p.money, amount=p.money.amount + 1)), e) for p, e in listing.payments]
        return Listing(changed)

    wrong = busy.with_ports(gateway=Around(busy.ports.gateway, on_payments_of=dearer))
    assert broken(whole(wrong, sample=2)) == {"I2"}


def test_a_second_payment_under_our_order_at_the_gateway_is_found(busy: World) -> None:
    def doubled(gateway, uid):
        listing = gateway.payments_of(uid)
        return Listing([*listing.payments, *((replace(p, imp_uid="imp_stranger"), e) for p, e in listing.payments[:1])])

    wrong = busy.with_ports(gateway=Around(busy.ports.gateway, on_payments_of=doubled))
    found = whole(wrong, sample=1)
    assert broken(found) == {"I1", "I17"}
    (stopped,) = stops(busy.ports, 10)
    assert "imp_stranger" in stopped.stop.reason
    assert stopped.stop.scope.startswith("subscription:"), "what one customer paid twice is no reason to stop others"


def test_what_an_operator_accepted_trips_no_second_time_and_a_new_breach_does(busy: World) -> None:
    plant(busy, "UPDATE payment_attempts SET amount = amount + 1 WHERE id = " + ANY_APPROVED)
    number = whole(busy).stop.id
    assert whole(busy).stop.id == number
    clear_stop(busy.ports, number, "refunded by hand")
    again = whole(busy)
    assert [check for check in again.checks if check.breaches] == []
    assert again.stop is None
    assert sum(check.accepted for check in again.checks) == 1
    plant(busy, copied("imp_surplus", surplus=True))
    assert whole(busy).stop.id > number


def test_what_an_operator_accepted_hides_no_other_breach_however_much_it_is(busy: World) -> None:
    many = MOST_SHOWN + 20
    plant(
        busy,
        f"""
        INSERT INTO payment_attempts (id, invoice_id, number, merchant_uid, billing_key_id, amount, currency, status,
            fence, started_at, lease_until, looks, refused, imp_uid, surplus, found, evidence_id, closed_at)
        SELECT 'imp_' || n, invoice_id, 100 + n, merchant_uid, billing_key_id, amount + n, currency, 'declined',
            fence, started_at, lease_until, looks, refused, NULL, false, true, evidence_id, closed_at
        FROM payment_attempts, generate_series(1, {many}) n WHERE id = """
        + ANY_APPROVED,
    )
    named: set[str] = set()
    while (stop := whole(busy).stop) is not None:
        assert not named & set(stop.subjects), "what was accepted trips no second time"
        named |= set(stop.subjects)
        clear_stop(busy.ports, stop.id, "looked at")
    assert {f"I5 imp_{number}" for number in range(1, many + 1)} <= named


def test_a_later_breach_does_not_take_the_earlier_ones_out_of_what_an_operator_reads(busy: World) -> None:
    """Clearing the stop accepts both: the periodic audit, which looks at what changed, must not hide the first."""

    def audited() -> Audit:
        busy.clock.advance(minutes=6)
        (ident,) = auditing.due(busy.ports, 1)
        return audit_recent(busy.ports, ident)

    plant(busy, copied("imp_first", surplus=True))
    first = audited().stop
    assert first is not None
    busy.clock.advance(hours=2)
    assert "I1" not in broken(audited()), "it is out of the window"
    moment = busy.clock.now()
    plant(
        busy,
        copied("imp_second", surplus=True),
        f"UPDATE payment_attempts SET found = true, closed_at = '{moment}' WHERE id = 'imp_second'",
    )
    second = audited().stop
    assert second is not None
    assert second.id == first.id
    assert first.reason in second.reason
    assert "imp_second" in second.reason
    assert audited().stop is not None
    (shown,) = [each for each in stops(busy.ports, 10) if each.stop.scope == ALL]
    assert shown.stop.reason == second.reason, "the same once more says nothing new"


def test_approvals_are_read_back_however_long_the_settle_window_is(busy: World) -> None:
    patient = busy.with_ports(timing=replace(busy.ports.timing, settle_window=3600.0))

    def audited() -> Audit:
        busy.clock.advance(minutes=6)
        (ident,) = auditing.due(busy.ports, 1)
        return audit_recent(patient.ports, ident)

    audited()
    subscription = busy.subscribe()
    busy.settle()
    paid = busy.attempt(busy.invoice(subscription))
    plant(busy, f"UPDATE payment_attempts SET imp_uid = 'imp_phantom' WHERE id = '{paid.id}'")
    # An hour until it counts as settled, and an hour in which it stays away.
    assert any("I2" in broken(audited()) for _ in range(25))


def test_the_periodic_audit_is_claimed_once_and_looks_at_what_changed(busy: World) -> None:
    other = busy.twin()
    (first,) = auditing.due(busy.ports, 1)
    assert auditing.due(other.ports, 1) == []
    other.close()
    assert audit_recent(busy.ports, first).breaches == 0
    busy.clock.advance(seconds=299)
    assert auditing.due(busy.ports, 1) == []
    busy.clock.advance(seconds=2)
    (second,) = auditing.due(busy.ports, 1)
    found = audit_recent(busy.ports, second)
    assert {check.what: check.rows for check in found.checks}["money of attempts and invoices"] < 5
    rows = busy.rows("SELECT * FROM audits ORDER BY id")
    assert [row["breaches"] for row in rows] == [0, 0]
    assert all(row["finished_at"] is not None for row in rows)
    assert rows[0]["checked"] > rows[1]["checked"]


def test_an_audit_that_died_is_made_up_by_the_next(busy: World) -> None:
    auditing.due(busy.ports, 1)
    plant(busy, copied("imp_one", surplus=True))
    busy.clock.advance(minutes=6)
    (second,) = auditing.due(busy.ports, 1)
    assert audit_recent(busy.ports, second).stop is not None


def test_an_audit_opens_the_alert_of_a_stop_again_when_an_operator_closed_it(world: World) -> None:
    stop_on_word(world.ports, ALL, "stop")
    plant(world, "UPDATE alerts SET closed_at = now()")
    assert broken(whole(world)) == {"I23"}
    assert "stopped" in {alert.kind for alert in world.alerts()}
    assert broken(whole(world)) == set()


def test_the_texts_looked_at_are_those_written_last(world: World) -> None:
    with world.ports.database.transaction() as uow:
        for number in range(12):
            uow.alerts.open(AlertKind.MISMATCH, f"s{number}", {"reason": f"text {number}"}, world.clock.moment())
        uow.commit()
    with world.ports.database.transaction() as uow:
        seen = uow.audits.texts("alerts", 3)
        behind = uow.audits.texts("alerts", 2, seen[-1])
    told = [f'{{"reason": "text {number}"}}' for number in (11, 10, 9, 8, 7)]
    assert [written.text for written in (*seen, *behind)] == told


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        (f"card {CARD} expired", True),
        ("4111-1111-1111-1111", True),
        ("4111111111111112", False),
        ("0000000000000000", False),
        ("4222222222222", True),
        ("378282246310005", True),
        ("30569309025904", True),
        ("3530111333300000", True),
        ("2223003122003222", True),
        ("6200000000000000000", True),
        ("order-1763700000005", False),
        ("20261121190007", False),
        ("20261121190000121", False),
        ("2026-02-01 00:00:00+00:00", False),
        ("imps_258431175351", False),
        ("the secret is sehr-geheim-123!", True),
        ("short 123", False),
        ("", False),
    ],
)
def test_card_numbers_and_secrets_are_told_from_other_text(written: str, *, shown: bool) -> None:
    assert (exposes(written, ["sehr-geheim-123", "123"]) is not None) is shown
