"""The card page's server side: it never believes a browser, and a session makes one key at most."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from card_page import TOKEN, CardPages, card_pages

from billing_worker.domain.errors import Conflict, InvalidInput
from billing_worker.domain.language import Language
from billing_worker.usecases.card import advance
from tests.support.world import World

pytestmark = pytest.mark.long


@pytest.fixture
def pages(world: World) -> Iterator[CardPages]:
    with card_pages(world) as running:
        yield running


def active(pages: CardPages) -> list[str]:
    return [row["customer_uid"] for row in pages.all_keys() if row["status"] == "active"]


def test_a_card_that_was_given_becomes_one_active_key(pages: CardPages) -> None:
    session_id, path = pages.session()
    assert pages.given(path)["state"] == "done"
    stored = pages.stored(session_id)
    (key,) = pages.all_keys()
    assert (stored["status"], stored["billing_key_id"]) == ("done", key["id"])
    assert (key["status"], key["pg_provider"], key["imp_uid"]) == ("active", "kakaopay", stored["imp_uid"])
    assert (key["card_issuer"], key["card_last_digits"]) == ("BC카드", "4242")
    assert pages.doorbell.rings[-1] == ("unlocked", key["id"])
    assert "카드가 등록되었습니다" in pages.http.get(path).text


def test_a_decline_leaves_no_key_and_may_be_tried_again(pages: CardPages) -> None:
    session_id, path = pages.session(amount=1000)
    said = pages.window(pages.begin(path)["request"], "decline")
    answer = pages.result(path, said["imp_uid"])
    assert answer["state"] == "declined"
    assert answer["detail"]
    assert answer["detail"] in pages.http.get(path).text
    assert pages.all_keys() == []
    pages.world.clock.advance(seconds=6)
    assert pages.given(path)["state"] == "done"
    assert [row["status"] for row in pages.world.ledger()] == ["failed", "paid"]
    assert pages.stored(session_id)["problem"] is None


def test_a_closed_window_changes_nothing(pages: CardPages) -> None:
    _, path = pages.session()
    said = pages.window(pages.begin(path)["request"], "close")
    assert pages.result(path, said["imp_uid"])["state"] == "ready"
    assert pages.all_keys() == []


@pytest.mark.parametrize("again", ["begin", "result", "return", "scan", "webhook"])
def test_a_browser_that_never_reported_is_found_out(pages: CardPages, again: str) -> None:
    session_id, path = pages.session(amount=500)
    said = pages.window(pages.begin(path)["request"])
    if again == "begin":
        assert "request" not in pages.begin(path)
    elif again == "result":
        pages.result(path)
    elif again == "return":
        assert pages.http.get(f"{path}/return", params={"imp_uid": "imp_forged"}).headers["location"] == path
    elif again == "webhook":
        pages.world.webhook(said["imp_uid"], said["merchant_uid"])
        pages.world.apply()
        pages.world._serve("cards")
    else:
        pages.world.clock.advance(seconds=31)
        pages.world._serve("cards")
    assert pages.stored(session_id)["status"] == "done"
    assert len(active(pages)) == 1


def test_two_tabs_open_one_window_and_make_one_key(pages: CardPages) -> None:
    session_id, path = pages.session(amount=700)
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(pages.begin, [path, path]))
    requests = [each["request"] for each in both if "request" in each]
    assert len(requests) == 1
    pages.world.clock.advance(seconds=6)
    late = pages.begin(path)["request"]
    said = [pages.window(each) for each in (requests[0], late)]
    assert [each["success"] for each in said] == [True, False]
    with ThreadPoolExecutor(2) as pool:
        ends = list(pool.map(lambda each: pages.result(path, each["imp_uid"]), said))
    assert {each["state"] for each in ends} <= {"done", "waiting"}
    assert pages.result(path)["state"] == "done"
    assert [row["amount"] for row in pages.world.ledger()] == [700]
    assert len(pages.all_keys()) == 1
    assert pages.stored(session_id)["status"] == "done"


def test_a_payment_of_another_session_proves_nothing(pages: CardPages) -> None:
    _, theirs = pages.session(amount=900)
    stranger = pages.window(pages.begin(theirs)["request"])
    session_id, path = pages.session(amount=900)
    pages.begin(path)
    assert pages.result(path, stranger["imp_uid"])["state"] == "ready"
    assert pages.stored(session_id)["status"] == "open"
    assert pages.all_keys() == []


def test_a_sum_that_the_browser_changed_registers_nothing_and_alerts(pages: CardPages) -> None:
    session_id, path = pages.session(amount=9900)
    said = pages.window(pages.begin(path)["request"] | {"amount": 100})
    assert pages.result(path, said["imp_uid"])["state"] == "failed"
    assert pages.stored(session_id)["status"] == "failed"
    assert pages.all_keys() == []
    (alert,) = pages.world.alerts()
    assert (alert.kind, alert.subject_id, alert.facts["money"]) == ("card_payment", said["imp_uid"], "100 KRW")


def test_while_portone_cannot_be_read_no_second_window_opens(pages: CardPages) -> None:
    session_id, path = pages.session(amount=500)
    said = pages.window(pages.begin(path)["request"])
    with pages.world.sandbox.outage("error503"):
        assert pages.result(path, said["imp_uid"])["state"] == "waiting"
        pages.world.clock.advance(seconds=10)
        begun = pages.begin(path)
        assert ("request" in begun, begun["state"]) == (False, "waiting")
    assert pages.result(path, said["imp_uid"])["state"] == "done"
    assert len(active(pages)) == 1
    assert pages.stored(session_id)["status"] == "done"


def test_a_subscription_gets_the_new_card_and_pays_what_it_owes(pages: CardPages) -> None:
    world = pages.world
    subscription = world.subscribe("decline-stolen")
    world.settle()
    assert world.invoice(subscription).status == "open"
    session_id, path = pages.session(subscription_id=subscription.id)
    assert pages.given(path)["state"] == "done"
    (key,) = [row for row in pages.all_keys() if row["status"] == "active"]
    assert world.subscription(subscription).billing_key_id == key["id"]
    world.collect()
    assert world.invoice(subscription).status == "paid"
    assert pages.result(path)["state"] == "done"
    replaced = world.rows("SELECT actor FROM actions WHERE verb = 'subscription.key_replaced'")
    assert replaced == [{"actor": f"card:{session_id}"}]


def test_what_dunning_gave_up_is_owed_again_with_a_new_card(pages: CardPages) -> None:
    world = pages.world
    subscription = world.subscribe("decline-limit", plan=world.plan(dunning_days=(1,)))
    world.run_until(world.clock.now() + timedelta(days=3))
    assert world.invoices(subscription)[0].status == "uncollectible"
    _, path = pages.session(subscription_id=subscription.id)
    assert pages.given(path)["state"] == "done"
    world.settle()
    assert world.invoices(subscription)[0].status == "paid"


def test_a_crash_between_the_steps_repeats_none_of_them(pages: CardPages, monkeypatch: pytest.MonkeyPatch) -> None:
    world = pages.world
    subscription = world.subscribe("decline-stolen")
    world.settle()
    session_id, path = pages.session(subscription_id=subscription.id)
    pages.window(pages.begin(path)["request"])

    def dies(*_: Any, **__: Any) -> Any:
        raise RuntimeError("the process died")

    for step in ("confirm", "replace_key"):
        with monkeypatch.context() as broken:
            broken.setattr(advance, step, dies)
            with pytest.raises(RuntimeError):
                advance.advance(world.ports, session_id)
    done = advance.advance(world.ports, session_id)
    assert done.session.status == "done"
    assert len(active(pages)) == 1
    assert world.rows("SELECT count(*) AS n FROM actions WHERE verb = 'subscription.key_replaced'") == [{"n": 1}]


def test_paymentwall_is_done_for_the_customer_and_confirmed_later(pages: CardPages) -> None:
    buyer = {"buyer_name": "Gildong Hong", "buyer_email": "gildong@example.com"}
    session_id, path = pages.session("paymentwall", amount=9900, **buyer)
    assert pages.given(path)["state"] == "done"
    (key,) = pages.all_keys()
    assert (key["status"], pages.stored(session_id)["status"]) == ("pending", "registered")
    pages.world.sandbox.control("/paymentwall/confirm", customer_uid=key["customer_uid"])
    pages.world.clock.advance(minutes=5)
    pages.world.settle()
    assert active(pages) == [key["customer_uid"]]
    pages.world.clock.advance(minutes=5)
    pages.world._serve("cards")
    assert pages.stored(session_id)["status"] == "done"


def test_a_link_that_was_changed_or_has_expired_opens_nothing(pages: CardPages) -> None:
    session_id, path = pages.session(life=timedelta(minutes=5))
    changed = path[:-1] + ("A" if path[-1] != "A" else "B")
    assert pages.http.get(changed).status_code == 404
    assert pages.http.post(f"{changed}/begin", json={}).status_code == 404
    later = path.replace(path.split(".")[1], str(int(path.split(".")[1]) + 9999))
    assert pages.http.get(later).status_code == 404
    pages.world.clock.advance(minutes=6)
    answer = pages.http.get(path)
    assert (answer.status_code, "만료된 링크" in answer.text) == (410, True)
    assert pages.begin(path) == {"state": "expired", "detail": None}
    assert pages.stored(session_id)["begun_at"] is None


def test_the_page_has_a_strict_policy_and_no_card_field(pages: CardPages) -> None:
    _, path = pages.session(language=Language.EN, product="<b>Tea & Co</b>")
    answer = pages.http.get(path)
    policy = answer.headers["content-security-policy"]
    assert f"script-src 'self' {pages.world.sandbox.url};" in policy
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "<input" not in answer.text
    assert "&lt;b&gt;Tea &amp; Co&lt;/b&gt;" in answer.text
    for secret in (pages.secret.decode(), TOKEN, pages.world.rows("SELECT customer_uid FROM card_sessions")[0]):
        assert str(secret) not in answer.text


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        ({"pg": "nice_v2x"}, "pg_provider"),
        ({"pg": "ksnet"}, "pg_provider"),
        ({"pg": "paymentwall", "buyer_name": "Gildong Hong", "buyer_email": "g@example.com"}, "amount"),
        ({"customer": None}, "customer"),
        ({"return_url": "https://evil.example/"}, "return_url"),
        ({"return_url": "javascript:alert(1)"}, "return_url"),
        ({"return_url": "https://user@localhost/"}, "return_url"),
        ({"life": timedelta(seconds=1)}, "expires_in"),
        ({"subscription_id": "sub_none"}, "subscription_id"),
    ],
)
def test_a_session_that_could_not_end_well_is_refused(pages: CardPages, wanted: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        pages.session(**wanted)
    assert refused.value.field == field


def test_a_canceled_subscription_gets_no_page(pages: CardPages) -> None:
    subscription = pages.world.subscribe()
    pages.world.cancel(subscription)
    with pytest.raises(Conflict, match="is canceled"):
        pages.session(subscription_id=subscription.id)


def test_the_api_makes_a_link_and_shows_what_became_of_it(pages: CardPages) -> None:
    sender = {"Authorization": f"Bearer {TOKEN}"}
    body = {"pg": "kakaopay", "customer": "user-9", "language": "en", "expires_in": 600}
    made = pages.http.post("/v1/card-sessions", json=body, headers=sender | {"Idempotency-Key": "k"})
    assert made.status_code == 201, made.text
    again = pages.http.post("/v1/card-sessions", json=body, headers=sender | {"Idempotency-Key": "k"})
    assert again.json() == made.json()
    path = made.json()["url"].removeprefix(pages.url)
    assert pages.given(path)["state"] == "done"
    shown = pages.http.get(f"/v1/card-sessions/{made.json()['id']}", headers=sender).json()
    assert (shown["status"], shown["customer"]) == ("done", "user-9")
    assert shown["billing_key_id"].startswith("key_")
    assert pages.http.get(f"/v1/card-sessions/{made.json()['id']}").status_code == 401
