"""A method that the database in memory does not model raises, and names itself."""

import inspect

import pytest

from billing_worker.ports.storage import UnitOfWork
from billing_worker.simulation.memory.numbered import Numbered
from billing_worker.simulation.memory.store import MemoryTransaction, Store
from billing_worker.simulation.memory.unserved import NotSimulated, Unserved, UnservedSubject


def transaction() -> MemoryTransaction:
    return MemoryTransaction(Store(Numbered()), lambda _changes: None)


@pytest.mark.parametrize("subject", ["audits", "books", "comparisons", "forgetting", "kept_answers", "lists", "tokens"])
def test_a_subject_that_no_simulated_job_reaches_has_no_answers(subject: str) -> None:
    with pytest.raises(NotSimulated, match=rf"^{subject}\.known$"):
        getattr(transaction(), subject).known(())


def test_a_method_that_no_simulated_job_calls_names_itself() -> None:
    with pytest.raises(NotSimulated, match=r"^MemoryInbox\.count$"):
        transaction().inbox.count("any")
    with pytest.raises(NotSimulated, match=r"^MemoryTransaction\.savepoint$"):
        transaction().savepoint()


def test_every_subject_of_a_transaction_is_served_or_says_that_it_is_not() -> None:
    memory = transaction()
    subjects = {name for name, kind in inspect.getmembers(UnitOfWork) if isinstance(kind, property)}
    assert len(subjects) > 20
    for name in sorted(subjects):
        assert getattr(memory, name) is not None, name
    stubs = [name for name in dir(memory) if isinstance(getattr(memory, name), Unserved | UnservedSubject)]
    assert sorted(stubs) == [
        "alert_changes",
        "audits",
        "books",
        "comparisons",
        "evidence",
        "forgetting",
        "kept_answers",
        "lists",
        "processes",
        "savepoint",
        "tokens",
    ]
