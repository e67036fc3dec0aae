"""Settings: the only reader of the environment. Frozen, validated, with clear errors.

Every setting is an environment variable `BILLING_…`, or a line in a file `.env`. Without a URL, the settings use the
services that `billing-worker up` started in `BILLING_VAR_DIR`. Each subject has a file here; `Settings` combines them.
"""

import difflib
import os
import re
from decimal import Decimal

from dotenv import dotenv_values
from pydantic import SecretStr, ValidationError, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict

from billing_worker.config.alerts import AlertSettings
from billing_worker.config.billing import Billing
from billing_worker.config.card_page import CardPage, CardPageSettings
from billing_worker.config.doors import Doors
from billing_worker.config.gateway import SANDBOX_SETTINGS, GatewaySettings
from billing_worker.config.limits import Limits, Size
from billing_worker.config.names import ENV_FILE, PREFIX
from billing_worker.config.notices import NoticeSettings
from billing_worker.config.pacing import Pacing
from billing_worker.config.services import Services, read_runtime
from billing_worker.domain.errors import BillingError, SettingsInvalid
from billing_worker.domain.language import Language

SHORTEST_SECRET = 6


class Settings(
    Limits,
    Size,
    Pacing,
    Billing,
    Doors,
    AlertSettings,
    NoticeSettings,
    CardPageSettings,
    GatewaySettings,
    Services,
    BaseSettings,
):
    """All settings, validated together. Secrets never show in `repr`. The last base class comes first."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_file=ENV_FILE, env_ignore_empty=True, extra="ignore", frozen=True
    )

    @model_validator(mode="after")
    def _together(self) -> "Settings":
        self.check_gateway()
        self.check_events()
        self.check_notices()
        self.check_alerts(self.notice_smtp_url, self.notice_from)
        if self.time_machine is not None and self.gateway_is_live:
            host = self.portone_api_url.host
            raise SettingsInvalid(f"BILLING_TIME_MACHINE: refused, since {host} moves real money; use the sandbox")
        if self.broker_url is not None:
            _ = self.broker_server
        _ = self.timing
        return self

    @property
    def card_page(self) -> CardPage:
        """What the card page needs. Raises SettingsInvalid with the name of what is missing."""
        return self.card_page_with(
            sandbox=None if self.gateway_is_live else str(self.portone_api_url),
            sandbox_secret=self.portone_imp_secret,
            web_host=self.web_host,
            web_port=self.web_port,
        )

    @property
    def secrets(self) -> tuple[str, ...]:
        """All secrets that logs must not show: keys, tokens, and the passwords in URLs, in each spelling."""
        fields = [getattr(self, name) for name in type(self).model_fields]
        # The events' secret may consist of two.
        found = [part for value in fields if isinstance(value, SecretStr) for part in value.get_secret_value().split()]
        found += [self.portone_imp_key or "", *self.passwords]
        # Masking a short password would blank that word out of every line.
        return tuple(sorted({secret for secret in found if len(secret) >= SHORTEST_SECRET}, key=len, reverse=True))


def load_settings(**overrides: object) -> Settings:
    """Read the environment and `.env`. Raises SettingsInvalid, which names each wrong variable and the way out."""
    unknown = _unknown()
    try:
        settings = Settings(**overrides)  # type: ignore[arg-type] # validated by pydantic
        found = read_runtime(settings.var_dir)
        # Only with the database that `up` started with it: never a sandbox on the merchant's own books.
        beside = settings.portone_imp_key is None and settings.database_url is None and settings.gateway_is_live
        if beside and set(SANDBOX_SETTINGS) <= found.keys():
            sandbox = {name: found[name] for name in SANDBOX_SETTINGS}
            settings = Settings(**(overrides | sandbox))  # type: ignore[arg-type] # as above
    except ValidationError as error:
        raise SettingsInvalid(*unknown, *(_line(problem) for problem in error.errors())) from None
    except SettingsInvalid as error:
        raise SettingsInvalid(*unknown, *error.problems) from None
    if unknown:
        raise SettingsInvalid(*unknown)
    return settings


def variables() -> dict[str, str]:
    """Every variable with its purpose."""
    return {PREFIX + name.upper(): field.description or "" for name, field in Settings.model_fields.items()}


def language_asked_for() -> Language:
    """The operator's language, also where other settings are wrong; English where that one is wrong, or not set."""
    variable = f"{PREFIX}LANGUAGE"
    asked = os.environ.get(variable) or dotenv_values(ENV_FILE).get(variable)
    return Language(asked) if asked in set(Language) else Language.EN


def _unknown() -> list[str]:
    """One line for each variable that begins as a setting and is none."""
    known, lines = variables(), []
    for name in sorted({*os.environ, *dotenv_values(ENV_FILE)}):
        if name.startswith(PREFIX) and name not in known:
            # Without the common prefix.
            own = {each.removeprefix(PREFIX): each for each in known}
            near = difflib.get_close_matches(name.removeprefix(PREFIX), own, n=1, cutoff=0.7)
            hint = f"did you mean {own[near[0]]}?" if near else "see .env.example for all settings"
            lines.append(f"{name}: is not a setting; {hint}")
    return lines


_MAY_BE_SECRET = re.compile(
    "SECRET|TOKEN|IMP_KEY|TEST_KEY|DATABASE_URL|BROKER_URL|EVENTS_URL|NOTICE_URL|ALERT_URL|SMTP_URL"
)
"""Variables whose wrong value is not repeated: a URL may contain a password."""


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
