"""The view of advice about a declined payment."""

from dataclasses import dataclass, field
from datetime import datetime

from billing_worker.domain.declines.reasons import Advice, Category
from billing_worker.domain.dunning.recovery import Why
from billing_worker.usecases.reading.views.fields import described


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryView:
    """What to do about a declined payment."""

    category: Category
    advice: Advice
    code: str | None = field(metadata=described("The PG's code", example="CC10"))
    decided_by: str = field(
        metadata=described("The rule or the code book that decided", example="wording: not enough money")
    )
    retry_at: datetime | None = field(metadata=described("When to charge the card again; empty: not again"))
    why: Why
    reason: str = field(metadata=described("The same in words", example="The account holds too little. …"))
    step: int = field(metadata=described("Steps of the policy that are spent, this decline included", example=1))
    steps: int = field(metadata=described("Steps that the policy has for such a decline", example=5))
    dunning_policy: str = field(metadata=described("The version of the policy", example="paydays@2"))
