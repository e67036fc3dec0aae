"""Compare one day of decisions with what the old biller charged, by PortOne's books, and alert an operator."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

from billing_worker.domain.alerts import AlertKind, Facts
from billing_worker.domain.order_number import read_merchant_uid
from billing_worker.domain.payment import GatewayPayment
from billing_worker.domain.shadow import DIFFERENCES, LAG, NEAR, ShadowCharge, ShadowResult, compare_day
from billing_worker.ports.bundle import Ports
from billing_worker.ports.storage import UnitOfWork


def due(ports: Ports, limit: int) -> Sequence[str]:
    """The oldest day that is over and not compared; none while a compared day is not over for long enough."""
    with ports.database.transaction() as uow:
        moment = ports.clock.moment()
        lease = moment.real + timedelta(seconds=ports.timing.claim)
        day = uow.shadow.claim_day((moment.billing - LAG).date(), moment.real, lease) if limit > 0 else None
        uow.commit()
    return [] if day is None else [day.isoformat()]


def compare(ports: Ports, day_text: str) -> None:
    """Read PortOne's books around one day, and write the result of each decision of that day.

    Where a page cannot be read, nothing is written, and the day is read again later.
    """
    day = date.fromisoformat(day_text)
    start = datetime(day.year, day.month, day.day, tzinfo=UTC)
    end = start + timedelta(days=1)
    found: dict[str, GatewayPayment] = {}
    for sheet in ports.gateway.payments_between(start - NEAR, end + NEAR):
        if sheet.trouble is not None:
            return
        found |= {payment.imp_uid: payment for payment in sheet.payments}
    with ports.database.transaction() as uow:
        if not uow.shadow.lock_day(day):
            return
        uids = [each.customer_uid for each in found.values() if each.customer_uid]
        keys = uow.shadow.keys_in_shadow(uids, everything=ports.shadow)
        decided = uow.shadow.decided_between(start, end)
        asked = keys.keys() | {customer_uid for _, customer_uid in decided}
        explained = uow.shadow.explained_by(list(found))
        concerned = [
            each
            for each in found.values()
            if each.customer_uid in asked and each.imp_uid not in explained and not _is_ours(ports, each)
        ]
        rest = compare_day(decided, concerned, day)
        charges = [charge for charge, _ in decided]
        charges += [_unexpected(ports, each, at, keys) for each, at in rest if each.customer_uid in keys]
        uow.shadow.save_all(charges)
        _report(ports, uow, day, charges)
        uow.commit()


def _is_ours(ports: Ports, payment: GatewayPayment) -> bool:
    number = read_merchant_uid(payment.merchant_uid)
    return number is not None and number.environment == ports.environment


def _unexpected(ports: Ports, payment: GatewayPayment, at: datetime, keys: dict[str, str]) -> ShadowCharge:
    return ShadowCharge(
        id=ports.ids.new("shd"),
        subscription_id=keys[payment.customer_uid or ""],
        period_index=None,
        money=payment.money,
        at=at,
        result=ShadowResult.UNEXPECTED,
        imp_uid=payment.imp_uid,
        taken=payment.money.amount,
    )


def _report(ports: Ports, uow: UnitOfWork, day: date, charges: Sequence[ShadowCharge]) -> None:
    moment = ports.clock.moment()
    uow.shadow.close_day(day, moment.real)
    if not any(charge.result in DIFFERENCES for charge in charges):
        return
    counts = {result: sum(charge.result is result for charge in charges) for result in ShadowResult}
    facts: Facts = {"decided": sum(charge.period_index is not None for charge in charges)} | {
        str(result): counts[result] for result in (*sorted(DIFFERENCES), ShadowResult.AGREES, ShadowResult.DECLINED)
    }
    uow.alerts.open(AlertKind.SHADOW_DIFFERS, day.isoformat(), facts, moment)
