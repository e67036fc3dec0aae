"""Settings of what PGs allow: rates, uses of a key, quiet hours; and the spread of renewals."""

import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import TypeVar

from pydantic import BaseModel, Field, field_validator

from billing_worker.config.notices import quiet_hours
from billing_worker.domain.errors import InvalidInput
from billing_worker.domain.pg_limits import PgLimits, Quiet
from billing_worker.domain.pgs.rules import require_pg
from billing_worker.domain.pgs.table import PGS

T = TypeVar("T")

DEFAULT_RATES = ",".join(f"{pg.code}={pg.calls_per_second}/s" for pg in PGS.values() if pg.calls_per_second is not None)
"""Of the PGs that state a rate (`billing-worker pg show daou`)."""

_PER = {"s": timedelta(seconds=1), "min": timedelta(minutes=1)}
_PART = re.compile(r"(?P<pg>[a-z0-9_]{1,40}) *= *(?P<limit>\S+)")
_RATE = re.compile(r"(?P<calls>[1-9]\d{0,5})/(?P<per>s|min)")
_USES = re.compile(r"[1-9]\d{0,4}")


class Pacing(BaseModel):
    """What PGs allow, and whether anything is charged at all. Nothing else here drops a charge."""

    pg_rates: str = Field(
        DEFAULT_RATES,
        description="The most charges by PG, per second or minute, evenly spaced: daou=50/s,nice_v2=600/min",
    )
    pg_monthly_uses: str = Field(
        "", description="The most charges of one key in a calendar month (Seoul) by PG, for wallets: kakaopay=4"
    )
    pg_quiet_hours: str = Field(
        "", description="Hours without charges by PG, Seoul time: settle_acc=23:30-00:35 for the maintenance of banks"
    )
    spread_hours: float = Field(
        0.0,
        ge=0,
        le=23,
        description="Spread renewals over so many hours after their date; each keeps its own time; 0: no",
    )

    shadow: bool = Field(
        default=False,
        description="Charge nothing: decide beside another biller, and report each day how PortOne's books differ",
    )

    @field_validator("pg_rates")
    @classmethod
    def _rates_by_pg(cls, value: str) -> str:
        _by_pg(value, _spacing)
        return value

    @field_validator("pg_monthly_uses")
    @classmethod
    def _uses_by_pg(cls, value: str) -> str:
        _by_pg(value, _uses)
        return value

    @field_validator("pg_quiet_hours")
    @classmethod
    def _quiet_by_pg(cls, value: str) -> str:
        _by_pg(value, _quiet)
        return value

    @property
    def pg_limits(self) -> PgLimits:
        """The limits of all PGs."""
        return PgLimits(
            spacing=_by_pg(self.pg_rates, _spacing),
            monthly_uses=_by_pg(self.pg_monthly_uses, _uses),
            quiet=_by_pg(self.pg_quiet_hours, _quiet),
            spread=timedelta(hours=self.spread_hours),
        )


def _by_pg(text: str, read: Callable[[str], T | None]) -> Mapping[str, T]:
    """Read `PG=LIMIT,PG=LIMIT`. Raises ValueError, which names the wrong part."""
    limits: dict[str, T] = {}
    for part in filter(None, (each.strip() for each in text.split(","))):
        found = _PART.fullmatch(part)
        limit = read(found["limit"]) if found else None
        if found is None or limit is None:
            raise ValueError(f"{part!r} is not a PG code, = and {FORMS[read]}")
        _require_known(found["pg"])
        if found["pg"] in limits:
            raise ValueError(f"{found['pg']} is named twice")
        limits[found["pg"]] = limit
    return limits


def _require_known(code: str) -> None:
    """A limit of a PG that does not exist would hold nothing back."""
    try:
        require_pg(code)
    except InvalidInput as error:
        raise ValueError(error.problem) from error


def _spacing(text: str) -> timedelta | None:
    found = _RATE.fullmatch(text)
    return _PER[found["per"]] / int(found["calls"]) if found else None


def _uses(text: str) -> int | None:
    return int(text) if _USES.fullmatch(text) else None


def _quiet(text: str) -> Quiet | None:
    try:
        return quiet_hours(text)
    except ValueError:
        return None


FORMS: Mapping[Callable[[str], object], str] = {
    _spacing: "a rate such as 50/s or 600/min",
    _uses: "a number of charges from 1 to 99999",
    _quiet: "two different times of day such as 23:30-00:35",
}
"""What each limit looks like, for the error."""
