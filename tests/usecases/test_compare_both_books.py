"""Comparing both books: what is found, what is done about it, and that doing it again changes nothing."""

import random
import string
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from billing_worker.domain.alerts import Action, AlertKind
from billing_worker.domain.comparing import Finding, FindingKind
from billing_worker.domain.errors import Unavailable
from billing_worker.domain.moment import Moment
from billing_worker.domain.subscription import Subscription
from billing_worker.ports.outside import Gateway, KeyReading, Listing, Sheet
from billing_worker.usecases.control.alerts import close_alert
from billing_worker.usecases.review import compare as comparing
from billing_worker.usecases.review.audit import audit
from tests.support.alerts import proposed, said
from tests.support.clock import RunningClock
from tests.support.gateways import Around, loses_the_reply
from tests.support.sandbox import Row, Sandbox
from tests.support.stack import eventually
from tests.support.world import TIMING, World

pytestmark = pytest.mark.long

SEED = 20260131


@pytest.fixture
def world(database_url: str, shared_sandbox: Sandbox) -> Iterator[World]:
    """On the host's clock, as the sandbox is: spans of time must mean the same on both sides."""
    # Two reads within a slow test must not be a settle window apart.
    timing = replace(TIMING, settle_window=30.0)
    with World.built(database_url, shared_sandbox, clock=RunningClock(), timing=timing) as built:
        yield built
    shared_sandbox.forget_rules()


def compare(world: World, since: datetime | None = None) -> list[Finding]:
    """The findings of an operator's `reconcile`."""
    found = []
    for ident in comparing.plan(world.ports, since):
        compared = comparing.compare(world.ports, ident)
        assert compared is not None
        assert compared.trouble is None
        found += compared.findings
    return found


def pay(world: World, **fields: Any) -> Row:
    """Charge in PortOne's console."""
    return dict(world.sandbox.control("/operator/pay", **fields))


def give_back(world: World, **fields: Any) -> Row:
    """Refund in PortOne's console."""
    return dict(world.sandbox.control("/operator/cancel", **fields))


def order(world: World, chance: random.Random, environment: str | None = None) -> str:
    """A number in the form of ours, of a subscription that the database does not know."""
    unknown = "".join(chance.choices(string.ascii_lowercase + string.digits, k=16))
    return f"{environment or world.environment}{unknown}p00003g01"


def charged(world: World, count: int, behaviour: str = "ok") -> list[Subscription]:
    plan = world.plan()
    made = [world.subscribe(behaviour, plan=plan) for _ in range(count)]
    world.settle()
    return made


def imp_uid(world: World, subscription: Subscription) -> str:
    found = world.attempt(world.invoice(subscription)).imp_uid
    assert found is not None
    return found


def everything(world: World) -> dict[str, list[Row]]:
    """All rows that say something about money or people."""
    names = ("invoices", "payment_attempts", "subscriptions", "billing_keys", "alerts", "evidence", "outbox")
    return {name: world.rows(f"SELECT * FROM {name} ORDER BY id") for name in names}  # noqa: S608


def inject(world: World, chance: random.Random) -> Counter[tuple[str, str]]:
    """The drill of the failure matrix: what each kind of trouble is, by the imp_uid of its payment."""
    paid, declined = charged(world, 45), charged(world, 60, "decline-limit")
    key = world.key()
    expected: Counter[tuple[str, str]] = Counter()

    def expect(kind: str, row: Row) -> None:
        expected[kind, row["imp_uid"]] += 1

    for each in paid[:20]:
        expect("refund", give_back(world, imp_uid=imp_uid(world, each)))
    for each in paid[20:40]:
        expect("partial_refund", give_back(world, imp_uid=imp_uid(world, each), amount=chance.randrange(1, 9900)))
    for each in paid[40:]:
        expect("duplicate", pay(world, merchant_uid=world.invoice(each).merchant_uid))
    for each in declined[:50]:
        expect("late_approval", pay(world, imp_uid=imp_uid(world, each)))
    for each in declined[50:]:
        expect("mismatch", pay(world, merchant_uid=world.invoice(each).merchant_uid, amount=chance.randrange(1, 9900)))
    for _ in range(50):
        uid = order(world, chance)
        expect("orphan_payment", pay(world, merchant_uid=uid, customer_uid=key.customer_uid, amount=9900))
    for number in range(10):
        uid = f"shop-{world.environment}-{number}"
        expect("foreign_payment", pay(world, merchant_uid=uid, customer_uid=key.customer_uid, amount=5000))
    # What is no affair of ours: the shop's own payments, and another environment's.
    for number in range(20):
        uid = f"shop-{world.environment}-other-{number}"
        pay(world, merchant_uid=uid, customer_uid=f"ok-guest-{world.environment}-{number}", amount=777)
    pay(world, merchant_uid=order(world, chance, "stage"), customer_uid=f"ok-{world.environment}-stage", amount=1)
    return expected


@pytest.mark.fm("E3")
@pytest.mark.fm("E17")
@pytest.mark.fm("E27")
@pytest.mark.fm("C35")
def test_the_drill_finds_and_names_everything_and_nothing_else(world: World) -> None:
    # Fifty charges are sent in turn under one lease: a slow machine takes longer than that of the other tests.
    world = world.with_ports(timing=replace(world.ports.timing, lease=60.0))
    expected = inject(world, random.Random(SEED))
    found = compare(world)
    assert Counter((str(finding.kind), finding.imp_uid) for finding in found) == expected

    kinds = Counter(alert.kind for alert in world.alerts())
    assert kinds == {
        "orphan_payment": 50,
        "foreign_payment": 10,
        "mismatch": 10,
        "cancelled_elsewhere": 40,
        "surplus_payment": 5,
    }
    before = everything(world)
    assert compare(world) == []
    assert everything(world) == before


@pytest.mark.fm("G2")
def test_a_payment_of_a_subscription_that_a_restored_database_lost_is_an_orphan_with_a_proposal(world: World) -> None:
    row = pay(
        world,
        merchant_uid=order(world, random.Random(SEED)),
        customer_uid=world.uid(),
        amount=9900,
    )
    [finding] = compare(world)
    assert finding.kind is FindingKind.ORPHAN_PAYMENT
    [alert] = world.alerts()
    assert alert.subject_id == row["imp_uid"]
    assert "period 3 of subscription sub_" in said(alert)
    assert "--start" in proposed(alert)
    with world.ports.database.transaction() as uow:
        assert alert.evidence_id is not None
        assert row["merchant_uid"] in uow.evidence(alert.evidence_id).body


def test_the_shops_own_order_numbers_open_an_alert_and_stop_no_customer(world: World) -> None:
    """Milliseconds since 1970 have 13 digits, and one in ten of such numbers passes the check of card numbers."""
    key = world.key()
    pay(world, merchant_uid="order-1763700000005", customer_uid=key.customer_uid, amount=5000)
    [finding] = compare(world)
    assert finding.kind is FindingKind.FOREIGN_PAYMENT
    assert audit(world.ports, since=None, sample=0).stop is None


def test_an_orphan_that_was_booked_after_all_closes_its_alert(world: World) -> None:
    subscription = world.subscribe()
    uid = f"{world.environment}{subscription.id.removeprefix('sub_')}p00000g01"
    row = pay(world, merchant_uid=uid, customer_uid=key_of(world, subscription), amount=9900)
    compare(world)
    assert [alert.kind for alert in world.alerts()] == ["orphan_payment"]
    world.settle()
    eventually(lambda: world.reconcile() or world.invoice(subscription).status == "paid", "the refused order is read")
    assert world.attempt(world.invoice(subscription)).imp_uid == row["imp_uid"]
    assert compare(world) == []
    assert world.alerts() == []
    world.assert_books_agree()


def key_of(world: World, subscription: Subscription) -> str:
    with world.ports.database.transaction() as uow:
        return uow.keys.get(subscription.billing_key_id).customer_uid


def test_a_closed_alert_is_not_opened_again_by_the_same_finding(world: World) -> None:
    uid = f"shop-{world.environment}"
    row = pay(world, merchant_uid=uid, customer_uid=world.key().customer_uid, amount=5000)
    [finding] = compare(world)
    assert finding.kind is FindingKind.FOREIGN_PAYMENT
    [alert] = world.alerts()
    close_alert(world.ports, alert.id)
    assert compare(world) == []
    assert world.alerts() == []
    assert row["imp_uid"] == alert.subject_id


def test_a_mismatch_that_an_operator_closed_stays_closed_too(world: World) -> None:
    [declined] = charged(world, 1, "decline-limit")
    pay(world, merchant_uid=world.invoice(declined).merchant_uid, amount=1)
    assert [finding.kind for finding in compare(world)] == [FindingKind.MISMATCH]
    [alert] = world.alerts()
    close_alert(world.ports, alert.id)
    assert compare(world) == []
    assert world.alerts() == []


def test_a_card_charged_elsewhere_before_it_was_registered_here_and_its_issuing_payment_are_no_finding(
    world: World,
) -> None:
    uid = world.uid()
    world.sandbox.register(uid, "nice_v2")
    pay(world, merchant_uid=f"old-{world.environment}", customer_uid=uid, amount=5000)
    key = world.key()
    world.paymentwall_key()
    with world.engine.begin() as connection:
        connection.exec_driver_sql(
            "UPDATE billing_keys SET created_at = created_at + interval '5 seconds', customer_uid = %(uid)s "
            "WHERE id = %(id)s",
            {"uid": uid, "id": key.id},
        )
    assert compare(world) == []
    assert world.alerts() == []


@pytest.mark.fm("E3")
def test_a_charge_whose_answer_and_webhook_were_lost_is_booked_by_the_comparison(world: World) -> None:
    blind = world.with_ports(gateway=Around(world.ports.gateway, on_charge=loses_the_reply))
    subscription = world.subscribe()
    blind.renew_and_charge()
    [finding] = compare(world)
    assert finding.kind is FindingKind.LOST_ANSWER
    assert finding.actions == ()
    assert world.invoice(subscription).status == "paid"
    assert world.alerts() == []
    world.assert_books_agree()


@pytest.mark.fm("C35")
def test_an_operators_charge_of_our_order_pays_the_invoice_and_ends_dunning(world: World) -> None:
    [declined] = charged(world, 1, "decline-limit")
    pay(world, merchant_uid=world.invoice(declined).merchant_uid)
    [finding] = compare(world)
    assert finding.kind is FindingKind.OPERATOR_PAYMENT
    assert Action.FIND_OUT_WHO_CHARGED in finding.actions
    assert [alert.kind for alert in world.alerts()] == ["unasked_payment"]
    invoice = world.invoice(declined)
    assert (invoice.status, invoice.next_attempt_at) == ("paid", None)
    assert world.subscription(declined).status == "active"


def hide(world: World, row_uid: str, *, hidden: bool = True) -> None:
    """No read shows the payment, or all do again: books that lag."""
    world.sandbox.control("/operator/hide", imp_uid=row_uid, hidden=hidden)


def a_window_later(world: World, minutes: int = 1) -> None:
    """The database's clock is the host's here: the doubt is made older than the settle window."""
    with world.engine.begin() as connection:
        statement = "UPDATE doubts SET since = since - make_interval(mins => %(minutes)s)"
        connection.exec_driver_sql(statement, {"minutes": minutes})


def test_an_approval_that_the_gateway_does_not_show_is_alerted_and_not_unbooked(world: World) -> None:
    gone, _ = charged(world, 2)
    hide(world, imp_uid(world, gone))
    assert compare(world) == []
    assert world.alerts() == [], "one read proves no absence"
    a_window_later(world)
    [finding] = compare(world)
    assert finding.kind is FindingKind.PHANTOM_PAYMENT
    [alert] = world.alerts()
    assert (alert.kind, alert.subject_id) == ("phantom_payment", world.attempt(world.invoice(gone)).id)
    assert "charge nothing by hand unless PortOne has confirmed" in proposed(alert)
    assert world.invoice(gone).status == "paid"
    assert compare(world) == []
    assert [each.id for each in world.alerts()] == [alert.id]


def test_two_reads_within_the_settle_window_prove_no_phantom(world: World) -> None:
    patient = world.with_ports(timing=replace(world.ports.timing, settle_window=60.0))
    gone, _ = charged(world, 2)
    hide(world, imp_uid(world, gone))
    assert [compare(patient) for _ in range(3)] == [[], [], []]
    assert world.alerts() == []


def test_a_phantom_that_shows_up_closes_its_alert_wherever_in_time_it_lies(world: World) -> None:
    gone, _ = charged(world, 2)
    uid = imp_uid(world, gone)
    hide(world, uid)
    compare(world)
    a_window_later(world)
    compare(world)
    assert [alert.kind for alert in world.alerts()] == ["phantom_payment"]
    with world.engine.begin() as connection:
        connection.exec_driver_sql(
            "UPDATE payment_attempts SET closed_at = closed_at - interval '9 days' WHERE imp_uid = %(uid)s",
            {"uid": uid},
        )
    hide(world, uid, hidden=False)
    assert compare(world) == []
    assert world.alerts() == []
    hide(world, uid)
    compare(world, datetime.now(UTC) - timedelta(days=10))
    a_window_later(world, minutes=2)
    [again] = compare(world)
    assert again.kind is FindingKind.PHANTOM_PAYMENT, "it is another absence, with a new alert"


def test_what_strangers_charged_and_gave_back_needs_no_operator_any_more(world: World) -> None:
    card = world.key().customer_uid
    foreign = pay(world, merchant_uid=f"shop-{world.environment}", customer_uid=card, amount=5000)
    orphan = pay(world, merchant_uid=order(world, random.Random(SEED)), customer_uid=card, amount=9900)
    compare(world)
    assert sorted(alert.kind for alert in world.alerts()) == ["foreign_payment", "orphan_payment"]
    give_back(world, imp_uid=foreign["imp_uid"], amount=100)
    give_back(world, imp_uid=orphan["imp_uid"])
    compare(world)
    assert [alert.kind for alert in world.alerts()] == ["foreign_payment"], "a part is not all of it"
    give_back(world, imp_uid=foreign["imp_uid"])
    assert compare(world) == []
    assert world.alerts() == []


def test_what_can_be_read_again_and_what_was_settled_meanwhile_closes_with_the_next_comparison(world: World) -> None:
    """Also what an older release left open."""
    [paid], [dunned] = charged(world, 1), charged(world, 1, "decline-limit")
    attempt, invoice = world.attempt(world.invoice(paid)), world.invoice(paid)
    long_ago = attempt.started_at - timedelta(hours=1)
    earlier = Moment(long_ago, long_ago)
    with world.ports.database.transaction() as uow:
        problem = {"order": "o", "problem": "a fraction of a won"}
        uow.alerts.open(AlertKind.UNREADABLE_PAYMENT, imp_uid(world, paid), problem, earlier)
        another = {"reason": "another amount"}
        uow.alerts.open(AlertKind.MISMATCH, attempt.id, another, earlier)
        uow.alerts.open(AlertKind.MISMATCH, world.attempt(world.invoice(dunned)).id, another, world.clock.moment())
        uow.alerts.open(AlertKind.NOT_PLACED, invoice.id, {"reason": "refused"}, earlier)
        over = {"case": "over", "attempt": attempt.id, "subscription": paid.id}
        uow.alerts.open(AlertKind.TAKEN_BACK, invoice.id, over, earlier)
        uow.alerts.open(AlertKind.NOT_PLACED, world.invoice(dunned).id, {"reason": "refused"}, earlier)
        uow.commit()
    compare(world)
    left = {(alert.kind, alert.subject_id) for alert in world.alerts()}
    assert left == {
        ("mismatch", world.attempt(world.invoice(dunned)).id),
        ("not_placed", world.invoice(dunned).id),
    }
    ended = world.rows("SELECT data FROM outbox WHERE type = 'alert.closed'")
    assert len(ended) == 4, "also what one statement closes is announced"
    assert all(row["data"]["closed_at"].endswith("+00:00") for row in ended), "UTC, as everywhere"


def test_what_is_in_doubt_is_no_control_for_anything_else(world: World) -> None:
    subscriptions = {imp_uid(world, each): each for each in charged(world, 2)}
    other = world.invoice(charged(world, 1)[0]).id
    with world.ports.database.transaction() as uow:
        newest = uow.attempts.known_imp_uid(other)
        assert newest is not None
        uow.doubts.begin(world.attempt(world.invoice(subscriptions.pop(newest))).id, world.clock.real_now())
        assert [uow.attempts.known_imp_uid(other)] == list(subscriptions)


def test_a_gateway_that_shows_nothing_at_all_proves_no_phantom(world: World) -> None:
    charged(world, 2)
    empty = Around(
        world.ports.gateway,
        on_payments_between=lambda *_: iter([Sheet()]),
        on_payment=lambda *_: Listing(()),
        on_read_key=lambda *_: KeyReading(trouble="ReadTimeout"),
    )
    blind = world.with_ports(gateway=empty)
    [ident] = comparing.plan(blind.ports, datetime.now(UTC) - timedelta(hours=2))
    compared = comparing.compare(blind.ports, ident)
    assert compared is not None
    assert "must be there either" in str(compared.trouble)
    assert world.alerts() == []


def test_an_approval_that_the_gateway_calls_failed_is_a_phantom(world: World) -> None:
    [subscription] = charged(world, 1)
    other = pay(world, merchant_uid=f"shop-{world.environment}", customer_uid=world.uid(), amount=1)
    with world.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE payment_attempts SET imp_uid = %(uid)s", {"uid": other["imp_uid"]})
    assert [each for each in compare(world) if each.kind is FindingKind.PHANTOM_PAYMENT] == []
    a_window_later(world)
    [finding] = [each for each in compare(world) if each.kind is FindingKind.PHANTOM_PAYMENT]
    assert finding.invoice_id == world.invoice(subscription).id
    [alert] = [each for each in world.alerts() if each.kind == "phantom_payment"]
    assert f"under shop-{world.environment}" in said(alert)


def test_a_payment_that_cannot_be_read_is_told_and_hides_no_other(world: World) -> None:
    chance = random.Random(SEED)
    broken = pay(world, merchant_uid=order(world, chance), customer_uid=world.uid(), amount=0.5)
    fine = pay(world, merchant_uid=order(world, chance), customer_uid=world.uid(), amount=5)
    found = {finding.imp_uid: finding.kind for finding in compare(world)}
    assert found == {
        broken["imp_uid"]: FindingKind.UNREADABLE_PAYMENT,
        fine["imp_uid"]: FindingKind.ORPHAN_PAYMENT,
    }
    assert compare(world) == []


def test_a_span_that_could_not_be_read_is_read_again_and_told_until_it_was(world: World) -> None:
    [subscription] = charged(world, 1, "decline-limit")
    pay(world, imp_uid=imp_uid(world, subscription))
    [ident] = comparing.plan(world.ports, datetime.now(UTC) - timedelta(hours=2))
    with world.sandbox.outage("error503", "read"):
        for _ in range(comparing.QUIET_TRIES):
            compared = comparing.compare(world.ports, ident)
            assert compared is not None
            assert compared.trouble is not None
    [alert] = world.alerts()
    assert (alert.kind, alert.subject_id) == ("not_compared", str(ident))
    assert compared_until(world) is None
    compared = comparing.compare(world.ports, ident)
    assert compared is not None
    assert [finding.kind for finding in compared.findings] == [FindingKind.LATE_APPROVAL]
    assert world.alerts() == []
    assert compared_until(world) is not None


def test_the_next_span_is_planned_however_many_charges_begin(world: World) -> None:
    """Planning takes another lock than the one that every first act shares: on a busy day that one is always held."""
    [subscription] = charged(world, 1)
    twin = world.twin()
    try:
        with twin.ports.database.transaction() as begins:
            begins.lock_due([world.invoice(subscription).id])
            assert len(comparing.due(world.ports, 10)) == 1
    finally:
        twin.close()


def test_a_later_start_leaves_no_gap_behind_before_anything_was_compared(world: World) -> None:
    [subscription] = charged(world, 1, "decline-limit")
    pay(world, imp_uid=imp_uid(world, subscription))
    with world.sandbox.outage("error503", "read"):
        [first] = comparing.due(world.ports, 10)
        compared = comparing.compare(world.ports, first)
        assert compared is not None
        assert compared.trouble is not None
    now = world.clock.now()
    comparing.plan(world.ports, now - timedelta(hours=1))
    spans = world.rows("SELECT starts_at, ends_at FROM comparisons ORDER BY starts_at, ends_at")
    assert spans[0]["starts_at"] <= now - timedelta(days=3) + timedelta(minutes=1)
    assert all(after["starts_at"] < before["ends_at"] for before, after in pairwise(spans)), "no gap"
    assert spans[-1]["ends_at"] >= now


def compared_until(world: World) -> datetime | None:
    with world.ports.database.transaction() as uow:
        return uow.books.compared_until()


def test_a_worker_that_lost_its_database_leaves_the_span_to_the_next(world: World) -> None:
    [subscription] = charged(world, 1, "decline-limit")
    pay(world, imp_uid=imp_uid(world, subscription))
    [ident] = comparing.plan(world.ports, datetime.now(UTC) - timedelta(hours=2))

    def dies(_gateway: Gateway, _imp_uid: str) -> Listing:
        raise Unavailable("the database went away")

    dying = world.with_ports(gateway=Around(world.ports.gateway, on_payment=dies))
    with pytest.raises(Unavailable):
        comparing.compare(dying.ports, ident)
    assert comparing.compare(world.ports, ident) is None, "its lease is not over"
    lease = comparing.LEASES * world.ports.timing.lease
    world.engine.dispose()
    with world.engine.begin() as connection:
        earlier = "UPDATE comparisons SET next_try_at = next_try_at - make_interval(secs => %(lease)s)"
        connection.exec_driver_sql(earlier, {"lease": lease})
    assert ident in comparing.due(world.ports, 10)
    compared = comparing.compare(world.ports, ident)
    assert compared is not None
    assert [finding.kind for finding in compared.findings] == [FindingKind.LATE_APPROVAL]
    assert comparing.compare(world.ports, ident) is None, "it is done"


def test_the_task_compares_at_once_then_every_interval_and_two_scans_plan_one_span(world: World) -> None:
    twin = world.twin()
    try:
        with world.ports.database.transaction() as uow:
            assert uow.comparisons.plan_alone()
            assert list(comparing.due(twin.ports, 10)) == [], "another worker plans"
    finally:
        twin.close()
    while True:
        ids = comparing.due(world.ports, 10)
        assert comparing.due(world.ports, 10) == []
        if not ids:
            break
        assert len(ids) == 1
        assert comparing.compare(world.ports, ids[0]) is not None
    until = compared_until(world)
    assert until is not None
    assert datetime.now(UTC) - until < timedelta(minutes=1)
    hurried = world.with_ports(timing=replace(world.ports.timing, compare_interval=0.001))
    [ident] = comparing.due(hurried.ports, 10)
    comparing.compare(world.ports, ident)
    rows = world.rows("SELECT starts_at, ends_at FROM comparisons ORDER BY id")
    assert all(after["starts_at"] < before["ends_at"] for before, after in pairwise(rows))
    later = compared_until(world)
    assert later is not None
    assert later > until


def test_a_second_payment_that_issued_a_key_is_told_of_once_although_its_webhook_never_came(world: World) -> None:
    uid, key, first = world.paymentwall_key()
    assert key is not None
    world.sandbox.control("/paymentwall/confirm", customer_uid=uid)
    world.webhook(first["imp_uid"], first["merchant_uid"])
    world.settle()
    second = world.sandbox.control(
        "/paymentwall/issue",
        customer_uid=uid,
        merchant_uid=f"{world.environment}twice",
        amount=9900,
        confirm_after=3600,
        buyer_name=key.buyer_name,
        buyer_email=key.buyer_email,
    )
    world.sandbox.control("/paymentwall/confirm", customer_uid=uid)
    since = world.clock.now() - timedelta(minutes=1)
    (finding,) = compare(world, since)
    assert (finding.kind, finding.imp_uid) == (FindingKind.ISSUED_TWICE, second["imp_uid"])
    (alert,) = world.alerts()
    assert (alert.kind, alert.subject_id) == ("issued_twice", second["imp_uid"])
    assert all(row["imp_uid"] in said(alert) for row in (first, second))
    close_alert(world.ports, alert.id)
    world.webhook(second["imp_uid"], second["merchant_uid"])
    world.settle()
    assert (compare(world, since), world.alerts()) == ([], [])
