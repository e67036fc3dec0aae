"""Signed Standard Webhooks to the merchant: the `standardwebhooks` library signs. Events go out in this way.

Notices to customers go out by the same code (`adapters/notices/webhook.py`), to an address of their own.
"""

import base64
import binascii
import hashlib
import json
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime

import httpcore
import httpx
from standardwebhooks import Webhook

from billing_worker.adapters.addresses import CheckedSockets, Forbidden, Resolve, resolve_by_system
from billing_worker.adapters.masking import one_line
from billing_worker.adapters.network import Deadline, DeadlineTransport, trusted, within
from billing_worker.domain.delivery import SENDING
from billing_worker.domain.errors import SettingsInvalid
from billing_worker.ports.outgoing import Address, OutboxMessage, Refusal

TOTAL = SENDING.total_seconds()
CONNECT = 5.0

MOST_SECRETS = 2
FEWEST_BYTES, MOST_BYTES = 24, 64
"""The size of a secret, by Standard Webhooks."""

LARGEST_HEAD = 1024
"""Bytes read of a refusal; of a success, none."""
LONGEST_WORDS = 100

MOST_CONNECTIONS = 64
GONE = 410
OK, REDIRECTS, NO_REDIRECT, SERVER_FAILS = 200, 300, 400, 500
UNKNOWN_METHOD = 501
"""A server that knows no HEAD may answer 405 or this (RFC 9110, 15.6.2); it may take POST all the same."""

_HEADERS = {"user-agent": "billing-worker", "accept-encoding": "identity", "connection": "close"}
_TIMEOUT = httpx.Timeout(TOTAL, connect=CONNECT)


def secrets_of(text: str, setting: str = "BILLING_EVENTS_SECRET") -> tuple[str, ...]:
    """One secret, or the new and the old one during a change. Raises SettingsInvalid."""
    found = tuple(text.split())
    if not 0 < len(found) <= MOST_SECRETS:
        raise SettingsInvalid(f"{setting}: must be one secret, or two with a space between them")
    for secret in found:
        size = _size(secret)
        if size is None or not FEWEST_BYTES <= size <= MOST_BYTES:
            way_out = "make one with: echo whsec_$(openssl rand -base64 32)"
            problem = f"must be whsec_ and the base64 of {FEWEST_BYTES} to {MOST_BYTES} bytes"
            raise SettingsInvalid(f"{setting}: {problem}; {way_out}")
    return found


def _size(secret: str) -> int | None:
    if not secret.startswith("whsec_"):
        return None
    try:
        return len(base64.b64decode(secret.removeprefix("whsec_"), validate=True))
    except binascii.Error:
        return None


def payload(message: OutboxMessage) -> str:
    """The body of a delivery: the same for every delivery of an event."""
    occurred = message.occurred_at.isoformat()
    data = {"id": message.event.subject_id, **message.event.data}
    data |= {"sequence": message.stream_sequence, "occurred_at": occurred}
    body = {"type": message.event.type, "timestamp": occurred, "version": message.version, "data": data}
    return json.dumps(body, ensure_ascii=False)


class Poster:
    """Posts bodies to one address, once per call; its user retries. Safe for many threads."""

    prefix = "BILLING_EVENTS"
    """The first words of the settings of its address and its secret."""
    proof = "the signature is the proof"
    """Why no password is needed."""

    def __init__(
        self,
        url: str,
        secrets: tuple[str, ...],
        *,
        allow_private: bool = False,
        resolve: Resolve = resolve_by_system,
        shows_path: bool = True,
    ) -> None:
        """`secrets` appear in no text of a trouble. Raises SettingsInvalid for an address that is not safe."""
        self._secrets = secrets
        self._url = self.checked(url, allow_private=allow_private)
        shown = self._url.copy_with(query=None, fragment=None)
        shown = shown if shows_path else shown.copy_with(path="/")
        self.address = Address(hashlib.sha256(str(self._url).encode()).hexdigest(), str(shown))
        sockets = CheckedSockets(resolve, allow_private=allow_private)
        transport = DeadlineTransport(MOST_CONNECTIONS, trusted(), sockets)
        # trust_env=False: no proxy of the environment may see an event, or reach a forbidden address.
        self._client = httpx.Client(transport=transport, trust_env=False, follow_redirects=False)

    @classmethod
    def checked(cls, url: str, *, allow_private: bool) -> httpx.URL:
        """The address. Raises SettingsInvalid for one that is not safe, without what may be secret in it."""
        parsed = httpx.URL(url)
        got = f"(got {parsed.scheme}://{parsed.host}/…)"
        if parsed.scheme != "https" and not allow_private:
            way_out = "use https, or set BILLING_EVENTS_ALLOW_PRIVATE=true if the network to it is safe"
            raise SettingsInvalid(f"{cls.prefix}_URL: sends customers' data in the clear; {way_out} {got}")
        if parsed.userinfo:
            problem = f"must not contain a user or password; {cls.proof}, so leave them out"
            raise SettingsInvalid(f"{cls.prefix}_URL: {problem} {got}")
        return parsed

    def ask(self) -> Refusal | None:
        """Ask for the head of the address by the same way; None for any answer but a server's failure."""
        return self._whole(self._ask)

    def deliver(self, body: str, at: datetime, **more: str) -> Refusal | None:
        """Deliver a body with these headers beside its own; None when the receiver answered 2xx."""
        headers = {"content-type": "application/json"} | _HEADERS | more
        return self._whole(lambda: self._post(body.encode(), headers, at))

    def _whole(self, act: Callable[[], Refusal | None]) -> Refusal | None:
        """Act within the deadline, with a refusal for whatever goes wrong on the way."""
        try:
            with within(Deadline(TOTAL)):
                return act()
        except Forbidden as error:
            return Refusal(f"refused to connect: {error} (see BILLING_EVENTS_ALLOW_PRIVATE)")
        except (httpcore.TimeoutException, httpx.TimeoutException):
            return Refusal(f"the receiver did not answer within {TOTAL:g} seconds", unclear=True)
        except Exception as error:  # noqa: BLE001 - whatever a receiver does, it must not end the worker
            trouble = one_line(f"{type(error).__name__}: {error}", self._secrets) or type(error).__name__
            return Refusal(trouble, unclear=not isinstance(error, httpcore.ConnectError | httpx.ConnectError))

    def close(self) -> None:
        """Close all connections."""
        self._client.close()

    def _ask(self) -> Refusal | None:
        request = self._client.build_request("HEAD", self._url, headers=_HEADERS, timeout=_TIMEOUT)
        answer = self._client.send(request, stream=True)
        answer.close()
        failed = answer.status_code >= SERVER_FAILS and answer.status_code != UNKNOWN_METHOD
        return Refusal(f"the receiver answered HTTP {answer.status_code}") if failed else None

    def _post(self, body: bytes, headers: dict[str, str], at: datetime) -> Refusal | None:
        request = self._client.build_request("POST", self._url, content=body, headers=headers, timeout=_TIMEOUT)
        answer = self._client.send(request, stream=True)
        try:
            if OK <= answer.status_code < REDIRECTS:
                return None
            return self._refusal(answer, at)
        finally:
            answer.close()

    def _refusal(self, answer: httpx.Response, at: datetime) -> Refusal:
        status = answer.status_code
        trouble = f"the receiver answered HTTP {status}"
        if REDIRECTS <= status < NO_REDIRECT:
            return Refusal(f"{trouble}; redirects are not followed")
        words = one_line(_head(answer).decode("utf-8", "replace").partition("\n")[0], self._secrets)[:LONGEST_WORDS]
        wait = _seconds(answer.headers.get("retry-after"), at)
        return Refusal(f"{trouble}: {words}" if words else trouble, gone=status == GONE, retry_after=wait)


class SignedWebhook(Poster):
    """Posts signed bodies, as Standard Webhooks."""

    def __init__(
        self, url: str, secret: str, *, allow_private: bool = False, resolve: Resolve = resolve_by_system
    ) -> None:
        secrets = secrets_of(secret, f"{self.prefix}_SECRET")
        super().__init__(url, secrets, allow_private=allow_private, resolve=resolve)
        self._signers = [Webhook(each) for each in secrets]

    def post(self, ident: str, body: str, at: datetime, **more: str) -> Refusal | None:
        """Deliver a body, signed as of `at` under this `webhook-id`; None when the receiver answered 2xx."""
        signed = {
            "webhook-id": ident,
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": " ".join(signer.sign(ident, at, body) for signer in self._signers),
        }
        return self.deliver(body, at, **signed, **more)


class WebhookNotifier(SignedWebhook):
    """Posts events; the outbox retries."""

    def send(self, message: OutboxMessage, at: datetime) -> Refusal | None:
        """Deliver an event; None when the receiver answered 2xx."""
        replay = {"webhook-replay": str(message.replays)} if message.replays else {}
        return self.post(message.id, payload(message), at, **replay)


def _head(answer: httpx.Response) -> bytes:
    """The start of the body; empty if it cannot be read."""
    head = b""
    with suppress(Exception):
        for part in answer.iter_raw():
            head += part
            if len(head) >= LARGEST_HEAD:
                break
    return head[:LARGEST_HEAD]


def _seconds(text: str | None, at: datetime) -> timedelta | None:
    """The wait in `Retry-After`: seconds, or a date. None if it is unreadable."""
    if text is None:
        return None
    if text.strip().isascii() and text.strip().isdigit():
        return timedelta(seconds=min(int(text.strip()[:9]), 10**8))
    try:
        wait = parsedate_to_datetime(text) - at
    except (TypeError, ValueError):
        return None
    return max(wait, timedelta(0))
