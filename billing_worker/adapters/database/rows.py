"""Conversions between rows and entities: plain functions, one pair per kind."""

import json
from dataclasses import fields

from billing_worker.adapters.database.policies import policy_in
from billing_worker.adapters.database.repository import Values, plain
from billing_worker.domain.access import ApiToken
from billing_worker.domain.action import Action
from billing_worker.domain.billing_key import BillingKey, IssuingPayment
from billing_worker.domain.calendar import AnchoredCalendar, BillingCalendar, CronCalendar, Unit
from billing_worker.domain.card import CardFacts
from billing_worker.domain.card_session import CardSession
from billing_worker.domain.catch_up import Bucket, CatchUpPolicy, ServiceSpan
from billing_worker.domain.comparing import Booked
from billing_worker.domain.comparison import Comparison
from billing_worker.domain.delivery import Endpoint
from billing_worker.domain.dunning.version import PolicyVersion
from billing_worker.domain.events import Event, EventType
from billing_worker.domain.fallback import FallbackKey
from billing_worker.domain.gateway_watch import GatewayWatch
from billing_worker.domain.invoice import Invoice, PaymentAttempt, Period
from billing_worker.domain.key_call import KeyCall
from billing_worker.domain.money import Money
from billing_worker.domain.notices.notice import Notice
from billing_worker.domain.notices.switches import switches
from billing_worker.domain.payment_options import PLAIN, PaymentOptions
from billing_worker.domain.pg_limits import PgTurns
from billing_worker.domain.pingback import PingbackPayment
from billing_worker.domain.plan import Plan
from billing_worker.domain.refund import Refund
from billing_worker.domain.schedule import Schedule
from billing_worker.domain.shadow import ShadowCharge
from billing_worker.domain.single_payment import SinglePayment
from billing_worker.domain.stop import Stop
from billing_worker.domain.subscription import Subscription
from billing_worker.ports.alerts import Alert
from billing_worker.ports.incoming import InboxMessage
from billing_worker.ports.outgoing import OutboxMessage

ISSUED = ("imp_uid", "merchant_uid", "amount", "currency", "paid_at", "buyer_email", "evidence_id")
"""Columns of the payment that issued a key, each with the prefix `issue_`."""


OPTIONS = tuple(each.name for each in fields(PaymentOptions))
"""Columns of the optional fields of a charge."""
_OF_INVOICES = [each.name for each in fields(Invoice) if each.name not in ("period", "money", "single", "options")]
NO_OPTIONS = dict.fromkeys(OPTIONS)
OF_PERIOD = dict.fromkeys(("customer", "name"))
"""Columns that only a single payment has."""


def to_policy_version(row: Values) -> PolicyVersion:
    """The version of a policy in a row."""
    policy = policy_in(json.dumps(row["definition"]))
    return PolicyVersion(row["name"], row["version"], policy, row["created_at"])


def plan_values(plan: Plan) -> Values:
    """A plan's row."""
    values = plain(plan)
    calendar: BillingCalendar = values.pop("calendar")
    anchored = calendar if isinstance(calendar, AnchoredCalendar) else None
    catch_up: CatchUpPolicy = values.pop("catch_up")
    values["notices"] = plan.notices.words if plan.notices is not None else None
    return (
        values
        | plain(values.pop("options"))
        | {
            "catch_up_mode": catch_up.mode,
            "catch_up_max_age": catch_up.max_age,
            "timezone": calendar.zone,
            "cron": calendar.expression if isinstance(calendar, CronCalendar) else None,
            "interval_unit": anchored.unit.value if anchored else None,
            "interval_count": anchored.count if anchored else None,
        }
    )


def to_plan(row: Values) -> Plan:
    """The plan in a row."""
    calendar: BillingCalendar
    if row["cron"] is not None:
        calendar = CronCalendar(row["cron"], row["timezone"])
    else:
        calendar = AnchoredCalendar(Unit(row["interval_unit"]), row["interval_count"], row["timezone"])
    return Plan(
        id=row["id"],
        name=row["name"],
        money=Money(row["amount"], row["currency"]),
        calendar=calendar,
        dunning_policy=row["dunning_policy"],
        created_at=row["created_at"],
        catch_up=CatchUpPolicy(row["catch_up_mode"], row["catch_up_max_age"]),
        options=_to_options(row),
        collection=row["collection"],
        notices=switches(row["notices"]) if row["notices"] is not None else None,
        external_id=row["external_id"],
        metadata=row["metadata"],
    )


CARD = tuple(each.name for each in fields(CardFacts))
"""Columns of a key's card, each with the prefix `card_`."""


def key_values(key: BillingKey) -> Values:
    """A billing key's row."""
    values = plain(key)
    issue = plain(values.pop("issue")) if key.issue is not None else dict.fromkeys(ISSUED)
    values.pop("issue", None)
    values |= {f"card_{name}": getattr(values["card"], name) for name in CARD}
    del values["card"]
    return values | {f"issue_{name}": value for name, value in issue.items()}


def to_key(row: Values) -> BillingKey:
    """The billing key in a row."""
    row["declined_at"] = tuple(row["declined_at"])
    seen = {name: row.pop(f"issue_{name}") for name in ISSUED}
    amount, currency = seen.pop("amount"), seen.pop("currency")
    if seen["imp_uid"] is not None:
        row["issue"] = IssuingPayment(money=Money(amount, currency), **seen)
    return BillingKey(card=CardFacts(*(row.pop(f"card_{name}") for name in CARD)), **row)


def to_key_call(row: Values) -> KeyCall:
    """The call about a key in a row."""
    return KeyCall(**row)


def to_fallback_key(row: Values) -> FallbackKey:
    """The fallback key in a row."""
    return FallbackKey(**row)


def to_subscription(row: Values) -> Subscription:
    """The subscription in a row."""
    return Subscription(**row)


def invoice_values(invoice: Invoice) -> Values:
    """An invoice's row. A single payment keeps the time at which it is to be charged as the start of its period."""
    period, options = invoice.period, invoice.options
    values: Values = {name: getattr(invoice, name) for name in _OF_INVOICES}
    values["amount"], values["currency"] = invoice.money.amount, invoice.money.currency
    values |= NO_OPTIONS if options is PLAIN else {name: getattr(options, name) for name in OPTIONS}
    if period is not None:
        values["period_index"], values["period_start"], values["period_end"] = period.index, period.start, period.end
        return values | OF_PERIOD
    single = invoice.of_single
    own = {"customer": single.customer, "name": single.name}
    return values | own | {"period_index": None, "period_start": single.at, "period_end": None}


def to_invoice(row: Values) -> Invoice:
    """The invoice in a row."""
    index, start, end = row.pop("period_index"), row.pop("period_start"), row.pop("period_end")
    customer, name = row.pop("customer"), row.pop("name")
    row["options"] = _to_options(row)
    row["money"] = Money(row.pop("amount"), row.pop("currency"))
    if row["subscription_id"] is None:
        single = SinglePayment(customer, name, start)
        return Invoice(**row, period=None, single=single)
    return Invoice(**row, period=Period(index, start, end))


def _to_options(row: Values) -> PaymentOptions:
    """The optional fields of a charge in a row, which are taken out of it."""
    values = {name: row.pop(name) for name in OPTIONS}
    return PaymentOptions(**values) if any(value is not None for value in values.values()) else PLAIN


def to_attempt(row: Values) -> PaymentAttempt:
    """The attempt in a row."""
    row["money"] = Money(row.pop("amount"), row.pop("currency"))
    return PaymentAttempt(**row)


def to_refund(row: Values) -> Refund:
    """The refund in a row."""
    row["money"] = Money(row.pop("amount"), row.pop("currency"))
    return Refund(**row)


def to_schedule(row: Values) -> Schedule:
    """The schedule in a row."""
    row["money"] = Money(row.pop("amount"), row.pop("currency"))
    return Schedule(**row)


def to_shadow_charge(row: Values) -> ShadowCharge:
    """What would have been charged, in a row."""
    row["money"] = Money(row.pop("amount"), row.pop("currency"))
    return ShadowCharge(**row)


def to_card_session(row: Values) -> CardSession:
    """The card session in a row."""
    return CardSession(money=Money(row.pop("amount"), row.pop("currency")), **row)


def to_bucket(row: Values) -> Bucket:
    """The bucket in a row."""
    return Bucket(**row)


def to_service_span(row: Values) -> ServiceSpan:
    """The span of service in a row."""
    return ServiceSpan(**row)


def to_pg_turns(row: Values) -> PgTurns:
    """The turns of a PG in a row."""
    return PgTurns(**row)


def to_gateway_watch(row: Values) -> GatewayWatch:
    """The watch of the gateway in a row."""
    return GatewayWatch(**row)


def to_inbox_message(row: Values) -> InboxMessage:
    """The received notification in a row."""
    return InboxMessage(**row)


def to_outbox_message(row: Values) -> OutboxMessage:
    """The outgoing event in a row."""
    event = Event(EventType(row.pop("type")), row.pop("subject_id"), row.pop("data"))
    del row["sequence"], row["stream_id"]
    return OutboxMessage(event=event, **row)


def to_endpoint(row: Values) -> Endpoint:
    """The merchant's receiver in a row."""
    return Endpoint(**row)


def to_notice(row: Values) -> Notice:
    """The notice in a row."""
    del row["number"]
    return Notice(**row)


def to_alert(row: Values) -> Alert:
    """The alert in a row."""
    return Alert(**row)


def to_pingback_payment(row: Values) -> PingbackPayment:
    """The payment at Paymentwall in a row."""
    return PingbackPayment(**row)


def to_stop(row: Values) -> Stop:
    """The stop in a row."""
    return Stop(**row)


def to_comparison(row: Values) -> Comparison:
    """The comparison in a row."""
    return Comparison(**row)


def to_booked(row: Values) -> Booked:
    """The compared fields of the attempt in a row."""
    row["money"] = Money(row.pop("amount"), row.pop("currency"))
    return Booked(**row)


def to_api_token(row: Values) -> ApiToken:
    """The token in a row."""
    return ApiToken(**row)


def to_action(row: Values) -> Action:
    """The action in a row."""
    return Action(**row)
