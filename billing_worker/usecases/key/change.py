"""Change the changeable fields of a billing key."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from billing_worker.domain.action import Verb
from billing_worker.domain.billing_key import ISSUED_BY_PAYMENT, LONGEST_PG, BillingKey, IssueUse, KeyStatus
from billing_worker.domain.card_expiry import entered_month
from billing_worker.domain.errors import Conflict
from billing_worker.domain.labels import merged
from billing_worker.domain.pgs.rules import require_buyer, require_id, require_money, require_options, require_pg
from billing_worker.domain.subscription import SubscriptionStatus
from billing_worker.domain.text import entered
from billing_worker.ports.bundle import Ports
from billing_worker.ports.storage import UnitOfWork
from billing_worker.usecases.access.actions import note
from billing_worker.usecases.key.confirm import confirm
from billing_worker.usecases.key.decide import given_up, with_email

Changes = Mapping[str, str | None]
"""Pairs of text to set; None removes a pair."""


def change_key(
    ports: Ports,
    key_id: str,
    *,
    buyer_email: str | None = None,
    metadata: Changes | None = None,
    pg_provider: str | None = None,
    card_expires: str | None = None,
) -> BillingKey:
    """Change a key's e-mail, its metadata, its month of expiry, or while it is pending its PG; None changes nothing.

    Raises NotFound, or InvalidInput, also for another e-mail than that of a known issuing payment, and for a PG that
    does not take what waits for the key. Raises Conflict for another PG of a key that is not pending.
    """
    with ports.database.transaction() as uow:
        key = uow.keys.lock(key_id)
        moment = ports.clock.moment()
        changed = replace(key, metadata=merged(key.metadata, metadata or {}))
        if buyer_email is not None:
            changed = with_email(uow, changed, buyer_email, moment)
        if pg_provider is not None:
            changed = _at(changed, pg_provider, moment.real)
            _refuse_unfit(uow, changed)
        if card_expires is not None:
            changed.set_expiry(entered_month(card_expires), moment.billing)
        uow.keys.save(changed)
        what = "e-mail" if buyer_email is not None else "metadata"
        note(ports, uow, Verb.KEY_CHANGED, key.id, what if pg_provider is None else "PG", at=moment.real)
        uow.commit()
    return changed


def _at(key: BillingKey, pg_provider: str, real_now: datetime) -> BillingKey:
    """The pending key at another PG, due for a read. What an operator corrects before anything was charged."""
    pg = require_pg(entered("pg_provider", pg_provider, LONGEST_PG)).code
    if key.status is not KeyStatus.PENDING:
        raise Conflict(f"billing key {key.id} is {key.status}: only a pending one gets another PG", field="pg_provider")
    require_buyer(pg, {name: getattr(key, name) for name in ("buyer_name", "buyer_email", "buyer_tel")})
    use = IssueUse.OPEN if pg in ISSUED_BY_PAYMENT else IssueUse.NONE
    return replace(key, pg_provider=pg, issue_claim=use, next_look_at=real_now)


def _refuse_unfit(uow: UnitOfWork, key: BillingKey) -> None:
    """Refuse a PG that does not take what already waits for this key. Raises InvalidInput."""
    payments = uow.invoices.singles_of_key(key.id)
    collected = [each for each in uow.subscriptions.of_key(key.id) if each.status is not SubscriptionStatus.CANCELED]
    plans = [uow.plans.get(each.plan_id) for each in collected]
    for payment in payments:
        require_id(key.pg_provider, payment.merchant_uid, "pg_provider")
    sums = [(each.money, each.options) for each in payments] + [(each.money, each.options) for each in plans]
    for money, options in sums:
        require_money(key.pg_provider, money, "pg_provider")
        require_options(key.pg_provider, options, money, "pg_provider")


def set_pg(ports: Ports, key_id: str, pg_provider: str) -> BillingKey:
    """Correct the PG of a pending key, and read PortOne about it at once. Raises as `change_key` does."""
    change_key(ports, key_id, pg_provider=pg_provider)
    confirm(ports, key_id)
    with ports.database.transaction() as uow:
        return uow.keys.get(key_id)


def set_email(ports: Ports, key_id: str, email: str) -> BillingKey:
    """Change the e-mail of a key. A key that was given up, which no scan reads, is read at once.

    Raises as `change_key` does.
    """
    changed = change_key(ports, key_id, buyer_email=email)
    if not given_up(changed) or not confirm(ports, key_id):
        return changed
    with ports.database.transaction() as uow:
        return uow.keys.get(key_id)
