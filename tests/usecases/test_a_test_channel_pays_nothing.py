"""A live worker whose shop answers from a test channel: no card is charged, and nothing may count as paid."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

from billing_worker.adapters.portone import PortOneGateway
from billing_worker.domain.invoice import AttemptStatus, InvoiceStatus
from tests.support.alerts import said
from tests.support.sandbox import IMP_KEY, IMP_SECRET, Sandbox, running_sandbox
from tests.support.world import World


@pytest.fixture(scope="module")
def trial() -> Iterator[Sandbox]:
    with running_sandbox(test_channel=True) as sandbox:
        yield sandbox


@pytest.mark.fm("E23")
def test_what_a_test_channel_approved_is_never_paid_and_an_alert_opens(database_url: str, trial: Sandbox) -> None:
    with World.built(database_url, trial) as world:
        subscription = world.subscribe()
        world.settle()
        world.resolve()
        invoice = world.invoice(subscription)
        assert invoice.status is InvoiceStatus.OPEN
        assert world.attempt(invoice).status is AttemptStatus.UNKNOWN
        assert "invoice.paid" not in world.events()
        (alert,) = [alert for alert in world.alerts() if alert.kind == "mismatch"]
        assert "test channel" in said(alert)
        assert len(world.ledger(invoice)) == 1  # doubt never charges again


def test_the_list_of_payments_leaves_test_channels_out(database_url: str, trial: Sandbox) -> None:
    with (
        World.built(database_url, trial) as world,
        closing(PortOneGateway(trial.url, IMP_KEY, IMP_SECRET, include_sandbox=True)) as including,
    ):
        world.subscribe()
        world.settle()
        until = datetime.now(UTC) + timedelta(hours=1)
        since = until - timedelta(hours=2)
        for gateway, shown in ((including, True), (world.ports.gateway, False)):
            sheets = [*gateway.payments_between(since, until)]
            assert any(sheet.payments for sheet in sheets) is shown
            assert not any(sheet.unreadable or sheet.trouble for sheet in sheets)
