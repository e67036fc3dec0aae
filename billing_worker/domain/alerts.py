"""Alerts for operators: their kinds, subjects, severities, how they close, and the ways out.

An alert carries facts, never a sentence: `billing_worker.texts` makes the sentence when it is shown, in the reader's
language, and turns an action into a command or a button. `alert_rules` has what holds for each kind.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

Fact = str | int | Sequence[str] | None
Facts = Mapping[str, Fact]
"""What an alert says, by name. Nothing in it may be secret: no card number, no token, no whole e-mail address."""

CASE = "case"
"""The fact that distinguishes the cases of one kind of alert."""


class AlertKind(StrEnum):
    """What an operator is alerted to. The value is what the database, the API and the command line call it."""

    UNKNOWN = "unknown"
    NOT_PLACED = "not_placed"
    MERCHANT_REFUSED = "merchant_refused"
    SURPLUS_PAYMENT = "surplus_payment"
    REFUND_FAILED = "refund_failed"
    REFUND_STUCK = "refund_stuck"
    MISMATCH = "mismatch"
    CANCELLED_ELSEWHERE = "cancelled_elsewhere"
    WEBHOOK_MISMATCH = "webhook_mismatch"
    INBOX_STUCK = "inbox_stuck"
    INBOX_FOREIGN = "inbox_foreign"
    TAKEN_BACK = "taken_back"
    KEY_PENDING = "key_pending"
    CARD_PAYMENT = "card_payment"
    SCHEDULE_REFUSED = "schedule_refused"
    SCHEDULE_UNCLEAR = "schedule_unclear"
    SCHEDULE_DIFFERS = "schedule_differs"
    SHADOW_DIFFERS = "shadow_differs"
    KEY_EMAIL = "key_email"
    ISSUED_TWICE = "issued_twice"
    ISSUING_PAYMENT = "issuing_payment"
    NOT_SERVED = "not_served"
    CATCH_UP = "catch_up"
    EVENTS_DISABLED = "events_disabled"
    EVENTS_GIVEN_UP = "events_given_up"
    NOTICES_UNDELIVERED = "notices_undelivered"
    ALERTS_UNDELIVERED = "alerts_undelivered"
    STOPPED = "stopped"
    INVARIANT = "invariant"
    ORPHAN_PAYMENT = "orphan_payment"
    UNASKED_PAYMENT = "unasked_payment"
    TWIN_SUBSCRIPTION = "twin_subscription"
    FOREIGN_PAYMENT = "foreign_payment"
    PHANTOM_PAYMENT = "phantom_payment"
    UNREADABLE_PAYMENT = "unreadable_payment"
    NOT_COMPARED = "not_compared"
    PINGBACK_REVERSAL = "pingback_reversal"
    PINGBACK_PARTIAL = "pingback_partial"
    PINGBACK_CONTRADICTION = "pingback_contradiction"
    PINGBACK_GOODSID = "pingback_goodsid"
    PINGBACK_UNKNOWN_TYPE = "pingback_unknown_type"
    PINGBACK_REFUSED = "pingback_refused"
    PINGBACK_REPEATED = "pingback_repeated"
    PAYMENTWALL_BILLS = "paymentwall_bills"
    NOT_RUNG = "not_rung"
    NO_WORKER = "no_worker"
    QUEUE_UNSERVED = "queue_unserved"
    PROCESS_SILENT = "process_silent"
    WORK_WAITS = "work_waits"
    NO_NOTIFICATIONS = "no_notifications"
    DECLINES_RISE = "declines_rise"


class Concerns(StrEnum):
    """What the `subject_id` of an alert names. The value is also its name among the facts that a text can use."""

    SUBSCRIPTION = "subscription"
    INVOICE = "invoice"
    ATTEMPT = "attempt"
    PAYMENT = "payment"
    """A payment at the gateway, by its imp_uid."""
    REFUND = "refund"
    KEY = "key"
    PLAN = "plan"
    PG = "pg"
    """The payment company, by PortOne's code."""
    STOP = "stop"
    ENDPOINT = "endpoint"
    CHANNEL = "channel"
    """A way to customers (mail, or the webhook of notices), or to the operator (chat, or mail)."""
    INBOX = "inbox"
    COMPARISON = "comparison"
    INVARIANT = "invariant"
    PINGBACK = "pingback"
    """A payment at Paymentwall, or one message about it."""
    PARAMETER = "parameter"
    """A parameter of Paymentwall's pingbacks."""
    DAY = "day"
    """A day in UTC, of shadow mode."""
    SCHEDULE = "schedule"
    """A charge that PortOne makes by itself, by our id, or by its order number where it is not ours."""
    WORK = "work"
    """The item that a job worked on."""
    PROCESS = "process"
    """A process of this installation, by its name or by its role."""
    QUEUE = "queue"
    SOURCE = "source"
    """Who sends notifications."""


class Severity(StrEnum):
    """How soon an operator must look."""

    CRITICAL = "critical"
    """Now: money, or charging as a whole, may be wrong."""
    WARNING = "warning"
    """Today: a customer or a payment waits for an operator."""
    INFO = "info"
    """Any time: nothing waits for it."""


class Closes(StrEnum):
    """How an alert ends. An operator may also close any alert by hand."""

    ITSELF = "itself"
    """The worker sees that the cause is gone."""
    ACTION = "action"
    """One of its actions closes it."""
    OPERATOR = "operator"
    """Only by hand: the worker cannot see that the cause is gone."""


class Action(StrEnum):
    """A way out. The catalogue has a line for each, and a command where this worker can carry it out."""

    REACTIVATE_KEY = "reactivate_key"
    SET_KEY_EMAIL = "set_key_email"
    SET_KEY_PG = "set_key_pg"
    SET_SUBSCRIPTION_KEY = "set_subscription_key"
    COUNT_ISSUING_PAYMENT = "count_issuing_payment"
    DISREGARD_ISSUING_PAYMENT = "disregard_issuing_payment"
    CLEAR_STOP = "clear_stop"
    CLAIM_ENVIRONMENT = "claim_environment"
    RETRY_INVOICE = "retry_invoice"
    CANCEL_SUBSCRIPTION = "cancel_subscription"
    CANCEL_PAYMENT = "cancel_payment"
    REQUEST_REFUND = "request_refund"
    PREVIEW_LATE_PERIODS = "preview_late_periods"
    DECIDE_LATE_PERIODS = "decide_late_periods"
    DECIDE_LATE_PERIODS_OF_PLAN = "decide_late_periods_of_plan"
    ENABLE_ENDPOINT = "enable_endpoint"
    LIST_GIVEN_UP_EVENTS = "list_given_up_events"
    REPLAY_GIVEN_UP_EVENTS = "replay_given_up_events"
    LIST_FAILED_NOTICES = "list_failed_notices"
    LIST_SHADOW = "list_shadow"
    COMPARE_SCHEDULES = "compare_schedules"
    LIST_STUCK_NOTIFICATIONS = "list_stuck_notifications"
    RUN_DOCTOR = "run_doctor"
    RUN_AUDIT = "run_audit"
    CLOSE_ALERT = "close_alert"
    WAIT = "wait"
    LOOK_UP_IN_CONSOLE = "look_up_in_console"
    REFUND_IN_CONSOLE = "refund_in_console"
    LOOK_UP_SCHEDULE = "look_up_schedule"
    REVOKE_IN_CONSOLE = "revoke_in_console"
    TURN_RECOVERY_OFF = "turn_recovery_off"
    FIND_OUT_WHO_CHARGED = "find_out_who_charged"
    FIND_OUT_WHO_SCHEDULED = "find_out_who_scheduled"
    DECIDE_WHAT_IS_OWED = "decide_what_is_owed"
    CHARGE_NOTHING_BY_HAND = "charge_nothing_by_hand"
    ASK_PORTONE = "ask_portone"
    FIX_SETTINGS_AT_PG = "fix_settings_at_pg"
    EXTEND_CONTRACT = "extend_contract"
    RETRY_WAITING_INVOICE = "retry_waiting_invoice"
    INCLUDE_TEST_CHANNEL = "include_test_channel"
    LEAVE_RESTORED_SUBSCRIPTION = "leave_restored_subscription"
    SUBSCRIBE_AGAIN = "subscribe_again"
    CHECK_PINGBACK_URL = "check_pingback_url"
    CHECK_CUSTOMER_UID = "check_customer_uid"
    ASK_FOR_CARD = "ask_for_card"
    ISSUE_KEY_AGAIN = "issue_key_again"
    REPAIR_CHANNEL = "repair_channel"
    REPAIR_ALERT_CHANNEL = "repair_alert_channel"
    SET_ANOTHER_RECEIVER = "set_another_receiver"
    RESTRICT_WEBHOOKS = "restrict_webhooks"
    RAISE_FOREIGN_READS = "raise_foreign_reads"
    READ_LOG = "read_log"
    REPORT_BUG = "report_bug"
    LOOK_UP_AT_PAYMENTWALL = "look_up_at_paymentwall"
    ASK_PAYMENTWALL = "ask_paymentwall"
    NAME_PARAMETER = "name_parameter"
    CORRECT_PARAMETERS = "correct_parameters"
    CHECK_PROJECT_MODE = "check_project_mode"
    CHECK_PROXY = "check_proxy"
    END_ONE_SUBSCRIPTION = "end_one_subscription"
    START_WORKER = "start_worker"
    START_BEAT = "start_beat"
    RESTART_PROCESS = "restart_process"
    ADD_CONSUMER = "add_consumer"
    CHECK_WEBHOOK_URL = "check_webhook_url"
    CHECK_RECEIVER = "check_receiver"
    SHOW_OUTCOMES = "show_outcomes"
    STOP_CHARGES = "stop_charges"
    STOP_CHARGES_OF_PG = "stop_charges_of_pg"


@dataclass(frozen=True, slots=True)
class WayOut:
    """An action, with the ids that its command or button needs."""

    action: Action
    about: Facts = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Case:
    """One case of a kind of alert: the facts that it carries, and its ways out."""

    facts: tuple[str, ...]
    actions: tuple[Action, ...]


def one(*facts: str, do: tuple[Action, ...]) -> Mapping[str, Case]:
    """The only case of a kind."""
    return {"": Case(facts, do)}


@dataclass(frozen=True, slots=True)
class AlertRule:
    """The rules for all alerts of one kind."""

    concerns: Concerns
    severity: Severity
    closes: Closes
    cases: Mapping[str, Case]
    """Keyed by the fact `case`. A kind with a single case has no such fact, and uses an empty name."""

    @property
    def actions(self) -> tuple[Action, ...]:
        """The ways out of all its cases."""
        return tuple(dict.fromkeys(action for case in self.cases.values() for action in case.actions))
