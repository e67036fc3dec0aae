"""The view of the gateway's answers: masked and truncated."""

from dataclasses import dataclass, field

from billing_worker.domain.payment import Evidence
from billing_worker.usecases.reading.views.fields import described, view_of


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceView:
    """The gateway's answer, with card numbers masked."""

    source: str = field(metadata=described(example="portone"))
    request: str = field(metadata=described(example="GET /payments/imp_123456789012"))
    http_status: int | None = field(metadata=described(example=200))
    body: str = field(metadata=described("As received; truncated if long", example="{}"))


def of_evidence(evidence: Evidence | None) -> EvidenceView | None:
    """The view of the gateway's answer, if there is one."""
    if evidence is None:
        return None
    return view_of(EvidenceView, evidence)
