"""The views of declines."""

from dataclasses import dataclass, field
from datetime import datetime

from billing_worker.domain.declines.reasons import Advice, Category
from billing_worker.usecases.reading.views.fields import INVOICE_ID, described


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclineView:
    """What a text of a PG means, and what helps."""

    pg: str = field(metadata=described("PortOne's `pg_provider`", example="kcp"))
    text: str = field(metadata=described("The text of the PG, masked", example="[CC43]도난카드"))
    code: str | None = field(metadata=described("The PG's code, as the text shows it", example="CC43"))
    category: Category
    advice: Advice
    decided_by: str = field(
        metadata=described("The rule or the code book that decided", example="wording: reported lost or stolen")
    )
    english: str = field(metadata=described("Both in words", example="The card was reported lost or stolen. …"))
    korean: str = field(metadata=described("Both in words", example="분실 또는 도난으로 신고된 카드입니다. …"))


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownTextView:
    """A text of a PG that no rule understands."""

    pg: str = field(metadata=described("PortOne's `pg_provider`", example="kcp"))
    text: str = field(metadata=described("The text, masked; digits are `#`", example="[ZZ#]처음 보는 문구"))
    count: int = field(metadata=described("Declines with it in the last 90 days", example=3))
    last_at: datetime
    invoice_id: str = field(metadata=INVOICE_ID)
