"""Settings of what customers hear: the ways, the words, and the hours."""

import re
from datetime import time
from pathlib import Path

from pydantic import AnyHttpUrl, BaseModel, Field, SecretStr, field_validator

from billing_worker.domain.errors import InvalidInput, SettingsInvalid
from billing_worker.domain.language import Language
from billing_worker.domain.notices.switches import DEFAULT_KINDS, Switches, switches_of
from billing_worker.domain.pg_limits import Quiet

DEFAULT_QUIET = "21:00-08:00"
"""The hours in which Korean law forbids advertising without a consent of its own. These notices are none, but the
customers of a quiet merchant sleep better."""

_QUIET = re.compile(r"(?P<start>[0-2]\d:[0-5]\d)-(?P<end>[0-2]\d:[0-5]\d)")


class NoticeSettings(BaseModel):
    """Notices to customers. Without a mail server and without an address, customers hear nothing."""

    notice_smtp_url: str | None = Field(
        None, repr=False, description="Mail server for notices: smtps://user:password@host, or smtp:// with STARTTLS"
    )
    notice_from: str | None = Field(None, description="Sender of the mails: 가게 <billing@example.com>")
    notice_url: AnyHttpUrl | None = Field(
        None, description="Address for notices, sent as Standard Webhooks: for senders of 알림톡 or SMS"
    )
    notice_secret: SecretStr | None = Field(
        None, description="Signs them: whsec_ and base64; two, separated by a space, during a change"
    )
    notice_kinds: str = Field(
        DEFAULT_KINDS,
        description="Kinds that are on, unless a plan says otherwise; upcoming=7 is 7 days before a charge; none: none",
    )
    notice_language: Language = Field(Language.KO, description="Language of notices (ko, en)")
    notice_quiet_hours: str = Field(DEFAULT_QUIET, description="Hours without notices, Seoul time; none: no such hours")
    notice_templates: Path | None = Field(None, description="A directory with your own templates; see docs/notices.md")
    notice_card_pg: str | None = Field(
        None, description="Window that the links open, such as kakaopay.MID; default: that of the customer's own PG"
    )

    @field_validator("notice_kinds")
    @classmethod
    def _known_kinds(cls, value: str) -> str:
        try:
            switches_of(value)
        except InvalidInput as error:
            raise ValueError(f"{error.value!r} {error.problem}") from error
        return value

    @field_validator("notice_quiet_hours")
    @classmethod
    def _hours(cls, value: str) -> str:
        quiet_hours(value)
        return value

    @property
    def notice_switches(self) -> Switches:
        """The kinds that are on."""
        return switches_of(self.notice_kinds)

    @property
    def notice_quiet(self) -> Quiet | None:
        """The hours without notices."""
        return quiet_hours(self.notice_quiet_hours)

    def check_notices(self) -> None:
        """Raises SettingsInvalid for a way that lacks a part."""
        if self.notice_smtp_url is not None and self.notice_from is None:
            raise SettingsInvalid(
                "BILLING_NOTICE_FROM: is needed with BILLING_NOTICE_SMTP_URL: 가게 <billing@example.com>"
            )
        if self.notice_url is not None and self.notice_secret is None:
            raise SettingsInvalid("BILLING_NOTICE_SECRET: is needed to sign what is sent to BILLING_NOTICE_URL")


def quiet_hours(text: str) -> Quiet | None:
    """Read `21:00-08:00`; None for `none`. Raises ValueError."""
    if text == "none":
        return None
    found = _QUIET.fullmatch(text)
    try:
        start, end = (time.fromisoformat(found[name]) for name in ("start", "end")) if found else (time(), time())
    except ValueError:
        start = end = time()
    if start == end:
        raise ValueError("must be two different times of day such as 21:00-08:00, or none")
    return Quiet(start, end)
