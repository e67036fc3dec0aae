"""`make hostile`: what a hostile network may send, at length. pytest alone does not find it, since it takes minutes.

The seed is printed; `make hostile SEED=7` sends other things.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from described import ALL_PHASES, assert_description_holds, known_ids
from forged import Town, assert_nothing_changes
from web_calls import TOKEN
from web_helpers import Web

from tests.support.world import World

SEED = int(os.environ.get("SEED", "1"))
EXAMPLES = 25
REQUESTS = 10_000

pytestmark = pytest.mark.timeout(2000)


@pytest.mark.parametrize("known", [False, True], ids=["random-ids", "known-ids"])
def test_no_request_gets_an_answer_that_is_not_described(
    web_with: Callable[..., Web], tmp_path: Path, capsys: pytest.CaptureFixture[str], *, known: bool
) -> None:
    web = web_with(api_token=TOKEN)
    ids = known_ids(web) if known else {}
    told = assert_description_holds(web.url, tmp_path, ids=ids, examples=EXAMPLES, seed=SEED, phases=ALL_PHASES)
    with capsys.disabled():
        print(f"\nschemathesis, seed {SEED}: {told}")  # noqa: T201 - the figures of a run


def test_10_000_forged_requests_change_nothing(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    town, began = Town.built(world), time.monotonic()
    reads = assert_nothing_changes(town, requests=REQUESTS, seed=SEED, minutes=2)
    with capsys.disabled():
        took = time.monotonic() - began
        print(f"\nforged, seed {SEED}: {REQUESTS} requests, {reads} reads of the gateway, {took:.0f} s")  # noqa: T201
