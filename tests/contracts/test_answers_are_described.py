"""PortOne's official description validates every answer of the sandbox; what differs is listed, and needed."""

import json
from dataclasses import replace

import pytest
from sandbox_talk import Talk, behaviours, charges, everything, keys, reads, schedules

from billing_worker.sandbox.world.behaviours import BEHAVIOURS, Reply
from tests.support.portone_description import ALL, DEVIATIONS, FAULTS, Said, complaints_about
from tests.support.portone_schemas import OPERATIONS
from tests.support.sandbox import running_sandbox

pytestmark = [pytest.mark.integration, pytest.mark.timeout(480)]

NO_JSON = {"garbled", "truncated"}
"""Behaviours that answer HTTP 200 and no JSON: their purpose."""

NO_ANSWER = {"drop-after-charge", "drop-before-charge", "cut-body"}
NOT_GIVEN = {
    ("GET /subscribe/customers/{customer_uid}/payments", 404),  # go-iamport's live test saw 200 and an empty list
    ("GET /payments/{imp_uid}/balance", 405),  # another method is another operation
    ("PUT /subscribe/payments/schedule/{merchant_uid}", 500),  # PortOne's own faults: any behaviour gives them
    ("POST /subscribe/payments/schedule/{merchant_uid}/reschedule", 500),
    ("POST /subscribe/payments/schedule/{merchant_uid}/retry", 500),
}
"""Described answers that no call asks for."""


@pytest.fixture(scope="module")
def talks() -> list[Talk]:
    """What sandboxes said under every switch."""
    found = []
    switches = [
        {},
        {"test_channel": True, "schedule_shape": "array", "customers_404": False, "failed_blocks": True},
        {"serialised": True, "long_merchant_uid": "accept"},
        {"long_merchant_uid": "refuse", "rate_limit": 5},
    ]
    for number, options in enumerate(switches):
        with running_sandbox(slow_seconds=0.02, **options) as sandbox:
            talk = Talk(sandbox)
            if number == 0:
                everything(talk)
                behaviours(talk)
            else:
                for part in (keys, charges, *((schedules, reads) if number == 1 else ())):
                    part(talk)
            found.append(talk)
            talk.http.close()
    return found


@pytest.fixture(scope="module")
def said(talks: list[Talk]) -> list[Said]:
    return [one for talk in talks for one in talk.said]


def test_the_description_has_no_complaint_about_any_answer(talks: list[Talk], said: list[Said]) -> None:
    meant = {one for name in NO_JSON for one in talks[0].by_behaviour[name]}
    found = {one: complaints_about(one) for one in said}
    wrong = {complaint for one, all_of_it in found.items() for complaint in all_of_it if one not in meant}
    assert wrong == set()
    assert len(said) > 900


def test_every_described_answer_is_given(said: list[Said]) -> None:
    described = {
        (operation, int(name.split()[1]))
        for operation, facts in OPERATIONS.items()
        for name in facts
        if name.startswith("answers ")
    }
    given = {(one.operation, one.status) for one in said}
    assert described - given == NOT_GIVEN


def test_only_faults_are_no_answers_of_the_api(talks: list[Talk]) -> None:
    """A behaviour with an ordinary reply keeps to the description at every endpoint."""
    broken = {
        name
        for name, answers in talks[0].by_behaviour.items()
        if any(one.status in FAULTS or complaints_about(one) for one in answers)
    }
    faults = {Reply.ERROR_JSON, Reply.ERROR_HTML, Reply.RATE_LIMIT, Reply.REDIRECT, Reply.GARBLED, Reply.TRUNCATED}
    assert broken == {name for name, behaviour in BEHAVIOURS.items() if behaviour.reply in faults}


OF_REQUESTS = ("include_sandbox", "channel_key")
"""These deviations are in requests: `test_requests_are_described` asks whether they are needed."""


@pytest.mark.parametrize("deviation", [name for name in DEVIATIONS if not name.startswith(OF_REQUESTS)])
def test_each_deviation_is_still_needed(said: list[Said], deviation: str) -> None:
    assert any(complaints_about(one, ALL - {deviation}) and not complaints_about(one) for one in said)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"status": "done"}, '"done" is not one of'),
        ({"amount": None}, "amount: null is not valid"),
        ({"paid_at": "2026-01-01"}, "paid_at"),
        ({"buyer_fullname": "x"}, "Additional properties"),
        ({"merchant_uid": 1}, "merchant_uid"),
        ({"cancel_history": [{"amount": 1}]}, "required property"),
    ],
    ids=str,
)
def test_the_judge_notices_what_is_wrong(said: list[Said], changes: dict[str, object], complaint: str) -> None:
    paid = next(one for one in said if one.operation == "POST /subscribe/payments/again" and b'"paid"' in one.body)
    body = json.loads(paid.body)
    assert complaints_about(paid) == []
    body["response"] |= changes
    wrong = replace(paid, body=json.dumps(body).encode())
    assert complaint in complaints_about(wrong)[0]
    assert complaints_about(replace(paid, status=418)) == ["POST /subscribe/payments/again has no answer with HTTP 418"]
