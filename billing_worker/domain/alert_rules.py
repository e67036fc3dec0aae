"""The rules for each kind of alert, and a check that an alert carries the facts of its kind."""

from collections.abc import Mapping

from billing_worker.domain.alerts import (
    CASE,
    Action,
    AlertKind,
    AlertRule,
    Case,
    Closes,
    Concerns,
    Fact,
    Facts,
    Severity,
    one,
)
from billing_worker.domain.operation_rules import OPERATION_RULES
from billing_worker.domain.pingback_alerts import PINGBACK_RULES

_A, _COMPARE = Action, Action.COMPARE_SCHEDULES
_CRITICAL, _WARNING, _INFO = Severity
_ITSELF, _ACTION, _OPERATOR = Closes
_DO_ISSUE = (_A.COUNT_ISSUING_PAYMENT, _A.DISREGARD_ISSUING_PAYMENT)
_DO_PENDING = (_A.LOOK_UP_IN_CONSOLE, _A.CHECK_PINGBACK_URL, _A.ASK_FOR_CARD)
_DO_PHANTOM = (_A.LOOK_UP_IN_CONSOLE, _A.ASK_PORTONE, _A.CHARGE_NOTHING_BY_HAND)
_REFUSED = {
    "merchant_configuration": Case(("reason", "invoice"), (_A.FIX_SETTINGS_AT_PG, _A.RETRY_WAITING_INVOICE)),
    "merchant_contract": Case(("reason", "invoice"), (_A.EXTEND_CONTRACT, _A.RETRY_WAITING_INVOICE)),
}
_SHADOWED = ("decided", "agrees", "declined", "differs", "missing", "unexpected")
_BOTH, _STOP = ("order", "here", "there"), ("scope", "since", "reason")
_RISE = ("declined", "tried", "hours", "usual")

RULES: Mapping[AlertKind, AlertRule] = {
    AlertKind.UNKNOWN: AlertRule(
        Concerns.ATTEMPT,
        _WARNING,
        _ITSELF,
        one("order", "reason", do=(_A.LOOK_UP_IN_CONSOLE, _A.CHARGE_NOTHING_BY_HAND)),
    ),
    AlertKind.NOT_PLACED: AlertRule(
        Concerns.INVOICE, _CRITICAL, _ITSELF, one("reason", do=(_A.RUN_DOCTOR, _A.ASK_PORTONE))
    ),
    AlertKind.MERCHANT_REFUSED: AlertRule(Concerns.PG, _CRITICAL, _ITSELF, _REFUSED),
    AlertKind.DECLINES_RISE: AlertRule(
        Concerns.PG,
        _CRITICAL,
        _ITSELF,
        {
            "pg": Case(_RISE, (_A.SHOW_OUTCOMES, _A.ASK_PORTONE, _A.STOP_CHARGES_OF_PG)),
            "all": Case(_RISE, (_A.SHOW_OUTCOMES, _A.ASK_PORTONE, _A.STOP_CHARGES)),
        },
    ),
    AlertKind.SURPLUS_PAYMENT: AlertRule(
        Concerns.INVOICE, _INFO, _ITSELF, one("payment", "invoice_status", do=(_A.WAIT,))
    ),
    AlertKind.REFUND_FAILED: AlertRule(
        Concerns.REFUND,
        _WARNING,
        _ITSELF,
        one("money", "attempt", "reason", do=(_A.REQUEST_REFUND, _A.REFUND_IN_CONSOLE)),
    ),
    AlertKind.REFUND_STUCK: AlertRule(
        Concerns.REFUND,
        _WARNING,
        _ITSELF,
        {
            "unseen": Case(("reason",), (_A.LOOK_UP_IN_CONSOLE,)),
            "tried": Case(("times", "reason"), (_A.RUN_DOCTOR, _A.LOOK_UP_IN_CONSOLE)),
        },
    ),
    AlertKind.MISMATCH: AlertRule(
        Concerns.ATTEMPT, _CRITICAL, _ITSELF, one("reason", do=(_A.LOOK_UP_IN_CONSOLE, _A.REFUND_IN_CONSOLE))
    ),
    AlertKind.CANCELLED_ELSEWHERE: AlertRule(
        Concerns.ATTEMPT,
        _WARNING,
        _OPERATOR,
        one("payment", "invoice", "given_back", do=(_A.DECIDE_WHAT_IS_OWED, _A.CLOSE_ALERT)),
    ),
    AlertKind.WEBHOOK_MISMATCH: AlertRule(Concerns.PAYMENT, _INFO, _OPERATOR, one(do=(_A.CLOSE_ALERT,))),
    AlertKind.INBOX_STUCK: AlertRule(
        Concerns.INBOX,
        _CRITICAL,
        _ITSELF,
        {
            "read": Case(("count", "newest", "note"), (_A.LIST_STUCK_NOTIFICATIONS, _A.RUN_DOCTOR)),
            "unread": Case(("count", "newest"), (_A.LIST_STUCK_NOTIFICATIONS, _A.RUN_DOCTOR)),
        },
    ),
    AlertKind.INBOX_FOREIGN: AlertRule(
        Concerns.INBOX, _WARNING, _ITSELF, one("count", do=(_A.RESTRICT_WEBHOOKS, _A.RAISE_FOREIGN_READS))
    ),
    AlertKind.TAKEN_BACK: AlertRule(
        Concerns.INVOICE,
        _WARNING,
        _ITSELF,
        {
            "again": Case(("attempt", "subscription", "next"), (_A.CANCEL_SUBSCRIPTION,)),
            "over": Case(("attempt", "subscription"), (_A.CANCEL_SUBSCRIPTION,)),
            "waits": Case(("attempt", "subscription", "times"), (_A.RETRY_INVOICE, _A.CANCEL_SUBSCRIPTION)),
            "single_over": Case(("attempt",), (_A.CLOSE_ALERT,)),
            "single_waits": Case(("attempt", "times"), (_A.RETRY_INVOICE, _A.CANCEL_PAYMENT)),
        },
    ),
    AlertKind.KEY_PENDING: AlertRule(
        Concerns.KEY,
        _WARNING,
        _ITSELF,
        {
            "unreadable": Case(("since",), _DO_PENDING),
            "deleting": Case(("since",), (_A.LOOK_UP_IN_CONSOLE, _A.RUN_DOCTOR)),
            "no_payment": Case(("since",), _DO_PENDING),
            "no_key": Case(("since", "payment", "status"), _DO_PENDING),
            "has_key": Case(("since", "payment", "status"), _DO_PENDING),
            "not_stored": Case(("since",), (_A.CHECK_CUSTOMER_UID, _A.ASK_FOR_CARD)),
            "other_pg": Case(("since", "registered", "told"), (_A.SET_KEY_PG,)),
            "other_payment": Case(("since", "payment"), (_A.LOOK_UP_IN_CONSOLE, _A.ASK_FOR_CARD)),
            "not_paid": Case(("since", "payment", "status"), (_A.LOOK_UP_IN_CONSOLE, _A.ASK_FOR_CARD)),
        },
    ),
    AlertKind.CARD_PAYMENT: AlertRule(
        Concerns.PAYMENT,
        _WARNING,
        _OPERATOR,
        one("money", "wanted", "session", do=(_A.LOOK_UP_IN_CONSOLE, _A.REFUND_IN_CONSOLE, _A.CLOSE_ALERT)),
    ),
    AlertKind.KEY_EMAIL: AlertRule(
        Concerns.KEY, _WARNING, _ITSELF, one("registered", "issued", do=(_A.SET_KEY_EMAIL, _A.ISSUE_KEY_AGAIN))
    ),
    AlertKind.ISSUED_TWICE: AlertRule(
        Concerns.PAYMENT, _WARNING, _ITSELF, one("money", "key", "first", do=(_A.REFUND_IN_CONSOLE,))
    ),
    AlertKind.ISSUING_PAYMENT: AlertRule(
        Concerns.KEY,
        _WARNING,
        _ACTION,
        {
            "unclear": Case(("payment", "money", "subscriptions"), _DO_ISSUE),
            "unseen": Case(
                ("payment",), (_A.LOOK_UP_IN_CONSOLE, _A.INCLUDE_TEST_CHANNEL, _A.DISREGARD_ISSUING_PAYMENT)
            ),
        },
    ),
    AlertKind.NOT_SERVED: AlertRule(
        Concerns.WORK, _CRITICAL, _OPERATOR, one("job", "error", do=(_A.READ_LOG, _A.REPORT_BUG, _A.CLOSE_ALERT))
    ),
    AlertKind.CATCH_UP: AlertRule(
        Concerns.PLAN,
        _WARNING,
        _ACTION,
        one("plan_name", do=(_A.PREVIEW_LATE_PERIODS, _A.DECIDE_LATE_PERIODS_OF_PLAN)),
    ),
    AlertKind.EVENTS_DISABLED: AlertRule(
        Concerns.ENDPOINT,
        _CRITICAL,
        _ACTION,
        {
            "failing": Case(("url", "since", "trouble"), (_A.ENABLE_ENDPOINT, _A.SET_ANOTHER_RECEIVER)),
            "gone": Case(("url", "trouble"), (_A.ENABLE_ENDPOINT, _A.SET_ANOTHER_RECEIVER)),
        },
    ),
    AlertKind.EVENTS_GIVEN_UP: AlertRule(
        Concerns.ENDPOINT,
        _WARNING,
        _ACTION,
        one("count", "last", "trouble", do=(_A.LIST_GIVEN_UP_EVENTS, _A.REPLAY_GIVEN_UP_EVENTS)),
    ),
    AlertKind.NOTICES_UNDELIVERED: AlertRule(
        Concerns.CHANNEL, _WARNING, _ITSELF, one("url", "trouble", do=(_A.LIST_FAILED_NOTICES, _A.REPAIR_CHANNEL))
    ),
    AlertKind.ALERTS_UNDELIVERED: AlertRule(
        Concerns.CHANNEL, _CRITICAL, _ITSELF, one("url", "trouble", do=(_A.REPAIR_ALERT_CHANNEL,))
    ),
    AlertKind.STOPPED: AlertRule(
        Concerns.STOP,
        _CRITICAL,
        _ACTION,
        {
            "person": Case(_STOP, (_A.CLEAR_STOP,)),
            "breach": Case(_STOP, (_A.RUN_AUDIT, _A.CLEAR_STOP)),
            "budget": Case(_STOP, (_A.CLEAR_STOP,)),
            "issue": Case((*_STOP, "key", "subscription"), _DO_ISSUE),
            "environment": Case(_STOP, (_A.CLAIM_ENVIRONMENT,)),
            "gateway": Case(_STOP, (_A.RUN_DOCTOR, _A.CLEAR_STOP)),
        },
    ),
    AlertKind.INVARIANT: AlertRule(
        Concerns.INVARIANT, _CRITICAL, _ITSELF, one("promises", "count", "found", do=(_A.RUN_AUDIT, _A.REPORT_BUG))
    ),
    AlertKind.ORPHAN_PAYMENT: AlertRule(
        Concerns.PAYMENT,
        _CRITICAL,
        _ITSELF,
        one(
            *("money", "order", "period", "subscription"),
            do=(_A.LEAVE_RESTORED_SUBSCRIPTION, _A.SUBSCRIBE_AGAIN, _A.REFUND_IN_CONSOLE),
        ),
    ),
    AlertKind.UNASKED_PAYMENT: AlertRule(
        Concerns.ATTEMPT,
        _WARNING,
        _ITSELF,
        one(
            *("payment", "money", "order", "invoice"),
            do=(_A.FIND_OUT_WHO_CHARGED, _A.TURN_RECOVERY_OFF, _A.CLOSE_ALERT),
        ),
    ),
    AlertKind.TWIN_SUBSCRIPTION: AlertRule(
        Concerns.SUBSCRIPTION,
        _WARNING,
        _ITSELF,
        one("plan", "earlier", do=(_A.CANCEL_SUBSCRIPTION, _A.REQUEST_REFUND, _A.CLOSE_ALERT)),
    ),
    AlertKind.SCHEDULE_REFUSED: AlertRule(
        Concerns.SUBSCRIPTION, _WARNING, _ITSELF, one("reason", "date", do=(_A.ASK_PORTONE, _A.RUN_DOCTOR))
    ),
    AlertKind.SCHEDULE_UNCLEAR: AlertRule(
        Concerns.SCHEDULE,
        _WARNING,
        _ITSELF,
        {
            "registering": Case(("order", "date", "reason"), (_A.RUN_DOCTOR, _A.LOOK_UP_SCHEDULE)),
            "revoking": Case(("order", "date", "reason"), (_A.RUN_DOCTOR, _A.REVOKE_IN_CONSOLE)),
        },
    ),
    AlertKind.SCHEDULE_DIFFERS: AlertRule(
        Concerns.SCHEDULE,
        _WARNING,
        _ITSELF,
        {
            "missing": Case((*_BOTH, "subscription"), (_A.LOOK_UP_SCHEDULE, _A.CANCEL_SUBSCRIPTION, _COMPARE)),
            "unknown": Case(("order", "there", "key"), (_A.FIND_OUT_WHO_SCHEDULED, _A.REVOKE_IN_CONSOLE, _COMPARE)),
            "revived": Case(_BOTH, (_A.REVOKE_IN_CONSOLE, _COMPARE)),
            "taken_back": Case(_BOTH, (_A.FIND_OUT_WHO_SCHEDULED, _COMPARE)),
            "content": Case(_BOTH, (_A.LOOK_UP_SCHEDULE, _A.REVOKE_IN_CONSOLE, _COMPARE)),
            "unreadable": Case(_BOTH, (_A.LOOK_UP_SCHEDULE, _A.REPORT_BUG, _COMPARE)),
        },
    ),
    AlertKind.SHADOW_DIFFERS: AlertRule(
        Concerns.DAY, _INFO, _OPERATOR, one(*_SHADOWED, do=(_A.LIST_SHADOW, _A.CLOSE_ALERT))
    ),
    AlertKind.FOREIGN_PAYMENT: AlertRule(
        Concerns.PAYMENT,
        _WARNING,
        _ITSELF,
        one("money", "order", do=(_A.FIND_OUT_WHO_CHARGED, _A.REFUND_IN_CONSOLE, _A.TURN_RECOVERY_OFF)),
    ),
    AlertKind.PHANTOM_PAYMENT: AlertRule(
        Concerns.ATTEMPT,
        _CRITICAL,
        _ITSELF,
        {
            "missing": Case(("invoice", "payment", "since"), _DO_PHANTOM),
            "differs": Case(("invoice", "payment", "since", "status", "order"), _DO_PHANTOM),
        },
    ),
    AlertKind.UNREADABLE_PAYMENT: AlertRule(
        Concerns.PAYMENT, _WARNING, _ITSELF, one("order", "problem", do=(_A.LOOK_UP_IN_CONSOLE, _A.REPORT_BUG))
    ),
    AlertKind.NOT_COMPARED: AlertRule(
        Concerns.COMPARISON, _WARNING, _ITSELF, one("since", "trouble", do=(_A.RUN_DOCTOR, _A.WAIT))
    ),
    **OPERATION_RULES,
    **PINGBACK_RULES,
}


def case_of(kind: AlertKind, facts: Facts) -> Case:
    """The case that these facts belong to. Raises KeyError for a case that the kind does not have."""
    return RULES[kind].cases[str(facts.get(CASE, ""))]


def checked(kind: AlertKind, facts: Facts) -> dict[str, Fact]:
    """The facts as stored: exactly those of their case. Raises AssertionError otherwise: a mistake in the code."""
    case = RULES[kind].cases.get(str(facts.get(CASE, "")))
    expected = {*case.facts, *({CASE} if CASE in facts else ())} if case is not None else None
    if set(facts) != expected:
        raise AssertionError(f"an alert {kind} says {sorted(facts)}, not {expected or list(RULES[kind].cases)}")
    return {name: fact if isinstance(fact, str | int | None) else list(fact) for name, fact in facts.items()}


def about(kind: AlertKind, subject_id: str, facts: Facts) -> dict[str, Fact]:
    """The facts, with the subject added under the name of what it is."""
    return {RULES[kind].concerns.value: subject_id, **facts}
