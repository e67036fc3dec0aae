"""Settings of the database and the broker: the given ones, or else those started by `up`."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

from pydantic import BaseModel, Field, SecretStr, field_validator

from billing_worker.broker_url import BrokerURL
from billing_worker.config.names import PREFIX
from billing_worker.domain.errors import SettingsInvalid

RUNTIME_FILE = "runtime.json"
"""The file with the URLs of the services that `up` started. It is in VAR_DIR, and only its owner can read it."""

_ACCOUNTS = tuple(re.compile(rf"[^:/]+://[^:@/]*:(?P<password>{rest})@") for rest in ("[^@]*", ".*"))


class Services(BaseModel):
    """The URLs of the database and the broker."""

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

    @field_validator("broker_url")
    @classmethod
    def _redis_only(cls, value: str | None) -> str | None:
        if value is not None:
            # The master's name may be a separate setting, so it is checked there.
            BrokerURL.parse(value, "any" if value.startswith("sentinel://") else None)
        return value

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
        """The broker's URL, parsed. Raises SettingsInvalid."""
        try:
            return BrokerURL.parse(self.broker, self.broker_master_name)
        except ValueError as error:
            raise SettingsInvalid(f"BILLING_BROKER_URL: {error}") from error

    @property
    def passwords(self) -> Iterator[str]:
        """The passwords in the URLs, in each spelling."""
        embedded = read_runtime(self.var_dir)
        for name in ("database_url", "broker_url", "notice_smtp_url"):
            # A password may contain # or ?. libpq ends it at the first @, other drivers at the last.
            for url in re.split(r";(?=[a-z+]+://)", getattr(self, name, None) or embedded.get(name) or ""):
                for account in filter(None, (each.match(url) for each in _ACCOUNTS)):
                    yield from (account["password"], unquote(account["password"]))

    def _embedded(self, name: str, example: str) -> str:
        found = read_runtime(self.var_dir).get(name)
        if found:
            return found
        variable = PREFIX + name.upper()
        raise SettingsInvalid(
            f"{variable}: is not set, and no `billing-worker up` runs in {self.var_dir}; set it to {example}"
        )


def read_runtime(var_dir: Path) -> dict[str, str]:
    """The URLs of the services that a running `up` started; empty if none runs."""
    try:
        content = json.loads((var_dir / RUNTIME_FILE).read_text())
    except (OSError, ValueError):
        return {}
    return {str(key): str(value) for key, value in content.items()} if isinstance(content, dict) else {}
