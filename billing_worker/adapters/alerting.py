"""The ways by which alerts leave: an address that takes `{"text": …}`, as Slack's incoming webhooks do, and mail."""

import json
from datetime import datetime
from email.headerregistry import Address as MailAddress

from billing_worker.adapters.addresses import Resolve, resolve_by_system
from billing_worker.adapters.notices.smtp import MailSender, address_of
from billing_worker.adapters.notifier import Poster
from billing_worker.domain.errors import SettingsInvalid
from billing_worker.ports.alert_digest import AlertMessage
from billing_worker.ports.outgoing import Refusal

MAIL_SETTING = "BILLING_ALERT_MAIL"


class ChatMessenger(Poster):
    """Posts messages to a chat. Its address is a secret: who knows it can write there."""

    prefix = "BILLING_ALERT"
    proof = "its path is the proof"

    def __init__(self, url: str, *, allow_private: bool = False, resolve: Resolve = resolve_by_system) -> None:
        secrets = (url, *hidden_in(url))
        super().__init__(url, secrets, allow_private=allow_private, resolve=resolve, shows_path=False)

    def send(self, message: AlertMessage, at: datetime) -> Refusal | None:
        """Post it; None when the receiver answered 2xx."""
        return self.deliver(json.dumps({"text": _plain(f"*{message.title}*\n{message.text}")}, ensure_ascii=False), at)

    def reach(self) -> Refusal | None:
        """Ask for the head of the address (HEAD), which writes no message; None for any answer but a server's failure.

        Many such addresses take POST alone, so that only a message shows whether the path is right.
        """
        return self.ask()


def hidden_in(url: str) -> tuple[str, ...]:
    """What is secret in the address of a chat: its path and its query."""
    after = url.split("://", 1)[-1].partition("/")[2]
    return (f"/{after}",) if after else ()


def _plain(text: str) -> str:
    """As Slack asks for it: what a gateway answered must not call a whole channel (`<!channel>`)."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def recipients_of(text: str) -> tuple[MailAddress, ...]:
    """The addresses between commas. Raises SettingsInvalid."""
    found = tuple(address_of(part.strip()) for part in text.split(","))
    known = tuple(each for each in found if each is not None)
    if len(known) != len(found):
        wrong = text.split(",")[found.index(None)].strip()
        problem = f"must be addresses with commas between them, such as ops@example.com (got {wrong!r})"
        raise SettingsInvalid(f"{MAIL_SETTING}: {problem}")
    return known


class MailMessenger(MailSender):
    """Sends messages as mails, by the mail server of the notices."""

    def __init__(self, url: str, sender: str, recipients: str) -> None:
        super().__init__(url, sender)
        self._recipients = recipients_of(recipients)

    def send(self, message: AlertMessage, at: datetime) -> Refusal | None:
        """Hand a mail over; None when the server took it."""
        return self.hand_over(self.mail(message.id, self._recipients, message.title, message.text, at))

    def reach(self) -> Refusal | None:
        """Log in, and name the sender and each recipient, as for a mail; then take it back."""
        return self.knock(self._recipients)
