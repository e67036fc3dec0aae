"""The views of a dunning policy."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from billing_worker.domain.dunning.definition import EXAMPLE, written_policy
from billing_worker.domain.dunning.version import PolicyVersion
from billing_worker.usecases.reading.views.fields import described, view_of


@dataclass(frozen=True, slots=True, kw_only=True)
class DunningPolicyView:
    """One version of a policy. It never changes: an invoice keeps the version that it began with."""

    id: str = field(metadata=described("Its name and version", example="paydays@2"))
    name: str = field(metadata=described(example="paydays"))
    version: int = field(metadata=described("Counted from 1", example=2))
    definition: dict[str, Any] = field(metadata=described("Its fields, as docs/dunning.md lists them", example=EXAMPLE))
    created_at: datetime


def of_policy(version: PolicyVersion) -> DunningPolicyView:
    """The view of a version."""
    return view_of(DunningPolicyView, version, definition=written_policy(version.policy))
