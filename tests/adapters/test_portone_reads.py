"""Reads of the gateway: to the last page, and never an absence that was not proven."""

import re
from urllib.parse import unquote

import pytest
from portone_world import NO_PAYMENT, REQUEST, UNAUTHORIZED, always, body, envelope, payment, with_token
from scripted_server import Script, Seen, Wire


def shelf(total: int, announced: int | None = None, next_of: dict[int, int] | None = None) -> Script:
    """So many payments under one merchant_uid, in pages of the size that is asked for."""
    rows = [payment(imp_uid=f"imps_{number:012}") for number in range(total)]

    def script(seen: Seen, wire: Wire) -> None:
        limit, page = (int(n) for n in re.findall(r"(?:limit|page)=(\d+)", seen.path))
        part = rows[(page - 1) * limit : page * limit]
        if not part:
            wire.answer(404, NO_PAYMENT)
            return
        following = (next_of or {}).get(page, page + 1 if page * limit < total else 0)
        told = total if announced is None else announced
        wire.answer(200, body(envelope({"total": told, "previous": page - 1, "next": following, "list": part})))

    return with_token(script)


@pytest.mark.fm("C11")
@pytest.mark.parametrize("total", [0, 1, 99, 100, 101, 1001])
def test_all_pages_are_read(portone, total: int) -> None:
    gateway, server = portone(shelf(total))
    listing = gateway.payments_of(REQUEST.merchant_uid)
    assert listing.trouble is None
    assert len({found.imp_uid for found, _ in listing.payments}) == total
    assert len(server.asked("/payments/findAll/")) == max(1, -(-total // 100))


@pytest.mark.fm("C11")
@pytest.mark.parametrize(
    "script",
    [
        shelf(5_001),
        shelf(150, announced=151),
        shelf(150, next_of={2: 1}),
        shelf(150, next_of={2: 2}),
        shelf(150, next_of={1: 0}),
        shelf(100, announced=150, next_of={1: 2}),
        shelf(100, next_of={1: -1}),
        always(200, envelope(None)),
        always(200, envelope([payment(merchant_uid="other")])),
        always(200, envelope([payment(), payment(amount="many")])),
        always(200, "<html>"),
        always(404, "<html>"),
        always(400, NO_PAYMENT),
        always(500, NO_PAYMENT),
        always(401, UNAUTHORIZED),
        always(429, UNAUTHORIZED),
        always(302, "", "Location: /"),
        with_token(lambda _, wire: wire.reset()),
    ],
)
def test_what_is_not_complete_is_trouble(portone, script: Script) -> None:
    gateway, _ = portone(script)
    listing = gateway.payments_of(REQUEST.merchant_uid)
    assert listing.trouble
    assert listing.payments == ()


def test_pages_that_point_back_are_not_turned_for_ever(portone) -> None:
    gateway, server = portone(shelf(150, next_of={2: 1}))
    assert gateway.payments_of(REQUEST.merchant_uid).trouble
    assert len(server.asked("/payments/findAll/")) == 2


@pytest.mark.fm("C11")
def test_a_payment_made_while_pages_are_turned_is_seen_or_left_to_the_next_look(portone) -> None:
    rows = [payment(imp_uid=f"imps_{number}") for number in range(150)]

    def script(seen: Seen, wire: Wire) -> None:
        page = int(seen.path.partition("page=")[2])
        if page == 2:
            rows.insert(0, payment(imp_uid="imps_new"))
        part = rows[(page - 1) * 100 : page * 100]
        told = {"total": 150, "previous": 0, "next": 2 if page == 1 else 0, "list": part}
        wire.answer(200, body(envelope(told)))

    gateway, _ = portone(with_token(script))
    listing = gateway.payments_of(REQUEST.merchant_uid)
    assert listing.trouble is None
    assert {found.imp_uid for found, _ in listing.payments} == {f"imps_{number}" for number in range(150)}


def test_one_payment(portone) -> None:
    gateway, server = portone(always(200, envelope(payment(imp_uid="imps_7"))), include_sandbox=True)
    listing = gateway.payment("imps_7")
    ((found, evidence),) = listing.payments
    assert listing.trouble is None
    assert found.imp_uid == "imps_7"
    assert evidence.request == "GET /payments/imps_7?include_sandbox=true"
    assert server.seen[-1].path == "/payments/imps_7?include_sandbox=true"
    gateway.payments_of("abc")
    assert server.seen[-1].path.endswith("&include_sandbox=true")


def test_without_the_test_channel_nothing_is_asked_of_it(portone) -> None:
    gateway, server = portone(always(404, NO_PAYMENT))
    listing = gateway.payment("imps_7")
    assert (listing.payments, listing.trouble) == ((), None)
    assert server.seen[-1].path == "/payments/imps_7"


def test_another_payment_than_the_one_asked_for_is_trouble(portone) -> None:
    gateway, _ = portone(always(200, envelope(payment(imp_uid="imps_8"))))
    assert gateway.payment("imps_7").trouble


BAD_IDS = ["", ".", "..", "../users", "a/b", "a?b=c", "a#b", "a b", "a%2Fb", "a\r\nb", "a.b", "x" * 65, "가", "a\x00"]


@pytest.mark.fm("E10")
@pytest.mark.parametrize("ident", BAD_IDS)
def test_an_id_that_cannot_be_one_is_never_sent(portone, ident: str) -> None:
    gateway, server = portone(always(404, NO_PAYMENT))
    assert gateway.payment(ident).trouble
    if ident != "a.b":  # another program may have given an order this number
        assert gateway.payments_of(ident).trouble
    assert server.seen == []


def test_a_401_while_reading_is_repeated_with_a_fresh_token(portone) -> None:
    def script(_: Seen, wire: Wire) -> None:
        first = len(server.asked("/payments/")) == 1
        wire.answer(401 if first else 404, UNAUTHORIZED if first else NO_PAYMENT)

    gateway, server = portone(with_token(script))
    assert gateway.payment("imps_7").trouble is None
    assert len(server.asked("/users/getToken")) == 2


@pytest.mark.parametrize("uid", ["card_1", "a/../b", "a%2Fb", "u@example.com", "a?b=c", "a#b", "...a", "'\"<>\\^`{|}~"])
def test_a_customer_uid_arrives_as_it_is(portone, uid: str) -> None:
    def script(seen: Seen, wire: Wire) -> None:
        path, _, query = seen.path.partition("?")
        assert query == ""
        last = path.rpartition("/")[2]
        wire.answer(200, body(envelope({"customer_uid": unquote(last)})))

    gateway, server = portone(with_token(script))
    assert gateway.read_key(uid).known is True
    assert server.seen[-1].path.startswith("/subscribe/customers/")


@pytest.mark.parametrize("uid", ["", ".", "..", "a b", "a\r\nb", "x" * 81, "가"])
def test_a_customer_uid_that_cannot_be_one_is_never_sent(portone, uid: str) -> None:
    gateway, server = portone(always(404, NO_PAYMENT))
    assert gateway.read_key(uid).known is None
    assert server.seen == []
