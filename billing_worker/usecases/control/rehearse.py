"""Do with the database what a worker does for each charge, and undo it: a server that answers may still refuse that."""

from billing_worker.ports.bundle import Ports


def rehearse(ports: Ports) -> None:
    """Take the lock that the first act of a charge takes, lock a row, write a row; then roll back.

    Raises Busy if another session holds the lock for too long, Unavailable if the database does not serve.
    """
    with ports.database.transaction() as uow:
        uow.processes.rehearse(ports.clock.moment().real)
        uow.catch_up.lock_service()
