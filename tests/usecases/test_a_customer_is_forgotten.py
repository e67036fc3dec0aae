"""What was entered about a customer goes, wherever it stands; what was paid stays. And old records are emptied."""

import json
from collections.abc import Mapping
from datetime import timedelta

import pytest
from sqlalchemy import Connection, Text, cast, event, func, literal_column, select, text

from billing_worker.domain.action import Verb
from billing_worker.domain.alerts import AlertKind
from billing_worker.domain.errors import Conflict, NotFound
from billing_worker.domain.payment_options import PaymentOptions
from billing_worker.domain.retention import Retention
from billing_worker.ports.requests import KeptAnswer
from billing_worker.usecases.control.stop_charging import clear_stop, stop_on_word
from billing_worker.usecases.customer.forget import forget_customer
from billing_worker.usecases.entry.delete import request_delete
from billing_worker.usecases.incoming.tidy import tidy
from billing_worker.usecases.refund.refund import request_refund
from billing_worker.usecases.subscription.cancel import cancel
from billing_worker.usecases.subscription.fallbacks import NewFallback, add_fallback, remove_fallback
from billing_worker.usecases.subscription.replace_key import replace_key
from tests.support.world import World

NAME, EMAIL, TELEPHONE, REMARK, PAIR = "홍길동", "gildong@example.com", "010-9876-5432", "남원 홍판서댁", "남원시"
PERSONAL = (NAME, EMAIL, TELEPHONE, "01098765432", REMARK, PAIR)
READ = "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relname = 'evidence'"
MONEY = (
    "SELECT a.amount, a.currency, a.status, a.imp_uid, a.merchant_uid, a.refunded, a.closed_at, i.status AS invoice,"
    " i.period_start FROM payment_attempts a JOIN invoices i ON i.id = a.invoice_id ORDER BY a.id"
)


def whole_database(world: World) -> Mapping[str, str]:
    """Every row of every table as text, the bytes of kept answers among them."""
    found = {}
    with world.engine.connect() as connection:
        tables = connection.execute(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")).scalars().all()
        for table in tables:
            rows = connection.execute(select(cast(func.to_jsonb(literal_column(table)), Text)).select_from(text(table)))
            found[table] = "\n".join(rows.scalars())
        kept = connection.execute(text("SELECT convert_from(body, 'UTF8') FROM kept_answers")).scalars().all()
        found["kept answers"] = "\n".join(kept)
    return found


def where_it_stands(world: World) -> set[str]:
    return {table for table, rows in whole_database(world).items() if any(each in rows for each in PERSONAL)}


def a_customer_of_long_ago(world: World) -> str:
    """Two paid periods, a single payment, a refund, a kept answer, webhooks; then it is over, and the key deleted."""
    key = world.key(buyer_name=NAME, buyer_email=EMAIL, buyer_tel=TELEPHONE, metadata={"home": PAIR})
    subscription = world.subscribe(key=key, customer="user-42", metadata={"home": PAIR})
    world.run_until(world.clock.moment().billing + timedelta(days=40), timedelta(days=5))
    single = world.pay(key, customer="user-42", options=PaymentOptions(custom_data=REMARK))
    world.collect()
    for row in world.rows("SELECT imp_uid, merchant_uid FROM payment_attempts WHERE imp_uid IS NOT NULL"):
        world.webhook(row["imp_uid"], row["merchant_uid"])
    world.apply()
    request_refund(world.ports, single.id, None, everything=True, reason=f"{REMARK}에서 요청")
    world.refund()
    with world.ports.database.transaction() as uow:
        body = json.dumps({"id": key.id, "buyer_name": NAME}, ensure_ascii=False).encode()
        uow.kept_answers.add(KeptAnswer("k-1", "f", 201, "application/json", body, world.clock.moment().real))
        uow.commit()
    cancel(world.ports, subscription.id)
    request_delete(world.ports, key.id, f"{NAME} 고객 요청", NAME)
    world.resolve()
    # An answer of the gateway that masking did not know, and a webhook with more than it should have.
    with world.engine.begin() as connection:
        connection.execute(text("UPDATE evidence SET body = body || :more"), {"more": REMARK})
        connection.execute(
            text("UPDATE inbox SET payload = payload || jsonb_build_object('memo', CAST(:more AS text))"),
            {"more": NAME},
        )
    return key.id


def test_nothing_personal_is_left_and_all_the_money_is(world: World) -> None:
    a_customer_of_long_ago(world)
    other = world.key(buyer_name="성춘향")
    world.subscribe(key=other, customer="user-43")
    world.renew_and_charge()
    money = world.rows(MONEY)
    stood = where_it_stands(world)
    assert stood >= {"billing_keys", "subscriptions", "invoices", "refunds", "evidence", "inbox", "kept answers"}, stood
    assert stood >= {"key_calls", "actions", "outbox"}, stood
    counted = forget_customer(world.ports, "user-42", only_count=True)
    assert where_it_stands(world) == stood
    held, blanked = forget_customer(world.ports, "user-42")
    assert (held, blanked) == counted
    assert where_it_stands(world) == set()
    assert world.rows(MONEY) == money
    assert "성춘향" in whole_database(world)["billing_keys"]
    assert held.shared_keys == []
    assert (blanked.billing_keys, blanked.subscriptions) == (1, 1)
    (action,) = world.rows("SELECT actor, subject_id FROM actions WHERE verb = :verb", verb=Verb.CUSTOMER_FORGOTTEN)
    assert action["subject_id"] == "user-42"
    forget_customer(world.ports, "user-42")
    assert where_it_stands(world) == set()


def test_it_is_refused_while_money_may_move_and_names_what_is_open(world: World) -> None:
    key = world.key(buyer_name=NAME)
    subscription = world.subscribe(key=key, customer="user-42")
    before = whole_database(world)
    with pytest.raises(Conflict, match=f"subscription {subscription.id} is pending") as refused:
        forget_customer(world.ports, "user-42")
    assert f"billing key {key.id} is active" in str(refused.value)
    assert whole_database(world) == before
    with pytest.raises(NotFound, match="user-44"):
        forget_customer(world.ports, "user-44")


def test_an_open_alert_about_a_payment_keeps_what_an_operator_needs(world: World) -> None:
    a_customer_of_long_ago(world)
    (attempt,) = world.rows("SELECT id FROM payment_attempts ORDER BY id LIMIT 1")
    facts = {"payment": "imps_1", "invoice": "inv_1", "given_back": "100 KRW"}
    with world.ports.database.transaction() as uow:
        uow.alerts.open(AlertKind.CANCELLED_ELSEWHERE, attempt["id"], facts, world.clock.moment())
        uow.commit()
    with pytest.raises(Conflict, match=r"alert \d+ is cancelled_elsewhere"):
        forget_customer(world.ports, "user-42")


def test_what_alerts_stops_and_answers_quote_goes_too(world: World) -> None:
    key = a_customer_of_long_ago(world)
    (subscription,) = world.rows("SELECT id FROM subscriptions")
    (refund,) = world.rows("SELECT id, attempt_id FROM refunds")
    stop = stop_on_word(world.ports, f"subscription:{subscription['id']}", f"{NAME} 고객 요청").stop
    with pytest.raises(Conflict, match=f"stop {stop.id} is person"):
        forget_customer(world.ports, "user-42")
    clear_stop(world.ports, stop.id, f"{REMARK}과 통화함")
    with world.ports.database.transaction() as uow:
        moment = world.clock.moment()
        uow.alerts.open(AlertKind.KEY_EMAIL, key, {"registered": EMAIL, "issued": EMAIL}, moment)
        uow.alerts.close(AlertKind.KEY_EMAIL, key, moment)
        uow.alerts.open(AlertKind.REFUND_STUCK, refund["id"], {"case": "unseen", "reason": REMARK}, moment)
        uow.alerts.close(AlertKind.REFUND_STUCK, refund["id"], moment)
        answer = json.dumps({**refund, "reason": REMARK}, ensure_ascii=False).encode()
        uow.kept_answers.add(KeptAnswer("k-2", "f", 201, "application/json", answer, moment.real))
        uow.commit()
    with world.engine.begin() as connection:
        connection.execute(text("UPDATE invoices SET notice_url = 'https://shop.example/' || :pair"), {"pair": PAIR})
    forget_customer(world.ports, "user-42")
    assert where_it_stands(world) == set()
    told = world.rows("SELECT data FROM outbox WHERE type = 'alert.opened' AND data ->> 'kind' = 'refund_stuck'")
    assert told[0]["data"]["facts"] == {"case": "unseen", "reason": "forgotten"}


def test_an_alert_about_another_customer_keeps_its_words(world: World) -> None:
    a_customer_of_long_ago(world)
    other = world.key(buyer_name="성춘향")
    with world.ports.database.transaction() as uow:
        moment = world.clock.moment()
        uow.alerts.open(AlertKind.KEY_EMAIL, other.id, {"registered": "c***@a.kr", "issued": "d***@a.kr"}, moment)
        uow.alerts.close(AlertKind.KEY_EMAIL, other.id, moment)
        uow.commit()
    forget_customer(world.ports, "user-42")
    assert "c***@a.kr" in whole_database(world)["alerts"]


def test_a_key_of_two_customers_is_left_and_named(world: World) -> None:
    key = world.key(buyer_name=NAME)
    cancel(world.ports, world.subscribe(key=key, customer="user-42").id)
    world.subscribe(key=key, customer="user-43")
    held, blanked = forget_customer(world.ports, "user-42")
    assert (list(held.shared_keys), blanked.billing_keys) == ([key.id], 0)
    assert NAME in whole_database(world)["billing_keys"]


@pytest.mark.parametrize("is_removed", [False, True])
def test_a_key_that_another_customer_has_as_a_fallback_is_left_and_named(world: World, *, is_removed: bool) -> None:
    """Also after its end: the row is the record of that customer's consent, and the buyer may be that one."""
    key = world.key(buyer_name=NAME)
    cancel(world.ports, world.subscribe(key=key, customer="user-42").id)
    other = world.subscribe(customer="user-43")
    now = world.clock.moment().billing
    add_fallback(world.ports, NewFallback(other.id, key.id, consented_at=now, consent="by telephone"))
    if is_removed:
        remove_fallback(world.ports, other.id, key.id)
    held, blanked = forget_customer(world.ports, "user-42")
    assert (list(held.shared_keys), blanked.billing_keys) == ([key.id], 0)
    assert NAME in whole_database(world)["billing_keys"]


def test_a_key_by_which_another_customer_once_paid_is_left_and_named(world: World) -> None:
    key = world.key(buyer_name=NAME)
    other = world.subscribe(key=key, customer="user-43")
    world.renew_and_charge()
    replace_key(world.ports, other.id, world.key().id)
    cancel(world.ports, world.subscribe(key=key, customer="user-42").id)
    held, blanked = forget_customer(world.ports, "user-42")
    assert (list(held.shared_keys), blanked.billing_keys) == ([key.id], 0)


def test_only_the_kept_answers_that_name_the_customer_are_emptied(world: World) -> None:
    """Wherever in an answer an id stands, and whatever bytes are around it."""
    a_customer_of_long_ago(world)
    other = world.subscribe(customer="user-43")
    (subscription,) = world.rows("SELECT id FROM subscriptions WHERE customer = 'user-42'")
    (single,) = world.rows("SELECT id FROM invoices WHERE customer = 'user-42'")
    ours = {
        "problem": f"no second charge of {subscription['id']}: {NAME}",
        "address": f"/v1/payments/{single['id']}?expand=attempts",
        "inside": f"x_{subscription['id']}_{NAME}",
    }
    bodies = {name: body.encode() for name, body in ours.items()} | {"no text": b"\xff\\" + single["id"].encode()}
    others = {"other": other.id.encode(), "short": b"sub_", "none": b"", "cut": subscription["id"][:-1].encode()}
    with world.ports.database.transaction() as uow:
        for name, body in (bodies | others).items():
            uow.kept_answers.add(KeptAnswer(name, "f", 201, "text/plain", body, world.clock.moment().real))
        uow.commit()
    _, blanked = forget_customer(world.ports, "user-42")
    assert blanked.answers == len(bodies) + 1, "and the answer that the story kept"
    kept = {row["key"]: bytes(row["body"]) for row in world.rows("SELECT key, body FROM kept_answers")}
    assert {name: kept[name] for name in others} == others
    assert not any(body in kept.values() for body in bodies.values())


def test_old_evidence_is_emptied_and_old_alerts_are_deleted_in_parts(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("billing_worker.usecases.incoming.tidy.MOST_AT_ONCE", 2)
    for _ in range(5):
        world.subscribe()
    world.renew_and_charge()
    with world.engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO alerts (kind, subject_id, detail, opened_at, closed_at)"
                " SELECT 'unknown', n::text, 'old', now() - interval '3 years', now() - interval '2 years'"
                " FROM generate_series(1, 3) n"
            )
        )
    ours = Retention(evidence=timedelta(days=90), alerts=timedelta(days=400))
    old = world.with_ports(retention=ours)
    full = "SELECT count(*) AS n FROM evidence WHERE body <> ''"
    kept = world.rows(full)[0]["n"]
    assert kept >= 5
    tidy(old.ports, "inbox")
    assert world.rows(full)[0]["n"] == kept
    world.clock.advance(seconds=timedelta(days=91).total_seconds())
    left = []
    for _ in range(kept // 2 + 1):
        tidy(old.ports, "inbox")
        left.append(world.rows(full)[0]["n"])
    assert left[:2] == [kept - 2, kept - 4]
    assert left[-1] == 0
    assert world.rows("SELECT count(*) AS n FROM alerts WHERE detail = 'old'")[0]["n"] == 0
    paid = world.rows(
        "SELECT count(*) AS n FROM payment_attempts WHERE status = 'approved' AND evidence_id IS NOT NULL"
    )
    assert paid[0]["n"] == 5


def test_evidence_whose_number_is_out_of_order_is_emptied_too(world: World) -> None:
    """The answers of one statement have numbers in any order of time."""
    real_now = world.clock.moment().real
    ages = {"late": timedelta(days=100, seconds=-5), "early": timedelta(days=100), "young": timedelta(days=1)}
    add = text("INSERT INTO evidence (source, request, body, received_at) VALUES ('portone', 'again', :body, :at)")
    with world.engine.begin() as connection:
        for body, age in ages.items():
            connection.execute(add, {"body": body, "at": real_now - age})
    for before in (timedelta(days=100, seconds=-3), timedelta(days=90)):
        with world.ports.database.transaction() as uow:
            uow.forgetting.evidence(real_now - before, 100)
            uow.commit()
    assert world.rows("SELECT body FROM evidence ORDER BY id") == [{"body": ""}, {"body": ""}, {"body": "young"}]


def test_a_step_reads_no_more_evidence_than_it_may_empty(world: World) -> None:
    """A table of 90 days, of which nothing is old, is not read once a minute."""
    add = text(
        "INSERT INTO evidence (source, request, body, received_at)"
        " SELECT 'portone', 'again', repeat('x', 1000), now() FROM generate_series(1, 3000)"
    )
    with world.engine.begin() as connection:
        connection.execute(add)
        connection.execute(text("ANALYZE evidence"))
    rows: list[int] = []

    def count(connection: Connection, _: object, statement: str, *__: object) -> None:
        if "UPDATE evidence" in statement:
            rows.append(connection.exec_driver_sql(READ).scalar_one())

    moments = ("before_cursor_execute", "after_cursor_execute")
    for moment in moments:
        event.listen(world.engine, moment, count)
    try:
        with world.ports.database.transaction() as uow:
            uow.forgetting.evidence(world.clock.moment().real - timedelta(days=90), 10)
    finally:
        for moment in moments:
            event.remove(world.engine, moment, count)
    before, after = rows  # the session counts on from what it did before
    assert after - before < 30, "ten, and what PostgreSQL looks ahead"
