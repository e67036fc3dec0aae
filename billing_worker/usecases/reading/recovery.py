"""Advice about a declined payment of any system: nothing is stored, and nothing is charged."""

from billing_worker.domain.dunning.policy import DEFAULT
from billing_worker.domain.dunning.recovery import KnownDecline, advise
from billing_worker.domain.dunning.version import OURS
from billing_worker.domain.language import Language
from billing_worker.ports.bundle import Ports
from billing_worker.texts.declines import advised
from billing_worker.usecases.reading.dunning import policy_called
from billing_worker.usecases.reading.views.recovery import RecoveryView


def recovery_of(
    ports: Ports, told: KnownDecline, name: str | None = None, language: Language = Language.EN
) -> RecoveryView:
    """Advise by the newest version of a policy, or by the default of this release. Raises InvalidInput."""
    policy, version = DEFAULT, OURS
    if name is not None:
        policy, version = policy_called(ports, name)
    found = advise(told, policy)
    return RecoveryView(
        category=found.decline.category,
        advice=found.decline.advice,
        code=found.decline.code,
        decided_by=found.decline.source,
        retry_at=found.retry_at,
        why=found.why,
        reason=advised(found.decline.category, found.why, language),
        step=found.step,
        steps=found.steps,
        dunning_policy=version,
    )
