"""Settings of billing: its time, and limits against our own mistakes."""

from pydantic import BaseModel, Field, field_validator

from billing_worker.domain.budget import DEFAULT_JUMP, Budgets, parse_sums
from billing_worker.domain.calendar import DEFAULT_ZONE, zone_named
from billing_worker.domain.errors import InvalidInput
from billing_worker.domain.language import Language
from billing_worker.domain.time_machine import IN_A_FILE, TimeMachine


class Billing(BaseModel):
    """The time of billing, and the budgets."""

    language: Language = Field(
        Language.EN, description="Language of why, report, alerts and doctor (en, ko); the rest is English"
    )
    timezone: str = Field(DEFAULT_ZONE, description="Default time zone of new plans")
    environment: str = Field("bw", pattern=r"^[a-z0-9]{1,8}$", description="First characters of every merchant_uid")
    time_machine: str | None = Field(
        None, description="Sandbox only: '2026-01-01T00:00:00+09:00 x86400 @2026-11-21T08:41:00Z', or file:PATH of one"
    )

    budget_run: str | None = Field(
        None, description="The largest sum of charges within an hour, in minor units: KRW=50000000,USD=2000000"
    )
    budget_count: int | None = Field(None, ge=1, le=10_000_000, description="The most charges within an hour")
    budget_customer_day: str | None = Field(
        None, description="The largest sum for one customer within 24 hours, in minor units: KRW=500000"
    )
    budget_jump: int = Field(
        DEFAULT_JUMP, ge=0, le=1000, description="Hold an invoice above this many times the last paid one; 0: never"
    )
    audit_interval: float = Field(300.0, ge=1, le=86_400, description="Seconds between two audits of the invariants")

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            zone_named(value)
        except InvalidInput as error:
            raise ValueError(error.problem) from error
        return value

    @field_validator("time_machine")
    @classmethod
    def _readable(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(IN_A_FILE):
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

    @property
    def budgets(self) -> Budgets:
        """The budgets for charges."""
        run, day = parse_sums(self.budget_run or ""), parse_sums(self.budget_customer_day or "")
        return Budgets(run=run, count=self.budget_count, customer_day=day, jump=self.budget_jump)
