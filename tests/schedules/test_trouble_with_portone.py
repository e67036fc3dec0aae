"""Calls about schedules that fail, repeat, or come too late: each is known in the end, and no period is paid twice."""

from dataclasses import replace
from datetime import timedelta

import pytest

from billing_worker.domain.alerts import AlertKind
from billing_worker.domain.billing_key import KeyStatus
from billing_worker.domain.invoice import InvoiceStatus
from billing_worker.domain.payment import Unknown
from billing_worker.domain.schedule import (
    RegisterAnswer,
    RevokeAnswer,
    ScheduleReading,
    ScheduleRequest,
    ScheduleStatus,
)
from billing_worker.ports.outside import Gateway
from billing_worker.usecases.control import stop_charging
from billing_worker.usecases.control.environment import accept_fingerprint
from billing_worker.usecases.schedule import register, step
from billing_worker.usecases.subscription import cancel
from billing_worker.usecases.subscription.replace_key import replace_key
from tests.schedules.merchant import Merchant
from tests.support.gateways import Around

pytestmark = pytest.mark.long

REGISTERED, REVOKED, EXECUTED = ScheduleStatus.REGISTERED, ScheduleStatus.REVOKED, ScheduleStatus.EXECUTED
AN_HOUR_BEFORE = timedelta(minutes=61)


def test_a_registration_that_was_lost_is_sent_again_after_a_read(merchant: Merchant) -> None:
    merchant.world.sandbox.rule("error502-html", endpoint="schedule", times=1)
    subscription = merchant.subscribe()
    assert merchant.statuses(subscription) == [ScheduleStatus.REGISTERING]
    merchant.world.resolve(minutes=5)
    assert merchant.statuses(subscription) == [REGISTERED]
    assert [row["schedule_status"] for row in merchant.at_portone(subscription)] == ["scheduled"]


def test_a_registration_whose_answer_was_lost_is_found_by_a_read(merchant: Merchant) -> None:
    merchant.world.sandbox.rule("error500-charged", endpoint="schedule", times=1)
    subscription = merchant.subscribe()
    merchant.world.resolve(minutes=5)
    assert merchant.statuses(subscription) == [REGISTERED]
    merchant.to_next(subscription)
    assert [row["origin"] for row in merchant.world.money()] == ["again", "schedule"]


def test_a_schedule_that_portone_has_over_another_sum_is_revoked_and_registered_again(merchant: Merchant) -> None:
    merchant.world.sandbox.rule("error500-charged", endpoint="schedule", times=1)

    def dear(gateway: Gateway, order: str) -> ScheduleReading:
        reading = gateway.read_schedule(order)
        shown = reading.schedule
        if shown is None or not order.endswith("g01"):
            return reading
        return replace(reading, schedule=replace(shown, money=replace(shown.money, amount=1)))

    troubled = merchant.with_gateway(Around(merchant.world.ports.gateway, on_read_schedule=dear))
    subscription = troubled.subscribe()
    troubled.world.resolve(minutes=5)
    assert merchant.statuses(subscription) == [REVOKED, REGISTERED]


def test_two_workers_with_one_schedule_send_it_once(merchant: Merchant) -> None:
    sent: list[str] = []

    def twice(gateway: Gateway, request: ScheduleRequest) -> RegisterAnswer:
        sent.append(request.charge.merchant_uid)
        with merchant.world.ports.database.transaction() as uow:
            schedule = uow.schedules.with_merchant_uid(sent[0])
        assert schedule is not None
        if len(sent) == 1:
            step.step(troubled.world.ports, schedule.id)
        return gateway.register_schedule(request)

    troubled = merchant.with_gateway(Around(merchant.world.ports.gateway, on_register=twice))
    subscription = troubled.subscribe()
    assert len(sent) == 1
    assert merchant.statuses(subscription) == [REGISTERED]


@pytest.mark.parametrize("hears", [True, False])
def test_a_registration_that_comes_after_a_cancellation_is_taken_back(merchant: Merchant, *, hears: bool) -> None:
    """The process stood still before the call; others took over, read that nothing is there, and closed it."""
    ports, held = merchant.world.ports, list[str]()

    def late(gateway: Gateway, request: ScheduleRequest) -> RegisterAnswer:
        held.append(request.charge.merchant_uid)
        (row,) = merchant.world.rows("SELECT id, subscription_id FROM schedules")
        cancel.cancel(ports, row["subscription_id"], at_period_end=False)
        merchant.world.resolve(minutes=10)
        assert merchant.world.rows("SELECT status FROM schedules") == [{"status": "revoked"}]
        return gateway.register_schedule(request)

    def deaf(gateway: Gateway, customer_uid: str, order: str) -> RevokeAnswer:
        return gateway.revoke_schedule(customer_uid, order) if hears else Unknown("no answer")

    troubled = merchant.with_gateway(Around(ports.gateway, on_register=late, on_revoke=deaf))
    subscription = troubled.subscribe()
    assert len(held) == 1
    (there,) = merchant.at_portone(subscription)
    assert there["schedule_status"] == ("revoked" if hears else "scheduled")
    assert [alert.kind for alert in merchant.world.alerts()] == ([] if hears else [AlertKind.SCHEDULE_DIFFERS])


def test_a_late_answer_to_a_registration_that_was_revoked_meanwhile_is_no_trouble(merchant: Merchant) -> None:
    ports = merchant.world.ports

    def late(gateway: Gateway, request: ScheduleRequest) -> RegisterAnswer:
        answer = gateway.register_schedule(request)
        (row,) = merchant.world.rows("SELECT subscription_id FROM schedules")
        cancel.cancel(ports, row["subscription_id"], at_period_end=False)
        merchant.world.resolve(minutes=10)
        return answer

    subscription = merchant.with_gateway(Around(ports.gateway, on_register=late)).subscribe()
    assert merchant.statuses(subscription) == [REVOKED]
    assert merchant.world.alerts() == []


def test_a_scan_gives_out_a_schedule_once(merchant: Merchant) -> None:
    merchant.subscribe(first_paid=False)
    merchant.world.renew_and_charge()
    ports = merchant.world.ports
    assert len(register.due(ports, 10)) == 1
    assert register.due(ports, 10) == []


def test_a_schedule_that_cannot_be_read_is_waited_for(merchant: Merchant) -> None:
    subscription = merchant.subscribe()
    (schedule,) = merchant.schedules(subscription)
    late = int((schedule.schedule_at + timedelta(hours=5)).timestamp())
    merchant.call("PUT", f"/subscribe/payments/schedule/{schedule.merchant_uid}", schedule_at=late)
    merchant.to(schedule.schedule_at)
    with merchant.world.sandbox.outage("error503", "schedule"):
        merchant.world.resolve(minutes=20)
        assert merchant.world.invoices(subscription)[1].status is InvoiceStatus.OPEN
        assert len(merchant.world.ledger()) == 1
    merchant.world.resolve(hours=3)
    assert merchant.world.invoices(subscription)[1].status is InvoiceStatus.PAID
    assert len(merchant.world.money()) == 2
    assert merchant.statuses(subscription)[0] is REVOKED


def test_a_key_that_dies_elsewhere_revokes_an_hour_before_the_date(merchant: Merchant) -> None:
    subscription = merchant.subscribe()
    start = merchant.world.subscription(subscription).next_period_start
    with merchant.world.ports.database.transaction() as uow:
        key = uow.keys.lock(subscription.billing_key_id)
        key.move_to(KeyStatus.INVALID)
        uow.keys.save(key)
        uow.commit()
    merchant.to(start - AN_HOUR_BEFORE)
    assert merchant.statuses(subscription) == [REGISTERED]
    merchant.world.resolve(minutes=5)
    assert merchant.statuses(subscription) == [REVOKED]


def test_a_stop_revokes_an_hour_before_the_date_and_a_worker_charges_after_it(merchant: Merchant) -> None:
    subscription = merchant.subscribe()
    start = merchant.world.subscription(subscription).next_period_start
    ports = merchant.world.ports
    stopped = stop_charging.stop_on_word(ports, f"subscription:{subscription.id}", "it looks wrong")
    merchant.to(start - AN_HOUR_BEFORE)
    merchant.world.resolve(minutes=5)
    assert merchant.statuses(subscription) == [REVOKED]
    merchant.to(start)
    assert len(merchant.world.ledger()) == 1
    stop_charging.clear_stop(ports, stopped.stop.id, "it was nothing")
    merchant.world.settle()
    assert [row["origin"] for row in merchant.world.money()] == ["again", "again"]


def test_an_earlier_schedule_that_is_brought_back_is_one_refund(merchant: Merchant) -> None:
    """The schedule of the first card is revoked; a clerk brings it back after the second card's has charged."""
    subscription = merchant.subscribe()
    (first,) = merchant.schedules(subscription)
    replace_key(merchant.world.ports, subscription.id, merchant.world.key().id)
    merchant.world.settle()
    merchant.to_next(subscription)
    soon = int((merchant.world.clock.now() + timedelta(hours=1)).timestamp())
    path = f"/subscribe/payments/schedule/{first.merchant_uid}/reschedule"
    merchant.call("POST", path, schedule_at=soon)
    merchant.world.clock.advance(hours=2)
    merchant.webhooks()
    merchant.world.settle()
    merchant.world.resolve(minutes=20)
    assert len(merchant.world.ledger()) == 3
    assert len(merchant.world.money()) == 2
    merchant.world.assert_books_agree()


def test_a_copy_of_the_database_touches_no_schedule_at_portone_until_it_is_claimed(merchant: Merchant) -> None:
    subscription = merchant.subscribe()
    merchant.claim_elsewhere()
    merchant.world.cancel(subscription)
    merchant.world.resolve(minutes=30)
    assert [row["schedule_status"] for row in merchant.at_portone(subscription)] == ["scheduled"]
    accept_fingerprint(merchant.world.ports, compares=False)
    merchant.world.resolve(minutes=10)
    assert merchant.statuses(subscription) == [REVOKED]
