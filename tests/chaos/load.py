"""Who is charged, when, and with which settings."""

import math
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

from billing_worker.domain.billing_key import BillingKey
from billing_worker.domain.calendar import AnchoredCalendar, Unit
from billing_worker.domain.time_machine import TimeMachine
from billing_worker.ports.bundle import Ports
from billing_worker.usecases.key.register import NewKey, register_key
from billing_worker.usecases.subscription.create_plan import create_plan
from billing_worker.usecases.subscription.subscribe import NewSubscription, subscribe
from tests.support.sandbox import IMP_KEY, IMP_SECRET

HASTE = {
    "BILLING_SCAN_INTERVAL": "1",
    "BILLING_HTTP_DEADLINE": "3",
    "BILLING_CONNECT_TIMEOUT": "1",
    "BILLING_LEASE": "6",
    "BILLING_CLAIM": "4",
    "BILLING_RESOLVE_FIRST": "1",
    "BILLING_SETTLE_WINDOW": "3",
    "BILLING_WORKER_CONCURRENCY": "16",
}
"""Seconds instead of the minutes of production, with the same order among them.

Little is handed out at a time: what a killed Redis forgets is offered again only after its claim, and nothing takes its
place before."""
LATENCY = "120,380"
"""Milliseconds that a charge takes at the gateway: median and 99th percentile."""
SLOW_SECONDS = 4.0
"""How slow the slow customers are: longer than the HTTP deadline, shorter than deadline and settle window."""
ENVIRONMENT = "chaos"
LONGEST_DAY = 60.0
"""Real seconds of a billing day; at least four days fit into a run."""
SPARE = 1.12
"""More charges fall due than are asked for: some customers decline, and some dunning ends after the run."""
LAST_HOUR = 3.0
"""Real seconds for which the clock goes on after the faults: more than the longest technical pause, an hour."""

CUSTOMERS = {
    "ok": 60,
    "webhook-before": 6,
    "webhook-twice": 6,
    "webhook-never": 6,
    "amount-string": 2,
    "decline-balance-1x": 4,
    "decline-limit-2x": 3,
    "naver-decline-limit-1x": 2,
    "decline-limit": 1,
    "decline-stolen": 1,
    "drop-after-charge-1x": 4,
    "drop-before-charge-1x": 2,
    "error500-charged-1x": 2,
    "truncated-1x": 1,
    "comm-error-charged-1x": 2,
    "slow-1x": 2,
    "slow-answer-1x": 2,
}
"""How the gateway treats them, by weight; `1x`: their first charge only."""
TURN = [behaviour for behaviour, weight in CUSTOMERS.items() for _ in range(weight)]


def day_of(seconds: float) -> float:
    """How many real seconds a billing day lasts in a run of this length."""
    return min(LONGEST_DAY, seconds / 4)


def first_day() -> datetime:
    """Where billing time begins: ahead of real time, so that no subscription began before it was made."""
    return datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=400)


def machine(start: datetime, origin: datetime, seconds: float) -> TimeMachine:
    """The clock of the run, which stands still a moment after the faults: then what is due can come to its end."""
    rate = 86_400 / day_of(seconds)
    until = start + timedelta(seconds=(seconds + LAST_HOUR) * rate)
    return TimeMachine(start, rate, origin, until)


def subscribe_all(ports: Ports, charges: int, seconds: float, start: datetime) -> int:
    """Enough daily subscriptions, spread over the first day; returns how many."""
    day = day_of(seconds)
    count = math.ceil(charges * SPARE * day / seconds)
    calendar = AnchoredCalendar(Unit.DAY, 1)
    plans = [
        create_plan(ports, "Daily", 9_900, "KRW", calendar=calendar, dunning_days=(1, 1, 2)),
        create_plan(ports, "Daily abroad", 999, "USD", calendar=calendar, dunning_days=(1, 1, 2)),
    ]

    def one(number: int) -> None:
        behaviour = TURN[number * 37 % len(TURN)]  # every kind at every time of the day
        pg = "naverpay" if behaviour.startswith("naver-") else "nice_v2"
        key = _that_works(ports, NewKey(f"{behaviour}-{ENVIRONMENT}{number}", pg))
        begins = start + timedelta(days=1) * (number / count)
        subscribe(ports, NewSubscription(plans[number % 10 == 0].id, key.id, f"customer {number}", start=begins))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(one, range(count)))
    return count


def _that_works(ports: Ports, wanted: NewKey) -> BillingKey:
    """A key that was charged before: the gateway of this run, which would show it, starts later."""
    key_id = register_key(ports, wanted).id
    with ports.database.transaction() as uow:
        key = uow.keys.lock(key_id)
        key.activate(ports.clock.moment().billing)
        uow.keys.save(key)
        uow.commit()
    return key


def settings_of(clock: TimeMachine, database_url: str, broker_url: str) -> dict[str, str]:
    """The environment variables of all processes of the run."""
    return HASTE | {
        "BILLING_DATABASE_URL": database_url,
        "BILLING_BROKER_URL": broker_url,
        "BILLING_PORTONE_IMP_KEY": IMP_KEY,
        "BILLING_PORTONE_IMP_SECRET": IMP_SECRET,
        "BILLING_ENVIRONMENT": ENVIRONMENT,
        "BILLING_TIME_MACHINE": str(clock),
    }
