"""Settings of the connections with other programs: the HTTP API, the receiver, and the merchant's receiver."""

from datetime import timedelta
from typing import Annotated

from pydantic import AnyHttpUrl, BaseModel, Field, SecretStr, field_validator
from pydantic_settings import NoDecode

from billing_worker.config.names import listed
from billing_worker.domain.errors import SettingsInvalid
from billing_worker.domain.notification import InboxRules
from billing_worker.domain.retention import Retention


class Doors(BaseModel):
    """Access, the retention of notifications, and the address of events."""

    api_token: SecretStr | None = Field(
        None, description="A token of the HTTP API that may do everything; default: one made in the var directory"
    )
    card_entry: bool = Field(
        default=False, description="Take card data, to issue keys: widens your PCI scope; see docs/card-entry.md first"
    )
    webhook_allowed_ips: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Comma-separated source addresses of webhooks; empty: any (the body is only a hint)"
    )
    trusted_proxies: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Your proxies' addresses, whose X-Forwarded-For is trusted for the list above; or: none"
    )
    foreign_reads: int = Field(
        60, ge=1, le=100_000, description="Reads of PortOne per minute about webhooks whose merchant_uid was never ours"
    )
    inbox_retention_days: int = Field(
        90, ge=1, le=3660, description="Days until an applied or ignored webhook or pingback is deleted"
    )
    evidence_retention_days: int = Field(
        90, ge=1, le=36_500, description="Days until the text of an answer of the gateway is emptied; its row stays"
    )
    alerts_retention_days: int = Field(400, ge=1, le=36_500, description="Days until a closed alert is deleted")
    answers_retention_days: int = Field(
        30, ge=1, le=3660, description="Days until the kept answer to an Idempotency-Key is deleted"
    )
    events_url: AnyHttpUrl | None = Field(None, description="Address for events, sent as Standard Webhooks")
    events_secret: SecretStr | None = Field(
        None, description="Signs the events: whsec_ and base64; two, separated by a space, during a change"
    )
    events_allow_private: bool = Field(
        default=False, description="Also send events by http, and to private addresses; never needed with a sandbox"
    )
    events_disable_after: float = Field(
        5.0, gt=0, le=365, description="Days without an accepted event until the receiver is disabled"
    )
    events_retention_days: int = Field(
        90,
        ge=1,
        le=36_500,
        description="Days that events are kept after their delivery or, without a receiver, after they happened",
    )

    @field_validator("webhook_allowed_ips", "trusted_proxies", mode="before")
    @classmethod
    def _addresses_between_commas(cls, value: object) -> object:
        return listed(value)

    @property
    def inbox(self) -> InboxRules:
        """The rules for received webhooks and pingbacks."""
        return InboxRules(self.foreign_reads, timedelta(days=self.inbox_retention_days))

    @property
    def retention(self) -> Retention:
        """How long records are kept that no charge needs."""
        return Retention(
            evidence=timedelta(days=self.evidence_retention_days),
            alerts=timedelta(days=self.alerts_retention_days),
            answers=timedelta(days=self.answers_retention_days),
        )

    def check_events(self) -> None:
        """Raises SettingsInvalid for a receiver without a secret."""
        if self.events_url is not None and self.events_secret is None:
            raise SettingsInvalid("BILLING_EVENTS_SECRET: is needed to sign what is sent to BILLING_EVENTS_URL")
