"""The words in which the tests of schedules speak."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from billing_worker.domain.schedule import Collection, Schedule, ScheduleStatus
from billing_worker.domain.subscription import Subscription
from billing_worker.ports.outside import Gateway
from billing_worker.usecases.subscription.change import change_subscription
from tests.support.clock import LinkedClock
from tests.support.sandbox import Row
from tests.support.world import World


@dataclass
class Merchant:
    """A merchant's worker and PortOne, on one clock."""

    world: World
    clock: LinkedClock

    def with_gateway(self, gateway: Gateway) -> "Merchant":
        """The same merchant with another gateway."""
        return replace(self, world=self.world.with_ports(gateway=gateway))

    def subscribe(self, behaviour: str = "ok", *, first_paid: bool = True, **more: Any) -> Subscription:
        """A customer who is collected by PortOne's schedule, whose first period a worker has charged."""
        made = self.world.subscribe(behaviour, collection=Collection.PORTONE_SCHEDULE, **more)
        if first_paid:
            self.world.settle()
        return made

    def use(self, subscription: Subscription, collection: Collection) -> None:
        """Collect it by another way."""
        change_subscription(self.world.ports, subscription.id, collection=collection)

    def schedules(self, subscription: Subscription) -> list[Schedule]:
        """Its schedules, oldest first."""
        with self.world.ports.database.transaction() as uow:
            rows = self.world.rows("SELECT id FROM schedules WHERE subscription_id = :id", id=subscription.id)
            found = [uow.schedules.get(row["id"]) for row in rows]
        return sorted(found, key=lambda each: (each.period_index, each.generation))

    def statuses(self, subscription: Subscription) -> list[ScheduleStatus]:
        """The statuses of its schedules, oldest first."""
        return [each.status for each in self.schedules(subscription)]

    def at_portone(self, subscription: Subscription) -> list[Row]:
        """What PortOne has for this subscription, by the order numbers of our schedules."""
        found = []
        for schedule in self.schedules(subscription):
            answer = self.call("GET", f"/subscribe/payments/schedule/{schedule.merchant_uid}")
            if answer["code"] == 0:
                found.append(answer["response"])
        return found

    def call(self, method: str, path: str, **fields: Any) -> Row:
        """PortOne's own API, as a clerk's program uses it."""
        secrets = {"imp_key": "imp_key_sandbox", "imp_secret": "imp_secret_sandbox"}
        token = self.world.sandbox.http.post("/users/getToken", json=secrets).json()["response"]["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        answer = self.world.sandbox.http.request(method, path, headers=headers, json=fields or None)
        return dict(answer.json())

    def webhooks(self) -> int:
        """Hand over the webhook of each payment that PortOne made by a schedule so far; returns how many."""
        rows = [row for row in self.world.ledger() if row["origin"] == "schedule"]
        for row in rows:
            self.world.webhook(row["imp_uid"], row["merchant_uid"], row["status"])
        return len(rows)

    def move(self, order: str, at: datetime) -> None:
        """A clerk moves a schedule in PortOne's console."""
        self.call("PUT", f"/subscribe/payments/schedule/{order}", schedule_at=int(at.timestamp()))

    def revive(self, order: str, at: datetime) -> None:
        """A clerk brings a revoked or failed schedule back in PortOne's console."""
        path = f"/subscribe/payments/schedule/{order}/reschedule"
        assert self.call("POST", path, schedule_at=int(at.timestamp()))["code"] == 0

    def claim_elsewhere(self) -> None:
        """As in a copy of the database: the claim names another one."""
        with self.world.ports.database.transaction() as uow:
            _, claimed = uow.environment.here_and_claimed()
            assert claimed is not None
            uow.environment.claim(replace(claimed, database="the original"), self.world.clock.now())
            uow.commit()

    def to(self, moment: datetime) -> None:
        """Walk to this moment day by day, and stop at each period's start on the way."""
        while self.world.clock.now() < moment:
            starts = [row["start"] for row in self.world.rows("SELECT next_period_start AS start FROM subscriptions")]
            later = [start for start in starts if start > self.world.clock.now()]
            self.world.clock.advance_to(min([moment, self.world.clock.now() + timedelta(days=1), *later]))
            self.world.settle()

    def to_next(self, subscription: Subscription, **after: float) -> None:
        """Walk to the start of its next period, or past it by some time, and come to rest."""
        start = self.world.subscription(subscription).next_period_start
        self.to(start)
        self.world.resolve(**(after or {"minutes": 5}))
