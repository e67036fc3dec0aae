"""The rules for the alerts about the operation: processes, queues, and notifications that do not come."""

from collections.abc import Mapping

from billing_worker.domain.alerts import Action, AlertKind, AlertRule, Case, Closes, Concerns, Severity, one

_A = Action
_CRITICAL, _WARNING, _ = Severity
_ITSELF = Closes.ITSELF
_BEAT = (_A.START_BEAT, _A.RUN_DOCTOR)
_WORKER = (_A.START_WORKER, _A.RUN_DOCTOR)

OPERATION_RULES: Mapping[AlertKind, AlertRule] = {
    AlertKind.NOT_RUNG: AlertRule(
        Concerns.PROCESS,
        _CRITICAL,
        _ITSELF,
        {
            "missing": Case(("since",), _BEAT),
            "silent": Case(("since", "beats"), _BEAT),
            "lost": Case(("since", "beats"), (_A.RUN_DOCTOR,)),
        },
    ),
    AlertKind.NO_WORKER: AlertRule(
        Concerns.PROCESS,
        _CRITICAL,
        _ITSELF,
        {"missing": Case(("since",), _WORKER), "silent": Case(("since", "workers"), _WORKER)},
    ),
    AlertKind.QUEUE_UNSERVED: AlertRule(
        Concerns.QUEUE, _CRITICAL, _ITSELF, one("workers", do=(_A.ADD_CONSUMER, _A.START_WORKER))
    ),
    AlertKind.PROCESS_SILENT: AlertRule(
        Concerns.PROCESS, _WARNING, _ITSELF, one("role", "since", do=(_A.RESTART_PROCESS,))
    ),
    AlertKind.WORK_WAITS: AlertRule(
        Concerns.WORK, _CRITICAL, _ITSELF, one("count", "since", do=(_A.RUN_DOCTOR, _A.START_WORKER))
    ),
    AlertKind.NO_NOTIFICATIONS: AlertRule(
        Concerns.SOURCE,
        _WARNING,
        _ITSELF,
        {
            "none": Case(("paid",), (_A.CHECK_WEBHOOK_URL,)),
            "refused": Case(("paid", "refused", "reason"), (_A.CHECK_RECEIVER, _A.CHECK_WEBHOOK_URL)),
        },
    ),
}
