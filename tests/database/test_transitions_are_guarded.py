"""The database refuses a state change that the domain's tables do not list, from any client."""

import itertools
from enum import StrEnum

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError

from billing_worker.domain.billing_key import KEY_TRANSITIONS
from billing_worker.domain.invoice import ATTEMPT_TRANSITIONS, INVOICE_TRANSITIONS
from billing_worker.domain.refund import REFUND_TRANSITIONS
from billing_worker.domain.subscription import SUBSCRIPTION_TRANSITIONS
from tests.support.world import World

TABLES: dict[str, dict[StrEnum, frozenset[StrEnum]]] = {
    "billing_keys": KEY_TRANSITIONS,
    "invoices": INVOICE_TRANSITIONS,
    "payment_attempts": ATTEMPT_TRANSITIONS,
    "refunds": REFUND_TRANSITIONS,
    "subscriptions": SUBSCRIPTION_TRANSITIONS,
}  # type: ignore[assignment] # each table has its own enum


@pytest.mark.parametrize("table", TABLES)
def test_the_trigger_of_each_table_lists_the_edges_of_the_domain(world: World, table: str) -> None:
    (row,) = world.rows(
        "SELECT encode(tgargs, 'escape') AS edges FROM pg_trigger"
        " WHERE tgrelid = CAST(:name AS regclass) AND tgname = 'legal_transitions'",
        name=table,
    )
    listed = set(row["edges"].removesuffix("\\000").split())
    assert listed == {f"{old}>{new}" for old, following in TABLES[table].items() for new in following}


def attempted(connection: Connection, table: str, old: str, new: str) -> str | None:
    """The constraint that refuses this change of a bare row in a copy of the table's trigger; None where it may be."""
    connection.execute(text(f"CREATE TEMP TABLE bare_{table} (id text, status text) ON COMMIT DROP"))
    edges = connection.execute(
        text(
            "SELECT pg_get_triggerdef(oid) FROM pg_trigger"
            " WHERE tgrelid = CAST(:name AS regclass) AND tgname = 'legal_transitions'"
        ),
        {"name": table},
    ).scalar_one()
    connection.execute(text(edges.replace(f"public.{table}", f"bare_{table}").replace(":", "\\:")))
    connection.execute(text(f"INSERT INTO bare_{table} VALUES ('x', :old)"), {"old": old})  # noqa: S608
    try:
        connection.execute(text(f"UPDATE bare_{table} SET status = :new"), {"new": new})  # noqa: S608
    except IntegrityError as error:
        return error.orig.diag.constraint_name  # type: ignore[union-attr] # psycopg's
    return None


@pytest.mark.parametrize("table", TABLES)
def test_each_pair_of_states_is_let_through_or_refused_as_the_domain_says(world: World, table: str) -> None:
    for old, new in itertools.permutations(TABLES[table], 2):
        with world.engine.connect() as connection:
            refused_by = attempted(connection, table, old.value, new.value)
        assert refused_by == (None if new in TABLES[table][old] else "legal_transitions"), (old, new)


def refused(world: World, statement: str) -> str:
    with pytest.raises(IntegrityError) as refusal, world.engine.begin() as connection:
        connection.execute(text(statement))
    return str(refusal.value.orig)


def test_an_invoice_is_not_paid_without_an_attempt_that_settles_it(world: World) -> None:
    world.subscribe("decline-limit")
    world.settle()
    told = refused(world, "UPDATE invoices SET status = 'paid', closed_at = now(), next_attempt_at = NULL")
    assert "no approved attempt settles it" in told


def test_money_is_not_given_back_without_evidence_nor_twice_nor_taken_back_again(world: World) -> None:
    world.subscribe()
    world.settle()
    assert "refunded_has_evidence" in refused(world, "UPDATE payment_attempts SET refunded = 1")
    booked = "refund_evidence_id = evidence_id"
    assert "refunded_within_amount" in refused(world, f"UPDATE payment_attempts SET refunded = 9901, {booked}")  # noqa: S608
    with world.engine.begin() as connection:
        connection.execute(text(f"UPDATE payment_attempts SET refunded = 5000, {booked}"))  # noqa: S608
    assert "cannot shrink from 5000 to 4999" in refused(world, "UPDATE payment_attempts SET refunded = 4999")


def test_a_declined_attempt_has_nothing_that_could_be_given_back(world: World) -> None:
    world.subscribe("decline-limit")
    world.settle()
    told = refused(world, "UPDATE payment_attempts SET refunded = 1, refund_evidence_id = evidence_id")
    assert "refunded_was_approved" in told
