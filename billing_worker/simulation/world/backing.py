"""Customers who agree to further cards, and change their minds."""

from datetime import timedelta
from functools import partial

from billing_worker.ports.bundle import Ports
from billing_worker.simulation.fleet.fleet import Fleet
from billing_worker.simulation.world.cards import Cards
from billing_worker.simulation.world.office import Office
from billing_worker.usecases.subscription.fallbacks import NewFallback, add_fallback, remove_fallback

CHANGES_MIND = 0.2
"""The fraction of further cards that are taken out again."""


class Backing:
    """Adds fallback keys to subscriptions, and removes some."""

    def __init__(self, fleet: Fleet, office: Office, cards: Cards) -> None:
        self._office = office
        self._cards = cards
        self._share = fleet.options.fallbacks
        self._world = fleet.world
        self._chaos = fleet.world.chaos

    def agree_sometime(self, subscription_id: str) -> None:
        """Some customers give one or two further cards, some days after they came."""
        if not self._share or self._chaos.roll() >= self._share:
            return
        for _ in range(1 + int(self._chaos.roll() * 2)):
            self._office.later(self._office.days(0.1, 60), partial(self._give, subscription_id))

    def _give(self, subscription_id: str, ports: Ports) -> None:
        key_id = self._cards.new_key(ports, self._world.store.subscriptions.rows[subscription_id].plan_id)
        # By then the gateway has shown it, and it is active.
        self._office.later(timedelta(hours=2), partial(self._agree, subscription_id, key_id))

    def _agree(self, subscription_id: str, key_id: str, ports: Ports) -> None:
        agreed_at = ports.clock.moment().billing - timedelta(hours=1)
        add_fallback(ports, NewFallback(subscription_id, key_id, consented_at=agreed_at, consent="clause 4"))
        if self._chaos.roll() < CHANGES_MIND:
            self._office.later(self._office.days(1, 200), partial(self._take_out, subscription_id, key_id))

    @staticmethod
    def _take_out(subscription_id: str, key_id: str, ports: Ports) -> None:
        remove_fallback(ports, subscription_id, key_id)
