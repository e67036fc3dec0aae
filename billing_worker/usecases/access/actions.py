"""Keep who did what: called in the transaction of each change that somebody asked for."""

from collections.abc import Sequence

from billing_worker.domain.action import Action, Verb
from billing_worker.ports.bundle import Ports
from billing_worker.ports.storage import UnitOfWork


def note(ports: Ports, uow: UnitOfWork, verb: Verb, subject_id: str, detail: str | None = None) -> None:
    """Keep that the actor of these ports did this, within the caller's transaction."""
    uow.actions.add_all([Action(ports.actor, verb, subject_id, ports.clock.real_now(), detail)])


def note_all(ports: Ports, uow: UnitOfWork, done: Sequence[tuple[Verb, str]]) -> None:
    """The same for many at once."""
    real_now = ports.clock.real_now()
    uow.actions.add_all([Action(ports.actor, verb, subject_id, real_now) for verb, subject_id in done])
