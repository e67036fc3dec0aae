"""Write down how long the calls of this process took: with its next sign, and when it ends."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from billing_worker.ports.bundle import Ports
from billing_worker.ports.hourly import Timed


@contextmanager
def times_to_write(ports: Ports) -> Iterator[Sequence[Timed]]:
    """The calls since the last write, for a transaction within this block; they are kept where it raises."""
    if ports.timed is None:
        yield ()
        return
    times = ports.timed.times
    taken = times.take()
    try:
        yield taken
    except BaseException:
        times.give_back(taken)
        raise


def write_times(ports: Ports) -> None:
    """Write them in a transaction of their own, if there are any. Raises Unavailable."""
    with times_to_write(ports) as timed:
        if timed:
            with ports.database.transaction() as uow:
                uow.books.hourly.add_calls(timed)
                uow.commit()
