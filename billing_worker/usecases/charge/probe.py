"""Probe the gateway while charging is paused for it: by a read, never by a charge."""

from collections.abc import Sequence
from datetime import datetime

from billing_worker.domain.gateway_watch import GATEWAY, PROBE_EVERY, GatewayWatch
from billing_worker.ports.bundle import Ports
from billing_worker.usecases.control.gateway_pause import end_pause

PROBED_ORDER = "probe"
"""After the name of our environment, the merchant_uid of no payment, neither of ours nor of the merchant's shop: the
answer is short, and proves that the gateway reads its books."""


def due(ports: Ports, _limit: int) -> Sequence[str]:
    """Claim the next probe, if charging is paused and it is time for one."""
    real_now = ports.clock.moment().real
    with ports.database.transaction() as uow:
        if not _is_time(uow.gateway_watch.get(), real_now):
            return []
        watch = uow.gateway_watch.lock()
        is_time = _is_time(watch, real_now)
        if is_time:
            watch.next_probe_at = real_now + PROBE_EVERY
            uow.gateway_watch.save(watch)
            uow.commit()
    return [GATEWAY] if is_time else []


def probe(ports: Ports, _gateway: str) -> None:
    """Read the gateway once, and end the pause if it answers."""
    if ports.gateway.payments_of(ports.environment + PROBED_ORDER).trouble is None:
        end_pause(ports)


def _is_time(watch: GatewayWatch, real_now: datetime) -> bool:
    return watch.next_probe_at is not None and watch.next_probe_at <= real_now
