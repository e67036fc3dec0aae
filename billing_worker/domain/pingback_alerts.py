"""The rules for the alerts about Paymentwall's pingbacks."""

from collections.abc import Mapping

from billing_worker.domain.alerts import Action, AlertKind, AlertRule, Case, Closes, Concerns, Severity, one

_A = Action
_CRITICAL, _WARNING, _INFO = Severity
_OPERATOR = Closes.OPERATOR
_DO_REVERSED = (_A.LOOK_UP_AT_PAYMENTWALL, _A.CANCEL_SUBSCRIPTION, _A.REQUEST_REFUND, _A.CLOSE_ALERT)
_TOLD = ("ref", "type", "reason")  # the payment at Paymentwall that a pingback names

PINGBACK_RULES: Mapping[AlertKind, AlertRule] = {
    AlertKind.PINGBACK_REVERSAL: AlertRule(
        Concerns.PINGBACK,
        _CRITICAL,
        _OPERATOR,
        {"disputed": Case((*_TOLD, "key"), _DO_REVERSED), "reversed": Case((*_TOLD, "key"), _DO_REVERSED)},
    ),
    AlertKind.PINGBACK_PARTIAL: AlertRule(
        Concerns.PINGBACK,
        _WARNING,
        _OPERATOR,
        one(*_TOLD, "key", "amount", do=(_A.LOOK_UP_AT_PAYMENTWALL, _A.DECIDE_WHAT_IS_OWED, _A.CLOSE_ALERT)),
    ),
    AlertKind.PINGBACK_CONTRADICTION: AlertRule(
        Concerns.PINGBACK,
        _WARNING,
        _OPERATOR,
        {
            "owners": Case((), (_A.LOOK_UP_AT_PAYMENTWALL, _A.CLOSE_ALERT)),
            "never_worked": Case((*_TOLD, "key", "key_reason"), (_A.ASK_FOR_CARD, _A.CLOSE_ALERT)),
            "worked": Case((*_TOLD, "key", "key_reason"), (_A.REACTIVATE_KEY, _A.CLOSE_ALERT)),
            "verdict": Case((*_TOLD, "verdict"), (_A.LOOK_UP_AT_PAYMENTWALL, _A.ASK_FOR_CARD, _A.CLOSE_ALERT)),
        },
    ),
    AlertKind.PINGBACK_GOODSID: AlertRule(
        Concerns.PINGBACK, _INFO, _OPERATOR, one(*_TOLD, "key", do=(_A.LOOK_UP_AT_PAYMENTWALL, _A.CLOSE_ALERT))
    ),
    AlertKind.PINGBACK_UNKNOWN_TYPE: AlertRule(
        Concerns.PINGBACK, _INFO, _OPERATOR, one(*_TOLD, do=(_A.ASK_PAYMENTWALL, _A.CLOSE_ALERT))
    ),
    AlertKind.PINGBACK_REFUSED: AlertRule(
        Concerns.PARAMETER,
        _WARNING,
        _OPERATOR,
        {
            "parameter": Case(("field", "problem"), (_A.NAME_PARAMETER, _A.CORRECT_PARAMETERS, _A.CLOSE_ALERT)),
            "test": Case(("ref",), (_A.CHECK_PROJECT_MODE, _A.CLOSE_ALERT)),
        },
    ),
    AlertKind.PINGBACK_REPEATED: AlertRule(
        Concerns.PINGBACK, _WARNING, _OPERATOR, one("times", do=(_A.CHECK_PROXY, _A.CLOSE_ALERT))
    ),
    AlertKind.PAYMENTWALL_BILLS: AlertRule(
        Concerns.KEY, _WARNING, _OPERATOR, one(*_TOLD, do=(_A.END_ONE_SUBSCRIPTION, _A.CLOSE_ALERT))
    ),
}
