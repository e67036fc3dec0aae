"""Conversions between rows and entities: plain functions, one pair per kind."""

from billing_worker.adapters.database.repository import Values, plain
from billing_worker.domain.access import ApiToken
from billing_worker.domain.action import Action
from billing_worker.domain.billing_key import BillingKey, IssuingPayment
from billing_worker.domain.calendar import AnchoredCalendar, BillingCalendar, CronCalendar, Unit
from billing_worker.domain.catch_up import Bucket, CatchUpPolicy, ServiceSpan
from billing_worker.domain.comparing import Booked
from billing_worker.domain.comparison import Comparison
from billing_worker.domain.delivery import Endpoint
from billing_worker.domain.dunning import DunningPolicy
from billing_worker.domain.events import Event, EventType
from billing_worker.domain.gateway_watch import GatewayWatch
from billing_worker.domain.invoice import Invoice, PaymentAttempt, Period
from billing_worker.domain.money import Money
from billing_worker.domain.pg_limits import PgTurns
from billing_worker.domain.pingback import PingbackPayment
from billing_worker.domain.plan import Plan
from billing_worker.domain.refund import Refund
from billing_worker.domain.stop import Stop
from billing_worker.domain.subscription import Subscription
from billing_worker.ports.alerts import Alert
from billing_worker.ports.incoming import InboxMessage
from billing_worker.ports.outgoing import OutboxMessage

ISSUED = ("imp_uid", "merchant_uid", "amount", "currency", "paid_at", "buyer_email", "evidence_id")
"""Columns of the payment that issued a key, each with the prefix `issue_`."""


def plan_values(plan: Plan) -> Values:
    """A plan's row."""
    values = plain(plan)
    calendar: BillingCalendar = values.pop("calendar")
    values["dunning_days"] = list(values.pop("dunning").retry_days)
    anchored = calendar if isinstance(calendar, AnchoredCalendar) else None
    catch_up: CatchUpPolicy = values.pop("catch_up")
    return values | {
        "catch_up_mode": catch_up.mode,
        "catch_up_max_age": catch_up.max_age,
        "timezone": calendar.zone,
        "cron": calendar.expression if isinstance(calendar, CronCalendar) else None,
        "interval_unit": anchored.unit.value if anchored else None,
        "interval_count": anchored.count if anchored else None,
    }


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
        dunning=DunningPolicy(tuple(row["dunning_days"])),
        created_at=row["created_at"],
        catch_up=CatchUpPolicy(row["catch_up_mode"], row["catch_up_max_age"]),
        external_id=row["external_id"],
        metadata=row["metadata"],
    )


def key_values(key: BillingKey) -> Values:
    """A billing key's row."""
    values = plain(key)
    issue = plain(values.pop("issue")) if key.issue is not None else dict.fromkeys(ISSUED)
    values.pop("issue", None)
    return values | {f"issue_{name}": value for name, value in issue.items()}


def to_key(row: Values) -> BillingKey:
    """The billing key in a row."""
    seen = {name: row.pop(f"issue_{name}") for name in ISSUED}
    amount, currency = seen.pop("amount"), seen.pop("currency")
    if seen["imp_uid"] is not None:
        row["issue"] = IssuingPayment(money=Money(amount, currency), **seen)
    return BillingKey(**row)


def to_subscription(row: Values) -> Subscription:
    """The subscription in a row."""
    return Subscription(**row)


def to_invoice(row: Values) -> Invoice:
    """The invoice in a row."""
    row["period"] = Period(row.pop("period_index"), row.pop("period_start"), row.pop("period_end"))
    row["money"] = Money(row.pop("amount"), row.pop("currency"))
    return Invoice(**row)


def to_attempt(row: Values) -> PaymentAttempt:
    """The attempt in a row."""
    row["money"] = Money(row.pop("amount"), row.pop("currency"))
    return PaymentAttempt(**row)


def to_refund(row: Values) -> Refund:
    """The refund in a row."""
    row["money"] = Money(row.pop("amount"), row.pop("currency"))
    return Refund(**row)


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
