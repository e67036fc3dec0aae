"""The draws of one seed: the faults and their rates, the size of the fleet, the customers. They determine the rest."""

from dataclasses import asdict, dataclass
from random import Random

FAULTS: dict[str, tuple[float, ...]] = {
    "begin.unavailable": (0.0005, 0.01),
    "begin.outage": (0.00002, 0.0003),
    "begin.stall": (0.0005, 0.01),
    "begin.crash": (0.0005, 0.01),
    "commit.lost_before": (0.0005, 0.02),
    "commit.lost_after": (0.0005, 0.02),
    "commit.crash_before": (0.0005, 0.01),
    "commit.crash_after": (0.0005, 0.02),
    "commit.stall": (0.0005, 0.01),
    "charge.refused": (0.001, 0.05),
    "charge.unauthorized": (0.001, 0.02),
    "charge.outage": (0.0005, 0.02),
    "charge.error_before": (0.001, 0.05),
    "charge.error_after": (0.001, 0.05),
    "charge.dropped_before": (0.001, 0.05),
    "charge.dropped_after": (0.002, 0.1),
    "charge.garbled": (0.001, 0.02),
    "charge.late": (0.001, 0.02),
    "charge.taken_back": (0.0005, 0.005),
    "charge.crash_before": (0.0005, 0.02),
    "charge.crash_after": (0.0005, 0.02),
    "charge.stall": (0.0005, 0.02),
    "cancel.refused": (0.005, 0.2),
    "cancel.dropped_before": (0.005, 0.2),
    "cancel.dropped_after": (0.005, 0.2),
    "cancel.crash_after": (0.005, 0.1),
    "cancel.stall": (0.005, 0.1),
    "read.trouble": (0.005, 0.2),
    "read.crash": (0.001, 0.02),
    "read.stall": (0.001, 0.02),
    "send.lost": (0.001, 0.1),
    "send.doubled": (0.001, 0.1),
    "send.delayed": (0.001, 0.1),
    "send.flushed": (0.0001, 0.002),
    "send.crash": (0.0005, 0.005),
    "deliver.twice": (0.001, 0.05),
    "webhook.never": (0.01, 0.5),
    "webhook.early": (0.01, 0.3),
    "webhook.late": (0.01, 0.3),
    "webhook.doubled": (0.01, 0.2),
    "notify.trouble": (0.01, 0.2),
}
"""Every kind of fault, by its step, with the range of its rate per step."""

PLANS = (
    "monthly",
    "monthly_usd",
    "monthly_cron",
    "last_day_cron",
    "quarterly",
    "yearly",
    "weekly",
    "daily",
)
WEIGHTS = (62, 13, 7, 4, 6, 5, 2.6, 0.4)
"""The customers on each plan, of a hundred. A daily one has thirty times the periods of a monthly one; on average it
comes to about thirteen periods a year."""


@dataclass(frozen=True, slots=True)
class Options:
    """All parameters of a run."""

    seed: int
    subscriptions: int
    years: int
    workers: int
    threads: int
    beats: int
    receivers: int
    scan_limit: int
    hidden_seconds: int
    """How long the broker hides a message taken by a worker that died."""
    deaths_a_year: float
    """Deaths of each process, besides those at its steps."""
    long_outages: int
    """Times when the whole fleet is down for 1 hour to 40 days."""
    together: bool
    """Whether customers start at a few common times, like imported ones, or each at their own."""
    soft_rate: float
    card_years: float
    churn_years: float
    rescued: float
    """The fraction of customers with a lost card who give another one."""
    paymentwall: float
    naverpay: float
    review_rate: float
    operator_rate: float
    refund_rate: float
    """The fraction of payments that a customer asks back, in part or whole."""
    by_card_data: float
    """The fraction of the other keys that are issued from card data."""
    singles_a_year: float
    """Single payments of each key."""
    stops_a_year: float
    """Times when an operator stops all charging, one PG or one subscription."""
    catch_up: str
    catch_up_rate: int
    pg_rate: int
    """The most charges per minute of one PG; 0: no limit."""
    spread_hours: int
    notifies: bool
    pingbacks: float
    """The fraction of issuing payments whose pingbacks reach the merchant."""
    scheduled: float
    """The fraction of customers who are collected by the gateway's schedule when they come."""
    switches_a_year: float
    """Times when an operator has a subscription collected by the other way."""
    clerk_acts_a_year: float
    """Times when a clerk revokes, moves or brings back a schedule at the console, for each customer."""
    recovery: bool
    """Whether the gateway's Recovery tries again what its schedules could not charge."""
    fallbacks: float
    """The fraction of customers who agree to further cards, and of cards whose month of expiry is told."""
    policies: bool
    """Whether plans and payments have dunning policies of every kind, instead of plain days."""
    faults: dict[str, float]

    @classmethod
    def drawn(cls, seed: int, subscriptions: int, years: int) -> "Options":
        """The options that this seed draws."""
        random = Random(f"options {seed}")  # noqa: S311 - chance that must be repeatable
        share = random.choice((0.0, 0.2, 0.5, 0.5, 0.8))
        faults = {
            kind: round(low * (high / low) ** random.random(), 6)
            for kind, (low, high) in FAULTS.items()
            if random.random() < share
        }
        return cls(
            seed=seed,
            subscriptions=subscriptions,
            years=years,
            workers=random.choice((2, 2, 3, 4)),
            threads=random.choice((1, 2, 4, 8)),
            beats=2,
            receivers=2,
            scan_limit=random.choice((1, 3, 20, 500, 500)),
            hidden_seconds=random.choice((10, 100, 600, 3600)),
            deaths_a_year=random.choice((0.0, 2.0, 20.0, 100.0)) if share else 0.0,
            long_outages=random.choice((0, 0, 1, 3)) if share else 0,
            together=random.choice((True, False)),
            soft_rate=random.choice((0.0, 0.02, 0.05, 0.2)),
            card_years=random.choice((1.0, 3.0, 8.0)),
            churn_years=random.choice((1.0, 4.0, 20.0)),
            rescued=random.choice((0.5, 0.9, 1.0)),
            paymentwall=random.choice((0.0, 0.0, 0.1, 0.5)),
            naverpay=random.choice((0.0, 0.05, 0.2)),
            review_rate=random.choice((0.0, 0.1, 0.5)),
            operator_rate=random.choice((0.0, 0.02, 0.1)),
            refund_rate=random.choice((0.0, 0.01, 0.05)),
            by_card_data=random.choice((0.0, 0.1, 0.5)),
            singles_a_year=random.choice((0.0, 1.0, 4.0)),
            stops_a_year=random.choice((0.0, 0.0, 2.0, 10.0)),
            catch_up=random.choice(("bill_all", "bill_all", "latest_only", "forgive", "ask")),
            catch_up_rate=random.choice((0, 60, 600)),
            pg_rate=random.choice((0, 0, 6, 60)),
            spread_hours=random.choice((0, 0, 1, 12)),
            notifies=random.choice((True, False, False, False, False)),
            pingbacks=random.choice((0.0, 0.5, 1.0)),
            scheduled=random.choice((0.0, 0.2, 0.6, 1.0)),
            switches_a_year=random.choice((0.0, 0.5, 4.0)),
            clerk_acts_a_year=random.choice((0.0, 0.0, 1.0, 6.0)),
            recovery=random.choice((False, False, True)),
            fallbacks=random.choice((0.0, 0.3, 0.8)),
            policies=random.choice((False, True, True)),
            faults=faults,
        )

    def by_name(self) -> dict[str, object]:
        """Every option by name, for the report of a run."""
        return asdict(self)
