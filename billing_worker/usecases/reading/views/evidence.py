"""What is shown of the gateway's words: masked, and cut off where they were long."""

from dataclasses import dataclass, field

from billing_worker.domain.payment import Evidence
from billing_worker.usecases.reading.views.fields import described, view_of


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceView:
    """What the gateway said, with card numbers masked."""

    source: str = field(metadata=described(example="portone"))
    request: str = field(metadata=described(example="GET /payments/imp_123456789012"))
    http_status: int | None = field(metadata=described(example=200))
    body: str = field(metadata=described("As it came; cut off where it was long", example="{}"))


def of_evidence(evidence: Evidence | None) -> EvidenceView | None:
    """The view of what the gateway said, if it said anything."""
    if evidence is None:
        return None
    return view_of(EvidenceView, evidence)
