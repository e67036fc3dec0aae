"""Whether the gateway itself failed, and how: only that counts towards the pause of all charging."""

import math
import time

import pytest
from portone_world import NO_PAYMENT, REQUEST, UNAUTHORIZED, always, body, envelope, keep, payment, with_token
from scripted_server import Seen, Wire

from billing_worker.adapters.portone import loop
from billing_worker.adapters.portone.answers import outcome_of
from billing_worker.adapters.portone.client import Answer
from billing_worker.domain.gateway_watch import trouble_of
from billing_worker.domain.payment import Trouble
from tests.support.gateways import hurried

REFUSED = body(envelope(None, code=-1, message="no"))

ANSWERS = {
    "approved": (200, body(envelope(payment())), None),
    "declined": (200, body(envelope(payment(status="failed", fail_reason="한도초과"))), None),
    "an unknown status": (200, body(envelope(payment(status="odd"))), None),
    "another amount": (200, body(envelope(payment(amount=1))), None),
    "a refusal": (200, body(envelope(None, code=1, message="이미 결제")), None),
    "a missing parameter": (200, body(envelope(None, code=1, message="파라메터는 필수입니다")), None),
    "a payment that cannot be read": (200, body(envelope(payment(amount="x"))), None),
    "400": (400, REFUSED, None),
    "404": (404, body(NO_PAYMENT), None),
    "401": (401, body(UNAUTHORIZED), Trouble.UNAUTHORIZED),
    "429": (429, REFUSED, Trouble.SERVER_ERROR),
    "500": (500, REFUSED, Trouble.SERVER_ERROR),
    "503": (503, REFUSED, Trouble.SERVER_ERROR),
    "a page of a proxy": (502, b"<html>Bad Gateway</html>", Trouble.SERVER_ERROR),
    "a page with 200": (200, b"<html>Maintenance</html>", Trouble.SERVER_ERROR),
    "nothing": (200, b"", Trouble.SERVER_ERROR),
}


@pytest.mark.parametrize(("status", "raw", "trouble"), ANSWERS.values(), ids=ANSWERS)
def test_an_answer(status: int, raw: bytes, trouble: Trouble | None) -> None:
    assert trouble_of(outcome_of(REQUEST, Answer(status, raw), keep)) is trouble


def test_no_connection_after_a_token_was_given(portone) -> None:
    gateway, server = portone(always(200, envelope(payment())))
    assert trouble_of(gateway.charge(REQUEST)) is None
    gateway.close()
    server.stop_listening()
    assert trouble_of(gateway.charge(REQUEST)) is Trouble.NOT_REACHED


def test_no_token(portone) -> None:
    gateway, _ = portone(lambda _, wire: wire.answer(403, REFUSED))
    assert trouble_of(gateway.charge(REQUEST)) is Trouble.UNAUTHORIZED


def test_a_refused_token_is_the_gateways_word_however_long_this_process_stood_still(portone) -> None:
    def refuse(_: Seen, wire: Wire) -> None:
        gateway._here().client.loop.begin(stand_still(1.0))
        wire.answer(401, REFUSED)

    gateway, _ = portone(refuse, total_deadline=3.0)
    assert trouble_of(gateway.charge(REQUEST)) is Trouble.UNAUTHORIZED


@pytest.mark.parametrize(("has_token", "trouble"), [(True, Trouble.NOT_REACHED), (False, Trouble.UNAUTHORIZED)])
def test_a_refused_connection_is_the_gateways_word_however_long_this_process_stood_still(
    portone, trouble: Trouble, *, has_token: bool
) -> None:
    gateway, server = portone(always(200, envelope(payment())))
    if has_token:
        hurried(gateway)
        gateway.close()
    server.stop_listening()
    stopped = gateway._here().client.loop.begin(stand_still(1.0))
    assert trouble_of(gateway.charge(REQUEST)) is trouble
    stopped.result()


def test_a_broken_connection_is_the_gateways_word_however_long_this_process_stood_still(portone) -> None:
    def hang_up(_: Seen, wire: Wire) -> None:
        gateway._here().client.loop.begin(stand_still(1.0))
        wire.close()

    gateway, _ = portone(with_token(hang_up))
    assert trouble_of(hurried(gateway).charge(REQUEST)) is Trouble.NO_ANSWER


def test_silence(portone, monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(_: Seen, wire: Wire) -> None:
        wire.over.wait(10)

    # A machine in use may well hold this process up; that is the next two tests' matter.
    monkeypatch.setattr(loop, "HELD_UP", math.inf)
    gateway, _ = portone(with_token(silent), total_deadline=3.0)
    assert trouble_of(hurried(gateway).charge(REQUEST)) is Trouble.NO_ANSWER


def test_a_process_that_stood_still_missed_the_answer_itself(portone) -> None:
    def silent(_: Seen, wire: Wire) -> None:
        # As SIGSTOP would hold the whole process: the loop stands still while the gateway has the request.
        gateway._here().client.loop.begin(stand_still(1.0))
        wire.over.wait(10)

    gateway, _ = portone(with_token(silent), total_deadline=3.0)
    assert trouble_of(hurried(gateway).charge(REQUEST)) is None


@pytest.mark.parametrize(("late", "is_held_up"), [(0.0, False), (1000.0, False), (3000.0, True), (10_000.0, True)])
def test_a_process_was_held_up_that_was_late_for_a_fifth_of_the_time(*, late: float, is_held_up: bool) -> None:
    async def ask() -> bool:
        now, so_far = calls.now()
        return calls.was_held_up((now - 10_000.0, so_far - late))

    calls = loop.Loop()
    assert calls.run(ask()) is is_held_up
    calls.close()


async def stand_still(seconds: float) -> None:
    time.sleep(seconds)  # noqa: ASYNC251 - nothing else in this loop shall run meanwhile
