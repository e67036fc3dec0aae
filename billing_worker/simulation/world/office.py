"""The office: customers and operators click here, and click again after an error."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial

from billing_worker.domain.errors import BillingError, Unavailable
from billing_worker.ports.bundle import Ports
from billing_worker.simulation.fleet.fleet import Fleet

TRIES = 5
"""How often a customer or operator clicks again after an error."""


class Office:
    """Runs each act as a task of its process, through its ports, which may fail like any other's."""

    def __init__(self, fleet: Fleet) -> None:
        self.open = True
        """Whether customers and operators still act; while the run heals they do not."""
        self.on_click: Callable[[str], None] = lambda _invoice_id: None
        """Called with an invoice to retry at once."""
        self._fleet = fleet
        self._chaos = fleet.world.chaos
        self._scheduler = fleet.world.scheduler

    @property
    def ports(self) -> Ports:
        """The ports of the office's process."""
        return self._fleet.ports[self._fleet.office.name]

    def now(self, act: Callable[[Ports], None], ports: Ports) -> None:
        """Act at once, through these ports."""
        self._scheduler.start(self._fleet.office, partial(act, ports))

    def days(self, least: float, most: float) -> timedelta:
        """A random number of days between two bounds, uniformly."""
        return timedelta(days=least + (most - least) * self._chaos.roll())

    def later(self, delay: timedelta, act: Callable[[Ports], None]) -> None:
        """Act after this delay."""
        self._scheduler.after(delay, partial(self._click, act, TRIES))

    def _click(self, act: Callable[[Ports], None], tries: int) -> None:
        if self._fleet.office.up:
            self._scheduler.start(self._fleet.office, partial(self._try, act, tries))
        elif tries > 1:
            self._scheduler.after(timedelta(minutes=1), partial(self._click, act, tries - 1))

    def _try(self, act: Callable[[Ports], None], tries: int) -> None:
        if not self.open:
            return
        try:
            act(self.ports)
        except Unavailable:
            if tries > 1:
                self._scheduler.after(timedelta(minutes=1), partial(self._click, act, tries - 1))
        except BillingError:
            return  # the error has the reason: already canceled, an open attempt, …
