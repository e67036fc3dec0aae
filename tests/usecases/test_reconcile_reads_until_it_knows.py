"""Reconcile: an unclear charge is resolved by reading the gateway, never by guessing and never by charging again."""

from dataclasses import replace
from datetime import timedelta

import pytest

from billing_worker.domain.money import Money
from billing_worker.domain.payment import Approved, ChargeRequest, Failed, Outcome
from billing_worker.ports.outside import Gateway, KeyReading, Listing
from billing_worker.usecases.charge import reconcile
from billing_worker.usecases.charge.retry import retry_now
from billing_worker.usecases.reading.why import why
from billing_worker.usecases.subscription.replace_key import replace_key
from tests.support.alerts import offered, proposed, said
from tests.support.gateways import Around, answers, loses_the_reply, never_arrives
from tests.support.stack import eventually
from tests.support.world import World

pytestmark = pytest.mark.long

CHARGED_BUT_UNCLEAR = [
    "drop-after-charge-1x",
    "cut-body-1x",
    "truncated-1x",
    "garbled-1x",
    "error500-charged-1x",
    "error502-html-charged-1x",
    "comm-error-charged-1x",
]
NOT_CHARGED_AND_UNCLEAR = [
    "drop-before-charge-1x",
    "error500-1x",
    "error502-html-1x",
    "error503-1x",
    "comm-error-1x",
    "redirect-1x",
    "refuse-contract-1x",
]


@pytest.mark.fm("C22")
@pytest.mark.fm("C7")
@pytest.mark.fm("C17")
@pytest.mark.fm("C18")
@pytest.mark.parametrize("behaviour", CHARGED_BUT_UNCLEAR)
def test_a_reply_that_was_lost_after_the_charge_ends_paid_with_one_payment(world: World, behaviour: str) -> None:
    subscription = world.subscribe(behaviour)
    world.settle()
    invoice = world.invoice(subscription)
    assert (invoice.status, world.attempt(invoice).status) == ("open", "unknown")
    world.clock.advance(seconds=1)
    world.settle()
    invoice = world.invoice(subscription)
    assert (invoice.status, invoice.declines) == ("paid", 0)
    assert len(world.attempts(invoice)) == len(world.ledger(invoice)) == 1
    world.assert_books_agree()


@pytest.mark.fm("C6")
@pytest.mark.fm("C30")
@pytest.mark.parametrize("behaviour", NOT_CHARGED_AND_UNCLEAR)
def test_a_charge_that_was_lost_on_its_way_is_placed_again_under_the_same_order_id(
    known: World, behaviour: str
) -> None:
    subscription = known.subscribe(behaviour)
    known.settle()
    assert known.attempt(known.invoice(subscription)).status == "unknown"
    known.resolve()
    invoice = known.invoice(subscription)
    first, second = known.attempts(invoice)
    assert (first.status, second.status, invoice.status) == ("failed", "approved", "paid")
    assert first.merchant_uid == second.merchant_uid
    assert invoice.declines == 0
    assert len(known.ledger(invoice)) == 1
    known.assert_books_agree()


@pytest.mark.fm("C9")
def test_one_read_that_finds_nothing_proves_nothing(known: World) -> None:
    subscription = known.subscribe("drop-before-charge-1x")
    known.settle()
    known.clock.advance(seconds=0.2)
    assert known.reconcile() == 1
    attempt = known.attempt(known.invoice(subscription))
    assert (attempt.status, attempt.looks) == ("unknown", 1)
    assert attempt.next_look_at == attempt.absent_since + timedelta(seconds=known.ports.timing.settle_window)


@pytest.mark.fm("C9")
def test_two_reads_closer_than_the_settle_window_prove_nothing(known: World) -> None:
    subscription = known.subscribe("drop-before-charge-1x")
    known.settle()
    attempt = known.attempt(known.invoice(subscription))
    for _ in range(5):
        reconcile.reconcile(known.ports, attempt.id)
        known.clock.advance(seconds=0.05)
    assert known.attempt(known.invoice(subscription)).status == "unknown"
    known.clock.advance(seconds=0.1)
    reconcile.reconcile(known.ports, attempt.id)
    assert known.attempt(known.invoice(subscription)).status == "failed"


@pytest.mark.fm("C9")
def test_the_books_of_a_slow_pg_get_longer_to_show_what_they_have(known: World) -> None:
    timing = replace(known.ports.timing, settle_windows=(("kicc", 3600.0),))
    world = known.with_ports(timing=timing)
    slow = world.subscribe(key=world.key("drop-before-charge-1x", pg="kicc"))
    quick = world.subscribe("drop-before-charge-1x")
    world.settle()
    world.resolve(minutes=50)
    assert world.invoice(quick).status == "paid"
    waiting = world.attempt(world.invoice(slow))
    assert waiting.status == "unknown"
    world.resolve(minutes=30)
    assert world.invoice(slow).status == "paid"
    world.assert_books_agree()


@pytest.mark.fm("C8")
def test_a_charge_that_completes_between_the_two_reads_is_found(known: World) -> None:
    held: list[ChargeRequest] = []

    def holds(_: Gateway, request: ChargeRequest) -> Outcome:
        held.append(request)
        return never_arrives(_, request)

    slow = known.with_ports(gateway=Around(known.ports.gateway, holds))
    subscription = known.subscribe()
    slow.settle()
    known.clock.advance(seconds=0.2)
    known.reconcile()
    assert known.attempt(known.invoice(subscription)).absent_since is not None
    known.ports.gateway.charge(held[0])
    known.resolve()
    invoice = known.invoice(subscription)
    assert (invoice.status, invoice.attempts, len(known.ledger(invoice))) == ("paid", 1, 1)
    known.assert_books_agree()


@pytest.mark.fm("C8")
def test_a_charge_that_completes_after_absence_was_proven_is_not_charged_twice(known: World) -> None:
    """The gateway itself refuses the second charge, since it bears the same order id."""
    held: list[ChargeRequest] = []

    def holds(_: Gateway, request: ChargeRequest) -> Outcome:
        held.append(request)
        return never_arrives(_, request)

    subscription = known.subscribe()
    known.with_ports(gateway=Around(known.ports.gateway, holds)).settle()
    for _ in range(2):
        known.clock.advance(seconds=0.4)
        known.reconcile()
    assert known.attempt(known.invoice(subscription)).status == "failed"
    known.ports.gateway.charge(held[0])
    known.resolve()
    invoice = known.invoice(subscription)
    assert invoice.status == "paid"
    assert len(known.money(invoice)) == 1
    known.assert_books_agree()


@pytest.mark.fm("C12")
def test_without_a_control_read_absence_is_never_believed(known: World) -> None:
    blind = known.with_ports(
        gateway=Around(
            known.ports.gateway,
            on_payments_of=lambda _gateway, _uid: Listing(()),
            on_payment=lambda _gateway, _uid: Listing(()),
        )
    )
    subscription = known.subscribe("drop-before-charge-1x")
    known.settle()
    blind.resolve(minutes=5)
    attempt = known.attempt(known.invoice(subscription))
    assert attempt.status == "unknown"
    assert attempt.absent_since is None
    assert "does not show what must be there" in (attempt.reason or "")
    known.resolve(hours=1)
    assert known.invoice(subscription).status == "paid"


@pytest.mark.fm("C12")
def test_the_control_read_begins_when_the_read_that_it_speaks_for_has_ended(known: World) -> None:
    """Had it come first, an outage that began between both would pass for absence."""
    told: list[str] = []

    def listed(gateway: Gateway, uid: str) -> Listing:
        found = gateway.payments_of(uid)
        told.append("listed")
        return found

    def control(gateway: Gateway, uid: str) -> Listing:
        told.append("control")
        return gateway.payment(uid)

    watched = known.with_ports(gateway=Around(known.ports.gateway, on_payments_of=listed, on_payment=control))
    known.subscribe("drop-before-charge-1x")
    known.settle()
    known.clock.advance(seconds=0.2)
    assert watched.reconcile() == 1
    assert told == ["listed", "control"]


def test_the_very_first_charge_uses_the_key_itself_as_control(world: World) -> None:
    subscription = world.subscribe("drop-before-charge-1x")
    world.resolve()
    assert world.invoice(subscription).status == "paid"


def test_the_very_first_charge_stays_unknown_while_the_key_cannot_be_seen(world: World) -> None:
    gateway = Around(world.ports.gateway, on_read_key=lambda _gateway, _uid: KeyReading(trouble="ReadTimeout"))
    subscription = world.subscribe("drop-before-charge-1x")
    world.with_ports(gateway=gateway).resolve()
    assert world.attempt(world.invoice(subscription)).status == "unknown"


@pytest.mark.fm("C33")
@pytest.mark.parametrize("fault", ["error503", "error502-html", "error401", "drop-before-charge", "garbled"])
def test_while_the_gateway_cannot_be_read_an_unknown_charge_stays_unknown(known: World, fault: str) -> None:
    subscription = known.subscribe("drop-after-charge-1x")
    known.settle()
    with known.sandbox.outage(fault, "read"):
        known.resolve(minutes=2)
        assert known.attempt(known.invoice(subscription)).status == "unknown"
        assert len(known.ledger(known.invoice(subscription))) == 1
    known.resolve()
    assert known.invoice(subscription).status == "paid"
    known.assert_books_agree()


def test_an_invoice_with_an_unknown_attempt_is_not_charged_by_any_path(known: World) -> None:
    subscription = known.subscribe("drop-before-charge-1x")
    known.settle()
    invoice = known.invoice(subscription)
    for _ in range(3):
        assert known.charge(invoice) is None
        assert known.collect() == 0
    assert len(known.attempts(invoice)) == 1


def test_looks_come_soon_then_ever_more_seldom_and_never_end(known: World) -> None:
    subscription = known.subscribe("drop-after-charge-1x")
    known.settle()
    began = known.clock.now()
    looked = []
    with known.sandbox.outage("error503", "read"):
        for _ in range(16):
            due = known.attempt(known.invoice(subscription)).next_look_at
            looked.append((due - known.clock.now()).total_seconds())
            known.clock.advance_to(due)
            assert known.reconcile() == 1
    assert looked[0] == 0.2
    assert looked == sorted(looked)
    assert looked[-1] == known.ports.timing.longest_look == 3600
    assert known.clock.now() - began > timedelta(hours=1)


def test_after_a_day_an_operator_is_told_and_the_reads_go_on(known: World) -> None:
    subscription = known.subscribe("drop-after-charge-1x")
    known.settle()
    with known.sandbox.outage("error503", "read"):
        known.run_until(known.clock.now() + timedelta(hours=30), timedelta(hours=1))
        (alert,) = known.alerts()
        attempt = known.attempt(known.invoice(subscription))
        assert (alert.kind, alert.subject_id) == ("unknown", attempt.id)
        assert attempt.merchant_uid in said(alert)
        assert attempt.status == "unknown"
        assert "PortOne's console" in proposed(alert)
        with known.ports.database.transaction() as uow:
            assert alert.evidence_id is not None
            kept = uow.evidence(alert.evidence_id)
        assert (kept.http_status, attempt.merchant_uid in kept.request) == (503, True)
        kept = known.rows("SELECT count(*) AS n FROM evidence WHERE attempt_id = :id", id=attempt.id)
        known.run_until(known.clock.now() + timedelta(hours=5), timedelta(hours=1))
        assert kept == known.rows("SELECT count(*) AS n FROM evidence WHERE attempt_id = :id", id=attempt.id)
    known.resolve(hours=1, minutes=1)
    assert known.invoice(subscription).status == "paid"
    assert known.alerts() == []


@pytest.mark.fm("C21")
def test_a_duplicate_refusal_is_read_and_never_taken_for_a_decline(known: World) -> None:
    """A retry of a worker whose first charge went through unseen: the refusal leads to the payment."""
    subscription = known.subscribe()
    known.renew()
    invoice = known.invoice(subscription)
    with known.ports.database.transaction() as uow:
        (due,) = uow.lock_due([invoice.id])
        request = invoice.start_attempt("att_x", known.clock.moment(), known.ports.timing).request(
            due.key, due.agreed.name, due.invoice.options
        )
    assert isinstance(known.ports.gateway.charge(request), Approved)
    known.collect()
    assert known.attempt(invoice).status == "unknown"
    known.resolve()
    invoice = known.invoice(subscription)
    assert (invoice.status, invoice.declines) == ("paid", 0)
    assert len(known.ledger(invoice)) == 1
    known.assert_books_agree()


@pytest.mark.fm("C21")
def test_an_order_id_that_is_refused_after_a_failed_payment_is_replaced_after_proof(known: World) -> None:
    """A PG that takes an order id only once, whatever became of it."""
    subscription = known.subscribe("decline-limit-1x-refuse-duplicate-1x")
    known.settle()
    known.clock.advance(days=1)
    known.settle()
    known.resolve()
    invoice = known.invoice(subscription)
    assert (invoice.status, invoice.generation, invoice.declines) == ("paid", 2, 1)
    assert [row["merchant_uid"][-3:] for row in known.ledger(invoice)] == ["g01", "g02"]
    known.assert_books_agree()


@pytest.mark.fm("C21")
def test_an_order_id_that_is_refused_as_used_while_nothing_is_shown_under_it_is_a_matter_for_an_operator(
    known: World,
) -> None:
    """One of both must be wrong, and a new order id could charge a second time."""
    subscription = known.subscribe("refuse-duplicate-1x")
    known.settle()
    known.clock.advance(seconds=0.2)
    assert known.reconcile() == 1
    assert known.alerts() == [], "one read that shows nothing is no contradiction"
    known.resolve(hours=1)
    invoice = known.invoice(subscription)
    assert (invoice.status, invoice.generation, known.attempt(invoice).status) == ("open", 1, "unknown")
    assert [alert.kind for alert in known.alerts()] == ["mismatch"]
    assert known.ledger(invoice) == []


@pytest.mark.fm("C23")
def test_a_charge_that_the_pg_takes_back_is_charged_again_a_day_later_under_a_new_order_id(known: World) -> None:
    """A day, since a net-cancel looks the same as a clerk's intended refund."""
    subscription = known.subscribe("net-cancel-1x")
    known.settle()
    row = wait_for_status(known, subscription, "cancelled")
    known.resolve()
    invoice = known.invoice(subscription)
    assert (invoice.status, invoice.generation, invoice.declines) == ("open", 2, 0)
    assert [alert.kind for alert in known.alerts()] == ["taken_back"]
    known.run_until(known.clock.now() + timedelta(days=1))
    invoice = known.invoice(subscription)
    assert (invoice.status, invoice.generation) == ("paid", 2)
    assert row["merchant_uid"] != invoice.merchant_uid
    assert len(known.money(invoice)) == 1
    known.assert_books_agree()


def days(world: World, count: int) -> None:
    """Time passes; what is unclear is looked at in between, as the sandbox takes back within a moment of real time."""
    for _ in range(count):
        world.settle()
        eventually(lambda: not taken_and_unclear(world), "what is taken back is shown as such")
        world.resolve(minutes=10)
        world.clock.advance(days=1)
    world.settle()


def taken_and_unclear(world: World) -> list[dict[str, object]]:
    unclear = {row["merchant_uid"] for row in world.rows("SELECT * FROM payment_attempts WHERE status = 'unknown'")}
    return [row for row in world.money() if row["merchant_uid"] in unclear]


@pytest.mark.fm("C23")
def test_a_second_time_that_money_is_taken_back_an_operator_decides(known: World) -> None:
    """Otherwise an operator who refunds and a worker who charges go on for ever."""
    subscription = known.subscribe("net-cancel-9x")
    days(known, 5)
    invoice = known.invoices(subscription)[0]
    assert [row["status"] for row in known.ledger(invoice)] == ["cancelled", "cancelled"]
    assert (invoice.status, invoice.next_attempt_at, invoice.taken_back) == ("open", None, 2)
    assert known.money(invoice) == []
    (alert,) = [each for each in known.alerts() if each.kind == "taken_back"]
    assert alert.subject_id == invoice.id
    assert f"billing-worker invoice retry {invoice.id}" in proposed(alert)
    assert f"billing-worker subscription cancel {subscription.id}" in proposed(alert)
    told = why(known.ports, invoice.id)
    assert "given back at the gateway 2 times" in told.answer
    assert f"invoice retry {invoice.id}" in offered(told)
    assert "taken_back" in str(told.alerts)


@pytest.mark.fm("C23")
def test_an_operator_lets_it_go_once_more_and_once_only(known: World) -> None:
    subscription = known.subscribe("net-cancel-3x")
    days(known, 3)
    invoice = known.invoices(subscription)[0]
    retry_now(known.ports, invoice.id)
    assert [each for each in known.alerts() if each.kind == "taken_back"] == []
    days(known, 3)
    invoice = known.invoices(subscription)[0]
    assert (len(known.ledger(invoice)), invoice.next_attempt_at) == (3, None)
    assert [each.kind for each in known.alerts()] == ["taken_back"]
    retry_now(known.ports, invoice.id)
    days(known, 1)
    invoice = known.invoices(subscription)[0]
    assert (invoice.status, len(known.ledger(invoice)), len(known.money(invoice))) == ("paid", 4, 1)
    assert known.alerts() == [], "a paid invoice waits for no decision"
    known.assert_books_agree()


def test_what_waits_for_an_operator_waits_beside_a_new_card_too_and_ends_with_the_subscription(known: World) -> None:
    subscription = known.subscribe("net-cancel-9x")
    days(known, 3)
    replace_key(known.ports, subscription.id, known.key().id)
    known.settle()
    assert len(known.ledger(known.invoices(subscription)[0])) == 2
    known.cancel(subscription)
    assert known.invoices(subscription)[0].status == "void"


@pytest.mark.fm("C24")
def test_a_mismatch_closes_when_its_attempt_is_settled(known: World) -> None:
    def charges_less(gateway: Gateway, request: ChargeRequest) -> Outcome:
        gateway.charge(replace(request, money=Money(100, "KRW")))
        return never_arrives(gateway, request)

    subscription = known.subscribe()
    known.with_ports(gateway=Around(known.ports.gateway, charges_less)).settle()
    known.resolve()
    assert [alert.kind for alert in known.alerts()] == ["mismatch"]
    [wrong] = known.ledger(known.invoice(subscription))
    known.sandbox.control("/operator/cancel", imp_uid=wrong["imp_uid"])
    known.resolve(hours=2)
    assert known.attempts(known.invoice(subscription))[0].status == "failed"
    assert [alert.kind for alert in known.alerts()] == ["taken_back"]


def test_not_placed_closes_when_a_charge_reaches_the_gateway(known: World) -> None:
    refused = known.with_ports(gateway=Around(known.ports.gateway, answers(Failed("not sent: connection refused"))))
    subscription = known.subscribe()
    for _ in range(5):
        refused.settle()
        known.clock.advance(hours=1)
    assert [alert.kind for alert in known.alerts()] == ["not_placed"]
    known.settle()
    assert known.invoice(subscription).status == "paid"
    assert known.alerts() == []


@pytest.mark.parametrize("absent", ["no-customer-uid", "no-customer-uid-1x-drop-after-charge"])
def test_a_payment_that_names_no_customer_pays_its_invoice(known: World, absent: str) -> None:
    """PortOne's description does not require the field: order, amount and currency say whose it is."""
    subscription = known.subscribe(absent)
    known.resolve()
    invoice = known.invoice(subscription)
    assert (invoice.status, len(known.ledger(invoice))) == ("paid", 1)
    assert known.alerts() == []


@pytest.mark.fm("C20")
@pytest.mark.parametrize("behaviour", ["status-ready-1x", "status-pending-1x", "status-unknown-1x"])
def test_a_status_that_is_no_answer_stays_unknown_until_it_is_one(known: World, behaviour: str) -> None:
    subscription = known.subscribe(behaviour)
    known.settle()
    assert known.attempt(known.invoice(subscription)).status == "unknown"
    wait_for_status(known, subscription, "paid")
    known.resolve()
    assert known.invoice(subscription).status == "paid"
    known.assert_books_agree()


@pytest.mark.fm("L23")
@pytest.mark.fm("C24")
def test_a_payment_over_another_amount_is_neither_settled_nor_charged_again(known: World) -> None:
    def charges_less(gateway: Gateway, request: ChargeRequest) -> Outcome:
        gateway.charge(replace(request, money=Money(100, "KRW")))
        return never_arrives(gateway, request)

    subscription = known.subscribe()
    known.with_ports(gateway=Around(known.ports.gateway, charges_less)).settle()
    known.resolve(hours=2)
    invoice = known.invoice(subscription)
    attempt = known.attempt(invoice)
    assert (invoice.status, attempt.status) == ("open", "unknown")
    assert [(alert.kind, alert.subject_id) for alert in known.alerts()] == [("mismatch", attempt.id)]
    assert len(known.ledger(invoice)) == 1
    known.assert_books_agree()


@pytest.mark.fm("C26")
def test_a_payment_on_another_card_is_neither_settled_nor_charged_again(known: World) -> None:
    stranger = known.key()

    def charges_another(gateway: Gateway, request: ChargeRequest) -> Outcome:
        gateway.charge(replace(request, customer_uid=stranger.customer_uid))
        return never_arrives(gateway, request)

    subscription = known.subscribe()
    known.with_ports(gateway=Around(known.ports.gateway, charges_another)).settle()
    known.resolve(minutes=30)
    invoice = known.invoice(subscription)
    assert (invoice.status, known.attempt(invoice).status) == ("open", "unknown")
    assert "mismatch" in [alert.kind for alert in known.alerts()]
    assert len(known.ledger(invoice)) == 1


@pytest.mark.fm("C8")
def test_a_stray_decline_of_another_card_does_not_keep_an_attempt_unknown(known: World) -> None:
    """Found by `simulate`: the stray row stood for news, so no control read was made, and absence never believed."""
    stranger = known.key("decline-limit")

    def leaves_a_stray_decline(gateway: Gateway, request: ChargeRequest) -> Outcome:
        gateway.charge(replace(request, customer_uid=stranger.customer_uid))
        return never_arrives(gateway, request)

    subscription = known.subscribe()
    known.with_ports(gateway=Around(known.ports.gateway, leaves_a_stray_decline)).settle()
    assert known.attempt(known.invoice(subscription)).status == "unknown"
    known.resolve()
    invoice = known.invoice(subscription)
    assert [row["status"] for row in known.ledger(invoice)] == ["failed", "paid"]
    assert [attempt.status for attempt in known.attempts(invoice)] == ["failed", "approved"]
    assert (invoice.status, invoice.declines) == ("paid", 0)


@pytest.mark.fm("C10")
def test_a_failed_payment_beside_a_paid_one_does_not_hide_it(known: World) -> None:
    """First a decline, then a charge whose reply is lost: the gateway has both rows under one order id."""
    subscription = known.subscribe("decline-limit-1x-drop-after-charge-1x")
    known.settle()
    known.clock.advance(days=1)
    known.settle()
    known.resolve()
    invoice = known.invoice(subscription)
    assert [row["status"] for row in known.ledger(invoice)] == ["failed", "paid"]
    assert (invoice.status, invoice.declines) == ("paid", 1)
    known.assert_books_agree()


def test_the_failed_payment_of_an_earlier_attempt_is_not_counted_again(known: World) -> None:
    subscription = known.subscribe("decline-limit-1x-drop-before-charge-1x")
    known.settle()
    known.clock.advance(days=1)
    known.settle()
    known.resolve()
    invoice = known.invoice(subscription)
    assert (invoice.status, invoice.declines) == ("paid", 1)
    assert [attempt.status for attempt in known.attempts(invoice)] == ["declined", "failed", "approved"]


def test_an_unclear_decline_is_found_and_counts_once(known: World) -> None:
    def loses_decline(gateway: Gateway, request: ChargeRequest) -> Outcome:
        return loses_the_reply(gateway, request)

    subscription = known.subscribe("decline-limit-1x")
    known.with_ports(gateway=Around(known.ports.gateway, loses_decline)).settle()
    known.clock.advance(seconds=1)
    known.settle()
    invoice = known.invoice(subscription)
    assert (invoice.status, invoice.declines) == ("open", 1)
    assert invoice.next_attempt_at == known.clock.now() + timedelta(days=1)


def test_an_attempt_that_is_closed_is_not_read_again(known: World) -> None:
    asked = Around(known.ports.gateway, on_payments_of=lambda _gateway, _uid: pytest.fail("it was read"))
    (attempt,) = known.rows("SELECT id FROM payment_attempts")
    reconcile.reconcile(known.with_ports(gateway=asked).ports, attempt["id"])


def test_open_attempts_lists_what_is_not_known_yet(known: World) -> None:
    subscription = known.subscribe("drop-after-charge-1x")
    assert list(reconcile.open_attempts(known.ports)) == []
    known.settle()
    assert list(reconcile.open_attempts(known.ports)) == [known.attempt(known.invoice(subscription)).id]


def wait_for_status(world: World, subscription, status: str) -> dict:
    """Wait (really, for a moment) until the sandbox has turned the payment; the database is not asked meanwhile."""
    import time  # noqa: PLC0415 - nothing else here may wait

    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        rows = [row for row in world.ledger(world.invoices(subscription)[0]) if row["status"] == status]
        if rows:
            return rows[0]
        time.sleep(0.02)
    raise AssertionError(f"the sandbox's payment never became {status}")
