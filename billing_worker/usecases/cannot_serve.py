"""A job met something that nobody foresaw: it is offered again, and a person is told."""

from billing_worker.ports.bundle import Ports


def cannot_serve(ports: Ports, job: str, ident: str, error: str) -> None:
    """Open an alert about the id. Names the error's type only: its text may hold a customer's data."""
    with ports.database.transaction() as uow:
        uow.alerts.open("not_served", ident, f"{job} failed with {error}; the log has more", ports.clock.now())
        uow.commit()
