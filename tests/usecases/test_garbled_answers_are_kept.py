"""An unreadable answer leaves the attempt unknown, and is stored for an operator."""

import pytest

from billing_worker.adapters.masking import LONGEST_EVIDENCE
from tests.support.world import World


@pytest.mark.fm("C18")
@pytest.mark.parametrize(
    "behaviour", ["garbled-1x", "truncated-1x", "cut-body-1x", "error502-html-charged-1x", "error500-1x"]
)
def test_what_could_not_be_read_is_kept_with_the_attempt_that_it_left_unknown(world: World, behaviour: str) -> None:
    subscription = world.subscribe(behaviour)
    world.settle()
    attempt = world.attempt(world.invoice(subscription))
    assert attempt.status == "unknown"
    (kept,) = world.rows("SELECT id, body, request FROM evidence WHERE attempt_id = :id", id=attempt.id)
    assert kept["id"] == attempt.evidence_id
    assert 0 < len(kept["body"].encode()) <= LONGEST_EVIDENCE
    assert kept["request"] == "POST /subscribe/payments/again"
