"""The statements of one charge: what is locked, and what is read under the locks."""

from typing import Any

from sqlalchemy import ARRAY, String, any_, bindparam, exists, func, literal, select, text, true

from billing_worker.adapters.database.environment import ELSEWHERE
from billing_worker.adapters.database.locks import AdvisoryLock
from billing_worker.adapters.database.policies import DEFINITION
from billing_worker.adapters.database.stops import first_stop
from billing_worker.adapters.database.tables.billing import billing_keys, invoices, plans, subscriptions
from billing_worker.adapters.database.tables.dunning import dunning_policies
from billing_worker.adapters.database.tables.payments import evidence, payment_attempts
from billing_worker.domain.invoice import InvoiceStatus
from billing_worker.domain.stop import INVOICE, SUBSCRIPTION

_IDS = bindparam("ids", type_=ARRAY(String))
_OF_INVOICES = invoices.c.id == any_(_IDS)
_OF_ATTEMPTS = invoices.c.id.in_(select(payment_attempts.c.invoice_id).where(payment_attempts.c.id == any_(_IDS)))


class Locks:
    """Locks subscriptions in the order of their ids, so that no two transactions deadlock; then single payments.

    They are locked by statements of their own: what one statement joins to a row it had to wait for would be as old
    as the statement, not as the lock.
    """

    def __init__(self, subscriptions_: Any, invoices_: Any = None, *also: Any) -> None:
        found = select(subscriptions).where(subscriptions_, *also).order_by(subscriptions.c.id)
        self.waiting = found.with_for_update()
        self.skipping = found.with_for_update(skip_locked=True)
        self.of_singles = invoices_ is not None
        single = select(invoices.c.id).where(invoices.c.subscription_id.is_(None)).order_by(invoices.c.id)
        if invoices_ is not None:
            single = single.where(invoices_)
        self.waiting_singles = single.with_for_update()
        self.skipping_singles = single.with_for_update(skip_locked=True)

    @classmethod
    def of(cls, invoices_: Any, *also: Any) -> "Locks":
        """The locks of these invoices."""
        return cls(subscriptions.c.id.in_(select(invoices.c.subscription_id).where(invoices_)), invoices_, *also)


# A lock that all first acts share: its exclusive holder knows that every first act has ended.
_BEGINS = select(func.pg_advisory_xact_lock_shared(AdvisoryLock.CHARGING.value)).scalar_subquery().is_not(None)
LOCK_TO_RENEW = Locks(subscriptions.c.id == any_(_IDS), None, _BEGINS)
LOCK_TO_COLLECT = Locks.of(_OF_INVOICES, _BEGINS)
LOCK_BY_ATTEMPTS = Locks.of(_OF_ATTEMPTS)
LOCK_BY_INVOICES = Locks.of(_OF_INVOICES)

_OPEN_ATTEMPT = (
    exists()
    .where((payment_attempts.c.invoice_id == invoices.c.id) & payment_attempts.c.closed_at.is_(None))
    .label("open")
)
_earlier = invoices.alias("earlier")
_SCOPE = func.coalesce(literal(SUBSCRIPTION).concat(invoices.c.subscription_id), literal(INVOICE).concat(invoices.c.id))


def _last_paid(owner: Any, currency: Any, within: Any) -> Any:
    return (
        select(_earlier.c.amount)
        .where(_earlier.c.subscription_id == owner)
        .where((_earlier.c.status == InvoiceStatus.PAID) & (_earlier.c.currency == currency))
        .order_by(_earlier.c.period_index.desc())
        .limit(1)
        .scalar_subquery()
        .correlate(*within)
        .label("last_paid")
    )


DUE = (
    select(
        *(invoices, billing_keys, plans, _OPEN_ATTEMPT),
        first_stop(_SCOPE, billing_keys, invoices).label("stop"),
        ELSEWHERE.label("elsewhere"),
        _last_paid(invoices.c.subscription_id, invoices.c.currency, [invoices]),
        DEFINITION,
    )
    .join(billing_keys, billing_keys.c.id == invoices.c.billing_key_id)
    .join(dunning_policies, dunning_policies.c.id == invoices.c.dunning_policy)
    .outerjoin(subscriptions, subscriptions.c.id == invoices.c.subscription_id)
    .outerjoin(plans, plans.c.id == subscriptions.c.plan_id)
    .where(invoices.c.id == any_(_IDS))
    .order_by(invoices.c.period_index, invoices.c.id)
)
DUE_NAMES = [
    *([c.name for c in table.c] for table in (invoices, billing_keys, plans)),
    ["has_open_attempt", "stop", "elsewhere", "last_paid", "policy"],
]
# The newest version of the policy that the subscription has, or else its plan: a new invoice begins with it.
_newest = (
    select(dunning_policies.c.id, DEFINITION.label("definition"))
    .where(dunning_policies.c.name == func.coalesce(subscriptions.c.dunning_policy, plans.c.dunning_policy))
    .order_by(dunning_policies.c.version.desc())
    .limit(1)
    .correlate(subscriptions, plans)
    .lateral("newest")
)
RENEWING = (
    select(
        *(subscriptions.c.id, billing_keys, plans),
        first_stop(literal(SUBSCRIPTION).concat(subscriptions.c.id), billing_keys, subscriptions).label("stop"),
        ELSEWHERE.label("elsewhere"),
        _last_paid(subscriptions.c.id, plans.c.currency, [subscriptions, plans]),
        *_newest.c,
    )
    .join(billing_keys, billing_keys.c.id == subscriptions.c.billing_key_id)
    .join(plans, plans.c.id == subscriptions.c.plan_id)
    .join(_newest, true())
    .where(subscriptions.c.id == any_(_IDS))
    .order_by(subscriptions.c.id)
)
RENEWING_NAMES = [
    ["id"],
    *([c.name for c in table.c] for table in (billing_keys, plans)),
    ["stop", "elsewhere", "last_paid", "policy_id", "policy"],
]

EVIDENCE = select(evidence.c.source, evidence.c.request, evidence.c.http_status, evidence.c.body).where(
    evidence.c.id == bindparam("ident")
)
KEEP = text("""
    INSERT INTO evidence (attempt_id, source, request, http_status, body, received_at)
    SELECT attempt_id, source, request, http_status, body, :real_now
    FROM json_populate_recordset(NULL::evidence, CAST(:rows AS json))
    RETURNING attempt_id, id
""")

_own_key = func.coalesce(payment_attempts.c.billing_key_id, invoices.c.billing_key_id)
# Invoices with their plans, and their attempts with their keys: one row an attempt, by number.
_LOCKED = (
    select(invoices, plans, billing_keys, payment_attempts, DEFINITION)
    .join(dunning_policies, dunning_policies.c.id == invoices.c.dunning_policy)
    .outerjoin(subscriptions, subscriptions.c.id == invoices.c.subscription_id)
    .outerjoin(plans, plans.c.id == subscriptions.c.plan_id)
    .outerjoin(payment_attempts, payment_attempts.c.invoice_id == invoices.c.id)
    .join(billing_keys, billing_keys.c.id == _own_key)
    .order_by(invoices.c.id, payment_attempts.c.number)
)
_own = payment_attempts.alias("own")
AT_ATTEMPTS = _LOCKED.where(invoices.c.id.in_(select(_own.c.invoice_id).where(_own.c.id == any_(_IDS))))
AT_INVOICES = _LOCKED.where(invoices.c.id == any_(_IDS))
LOCKED_NAMES = [
    *([c.name for c in table.c] for table in (invoices, plans, billing_keys, payment_attempts)),
    ["policy"],
]
