"""The checks of `doctor` on the ways by which alerts and mails leave: each is tried as a worker uses it."""

import secrets
from collections.abc import Iterator
from datetime import UTC, datetime

from billing_worker import messengers
from billing_worker.cli.checks_of_settings import Usable
from billing_worker.cli.finding import Finding, Verdict, ok
from billing_worker.config import Settings
from billing_worker.domain.alert_digest import AlertChannel
from billing_worker.ports.alert_digest import AlertMessage, AlertMessenger
from billing_worker.texts.words import Words

CHECKS = {AlertChannel.CHAT: "alert chat", AlertChannel.MAIL: "alert mail"}


def ways_of_alerts(found: Usable, words: Words, *, send: bool) -> Iterator[Finding]:
    """Check that each way of alerts is open, and the mail server of notices. With `send`, a test message leaves."""
    settings = found.settings
    alerting = messengers.alerting_of(settings)
    ways = alerting.messengers if alerting is not None else {}
    for channel, messenger in ways.items():
        yield _tried(channel, messenger, settings, words, send=send)
    is_meant = bool({"alert_url", "alert_mail"} & found.without) or settings.alert_mail is not None
    if not ways and not is_meant:
        yield _none(settings, words)
    notices = messengers.notice_mail_of(settings)
    if notices is not None and AlertChannel.MAIL not in ways:
        trouble = notices.reach()
        if trouble is None:
            yield ok("notice mail", words.say("doctor.mail", place=notices.address.shown))
        else:
            yield _closed("notice mail", notices.address.shown, trouble.trouble, words)


def _tried(
    channel: AlertChannel, messenger: AlertMessenger, settings: Settings, words: Words, *, send: bool
) -> Finding:
    check, place = CHECKS[channel], messenger.address.shown
    # For a chat, a message is the better proof: some receivers fail at the mere question. For a mail, only the question
    # names each recipient that is refused: the server may take the mail for the others.
    trouble = messenger.reach() if channel is AlertChannel.MAIL or not send else None
    if trouble is None and send:
        title = words.say("doctor.test_message", environment=settings.environment)
        message = AlertMessage(f"doctor_{secrets.token_hex(8)}", title, words.say("doctor.test_message.text"))
        trouble = messenger.send(message, datetime.now(UTC))
    if trouble is not None:
        return _closed(check, place, trouble.trouble, words)
    if send:
        return ok(check, words.say("doctor.alerts.sent", place=place))
    return ok(check, words.say(f"doctor.alerts.{channel}", place=place))


def _closed(check: str, place: str, trouble: str, words: Words) -> Finding:
    detail = words.say("doctor.alerts.closed", place=place, trouble=trouble)
    return Finding(check, Verdict.FAIL, detail, words.say(f"doctor.{check.replace(' ', '_')}.way"))


def _none(settings: Settings, words: Words) -> Finding:
    """An operator of real money hears of nothing unless alerts come to the receiver of events."""
    if settings.events_url is not None and settings.events_secret is not None:
        return ok("alerts", words.say("doctor.alerts.events"))
    if settings.gateway_is_live:
        return Finding("alerts", Verdict.WARN, words.say("doctor.alerts.none"), words.say("doctor.alerts.none.way"))
    return ok("alerts", words.say("doctor.alerts.none"))
