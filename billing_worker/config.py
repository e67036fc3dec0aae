"""Settings: the only reader of the environment. Frozen, validated, and clear about what is wrong.

Every setting is an environment variable `BILLING_…`, or a line in a file `.env`. What `billing-worker up` started in
`BILLING_VAR_DIR` is found there when no URL is set.
"""

import difflib
import json
import os
import re
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import unquote

from dotenv import dotenv_values
from pydantic import AnyHttpUrl, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from billing_worker.broker_url import BrokerURL
from billing_worker.domain.budget import DEFAULT_JUMP, Budgets, parse_sums
from billing_worker.domain.calendar import DEFAULT_ZONE, zone_named
from billing_worker.domain.errors import BillingError, InvalidInput, SettingsInvalid
from billing_worker.domain.language import Language
from billing_worker.domain.notification import InboxRules
from billing_worker.domain.time_machine import TimeMachine
from billing_worker.domain.timing import DEFAULT_SETTLE_WINDOWS, Timing

PREFIX = "BILLING_"
LIVE_PORTONE = "https://api.iamport.kr"
LIVE_HOSTS = ("iamport.kr", "portone.io", "iamport.co")
"""Hosts that move real money: the time machine is refused there."""

ENV_FILE = ".env"
RUNTIME_FILE = "runtime.json"
"""Written by `up` into VAR_DIR, readable by its owner only: how to reach the services that it started."""

SHORTEST_SECRET = 6
LONGEST_SETTLE_WINDOW = 86_400
"""Seconds. A PG whose books need more than a day needs a person, not a setting."""
_PARAMETER = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,39}")
_PG_SECONDS = re.compile(r"(?P<pg>[a-z0-9_]{1,40}) *= *(?P<seconds>\d{1,6}(?:\.\d{1,3})?)")

SANDBOX_SETTINGS = ("portone_api_url", "portone_imp_key", "portone_imp_secret")
"""What `up` leaves there when its sandbox stands in for PortOne, so that other commands ask the same gateway."""


class Settings(BaseSettings):
    """All settings, validated together. Secrets never show in `repr`."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_file=ENV_FILE, env_ignore_empty=True, extra="ignore", frozen=True
    )

    database_url: str | None = Field(
        None, repr=False, description="PostgreSQL: postgresql://user:password@host:5432/name"
    )
    broker_url: str | None = Field(
        None,
        repr=False,
        description="Redis for Celery: redis://:password@host:6379/0; TLS, Unix socket, Sentinel: docs/redis.md",
    )
    broker_master_name: str | None = Field(None, description="With sentinel://…: the name of the master, e.g. mymaster")
    broker_sentinel_password: SecretStr | None = Field(None, description="Password of the Sentinels themselves, if any")
    var_dir: Path = Field(Path("var"), description="Files of the embedded services, and the logs of `up`")

    portone_api_url: AnyHttpUrl = Field(AnyHttpUrl(LIVE_PORTONE), description="PortOne REST API V1")
    portone_imp_key: str | None = Field(None, repr=False, description="PortOne REST API key")
    portone_imp_secret: SecretStr | None = Field(None, description="PortOne REST API secret")
    portone_include_sandbox: bool = Field(
        default=False, description="Also read payments of PortOne's test channels; needed when charging through one"
    )
    paymentwall_secret_key: SecretStr | None = Field(
        None, description="Secret Key of your Paymentwall project, if its pingbacks come to you"
    )
    paymentwall_test_key: SecretStr | None = Field(
        None, description="Sandbox only: Brick's private test key, which may sign test pingbacks as well"
    )
    paymentwall_sign_version: Literal[1, 2, 3] = Field(3, description="The only signature version accepted")
    paymentwall_parameters: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Comma-separated names of your project's own custom pingback parameters"
    )

    api_token: SecretStr | None = Field(
        None, description="A token of the HTTP API that may do everything; without it one is made in the var directory"
    )
    webhook_allowed_ips: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Comma-separated source addresses of webhooks; empty: any (the body is only a hint)"
    )
    trusted_proxies: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Your proxies' addresses, whose X-Forwarded-For is believed for the list above; or: none"
    )
    foreign_reads: int = Field(
        60, ge=1, le=100_000, description="Reads of PortOne a minute about webhooks whose merchant_uid was never ours"
    )
    inbox_retention_days: int = Field(
        90, ge=1, le=3660, description="Days until an applied or ignored webhook or pingback is deleted"
    )
    events_url: AnyHttpUrl | None = Field(None, description="Where events are sent, as Standard Webhooks")
    events_secret: SecretStr | None = Field(
        None, description="Signs the events: whsec_ and base64; two of them, with a space between, while you change it"
    )
    events_allow_private: bool = Field(
        default=False, description="Also send events by http, and to private addresses; never needed with a sandbox"
    )
    events_disable_after: float = Field(
        5.0, gt=0, le=365, description="Days without a single event taken until the receiver is disabled"
    )
    events_retention_days: int = Field(
        90, ge=1, le=36_500, description="Days that delivered events are kept; undelivered ones are kept for ever"
    )

    language: Language = Field(Language.EN, description="What operators read: en or ko")
    timezone: str = Field(DEFAULT_ZONE, description="Default time zone of new plans")
    environment: str = Field("bw", pattern=r"^[a-z0-9]{1,8}$", description="First characters of every merchant_uid")
    time_machine: str | None = Field(
        None, description="Sandbox only: '2026-01-01T00:00:00+09:00 x86400 @2026-11-21T08:41:00Z'"
    )

    budget_run: str | None = Field(
        None, description="The most that is charged within an hour, in minor units: KRW=50000000,USD=2000000"
    )
    budget_count: int | None = Field(None, ge=1, le=10_000_000, description="The most charges within an hour")
    budget_customer_day: str | None = Field(
        None, description="The most that one customer is charged within 24 hours, in minor units: KRW=500000"
    )
    budget_jump: int = Field(
        DEFAULT_JUMP, ge=0, le=1000, description="Hold an invoice above this many times the last paid one; 0: never"
    )
    audit_interval: float = Field(300.0, ge=1, le=86_400, description="Seconds between two audits of the invariants")

    web_host: str = Field("127.0.0.1", description="Address of the receiver and the HTTP API")
    web_port: int = Field(8000, ge=1, le=65535, description="Port of the receiver and the HTTP API")
    flower_port: int = Field(5555, ge=1, le=65535, description="Port of Flower")
    worker_concurrency: int = Field(32, ge=1, le=256, description="Threads of one worker process")
    worker_processes: int = Field(2, ge=1, le=64, description="Worker processes that `up` starts")
    scan_interval: float = Field(3.0, ge=0.1, le=60, description="Seconds between two rings of beat")
    scan_limit: int = Field(500, ge=1, le=10_000, description="The most ids that one scan hands out")

    catch_up_rate: int = Field(
        600,
        ge=0,
        le=1_000_000,
        description="Late charges a minute after an outage; what is due now goes first; 0: no limit",
    )

    connect_timeout: float = Field(5.0, gt=0, le=60, description="Seconds to reach the gateway")
    http_deadline: float = Field(65.0, gt=0, le=300, description="Seconds for one gateway call as a whole")
    lease: float = Field(90.0, gt=0, le=3600, description="Seconds that an attempt belongs to its worker")
    claim: float = Field(30.0, gt=0, le=3600, description="Seconds until unstarted work is offered again")
    resolve_first: float = Field(10.0, gt=0, le=600, description="Seconds until an unclear charge is first looked up")
    settle_window: float = Field(
        120.0, gt=0, le=LONGEST_SETTLE_WINDOW, description="Seconds between two reads that prove absence"
    )
    settle_windows: str = Field(
        ",".join(f"{pg}={seconds:g}" for pg, seconds in DEFAULT_SETTLE_WINDOWS),
        description="The same for single PGs, e.g. paymentwall=3600,paypal_v2=600; those not named use the one above",
    )
    compare_interval: float = Field(
        300.0, ge=1, le=3600, description="Seconds between two comparisons of our books with the gateway's"
    )
    key_pending_alert: float = Field(
        3600.0, ge=1, le=2_592_000, description="Seconds until a Paymentwall key that is not confirmed raises an alert"
    )

    @field_validator("webhook_allowed_ips", "trusted_proxies", "paymentwall_parameters", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator(
        "portone_imp_key", "portone_imp_secret", "paymentwall_secret_key", "paymentwall_test_key", mode="before"
    )
    @classmethod
    def _without_line_break(cls, value: object) -> object:
        """A secret that is read from a file often ends with one, and then fits nothing."""
        text = value.get_secret_value() if isinstance(value, SecretStr) else value
        if not isinstance(text, str):
            return value
        if text and not text.strip():
            raise ValueError("is blank; leave it out, or set it")
        return text.strip()

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            zone_named(value)
        except InvalidInput as error:
            raise ValueError(error.problem) from error
        return value

    @field_validator("paymentwall_parameters")
    @classmethod
    def _parameter_names(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        wrong = next((name for name in value if not _PARAMETER.fullmatch(name) or name == "sig"), None)
        if wrong is not None:
            raise ValueError(f"{wrong!r} is not a parameter's name: up to 40 letters, digits, _ and -, no digit first")
        return value

    @field_validator("settle_windows")
    @classmethod
    def _settle_windows_by_pg(cls, value: str) -> str:
        _by_pg(value)
        return value

    @field_validator("time_machine")
    @classmethod
    def _readable(cls, value: str | None) -> str | None:
        if value is not None:
            TimeMachine.parse(value)
        return value

    @field_validator("budget_run", "budget_customer_day")
    @classmethod
    def _sums(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                parse_sums(value)
            except InvalidInput as error:
                raise ValueError(error.problem) from error
        return value

    @field_validator("broker_url")
    @classmethod
    def _redis_only(cls, value: str | None) -> str | None:
        if value is not None:
            # The master's name may be another setting; whether there is one is checked with that.
            BrokerURL.parse(value, "any" if value.startswith("sentinel://") else None)
        return value

    @model_validator(mode="after")
    def _together(self) -> "Settings":
        if (self.portone_imp_key is None) != (self.portone_imp_secret is None):
            raise SettingsInvalid("BILLING_PORTONE_IMP_KEY and BILLING_PORTONE_IMP_SECRET belong together; set both")
        if self.events_url is not None and self.events_secret is None:
            raise SettingsInvalid("BILLING_EVENTS_SECRET: is needed to sign what is sent to BILLING_EVENTS_URL")
        if self.time_machine is not None and self.gateway_is_live:
            host = self.portone_api_url.host
            raise SettingsInvalid(f"BILLING_TIME_MACHINE: refused, since {host} moves real money; use the sandbox")
        self._check_paymentwall()
        if self.broker_url is not None:
            _ = self.broker_server
        _ = self.timing
        return self

    def _check_paymentwall(self) -> None:
        """A test key would let whoever knows it unlock keys that are charged with real money."""
        if self.paymentwall_test_key is None:
            return
        name = "BILLING_PAYMENTWALL_TEST_KEY"
        if self.gateway_is_live:
            host = self.portone_api_url.host
            raise SettingsInvalid(f"{name}: refused, since {host} moves real money; remove it, or use the sandbox")
        if self.paymentwall_secret_key is None:
            raise SettingsInvalid(f"{name}: is taken beside BILLING_PAYMENTWALL_SECRET_KEY only; set that one too")
        one, other = self.paymentwall_secret_key.get_secret_value(), self.paymentwall_test_key.get_secret_value()
        if one.endswith(other) or other.endswith(one):
            # A key stands at the end of what is hashed: the rest of the longer one could pass for a value.
            raise SettingsInvalid(f"{name}: must not be, or end with, BILLING_PAYMENTWALL_SECRET_KEY, nor it with this")

    @property
    def gateway_is_live(self) -> bool:
        """Whether the gateway's host is PortOne's own."""
        host = (self.portone_api_url.host or "").lower().rstrip(".")
        return any(host == live or host.endswith("." + live) for live in LIVE_HOSTS)

    @property
    def timing(self) -> Timing:
        """The time limits of a charge. Raises SettingsInvalid when they contradict each other."""
        return Timing(
            http_deadline=self.http_deadline,
            lease=self.lease,
            claim=self.claim,
            first_look=self.resolve_first,
            settle_window=self.settle_window,
            settle_windows=_by_pg(self.settle_windows),
            compare_interval=self.compare_interval,
            key_pending_alert=self.key_pending_alert,
        )

    @property
    def budgets(self) -> Budgets:
        """How much may be charged before a person must look."""
        run, day = parse_sums(self.budget_run or ""), parse_sums(self.budget_customer_day or "")
        return Budgets(run=run, count=self.budget_count, customer_day=day, jump=self.budget_jump)

    @property
    def inbox(self) -> InboxRules:
        """What holds for webhooks and pingbacks that were received."""
        return InboxRules(self.foreign_reads, timedelta(days=self.inbox_retention_days))

    @property
    def database(self) -> str:
        """The database's URL. Raises SettingsInvalid with the way out when there is none."""
        return self.database_url or self._embedded("database_url", "postgresql://user:password@host:5432/name")

    @property
    def knows_database(self) -> bool:
        """Whether a database is set, or was started by `up`."""
        return self.database_url is not None or "database_url" in read_runtime(self.var_dir)

    @property
    def broker(self) -> str:
        """The broker's URL. Raises SettingsInvalid with the way out when there is none."""
        return self.broker_url or self._embedded("broker_url", "redis://:password@host:6379/0")

    @property
    def broker_server(self) -> BrokerURL:
        """The same, read. Raises SettingsInvalid."""
        try:
            return BrokerURL.parse(self.broker, self.broker_master_name)
        except ValueError as error:
            raise SettingsInvalid(f"BILLING_BROKER_URL: {error}") from error

    @property
    def secrets(self) -> tuple[str, ...]:
        """Everything that no log line may show: keys, tokens, and the passwords inside of URLs, in each spelling."""
        fields = [getattr(self, name) for name in type(self).model_fields]
        # The events' secret may be two.
        found = [part for value in fields if isinstance(value, SecretStr) for part in value.get_secret_value().split()]
        found.append(self.portone_imp_key or "")
        embedded = read_runtime(self.var_dir)
        for name in ("database_url", "broker_url"):
            # A password may hold a # or a ?, and libpq ends it at the first @, others at the last.
            for url in re.split(r";(?=[a-z+]+://)", getattr(self, name) or embedded.get(name) or ""):
                for account in filter(None, (each.match(url) for each in _ACCOUNTS)):
                    found += [account["password"], unquote(account["password"])]
        # A password that is a short word would blank that word out of every line.
        return tuple(sorted({secret for secret in found if len(secret) >= SHORTEST_SECRET}, key=len, reverse=True))

    @property
    def visibility_timeout(self) -> int:
        """Seconds until Redis hands an unfinished message to another worker: longer than any task can run."""
        return int(self.lease + self.http_deadline) + 60

    def _embedded(self, name: str, example: str) -> str:
        found = read_runtime(self.var_dir).get(name)
        if found:
            return found
        variable = PREFIX + name.upper()
        raise SettingsInvalid(
            f"{variable}: is not set, and no `billing-worker up` runs in {self.var_dir}; set it to {example}"
        )


def load_settings(**overrides: object) -> Settings:
    """Read the environment and `.env`. Raises SettingsInvalid: one line that names the variable and the way out."""
    _refuse_unknown()
    try:
        settings = Settings(**overrides)  # type: ignore[arg-type] # validated by pydantic
        found = read_runtime(settings.var_dir)
        # Only beside the database that `up` started with it: never a sandbox on books of one's own.
        beside = settings.portone_imp_key is None and settings.database_url is None and settings.gateway_is_live
        if beside and set(SANDBOX_SETTINGS) <= found.keys():
            sandbox = {name: found[name] for name in SANDBOX_SETTINGS}
            settings = Settings(**(overrides | sandbox))  # type: ignore[arg-type] # as above
    except ValidationError as error:
        raise SettingsInvalid("; ".join(_line(problem) for problem in error.errors())) from None
    return settings


def _by_pg(text: str) -> tuple[tuple[str, float], ...]:
    """Read `paymentwall=3600,paypal_v2=600`. Raises ValueError that says which part is wrong."""
    windows: dict[str, float] = {}
    for part in filter(None, (each.strip() for each in text.split(","))):
        found = _PG_SECONDS.fullmatch(part)
        seconds = float(found["seconds"]) if found else 0.0
        if found is None or not 0 < seconds <= LONGEST_SETTLE_WINDOW:
            form = f"a PG code, = and seconds up to {LONGEST_SETTLE_WINDOW}, e.g. paymentwall=3600"
            raise ValueError(f"{part!r} is not {form}")
        if found["pg"] in windows:
            raise ValueError(f"{found['pg']} is named twice")
        windows[found["pg"]] = seconds
    return tuple(windows.items())


def read_runtime(var_dir: Path) -> dict[str, str]:
    """The URLs of the services that a running `up` started, or nothing."""
    try:
        content = json.loads((var_dir / RUNTIME_FILE).read_text())
    except (OSError, ValueError):
        return {}
    return {str(key): str(value) for key, value in content.items()} if isinstance(content, dict) else {}


def variables() -> dict[str, str]:
    """Every variable and what it is for."""
    return {PREFIX + name.upper(): field.description or "" for name, field in Settings.model_fields.items()}


def _refuse_unknown() -> None:
    known = variables()
    for name in sorted({*os.environ, *dotenv_values(ENV_FILE)}):
        if name.startswith(PREFIX) and name not in known:
            # Without the prefix, which all of them share.
            own = {each.removeprefix(PREFIX): each for each in known}
            near = difflib.get_close_matches(name.removeprefix(PREFIX), own, n=1, cutoff=0.7)
            hint = f"did you mean {own[near[0]]}?" if near else "see .env.example for all settings"
            raise SettingsInvalid(f"{name}: is not a setting; {hint}")


_ACCOUNTS = tuple(re.compile(rf"[^:/]+://[^:@/]*:(?P<password>{rest})@") for rest in ("[^@]*", ".*"))

_MAY_BE_SECRET = re.compile("SECRET|TOKEN|IMP_KEY|TEST_KEY|DATABASE_URL|BROKER_URL|EVENTS_URL")
"""Variables whose wrong value is not repeated: a URL may hold a password."""


def _line(problem: ErrorDetails) -> str:
    where = PREFIX + "_".join(str(part) for part in problem["loc"]).upper() if problem["loc"] else ""
    cause = problem.get("ctx", {}).get("error")
    text = str(cause) if isinstance(cause, BillingError | ValueError) else str(problem["msg"])
    shown = problem.get("input")
    given = (
        f" (got {shown!r})"
        if isinstance(shown, str | int | float | Decimal) and not _MAY_BE_SECRET.search(where)
        else ""
    )
    return f"{where}: {text}{given}" if where else text
