"""The application keeps what its description promises: a slice of `make hostile`."""

from collections.abc import Callable
from pathlib import Path

import pytest
from described import assert_description_holds, known_ids
from web_calls import TOKEN
from web_helpers import Web

pytestmark = pytest.mark.long

ALLOWED = {
    "/v1/plans": "GET, POST",
    "/v1/invoices/inv_1/refunds": "POST",
    "/v1/plans/plan_1": "GET, PATCH",
    "/webhooks/portone": "POST",
    "/healthz": "GET",
    "/docs": "GET",
}


@pytest.mark.fm("E11")
def test_no_request_gets_an_answer_that_is_not_described(web_with: Callable[..., Web], tmp_path: Path) -> None:
    web = web_with(api_token=TOKEN)
    assert_description_holds(web.url, tmp_path, ids=known_ids(web), examples=1, seed=1, phases="coverage")


def test_what_is_possible_at_an_address_is_told_whole(web: Web) -> None:
    told = {path: web.api.request("OPTIONS", path) for path in ALLOWED}
    assert {path: answer.headers["allow"] for path, answer in told.items()} == ALLOWED
    assert {answer.status_code for answer in told.values()} == {405}
