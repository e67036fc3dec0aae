"""What an alert says and proposes, as an operator reads it in English."""

from billing_worker.domain.language import Language
from billing_worker.ports.alerts import Alert
from billing_worker.texts.alerts import action_lines, shown
from billing_worker.usecases.reading.views.insight import Explanation


def said(alert: Alert) -> str:
    return shown(alert, Language.EN).detail


def proposed(alert: Alert) -> str:
    return shown(alert, Language.EN).proposal or ""


def offered(told: Explanation) -> str:
    """What `why` offers an operator to do, with the commands."""
    return "; ".join(action_lines(told.ways_out))
