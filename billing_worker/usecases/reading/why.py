"""Explain in plain words why something was, or was not, charged, and what happens next."""

from billing_worker.domain.calendar import zone_named
from billing_worker.domain.errors import InvalidInput, NotFound
from billing_worker.domain.language import Language
from billing_worker.domain.text import storable
from billing_worker.ports.bundle import Ports
from billing_worker.ports.lists import Kind
from billing_worker.texts.alerts import line, ways_out
from billing_worker.texts.words import Words
from billing_worker.usecases.reading.outline import Outline
from billing_worker.usecases.reading.teller import Teller
from billing_worker.usecases.reading.views.control import of_way_out
from billing_worker.usecases.reading.views.fields import view_of
from billing_worker.usecases.reading.views.insight import Explanation


def why(ports: Ports, ident: str, timezone: str = "UTC", language: Language = Language.EN) -> Explanation:
    """Explain a subscription (sub_…), invoice (inv_…), attempt (att_…), refund (rfd_…), key (key_…), schedule (sch_…).

    It also takes a merchant_uid, an imp_uid, a customer_uid, an external_id or the merchant's own id of a customer, in
    this order. Times are in `timezone` (an IANA name), sentences in `language`.

    Raises NotFound for an unknown id of our form, or InvalidInput for any other unknown id.
    """
    if not storable(ident):
        raise _names_nothing(ident)
    with ports.database.transaction() as uow:
        words = Words(language, zone_named(timezone))
        teller = Teller(uow, ports.clock.moment().billing, ports.pg_limits, words)
        return _explained(_outline(teller, ident), language)


def _explained(outline: Outline, language: Language) -> Explanation:
    """The view of the outline, with its alerts and ways out in words."""
    offered = ways_out(outline.ways_out, language)
    then = " ".join(filter(None, (outline.next, offered[:1].upper() + offered[1:])))
    return view_of(
        Explanation,
        outline,
        next=then,
        ways_out=[of_way_out(way, language) for way in outline.ways_out],
        alerts=[line(alert, language) for alert in outline.alerts],
    )


def _outline(teller: Teller, ident: str) -> Outline:
    try:
        found = _by_own_id(teller, ident)
    except NotFound:
        # A merchant's own id may look like one of ours.
        found = _by_other_id(teller, ident)
        if found is None:
            raise
    found = found or _by_other_id(teller, ident)
    if found is None:
        raise _names_nothing(ident)
    return found


def _names_nothing(ident: str) -> InvalidInput:
    kinds = "a subscription, invoice, attempt, refund, key or customer"
    return InvalidInput("id", ident, f"is no id of {kinds}, no external_id, customer_uid, imp_uid or merchant_uid")


def _by_own_id(teller: Teller, ident: str) -> Outline | None:  # noqa: PLR0911 - one a kind of id
    uow = teller.uow
    match ident.partition("_")[0]:
        case "sub":
            return teller.of_subscription(uow.subscriptions.get(ident))
        case "inv":
            return teller.of_invoice(uow.invoices.get(ident))
        case "att":
            return teller.of_invoice(uow.invoices.get(uow.attempts.get(ident).invoice_id))
        case "rfd":
            return teller.of_refund(uow.refunds.get(ident))
        case "key":
            return teller.of_key(uow.keys.get(ident))
        case "sch":
            return teller.of_subscription(uow.subscriptions.get(uow.schedules.get(ident).subscription_id))
    return None


def _by_other_id(teller: Teller, ident: str) -> Outline | None:  # noqa: PLR0911 - one a kind of id
    uow = teller.uow
    invoice_id = uow.invoices.with_merchant_uid(ident)
    if invoice_id is not None:
        return teller.of_invoice(uow.invoices.get(invoice_id))
    schedule = uow.schedules.with_merchant_uid(ident)
    if schedule is not None:
        return teller.of_subscription(uow.subscriptions.get(schedule.subscription_id))
    for attempt in teller.listed(Kind.ATTEMPTS, imp_uid=ident):
        return teller.of_invoice(uow.invoices.get(attempt.invoice_id))
    key = uow.keys.with_customer_uid(ident)
    if key is not None:
        return teller.of_key(key)
    for subscription in teller.listed(Kind.SUBSCRIPTIONS, external_id=ident):
        return teller.of_subscription(subscription)
    for found in teller.listed(Kind.BILLING_KEYS, external_id=ident):
        return teller.of_key(found)
    theirs = teller.listed(Kind.SUBSCRIPTIONS, customer=ident)
    if len(theirs) == 1:
        return teller.of_subscription(theirs[0])
    if theirs:
        return teller.of_customer(ident, theirs)
    payments = teller.listed(Kind.PAYMENTS, customer=ident)
    if len(payments) == 1:
        return teller.of_invoice(payments[0])
    return teller.of_payments(ident, payments) if payments else None
