"""After a failover the address may show a standby for a while: it reads, and writes nothing."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from billing_worker.domain.errors import Unavailable
from billing_worker.usecases.charge import collect
from billing_worker.usecases.subscription import renew
from tests.support.world import LIMIT, World


def test_a_server_that_only_reads_is_a_database_that_is_away(world: World) -> None:
    """Each scan ended with an unexpected error and a traceback; a webhook was answered with 500, not 503."""
    subscription = world.subscribe()
    world.renew()
    invoice = world.invoice(subscription)
    name = world.engine.url.database
    with world.engine.begin() as connection:
        connection.execute(text(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on'))
    world.engine.dispose()
    for write in (
        lambda: renew.due(world.ports, LIMIT),
        lambda: collect.due(world.ports, LIMIT),
        lambda: collect.collect(world.ports, [invoice.id]),
        lambda: world.webhook("imp_1", "m1"),
    ):
        with pytest.raises(Unavailable, match="read-only"):
            write()
    assert world.ledger(invoice) == []
    elsewhere = world.twin()
    with elsewhere.engine.begin() as connection:
        connection.execute(text("SET TRANSACTION READ WRITE"))
        connection.execute(text(f'ALTER DATABASE "{name}" RESET default_transaction_read_only'))
    elsewhere.engine.dispose()  # its session only reads, for as long as it lives
    elsewhere.close()
    # No connection of before is used again: each of them would only read for as long as it lives.
    world.settle()
    assert len(world.money(invoice)) == 1
    world.assert_books_agree()


@pytest.mark.parametrize("code", ["25006", "55000"])
def test_a_connection_that_leads_to_a_standby_is_not_used_again(world: World, code: str) -> None:
    """It was opened while the name still led there: the process charged nothing until it was restarted."""
    (before,) = world.rows("SELECT pg_backend_pid() AS pid")
    says = f"DO $$ BEGIN RAISE EXCEPTION 'recovery is in progress' USING ERRCODE = '{code}'; END $$"
    with pytest.raises(DBAPIError), world.engine.connect() as connection:
        connection.execute(text(says))
    (after,) = world.rows("SELECT pg_backend_pid() AS pid")
    assert after != before
