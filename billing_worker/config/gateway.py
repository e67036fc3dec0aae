"""Settings of the gateway: PortOne, and Paymentwall's pingbacks."""

import re
from typing import Annotated, Literal

from pydantic import AnyHttpUrl, BaseModel, Field, SecretStr, field_validator
from pydantic_settings import NoDecode

from billing_worker.config.names import listed
from billing_worker.domain.errors import SettingsInvalid

LIVE_PORTONE = "https://api.iamport.kr"
LIVE_HOSTS = ("iamport.kr", "portone.io", "iamport.co")
"""Hosts that move real money: the time machine is refused there."""

SANDBOX_SETTINGS = ("portone_api_url", "portone_imp_key", "portone_imp_secret")
"""The settings that `up` writes for its sandbox, so that other commands use the same gateway."""

_PARAMETER = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,39}")


class GatewaySettings(BaseModel):
    """The access to PortOne, and the verification of Paymentwall's pingbacks."""

    portone_api_url: AnyHttpUrl = Field(AnyHttpUrl(LIVE_PORTONE), description="PortOne REST API V1")
    portone_imp_key: str | None = Field(None, repr=False, description="PortOne REST API key")
    portone_imp_secret: SecretStr | None = Field(None, description="PortOne REST API secret")
    portone_include_sandbox: bool = Field(
        default=False, description="Also read payments of PortOne's test channels; needed when charging through one"
    )
    product_type: Literal["real", "digital"] | None = Field(
        None, description="What is sold, for a PG that asks with every charge (KSNET): real goods or digital ones"
    )
    paymentwall_secret_key: SecretStr | None = Field(
        None, description="Secret Key of your Paymentwall project, if you receive its pingbacks"
    )
    paymentwall_test_key: SecretStr | None = Field(
        None, description="Sandbox only: Brick's private test key, which may sign test pingbacks as well"
    )
    paymentwall_sign_version: Literal[1, 2, 3] = Field(3, description="The only signature version accepted")
    paymentwall_parameters: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Comma-separated names of your project's own custom pingback parameters"
    )

    @field_validator("paymentwall_parameters", mode="before")
    @classmethod
    def _names_between_commas(cls, value: object) -> object:
        return listed(value)

    @field_validator(
        "portone_imp_key", "portone_imp_secret", "paymentwall_secret_key", "paymentwall_test_key", mode="before"
    )
    @classmethod
    def _without_line_break(cls, value: object) -> object:
        """Strip the final line break: a secret read from a file often has one, and then never matches."""
        text = value.get_secret_value() if isinstance(value, SecretStr) else value
        if not isinstance(text, str):
            return value
        if text and not text.strip():
            raise ValueError("is blank; leave it out, or set it")
        return text.strip()

    @field_validator("paymentwall_parameters")
    @classmethod
    def _parameter_names(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        wrong = next((name for name in value if not _PARAMETER.fullmatch(name) or name == "sig"), None)
        if wrong is not None:
            raise ValueError(f"{wrong!r} is not a parameter's name: up to 40 letters, digits, _ and -, no digit first")
        return value

    @property
    def gateway_is_live(self) -> bool:
        """Whether the gateway's host is PortOne's own."""
        host = (self.portone_api_url.host or "").lower().rstrip(".")
        return any(host == live or host.endswith("." + live) for live in LIVE_HOSTS)

    def check_gateway(self) -> None:
        """Raises SettingsInvalid if two of these contradict each other."""
        if (self.portone_imp_key is None) != (self.portone_imp_secret is None):
            raise SettingsInvalid("BILLING_PORTONE_IMP_KEY and BILLING_PORTONE_IMP_SECRET belong together; set both")
        self._check_paymentwall()

    def _check_paymentwall(self) -> None:
        """Refuse a test key with a live gateway.

        Anyone who knows it could confirm keys that are charged with real money.
        """
        if self.paymentwall_test_key is None:
            return
        name = "BILLING_PAYMENTWALL_TEST_KEY"
        if self.gateway_is_live:
            host = self.portone_api_url.host
            raise SettingsInvalid(f"{name}: refused, since {host} moves real money; remove it, or use the sandbox")
        if self.paymentwall_secret_key is None:
            raise SettingsInvalid(f"{name}: needs BILLING_PAYMENTWALL_SECRET_KEY; set that one too")
        one, other = self.paymentwall_secret_key.get_secret_value(), self.paymentwall_test_key.get_secret_value()
        if one.endswith(other) or other.endswith(one):
            # A key ends the hashed text, so the rest of the longer key could pass for a value.
            raise SettingsInvalid(f"{name}: must not equal or end with BILLING_PAYMENTWALL_SECRET_KEY, or the reverse")
