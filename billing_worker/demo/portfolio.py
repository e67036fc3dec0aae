"""The customers of the demonstration: their plans, and the behaviour of their cards at the sandbox."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import httpx

from billing_worker.demo import ways_in
from billing_worker.domain.calendar import AnchoredCalendar as Every
from billing_worker.domain.calendar import BillingCalendar, Unit
from billing_worker.domain.calendar import CronCalendar as Cron
from billing_worker.domain.money import Money
from billing_worker.ports.bundle import Ports
from billing_worker.usecases.key.register import NewKey, register_and_confirm
from billing_worker.usecases.subscription.create_plan import create_plan
from billing_worker.usecases.subscription.subscribe import NewSubscription, subscribe

PLANS: dict[str, tuple[str, int, str, BillingCalendar]] = {
    "monthly": ("Monthly magazine", 9_900, "KRW", Every(Unit.MONTH, 1)),
    "weekly": ("Weekly vegetables", 23_000, "KRW", Every(Unit.WEEK, 1)),
    "fortnight": ("Coffee, every 14 days", 17_500, "KRW", Every(Unit.DAY, 14)),
    "month-end": ("Office rent, last day", 330_000, "KRW", Cron("0 9 L * *")),
    "global": ("Global membership", 999, "USD", Every(Unit.MONTH, 1)),
}

DECLINES = [
    "limit",
    "daily",
    "balance",
    "stolen",
    "expired",
    "suspended",
    "reissued",
    "number",
    "arrears",
    "fraud",
    "refused",
    "key-gone",
    "system",
    "pg-duplicate",
    "no-text",
]
"""Every decline of the sandbox."""

LATE_APPROVAL_AFTER = 43_200
"""Billing seconds: half a day after the decline, before dunning tries again."""
DUNNING_DAYS = (1, 3, 5, 7)
"""Plain days: with them each invoice of the demo's three months ends within them."""

CONFIRMED_AFTER = 15.0
"""Real seconds until Paymentwall confirms its keys: until then their first invoices wait visibly."""


@dataclass(frozen=True, slots=True)
class Customer:
    """One subscription: the behaviour is part of the customer_uid, the sandbox documents it."""

    uid: str
    plan: str
    day: int
    pg: str = "nice_v2"


def customers() -> list[Customer]:
    """Sixty-odd customers over all plans, among them every kind of trouble."""
    found = [Customer(f"ok-magazine-{n}", "monthly", n % 28) for n in range(12)]
    found += [Customer(f"ok-vegetables-{n}", "weekly", n % 7) for n in range(10)]
    found += [Customer(f"ok-coffee-{n}", "fortnight", n) for n in range(6)]
    found += [Customer(f"ok-rent-{n}", "month-end", 0) for n in range(4)]
    found += [Customer(f"ok-end-of-month-{n}", "monthly", 30) for n in range(3)]
    found += [Customer(f"decline-{kind}-always", "monthly", n % 20) for n, kind in enumerate(DECLINES)]
    found += [Customer(f"decline-{kind}-2x-then-pays", "monthly", 3) for kind in ("limit", "balance", "system")]
    found += [
        Customer("kcp-decline-limit-1x-then-pays", "monthly", 5, "kcp"),
        Customer("toss-decline-balance-4x-then-pays", "monthly", 2, "tosspayments"),
        Customer("refuse-buyer-key-deleted", "monthly", 6),
        Customer("drop-after-charge-1x-lost-reply", "monthly", 1),
        Customer("drop-after-charge-3x-lost-replies", "weekly", 2),
        Customer("drop-before-charge-1x-lost-request", "monthly", 4),
        Customer("slow-1x-answers-too-late", "monthly", 7),
        Customer("error500-charged-1x-server-error", "monthly", 8),
        Customer("error502-html-1x-proxy-error", "monthly", 9),
        Customer("truncated-1x-cut-answer", "monthly", 10),
        Customer("ok-late-approval", "monthly", 11),
        Customer("pw-ok-waits-for-pingback-1", "global", 0, "paymentwall"),
        Customer("pw-ok-waits-for-pingback-2", "global", 1, "paymentwall"),
    ]
    return found


def load(ports: Ports, sandbox_url: str, start: datetime) -> int:
    """Create the plans, issue and register the keys, subscribe all customers; returns the number of subscriptions."""
    plans = {
        name: create_plan(ports, title, amount, currency, calendar=calendar, dunning_days=DUNNING_DAYS).id
        for name, (title, amount, currency, calendar) in PLANS.items()
    }
    with httpx.Client(base_url=sandbox_url, timeout=10) as sandbox:
        late = {"behaviour": "late-approval", "customer_uid": "ok-late-approval", "times": 1}
        # A decline that waits for another day: a failing system would be tried again within hours.
        late |= {"fail_reason": "한도초과"}
        sandbox.post("/_sandbox/rules", json=late | {"late_after": LATE_APPROVAL_AFTER}).raise_for_status()
        for customer in customers():
            buyer = {}
            if customer.pg == "paymentwall":
                buyer = {"buyer_name": "Jane Doe", "buyer_email": "jane@example.com"}
                # Paymentwall charges the first period when it issues the key.
                _, amount, currency, _ = PLANS[customer.plan]
                price = {"amount": str(Money(amount, currency).major), "currency": currency}
                issue = price | {"customer_uid": customer.uid, "merchant_uid": f"{ports.environment}-{customer.uid}"}
                wait = {"confirm_after": CONFIRMED_AFTER}
                sandbox.post("/_sandbox/paymentwall/issue", json=issue | buyer | wait).raise_for_status()
            name, email = buyer.get("buyer_name"), buyer.get("buyer_email")
            key = register_and_confirm(ports, NewKey(customer.uid, customer.pg, buyer_name=name, buyer_email=email))
            begins = start + timedelta(days=customer.day, hours=9)
            subscribe(ports, NewSubscription(plans[customer.plan], key.id, customer.uid, start=begins))
        return len(customers()) + ways_in.load(ports, sandbox, plans["monthly"], start)
