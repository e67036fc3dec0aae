"""What a notice is about, locked: its invoice, or the next charge of its subscription."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from billing_worker.domain.billing_key import BillingKey, KeyStatus
from billing_worker.domain.card_expiry import last_day
from billing_worker.domain.fallback import Cards
from billing_worker.domain.invoice import Invoice
from billing_worker.domain.moment import Moment
from billing_worker.domain.money import Money
from billing_worker.domain.notices.notice import Notice, NoticeKind
from billing_worker.domain.notices.switches import Switches
from billing_worker.domain.notices.truth import Drop, Verdict, of_invoice, of_next_charge
from billing_worker.domain.plan import Plan
from billing_worker.domain.settlement import LockedInvoice
from billing_worker.domain.single_payment import SinglePayment
from billing_worker.domain.subscription import Subscription
from billing_worker.ports.bundle import Ports
from billing_worker.ports.notices import Noticing
from billing_worker.ports.storage import UnitOfWork


@dataclass(frozen=True, slots=True)
class Matter:
    """The records that a notice is about, under the lock of their subscription."""

    uow: UnitOfWork
    noticing: Noticing
    moment: Moment
    """Read under the lock."""
    shadow: bool
    """Whether the whole installation is in shadow."""
    agreed: Plan | SinglePayment
    key: BillingKey
    """The card that is charged next, or was to be charged."""
    subscription: Subscription | None
    locked: LockedInvoice | None
    """None for a notice about the next charge."""

    @property
    def invoice(self) -> Invoice | None:
        """Its invoice, if there is one yet."""
        return self.locked.invoice if self.locked is not None else None

    @property
    def is_won_back_later(self) -> bool:
        """Whether its invoice is tried once more after dunning gives up, or has given up."""
        if self.locked is None or self.key.status is not KeyStatus.ACTIVE:
            return False
        invoice, planned = self.locked.invoice, self.locked.policy.ending.win_back is not None
        return invoice.win_back_at is not None or (planned and not invoice.won_back)

    @property
    def money(self) -> Money:
        """What is, was, or will be charged."""
        if self.locked is not None:
            return self.locked.invoice.money
        return self.uow.plans.get(self.of_subscription.plan_id).money

    @property
    def expires_on(self) -> date | None:
        """The last day of the card, if it is known."""
        return expiry_of(self.key)

    @property
    def of_subscription(self) -> Subscription:
        """The subscription that is charged next."""
        if self.subscription is None:
            raise AssertionError("a notice about the next charge has a subscription")
        return self.subscription

    def waiting(self, notice_id: str) -> Sequence[Notice]:
        """Notices of the same subject and channel that wait and are due, and this one, in the order of writing."""
        notices = self.uow.notices
        return notices.lock_waiting(notices.get(notice_id), self.moment.real)

    def verdict(self, notice: Notice) -> Verdict:
        """Whether a notice about these is still true, and on."""
        if self.shadow:
            return Drop("the installation is in shadow")
        if not switches_of_plan(self.agreed, self.noticing).has(notice.kind):
            return Drop(f"{notice.kind} is switched off")
        if self.locked is not None:
            warned = notice.kind is NoticeKind.RECOVERED and self.uow.notices.warned(notice)
            return of_invoice(notice, self.locked, self.moment, warned=warned)
        return of_next_charge(notice, self.of_subscription, self.key, self.moment.billing, self.expires_on)


def matter_of(ports: Ports, uow: UnitOfWork, noticing: Noticing, notice: Notice) -> Matter:
    """Lock what a notice is about. Raises NotFound."""
    if notice.invoice_id is not None:
        locked = uow.lock_invoice(notice.invoice_id)
        key = uow.keys.get(locked.invoice.billing_key_id)
        moment = ports.clock.moment()
        return Matter(uow, noticing, moment, ports.shadow, locked.agreed, key, locked.subscription, locked)
    (due,) = uow.lock_renewals([notice.subject_id])
    moment = ports.clock.moment()
    key = charged_next(uow, due.subscription, due.key)
    return Matter(uow, noticing, moment, ports.shadow, due.plan, key, due.subscription, None)


def charged_next(uow: UnitOfWork, subscription: Subscription, main: BillingKey) -> BillingKey:
    """The key of its next charge, as far as is known: a fallback for a dead main one, or one past its month by then."""
    fallbacks = uow.fallbacks.in_use([subscription.id]).get(subscription.id, ())
    return Cards(main, fallbacks).first_choice(main, (), subscription.next_period_start) if fallbacks else main


def switches_of_plan(agreed: Plan | SinglePayment, noticing: Noticing) -> Switches:
    """The plan's own switches, or the installation's."""
    own = agreed.notices if isinstance(agreed, Plan) else None
    return noticing.switches if own is None else own


def expiry_of(key: BillingKey) -> date | None:
    """The last day on which a card is valid, in Seoul; None if its month is not known."""
    return last_day(key.card_expires) if key.card_expires is not None else None
