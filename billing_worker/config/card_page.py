"""Settings of the card page, on which customers give their cards in PortOne's payment window."""

from dataclasses import dataclass, field
from typing import Annotated

from pydantic import AnyHttpUrl, BaseModel, Field, SecretStr, field_validator
from pydantic_settings import NoDecode

from billing_worker.config.names import listed
from billing_worker.domain.errors import SettingsInvalid

PORTONE_SDK = "https://cdn.iamport.kr/v1/iamport.js"
"""PortOne's V1 SDK for browsers."""

SANDBOX_SDK = "v1/iamport.js"
SANDBOX_CODE = "imp00000000"
SHORTEST = 32


@dataclass(frozen=True, slots=True)
class CardPage:
    """What the card page needs."""

    secret: bytes = field(repr=False)
    """Signs its links."""
    url: str
    """The public address of this worker's web process, without a final slash."""
    sdk_url: str
    imp_code: str
    return_hosts: tuple[str, ...]
    widget_code: str | None


class CardPageSettings(BaseModel):
    """The card page's own secret, its public address, and its SDK."""

    imp_code: str | None = Field(None, description="Your identification code at PortOne, for the card page: imp…")
    portone_sdk_url: AnyHttpUrl | None = Field(
        None, description=f"PortOne's V1 SDK for browsers; default: {PORTONE_SDK}, or the sandbox's stand-in"
    )
    card_page_url: AnyHttpUrl | None = Field(
        None, description="Public https address of the web process, for links to the card page"
    )
    card_page_secret: SecretStr | None = Field(
        None, description=f"Signs links to the card page: at least {SHORTEST} random characters"
    )
    card_return_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Comma-separated hosts of your shop, to which the card page may send a customer back"
    )
    paymentwall_widget_code: str | None = Field(
        None, description="The widget of Paymentwall's window, e.g. t3_1; default: PortOne's own default"
    )

    @field_validator("card_return_hosts", mode="before")
    @classmethod
    def _hosts_between_commas(cls, value: object) -> object:
        return listed(value)

    @property
    def wants_card_page(self) -> bool:
        """Whether the card page is set up, at least in part."""
        return self.card_page_secret is not None or self.card_page_url is not None

    def card_page_with(
        self, *, sandbox: str | None, sandbox_secret: SecretStr | None, web_host: str, web_port: int
    ) -> CardPage:
        """The card page's settings. With a sandbox (its address), everything has a default.

        Raises SettingsInvalid with the name of what is missing.
        """
        secret = self.card_page_secret.get_secret_value().strip() if self.card_page_secret else ""
        if secret and len(secret) < SHORTEST:
            raise SettingsInvalid(f"BILLING_CARD_PAGE_SECRET: must have at least {SHORTEST} characters; make it random")
        code, url = self.imp_code, str(self.card_page_url).rstrip("/") if self.card_page_url else ""
        sdk = str(self.portone_sdk_url) if self.portone_sdk_url else ""
        if sandbox is not None:
            given = sandbox_secret.get_secret_value() if sandbox_secret else ""
            secret = secret or f"links of a sandbox, where no money moves: {given}"
            code, url = code or SANDBOX_CODE, url or f"http://{web_host}:{web_port}"
            sdk = sdk or f"{sandbox.rstrip('/')}/{SANDBOX_SDK}"
        for name, value in (("CARD_PAGE_SECRET", secret), ("CARD_PAGE_URL", url), ("IMP_CODE", code)):
            if not value:
                raise SettingsInvalid(f"BILLING_{name}: is needed for the card page; see docs/card-page.md")
        hosts = tuple(host.lower() for host in self.card_return_hosts)
        return CardPage(secret.encode(), url, sdk or PORTONE_SDK, str(code), hosts, self.paymentwall_widget_code)
