"""What a notice tells: the facts as they stand at this moment, the recipient, and a link to give another card."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from billing_worker.domain.billing_key import ISSUED_BY_PAYMENT
from billing_worker.domain.card_session import WAITING
from billing_worker.domain.errors import Conflict, InvalidInput
from billing_worker.domain.invoice import InvoiceStatus
from billing_worker.domain.language import Language
from billing_worker.domain.notices.notice import Notice, NoticeKind
from billing_worker.domain.plan import Plan
from billing_worker.ports.bundle import Ports
from billing_worker.ports.notices import Facts, Recipient
from billing_worker.usecases.card.create import NewCardSession, add_session
from billing_worker.usecases.card.link import link_of
from billing_worker.usecases.notice.matter import Matter

LINK_LIFE = timedelta(days=14)

LINKED = frozenset({NoticeKind.FAILED, NoticeKind.LAST_WARNING, NoticeKind.GIVEN_UP, NoticeKind.CARD_EXPIRING})
"""Kinds after which the customer may want to give another card."""

LANGUAGE = "language"
"""The key in a subscription's metadata that says its customer's language."""


@dataclass(frozen=True, slots=True)
class Contents:
    """Everything that one letter needs, but its words."""

    language: Language
    to: Recipient
    facts: Facts


def contents_of(ports: Ports, matter: Matter, notice: Notice) -> Contents:
    """The letter's contents. Its link opens one card session, however often the notice is sent."""
    language, key = _language(matter), matter.key
    link = _link(ports, matter, notice, language)
    return Contents(language, Recipient(key.buyer_name, key.buyer_email, key.buyer_tel), _facts(matter, notice, link))


def _language(matter: Matter) -> Language:
    """The subscription's own language, or the installation's."""
    own = matter.subscription.metadata.get(LANGUAGE) if matter.subscription is not None else None
    return Language(own) if own in set(Language) else matter.noticing.language


def _facts(matter: Matter, notice: Notice, link: str | None) -> Facts:
    invoice, agreed, card = matter.invoice, matter.agreed, matter.key.card
    charge_at = invoice.owed_from if invoice is not None else matter.of_subscription.next_period_start
    period = invoice.period if invoice is not None else None
    dead = invoice is not None and invoice.awaits_key
    again = _next_try(matter)
    attempts = matter.locked.attempts if matter.locked is not None else []
    category = attempts[-1].decline_category if attempts else None
    return {
        "customer": notice.customer,
        "customer_name": matter.key.buyer_name,
        "product": agreed.name,
        "amount": matter.money.amount,
        "currency": matter.money.currency,
        "timezone": agreed.calendar.zone if isinstance(agreed, Plan) else None,
        "subscription_id": notice.subscription_id,
        "invoice_id": notice.invoice_id,
        "charge_at": charge_at.isoformat(),
        "period_start": period.start.isoformat() if period is not None else None,
        "period_end": period.end.isoformat() if period is not None else None,
        "next_attempt_at": again.isoformat() if again is not None and not dead else None,
        "given_up_at": again.isoformat() if again is not None and dead else None,
        "win_back": matter.is_won_back_later,
        "decline_category": str(category) if category is not None else None,
        "card_issuer": card.issuer,
        "card_last_digits": card.last_digits,
        "card_expires_on": matter.expires_on.isoformat() if matter.expires_on is not None else None,
        "card_link": link,
    }


def _next_try(matter: Matter) -> datetime | None:
    """When the invoice is charged next, or given up if its card is dead; None: it is due, or no try is to come."""
    invoice = matter.invoice
    if invoice is None or invoice.is_due(matter.moment.billing):
        return None
    if invoice.status is InvoiceStatus.UNCOLLECTIBLE:
        return invoice.win_back_at if matter.is_won_back_later else None
    return invoice.next_attempt_at


def _link(ports: Ports, matter: Matter, notice: Notice, language: Language) -> str | None:
    """A link to the card page; None where the notice needs none, or no window takes this card's place."""
    links, uow = matter.noticing.links, matter.uow
    if links is None or matter.subscription is None or notice.kind not in LINKED:
        return None
    if notice.card_session_id is not None:
        known = uow.card_sessions.get(notice.card_session_id)
        return link_of(links.secret, links.url, known) if known.status in WAITING else None
    pg, key = links.pg or matter.key.pg_provider, matter.key
    amount = matter.money.amount if pg.partition(".")[0] in ISSUED_BY_PAYMENT else 0
    wanted = NewCardSession(
        pg,
        amount=amount,
        currency=matter.money.currency,
        product=matter.agreed.name,
        buyer_name=key.buyer_name,
        buyer_email=key.buyer_email,
        buyer_tel=key.buyer_tel,
        subscription_id=matter.subscription.id,
        language=language,
        life=LINK_LIFE,
    )
    try:
        session = add_session(ports, uow, wanted, matter.moment)
    except (InvalidInput, Conflict):
        # The key's PG has no window, or needs a field of the buyer that is not known.
        return None
    notice.card_session_id = session.id
    return link_of(links.secret, links.url, session)
