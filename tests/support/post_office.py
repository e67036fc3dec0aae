"""A real mail server (aiosmtpd) that keeps what it takes, and answers as it is told."""

import ssl
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

USER, PASSWORD = "shop", "a long password"


@dataclass
class PostOffice:
    """What arrived, and what is answered instead."""

    port: int = 0
    mails: list[EmailMessage] = field(default_factory=list)
    logins: list[str] = field(default_factory=list)
    refused: Mapping[str, str] = field(default_factory=dict)
    """Answers to RCPT by address."""
    answer: str = "250 OK"
    """To the data of a mail."""

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any
    ) -> str:
        if address in self.refused:
            return self.refused[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 - as above
        if self.answer.startswith("250"):
            mail = message_from_bytes(envelope.content, policy=policy.default)
            assert isinstance(mail, EmailMessage)
            self.mails.append(mail)
        return self.answer

    def authenticate(self, _server: Any, _session: Any, _envelope: Any, _mechanism: Any, data: Any) -> AuthResult:
        known = isinstance(data, LoginPassword) and data.password == PASSWORD.encode()
        self.logins.append(data.login.decode() if isinstance(data, LoginPassword) else "?")
        return AuthResult(success=known, handled=False)


class _AnyPort(Controller):
    """A server on a port that the system chooses."""

    def _trigger_server(self) -> None:
        assert self.server is not None
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


@contextmanager
def post_office(**settings: Any) -> Iterator[PostOffice]:
    """A server on loopback. With `tls_context` and `auth_required` it asks for TLS, the user and the password."""
    office = PostOffice()
    controller = _AnyPort(office, hostname="127.0.0.1", port=0, authenticator=office.authenticate, **settings)
    controller.start()
    try:
        office.port = controller.port
        yield office
    finally:
        controller.stop()


def certified(folder: Path) -> Path:
    """The folder, with a certificate of `localhost` (cert.pem, key.pem)."""
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    files = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    command = ["openssl", "req", "-x509", "-nodes", "-days", "2", *curve, *subject, *files]
    subprocess.run(command, check=True, capture_output=True)
    return folder


def encrypted(certificate: Path) -> dict[str, Any]:
    """Settings of a server that wants STARTTLS before the password."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    return {"tls_context": context, "auth_required": True, "require_starttls": True}
