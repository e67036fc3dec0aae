"""Notices as mail, by the merchant's own mail server (RFC 5321). One connection a mail, within one deadline."""

import hashlib
import smtplib
import socket
import ssl
import threading
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import datetime
from email.headerregistry import Address as MailAddress
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr
from typing import Self
from urllib.parse import unquote, urlsplit

from billing_worker.adapters.masking import one_line
from billing_worker.domain.delivery import SENDING
from billing_worker.domain.errors import SettingsInvalid
from billing_worker.ports.notices import Letter
from billing_worker.ports.outgoing import Address, Refusal

SETTING, SENDER_SETTING = "BILLING_NOTICE_SMTP_URL", "BILLING_NOTICE_FROM"
EXAMPLE = "smtps://user:password@mail.example.com"

CONNECT = 5.0
TOTAL = SENDING.total_seconds()

PORTS = {"smtp": 587, "smtps": 465}
PERMANENT = 500
"""An answer from here on refuses for good (RFC 5321, 4.2.1)."""

_TAKEN = range(200, 300)

LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class MailServer:
    """A mail server, as its URL names it."""

    host: str
    port: int
    tls_at_once: bool
    user: str | None = field(repr=False)
    password: str | None = field(repr=False)

    @classmethod
    def parse(cls, url: str) -> "MailServer":
        """Read `smtp://user:password@host:port` or `smtps://…`. Raises SettingsInvalid, which does not repeat it."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise SettingsInvalid(f"{SETTING}: is no URL such as {EXAMPLE}") from error
        if parts.scheme not in PORTS or not parts.hostname or parts.path.strip("/") or parts.query:
            raise SettingsInvalid(f"{SETTING}: must look like {EXAMPLE}; smtp:// uses STARTTLS, on port 587 by default")
        user = unquote(parts.username) if parts.username else None
        password = unquote(parts.password) if parts.password else None
        if (user is None) != (password is None):
            raise SettingsInvalid(f"{SETTING}: needs both a user and a password, or neither")
        return cls(parts.hostname, port or PORTS[parts.scheme], parts.scheme == "smtps", user, password)


def sender_of(text: str) -> MailAddress:
    """The sender: an address, or a name and an address between < and >. Raises SettingsInvalid."""
    found = address_of(text)
    if found is None:
        raise SettingsInvalid(
            f"{SENDER_SETTING}: must be one address, such as 가게 <billing@example.com> (got {text!r})"
        )
    return found


def address_of(text: str) -> MailAddress | None:
    """One address, or a name and an address between < and >; None for anything else."""
    name, address = parseaddr(text)
    try:
        found = MailAddress(name, addr_spec=address)
    except (ValueError, IndexError):
        return None
    return found if found.username and found.domain and address.isascii() and text.count("@") == 1 else None


class MailSender:
    """Hands mails over to one server. Safe for many threads: each mail has a connection of its own."""

    def __init__(self, url: str, sender: str, *, total: float = TOTAL) -> None:
        self._server = MailServer.parse(url)
        self.sender = sender_of(sender)
        self._total = total
        self._tls = ssl.create_default_context()
        shown = f"{'smtps' if self._server.tls_at_once else 'smtp'}://{self._server.host}:{self._server.port}"
        self.address = Address(hashlib.sha256(url.encode()).hexdigest(), shown)

    def hand_over(self, mail: EmailMessage) -> Refusal | None:
        """Hand a mail over; None when the server took it."""
        return self._within_limits(lambda server: server.send_message(mail))

    def knock(self, recipients: Sequence[MailAddress] = ()) -> Refusal | None:
        """Name the sender and these recipients without a mail (RFC 5321: MAIL, RCPT, RSET); None if all are taken.

        The refusal names each recipient that is refused.
        """
        refused: list[str] = []

        def ask(server: smtplib.SMTP) -> None:
            server.ehlo_or_helo_if_needed()
            _require(*server.mail(self.sender.addr_spec))
            for each in recipients:
                code, words = server.rcpt(each.addr_spec)
                if code not in _TAKEN:
                    refused.append(f"{each.addr_spec}{self._line('', code, words)}")
            if not refused:
                _require(*server.rset())

        trouble = self._within_limits(ask)
        # A server may hang up at the second or third of them.
        return Refusal(f"the mail server refused {'; '.join(refused)}") if refused else trouble

    def _within_limits(self, act: Callable[[smtplib.SMTP], object]) -> Refusal | None:
        """Act on a connection as a mail needs it; None when nothing was refused."""
        try:
            self._connected_to(act)
        except smtplib.SMTPRecipientsRefused as error:
            code, words = next(iter(error.recipients.values()))
            return Refusal(self._line("the mail server refused the address", code, words), gone=code >= PERMANENT)
        except smtplib.SMTPResponseException as error:
            return Refusal(self._line("the mail server answered", error.smtp_code, error.smtp_error))
        except _Over:
            return Refusal(f"the mail server did not answer within {self._total:g} seconds{self._hint}", unclear=True)
        except TimeoutError:
            return Refusal(f"the mail server took no connection within {CONNECT:g} seconds", unclear=True)
        except Exception as error:  # noqa: BLE001 - whatever a server does, it must not end the worker
            unclear = not isinstance(error, ConnectionRefusedError | socket.gaierror)
            return Refusal(one_line(f"{type(error).__name__}: {error}", self._secrets), unclear=unclear)
        return None

    @property
    def _hint(self) -> str:
        """A server that speaks TLS at once waits for the other side to begin."""
        way_out = f"; a server that speaks TLS at once needs smtps://, as in {EXAMPLE}"
        return way_out if self._server.port == PORTS["smtps"] and not self._server.tls_at_once else ""

    @property
    def _secrets(self) -> tuple[str, ...]:
        return (self._server.password,) if self._server.password is not None else ()

    def _line(self, what: str, code: int, words: bytes | str) -> str:
        text = words.decode("utf-8", "replace") if isinstance(words, bytes) else words
        return one_line(f"{what}: {code} {text}", self._secrets)

    def mail(self, ident: str, to: Sequence[MailAddress], title: str, text: str, at: datetime) -> EmailMessage:
        """A mail. Its `Message-ID` is the notice's own, so that a repeat is known as one (RFC 5322, 3.6.4)."""
        mail = EmailMessage()
        mail["From"] = self.sender
        mail["To"] = tuple(to)
        mail["Subject"] = title
        mail["Date"] = format_datetime(at)
        mail["Message-ID"] = f"<{ident}@{self.sender.domain}>"
        # RFC 3834: no out-of-office answers to this mail.
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(text)
        return mail

    def _connected_to(self, act: Callable[[smtplib.SMTP], object]) -> None:
        # Closed with its file too: a socket under an open file stays open.
        with _Cut(self._total) as cut, closing(self._connected(cut)) as server:
            if not self._server.tls_at_once:
                self._encrypt(server)
            if self._server.user is not None and self._server.password is not None:
                server.login(self._server.user, self._server.password)
            act(server)
            # A mail is handed over: nothing after this may undo it.
            with suppress(smtplib.SMTPException, OSError):
                server.quit()

    def _connected(self, cut: "_Cut") -> smtplib.SMTP:
        host, port = self._server.host, self._server.port
        if self._server.tls_at_once:
            return _TlsConnection(cut, host, port, timeout=CONNECT, context=self._tls)
        return _Connection(cut, host, port, timeout=CONNECT)

    def _encrypt(self, server: smtplib.SMTP) -> None:
        """STARTTLS. Without it, only a server on this machine gets mails, and never a password."""
        server.ehlo()
        if server.has_extn("starttls"):
            server.starttls(context=self._tls)
            server.ehlo()
        elif self._server.host not in LOOPBACK or self._server.user is not None:
            raise smtplib.SMTPNotSupportedError(f"no STARTTLS; use smtps://, as in {EXAMPLE}")


def _require(code: int, words: bytes) -> None:
    if code not in _TAKEN:
        raise smtplib.SMTPResponseException(code, words)


class SmtpMessenger(MailSender):
    """Hands notices to customers over as mails."""

    def reach(self) -> Refusal | None:
        """Log in, and name the sender, as for a mail; then take it back."""
        return self.knock()

    def send(self, letter: Letter, at: datetime) -> Refusal | None:
        """Hand a mail over; None when the server took it."""
        words = letter.words
        try:
            to = MailAddress(letter.to.name or "", addr_spec=letter.to.email or "")
            mail = self.mail(letter.id, [to], words.title, words.text, at)
        except (ValueError, TypeError, IndexError) as error:
            return Refusal(one_line(f"no address that a mail can have: {error}"), gone=True)
        mail["Content-Language"] = str(letter.language)
        mail.add_alternative(words.html, subtype="html")
        return self.hand_over(mail)


class _Over(TimeoutError):
    """The deadline of the whole has passed."""


class _Cut:
    """A deadline: then its connection is shut down, whatever the other side does meanwhile."""

    def __init__(self, seconds: float) -> None:
        self._sockets: list[socket.socket] = []
        self._over = threading.Event()
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True

    def watch(self, sock: socket.socket) -> None:
        """Shut this one down too when the deadline ends."""
        self._sockets.append(sock)
        if self._over.is_set():
            self._end()

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        self._timer.cancel()
        for sock in self._sockets:
            sock.close()
        if self._over.is_set() and error is not None:
            raise _Over from None

    def _end(self) -> None:
        self._over.set()
        for sock in self._sockets:
            # The one under TLS is detached: its wrapper is in the list as well.
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)


class _Connection(smtplib.SMTP):
    """A connection that ends with its deadline, from its first byte on."""

    def __init__(self, cut: _Cut, host: str, port: int, *, timeout: float) -> None:
        self._deadline = cut
        super().__init__(host, port, timeout=timeout)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        made: socket.socket = super()._get_socket(host, port, timeout)  # type: ignore[misc] # not among its types
        self._deadline.watch(made)
        made.settimeout(TOTAL)
        return made

    def starttls(self, *, context: ssl.SSLContext | None = None) -> tuple[int, bytes]:  # type: ignore[override] # a part
        """As smtplib, under the same deadline."""
        answer = super().starttls(context=context)
        if self.sock is not None:
            self._deadline.watch(self.sock)
        return answer


class _TlsConnection(smtplib.SMTP_SSL):
    """The same with TLS from the first byte on."""

    def __init__(self, cut: _Cut, host: str, port: int, *, timeout: float, context: ssl.SSLContext) -> None:
        self._deadline = cut
        super().__init__(host, port, timeout=timeout, context=context)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        made: socket.socket = super()._get_socket(host, port, timeout)  # type: ignore[misc] # not among its types
        self._deadline.watch(made)
        made.settimeout(TOTAL)
        return made
