"""The URL of Redis: one server, a Unix socket, TLS, or Sentinels, in the spelling that Celery documents.

Celery, redis-py and Flower each read such a URL in their own way, and each uses another part of it. So it is parsed
once here, and each of them gets the parts that it understands.
"""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

EXAMPLE = "redis://:password@host:6379/0"
PLAIN, TLS, SOCKET, SENTINEL = "redis", "rediss", "redis+socket", "sentinel"
PORTS = {PLAIN: 6379, TLS: 6379, SENTINEL: 26379}

_CERTIFICATES = {
    "required": ssl.CERT_REQUIRED,
    "cert_required": ssl.CERT_REQUIRED,
    "optional": ssl.CERT_OPTIONAL,
    "cert_optional": ssl.CERT_OPTIONAL,
    "none": ssl.CERT_NONE,
    "cert_none": ssl.CERT_NONE,
}
_FILES = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
_UNDERSTOOD = {
    PLAIN: (),
    TLS: ("ssl_cert_reqs", "ssl_check_hostname", *_FILES),
    SOCKET: ("virtual_host",),
    SENTINEL: ("master_name",),
}


@dataclass(frozen=True, slots=True)
class BrokerURL:
    """The address of Redis, and the credentials."""

    scheme: str
    hosts: tuple[tuple[str, int], ...] = ()
    """Host and port of the server, or of each Sentinel."""
    socket: str | None = None
    database: int = 0
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: Mapping[str, Any] | None = None
    """The `ssl_…` options of redis-py, kombu and Flower; None without TLS."""
    master_name: str | None = None
    celery_url: str = field(default="", repr=False)
    """The URL for kombu and Flower, without the parts that they take as options."""

    @classmethod
    def parse(cls, text: str, master_name: str | None = None) -> "BrokerURL":
        """Parse the URL. Raises ValueError with the problem and the way out; it never repeats a password."""
        urls = text.split(";")
        if len(urls) > 1 and not all(url.startswith(f"{SENTINEL}://") for url in urls):
            raise ValueError(
                f"names {len(urls)} servers, and two plain servers would be two queues; a list is for Sentinels only: "
                "sentinel://host:26379;sentinel://host:26379"
            )
        read = [_read(url) for url in urls]
        first = read[0]
        if len({(each.database, each.username, each.password, each.master_name) for each in read}) > 1:
            raise ValueError("names Sentinels that differ in more than host and port")
        name = first.master_name or master_name
        if first.scheme == SENTINEL and not name:
            raise ValueError("names Sentinels, but no master; set BILLING_BROKER_MASTER_NAME, e.g. to mymaster")
        if first.scheme != SENTINEL and name:
            raise ValueError("names no Sentinel, but BILLING_BROKER_MASTER_NAME is set; unset it, or use sentinel://")
        return cls(
            scheme=first.scheme,
            hosts=tuple(host for each in read for host in each.hosts),
            socket=first.socket,
            database=first.database,
            username=first.username,
            password=first.password,
            tls=first.tls,
            master_name=name,
            celery_url=";".join(each.celery_url for each in read),
        )

    @property
    def where(self) -> str:
        """The address for messages, without account and password."""
        if self.socket is not None:
            return self.socket
        hosts = ", ".join(f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in self.hosts)
        return f"master {self.master_name} of the Sentinels {hosts}" if self.master_name else f"{hosts}/{self.database}"


def _read(url: str) -> BrokerURL:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ValueError(f"is not a URL such as {EXAMPLE}") from None
    if parts.scheme not in _UNDERSTOOD:
        raise ValueError(f"only Redis is supported: {EXAMPLE}, rediss://…, redis+socket:///path, sentinel://host:26379")
    query = _query(parts.scheme, parts.query)
    account: dict[str, Any] = {
        "username": unquote(parts.username or "") or None,
        "password": unquote(parts.password or "") or None,
    }
    if parts.scheme == SOCKET:
        if host or not parts.path.strip("/"):
            raise ValueError("must name the socket's path: redis+socket:///run/redis/redis.sock?virtual_host=0")
        database = _database(query.get("virtual_host", ""))
        return BrokerURL(SOCKET, socket=unquote(parts.path), database=database, celery_url=url, **account)
    if not host and parts.scheme == SENTINEL:
        raise ValueError("must name a Sentinel: sentinel://host:26379")
    return BrokerURL(
        parts.scheme,
        hosts=((unquote(host or "127.0.0.1"), port or PORTS[parts.scheme]),),
        database=_database(parts.path.strip("/")),
        tls=_tls(query) if parts.scheme == TLS else None,
        master_name=query.get("master_name"),
        celery_url=parts._replace(query="", fragment="").geturl(),
        **account,
    )


def _query(scheme: str, text: str) -> dict[str, str]:
    query = dict(parse_qsl(text))
    for name in query:
        if name.startswith("ssl_") and scheme == PLAIN:
            raise ValueError(f"has {name}, but redis:// is not encrypted; write rediss://")
        if name not in _UNDERSTOOD[scheme]:
            known = ", ".join(_UNDERSTOOD[scheme]) or "none"
            raise ValueError(f"has the parameter {name[:40]!r} that is not understood; for {scheme}:// known: {known}")
    return query


def _database(text: str) -> int:
    if not text:
        return 0
    if not text.isascii() or not text.isdigit():
        raise ValueError("must name the database by its number, e.g. /0")
    return int(text)


def _tls(query: Mapping[str, str]) -> dict[str, Any]:
    word = query.get("ssl_cert_reqs", "required")
    verify = _CERTIFICATES.get(word.lower())
    if verify is None:
        raise ValueError(
            f"has ssl_cert_reqs={word[:40]!r}; known are CERT_REQUIRED (or required), CERT_OPTIONAL, CERT_NONE"
        )
    check = query.get("ssl_check_hostname", "true").lower()
    if check not in ("true", "false"):
        raise ValueError("has an ssl_check_hostname that is neither true nor false")
    # A hostname check needs a verified certificate.
    checked = check == "true" and verify is not ssl.CERT_NONE
    return {"ssl_cert_reqs": verify, "ssl_check_hostname": checked} | {
        name: query[name] for name in _FILES if name in query
    }
