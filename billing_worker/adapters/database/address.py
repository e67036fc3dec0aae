"""BILLING_DATABASE_URL, read as libpq reads it: each part of it is honoured, or refused by name."""

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import parse_qsl, quote, urlencode

from psycopg import ProgrammingError, sql
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import Conninfo
from sqlalchemy import URL

from billing_worker.domain.errors import SettingsInvalid

NAME = "BILLING_DATABASE_URL"
CONNECT_TIMEOUT = 5
"""Seconds. A server on the same network that needs longer is down."""

_SCHEME = re.compile(r"(?P<name>[A-Za-z][A-Za-z0-9]*)(\+[A-Za-z0-9_]+)?://")
_PARTS = re.compile(r"([^@/]*@)?([^?]*)(?:\?(.*))?", re.DOTALL)
"""As libpq reads it: a password may contain ? or #."""
_OURS = frozenset({"statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "timezone"})
_OF_A_SESSION = re.compile(r"default_transaction_.*|idle_session_timeout|client_encoding|session_.*|application_name")
"""Settings that PostgreSQL applies only outside a transaction: a pooler may change the session between two
transactions."""
_REFUSED = {
    "password": "write it before the host, where no log shows it: postgresql://user:password@host/name",
    "sslpassword": "a log would show it; use a key without a password, in a file that only this account can read",
    "client_encoding": "it is always UTF8",
    "replication": "a replication connection cannot use tables",
}
_SETTING = re.compile(r"(?:-c\s*|--)(?P<name>[A-Za-z_][A-Za-z0-9_.-]*)=(?P<value>.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Address:
    """The database's address, and the settings of each transaction there."""

    parameters: Mapping[str, str] = field(repr=False)
    """libpq's parameters, with the password."""
    settings: Mapping[str, str]
    """PostgreSQL's settings in the URL. Each transaction begins with them, so that a pooler cannot lose them."""

    @classmethod
    def of(cls, url: str, application: str) -> "Address":
        """Read a URL. Raises SettingsInvalid, which names the unsupported part."""
        scheme = _SCHEME.match(url)
        if scheme is None:
            raise SettingsInvalid(f"{NAME}: is not a URL such as postgresql://user:password@host/name")
        if scheme["name"].lower() not in {"postgresql", "postgres"}:
            raise SettingsInvalid(f"{NAME}: only PostgreSQL is supported, not {scheme['name']}")
        account, place, asked = _PARTS.fullmatch(url[scheme.end() :]).groups()  # type: ignore[union-attr] # it fits all
        query = _query(asked or "")
        wanted = query.pop("search_path", "")
        settings = _settings(query.pop("options", "") or _default_options())
        if wanted:
            settings["search_path"] = wanted
        plain = f"postgresql://{account or ''}{place}?{urlencode(query, quote_via=quote)}"
        try:
            found = {name: str(value) for name, value in conninfo_to_dict(plain).items()}
        except ProgrammingError as error:
            # Without libpq's message: it may repeat a part of the password.
            problem = "is not readable; if a password contains any of : / ? # [ ] @ %, write it percent-encoded"
            raise SettingsInvalid(f"{NAME}: {problem}") from error
        many = "," in found.get("host", "") + found.get("hostaddr", "")
        defaults = {"connect_timeout": str(CONNECT_TIMEOUT), "application_name": application}
        defaults |= {"options": "", "client_encoding": "UTF8"}
        # Of several hosts, the first that answers may be a standby, which does not write.
        defaults |= {"target_session_attrs": "read-write"} if many else {}
        return cls(defaults | found, settings)

    def under(self, application: str) -> "Address":
        """The same address, with another name in the server's list of sessions."""
        return replace(self, parameters={**self.parameters, "application_name": application})

    @property
    def shown(self) -> URL:
        """The address in SQLAlchemy's form, with only the first host."""
        first = {name: self.parameters.get(name, "").partition(",")[0] for name in ("host", "port")}
        return URL.create(
            "postgresql+billing",
            username=self.parameters.get("user"),
            password=self.parameters.get("password"),
            host=first["host"] or None,
            port=int(first["port"]) if first["port"].isdigit() else None,
            database=self.parameters.get("dbname"),
        )

    @property
    def where(self) -> str:
        """Host, port and name, without user and password, for operators."""
        hosts = self.parameters.get("host", "a local socket").split(",")
        ports = self.parameters.get("port", "5432").split(",")
        ports = ports * len(hosts) if len(ports) == 1 else ports
        places = ", ".join(f"{host}:{port or '5432'}" for host, port in zip(hosts, ports, strict=False))
        return f"{self.parameters.get('dbname', '')} at {places}".strip()

    @property
    def applied(self) -> str:
        """SQL that applies the URL's settings until the end of a transaction; empty if it has none."""
        calls = [
            f"set_config({sql.Literal(name).as_string()}, {sql.Literal(value).as_string()}, true)"
            for name, value in self.settings.items()
        ]
        return f"; SELECT {', '.join(calls)}" if calls else ""


def _query(text: str) -> dict[str, str]:
    """The parameters after the question mark. Raises SettingsInvalid for each that libpq would ignore or not know."""
    known = {option.keyword.decode() for option in Conninfo.get_defaults()} | {"search_path", "ssl"}
    found: dict[str, str] = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        if name in _REFUSED:
            raise SettingsInvalid(f"{NAME}: {name} is not allowed after the question mark: {_REFUSED[name]}")
        if name not in known or (name == "ssl" and value != "true"):
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.75)
            hint = f"did you mean {near[0]}?" if near else "a schema is named by search_path"
            raise SettingsInvalid(f"{NAME}: {name} is not a parameter of a connection; {hint}")
        if name in found:
            raise SettingsInvalid(f"{NAME}: {name} is given twice; {_SEVERAL_HOSTS}")
        if name == "host" and ":" in value and not value.startswith("/"):
            raise SettingsInvalid(f"{NAME}: host names a port, which it cannot; {_SEVERAL_HOSTS}")
        found[name] = value
    return found


_SEVERAL_HOSTS = "several hosts are written postgresql://user:password@one:5432,two:5432/name"


def _default_options() -> str:
    """The options in PGOPTIONS: libpq would send them unchanged, and a pooler would refuse or drop them."""
    values = [option.val for option in Conninfo.get_defaults() if option.keyword == b"options"]
    return (values[0] or b"").decode() if values else ""


def _settings(options: str) -> dict[str, str]:
    """PostgreSQL's settings in `options`, as the server would read them. Raises SettingsInvalid for any other text."""
    found: dict[str, str] = {}
    words = [re.sub(r"\\(.)", r"\1", word) for word in re.findall(r"(?:\\.|[^\s\\])+", options)]
    while words:
        word = words.pop(0)
        if word == "-c" and words:
            word += words.pop(0)
        setting = _SETTING.fullmatch(word)
        if setting is None:
            raise SettingsInvalid(f"{NAME}: options: {word!r} is not of the form -c name=value")
        name = setting["name"].replace("-", "_").lower()
        if name in _OURS:
            raise SettingsInvalid(f"{NAME}: options: {name} is set by billing-worker itself; leave it out")
        if _OF_A_SESSION.fullmatch(name):
            problem = "applies to a whole session, which a pooler may change"
            raise SettingsInvalid(f"{NAME}: options: {name} {problem}; set it with ALTER ROLE … SET, or leave it out")
        found[name] = setting["value"]
    return found
