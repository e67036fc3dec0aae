"""An error of the database goes into the log, and as a task event to Redis and Flower: it must name no customer."""

import traceback

import pytest
from sqlalchemy.exc import IntegrityError

from tests.support.world import World


def test_a_row_that_the_database_refuses_is_not_repeated_in_the_error(world: World) -> None:
    """PostgreSQL adds "Failing row contains (…)" by itself, with the name, the e-mail and the telephone number."""
    buyer = {"buyer_name": "Gildong Hong", "buyer_email": "gildong@example.com", "buyer_tel": "010-1234-5678"}
    key = world.key(pg="nice_v2", **buyer)
    with world.ports.database.transaction() as uow:
        mine = uow.keys.lock(key.id)
        mine.issue_for = "sub_nobody"
        with pytest.raises(IntegrityError) as refused:
            uow.keys.save(mine)
    told = "".join(traceback.format_exception(refused.value)) + repr(refused.value) + repr(refused.value.orig)
    assert "billing_keys" in told
    for value in (*buyer.values(), key.customer_uid):
        assert value not in told
