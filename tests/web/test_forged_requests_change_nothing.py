"""A forger who knows everything but our secrets moves neither money nor plan. `make hostile` does so 10,000 times."""

import pytest
from forged import SIGNED, Town, assert_nothing_changes, flood, shifted
from web_calls import pingback

from tests.support.world import World


@pytest.mark.fm("E7")
@pytest.mark.fm("E8")
@pytest.mark.fm("E19")
@pytest.mark.fm("E22")
def test_hundreds_of_forged_requests_change_nothing(world: World) -> None:
    assert_nothing_changes(Town.built(world), requests=300, seed=1, minutes=10)


@pytest.mark.fm("E20")
def test_signed_bytes_that_were_cut_again_are_no_second_pingback(world: World) -> None:
    cuts = sorted(set(shifted(SIGNED)))
    answers = flood(world, [("/webhooks/paymentwall", cut) for cut in (pingback(**SIGNED), *cuts)])
    assert answers[0].text == "OK"
    taken = [cut for cut, answer in zip(cuts, answers[1:], strict=True) if answer.text == "OK"]
    assert taken == []
    assert len(cuts) > 50
