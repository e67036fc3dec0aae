"""The commands of actions, in one place. An action without a command line, such as in PortOne's console, has none."""

from collections.abc import Mapping

from billing_worker.domain.alerts import Action, Facts, WayOut

PROGRAM = "billing-worker"

COMMANDS: Mapping[Action, str] = {
    Action.REACTIVATE_KEY: "key reactivate {key}",
    Action.SET_KEY_EMAIL: "key set-email {key} --email ADDRESS",
    Action.SET_KEY_PG: "key set-pg {key} --pg {told}",
    Action.SET_SUBSCRIPTION_KEY: "subscription set-key {subscription} NEW_KEY_ID",
    Action.COUNT_ISSUING_PAYMENT: "key issuing-payment {key} --counts-for {subscription}",
    Action.DISREGARD_ISSUING_PAYMENT: "key issuing-payment {key} --counts-for-none",
    Action.CLEAR_STOP: "breaker clear {stop} --note '...'",
    Action.CLAIM_ENVIRONMENT: "breaker claim",
    Action.RETRY_INVOICE: "invoice retry {invoice}",
    Action.RETRY_WAITING_INVOICE: "invoice retry {invoice}",
    Action.CANCEL_SUBSCRIPTION: "subscription cancel {subscription}",
    Action.CANCEL_PAYMENT: "payment cancel {invoice}",
    Action.REQUEST_REFUND: "refund create {invoice}",
    Action.PREVIEW_LATE_PERIODS: "catch-up --preview --plan {plan}",
    Action.DECIDE_LATE_PERIODS: "catch-up apply --subscription {subscription} --mode MODE",
    Action.DECIDE_LATE_PERIODS_OF_PLAN: "catch-up apply --plan {plan} --mode MODE",
    Action.ENABLE_ENDPOINT: "event endpoint enable",
    Action.LIST_GIVEN_UP_EVENTS: "event list --given-up",
    Action.REPLAY_GIVEN_UP_EVENTS: "event replay --given-up",
    Action.LIST_FAILED_NOTICES: "notice list --status failed",
    Action.LIST_SHADOW: "shadow list --day {day}",
    Action.COMPARE_SCHEDULES: "schedule compare",
    Action.LIST_STUCK_NOTIFICATIONS: "inbox list --stuck",
    Action.RUN_DOCTOR: "doctor",
    Action.RUN_AUDIT: "audit",
    Action.SHOW_OUTCOMES: "report",
    Action.STOP_CHARGES: "breaker trip --all --reason '...'",
    Action.STOP_CHARGES_OF_PG: "breaker trip --pg {pg} --reason '...'",
    Action.CLOSE_ALERT: "alert close {alert}",
}

OF_CELERY: Mapping[Action, str] = {
    Action.ADD_CONSUMER: "celery -A tasks control add_consumer {queue}",
}
"""Whole commands of another program."""


class _Known(dict[str, str]):
    """Ids by name. An unknown one is a placeholder for the reader."""

    def __missing__(self, name: str) -> str:
        return f"{name.upper()}_ID"


def command_of(way: WayOut) -> str | None:
    """The command for an action; None if there is none."""
    own = COMMANDS.get(way.action)
    pattern = OF_CELERY.get(way.action) if own is None else f"{PROGRAM} {own}"
    return None if pattern is None else pattern.format_map(_ids(way.about))


def _ids(about: Facts) -> _Known:
    return _Known({name: str(fact) for name, fact in about.items() if isinstance(fact, str | int)})
