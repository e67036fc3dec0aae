"""From settings to all that leaves the house: events, notices to customers, and messages about alerts."""

from collections.abc import Callable, Sequence

from pydantic import AnyHttpUrl, SecretStr

from billing_worker.adapters.alerting import ChatMessenger, MailMessenger, recipients_of
from billing_worker.adapters.notices.smtp import MailServer, SmtpMessenger, sender_of
from billing_worker.adapters.notices.webhook import WebhookMessenger
from billing_worker.adapters.notifier import SignedWebhook, WebhookNotifier, secrets_of
from billing_worker.config import Settings
from billing_worker.domain.alert_digest import AlertChannel
from billing_worker.domain.errors import SettingsInvalid
from billing_worker.domain.notices.notice import Channel
from billing_worker.ports.alert_digest import Alerting, AlertMessenger
from billing_worker.ports.notices import CardLinks, Messenger, Noticing
from billing_worker.texts.alert_digest import AlertWords
from billing_worker.texts.notices.wording import Templates


def notifier_of(settings: Settings) -> WebhookNotifier | None:
    """How the merchant's receiver is told; None without one. Raises SettingsInvalid."""
    if settings.events_url is None or settings.events_secret is None:
        return None
    secret = settings.events_secret.get_secret_value()
    return WebhookNotifier(str(settings.events_url), secret, allow_private=_may_be_private(settings))


def _may_be_private(settings: Settings) -> bool:
    """Whether receivers may have private addresses: a gateway without real money is a developer's own machine."""
    return settings.events_allow_private or not settings.gateway_is_live


def noticing_of(settings: Settings) -> Noticing | None:
    """How customers are told; None without a channel. Raises SettingsInvalid, also for a template of the merchant."""
    made = {Channel.MAIL: notice_mail_of(settings), Channel.WEBHOOK: notice_webhook_of(settings)}
    messengers: dict[Channel, Messenger] = {channel: each for channel, each in made.items() if each is not None}
    if not messengers:
        return None
    return Noticing(
        messengers,
        wording_of(settings),
        settings.notice_switches,
        settings.notice_language,
        settings.notice_quiet,
        _card_links(settings),
    )


def notice_mail_of(settings: Settings) -> SmtpMessenger | None:
    """The mail server of notices; None without one. Raises SettingsInvalid."""
    if settings.notice_smtp_url is None or settings.notice_from is None:
        return None
    return SmtpMessenger(settings.notice_smtp_url, settings.notice_from)


def notice_webhook_of(settings: Settings) -> WebhookMessenger | None:
    """The merchant's own sender of notices; None without one. Raises SettingsInvalid."""
    if settings.notice_url is None or settings.notice_secret is None:
        return None
    secret = settings.notice_secret.get_secret_value()
    return WebhookMessenger(str(settings.notice_url), secret, allow_private=_may_be_private(settings))


def alerting_of(settings: Settings) -> Alerting | None:
    """How the operator is told of alerts; None without a channel. Raises SettingsInvalid."""
    made = {AlertChannel.CHAT: chat_of(settings), AlertChannel.MAIL: alert_mail_of(settings)}
    messengers: dict[AlertChannel, AlertMessenger] = {channel: each for channel, each in made.items() if each}
    return Alerting(messengers, AlertWords(settings.language, settings.environment)) if messengers else None


def chat_of(settings: Settings) -> ChatMessenger | None:
    """The chat for alerts; None without one. Raises SettingsInvalid."""
    if settings.alert_url is None:
        return None
    return ChatMessenger(settings.alert_url.get_secret_value(), allow_private=_may_be_private(settings))


def alert_mail_of(settings: Settings) -> MailMessenger | None:
    """Mail for alerts; None without recipients. Raises SettingsInvalid."""
    if settings.alert_mail is None or settings.notice_smtp_url is None or settings.notice_from is None:
        return None
    return MailMessenger(settings.notice_smtp_url, settings.notice_from, settings.alert_mail)


def wording_of(settings: Settings) -> Templates:
    """The checked templates of notices. Raises SettingsInvalid with the file and the line."""
    name = sender_of(settings.notice_from).display_name if settings.notice_from is not None else ""
    templates = Templates(settings.notice_templates, name or None)
    templates.check()
    return templates


def _card_links(settings: Settings) -> CardLinks | None:
    """How notices link to the card page; None where it is not set up."""
    try:
        page = settings.card_page
    except SettingsInvalid:
        return None
    return CardLinks(page.secret, page.url, settings.notice_card_pg)


def _address_of(kind: type[SignedWebhook], url: AnyHttpUrl | None, settings: Settings) -> None:
    if url is not None:
        kind.checked(str(url), allow_private=_may_be_private(settings))


def _secret_of(kind: type[SignedWebhook], secret: SecretStr | None) -> None:
    if secret is not None:
        secrets_of(secret.get_secret_value(), f"{kind.prefix}_SECRET")


PARTS: Sequence[tuple[Callable[[Settings], object], Sequence[str]]] = (
    (lambda settings: _address_of(WebhookNotifier, settings.events_url, settings), ("events_url",)),
    (lambda settings: _secret_of(WebhookNotifier, settings.events_secret), ("events_secret",)),
    (lambda settings: sender_of(settings.notice_from) if settings.notice_from else None, ("notice_from",)),
    (
        lambda settings: MailServer.parse(settings.notice_smtp_url) if settings.notice_smtp_url else None,
        ("notice_smtp_url",),
    ),
    (lambda settings: _address_of(WebhookMessenger, settings.notice_url, settings), ("notice_url",)),
    (lambda settings: _secret_of(WebhookMessenger, settings.notice_secret), ("notice_secret",)),
    (wording_of, ("notice_templates",)),
    (chat_of, ("alert_url",)),
    (lambda settings: recipients_of(settings.alert_mail) if settings.alert_mail else None, ("alert_mail",)),
)
"""As `bootstrap.PARTS`: what may be wrong with each setting of what leaves the house."""
