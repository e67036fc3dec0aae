"""Write the log of actions, in the transaction of each change that an operator or a program requests."""

from collections.abc import Sequence
from datetime import datetime

from billing_worker.domain.action import Action, Verb
from billing_worker.ports.bundle import Ports
from billing_worker.ports.storage import UnitOfWork


def note(
    ports: Ports, uow: UnitOfWork, verb: Verb, subject_id: str, detail: str | None = None, *, at: datetime
) -> None:
    """Write one action of the ports' actor, `at` this real time, within the caller's transaction."""
    uow.actions.add_all([Action(ports.actor, verb, subject_id, at, detail)])


def note_all(ports: Ports, uow: UnitOfWork, done: Sequence[tuple[Verb, str]], *, at: datetime) -> None:
    """The same for many at once."""
    uow.actions.add_all([Action(ports.actor, verb, subject_id, at) for verb, subject_id in done])
