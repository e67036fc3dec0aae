"""What an alert says and proposes, as an operator reads it in English."""

from billing_worker.domain.language import Language
from billing_worker.ports.alerts import Alert
from billing_worker.texts.alerts import shown


def said(alert: Alert) -> str:
    return shown(alert, Language.EN).detail


def proposed(alert: Alert) -> str:
    return shown(alert, Language.EN).proposal or ""
