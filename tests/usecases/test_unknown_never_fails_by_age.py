"""An attempt leaves `unknown` by what the gateway shows, however long it shows nothing."""

from datetime import timedelta

import pytest

from billing_worker.ports.outside import KeyReading, Listing
from tests.support.gateways import Around, never_arrives
from tests.support.world import World

pytestmark = pytest.mark.long


@pytest.mark.fm("C9")
@pytest.mark.fm("C12")
def test_while_the_gateway_shows_nothing_at_all_an_attempt_stays_unknown_for_weeks(world: World) -> None:
    """It answers, but shows neither the charge nor what must be there: the books of another account, or a replica."""
    world.subscribe()
    world.settle()
    gateway = Around(
        world.ports.gateway,
        never_arrives,
        on_payments_of=lambda _gateway, _uid: Listing(()),
        on_payment=lambda _gateway, _uid: Listing(()),
        on_read_key=lambda _gateway, _uid: KeyReading(),
    )
    blind = world.with_ports(gateway=gateway)
    subscription = world.subscribe()
    blind.settle()
    for days in (2, 3, 16):
        blind.run_until(world.clock.now() + timedelta(days=days), timedelta(hours=5))
        attempt = world.attempt(world.invoice(subscription))
        assert (attempt.status, attempt.absent_since) == ("unknown", None)
        assert ("unknown", attempt.id) in [(alert.kind, alert.subject_id) for alert in world.alerts()]
    assert len(gateway.charges) == 1
    world.resolve(hours=2)
    assert world.invoice(subscription).status == "paid"
    assert len(world.ledger(world.invoice(subscription))) == 1
