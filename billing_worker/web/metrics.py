"""The report as Prometheus metrics. Every web process gives the numbers of the whole installation."""

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime
from math import inf

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from billing_worker import __version__
from billing_worker.domain.moment import Moment
from billing_worker.domain.presence import Watching
from billing_worker.ports.books import Standing, Tally
from billing_worker.usecases.reading.operation import Operation
from billing_worker.usecases.reading.report import Report
from billing_worker.web.metrics_of_operation import metrics_of
from billing_worker.web.metrics_of_outcomes import metrics_of_outcomes


def exposition(report: Report, operation: Operation, watching: Watching, moment: Moment) -> bytes:
    """The text that Prometheus reads."""
    registry = CollectorRegistry()
    standing = report.standing
    metrics = [*_standing(standing, moment.billing), *_inbox(standing, moment.real), *_money(report.months), _build()]
    metrics += [*metrics_of_outcomes(report), *metrics_of(operation, watching)]
    registry.register(_Snapshot(metrics))
    return generate_latest(registry)


class _Snapshot(Collector):
    """The numbers of one moment."""

    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics."""
        yield from self._families


def _standing(standing: Standing, now: datetime) -> Iterator[Metric]:
    compared = inf if standing.compared_until is None else max(0.0, (now - standing.compared_until).total_seconds())
    age = 0.0 if standing.oldest is None else max(0.0, (now - standing.oldest).total_seconds())
    gauges = {
        "billing_periods_due": ("Periods that have begun and have no invoice yet", standing.periods_due),
        "billing_invoices_due": ("Invoices due now and not started yet", standing.due),
        "billing_invoices_unplaced": (
            "Last charge could not be placed: no token, or a refused connection",
            standing.unplaced,
        ),
        "billing_oldest_due_age_seconds": (
            "Billing time since the oldest period, invoice, unplaced or unclear charge is due",
            age,
        ),
        "billing_attempts_in_flight": ("Charges sent and not answered yet", standing.in_flight),
        "billing_attempts_unknown": ("Charges whose outcome is unclear", standing.unknown),
        "billing_invoices_waiting_for_key": ("Due, but the key is not confirmed yet", standing.waiting_for_key),
        "billing_invoices_in_dunning": ("Open after at least one decline", standing.in_dunning),
        "billing_work_late": ("Due for more than an hour, or could not be placed; paced", standing.late),
        "billing_subscriptions_on_hold": ("Late periods that wait for an operator's decision", standing.on_hold),
        "billing_compared_until_age_seconds": (
            "Billing time since both books were last compared; +Inf: never",
            compared,
        ),
        "billing_alerts_open": ("Open alerts for operators", standing.open_alerts),
        "billing_stops_open": (
            "Stops that hold charges until they are cleared",
            standing.open_stops,
        ),
        "billing_events_undelivered": ("Events that the receiver has not taken yet", standing.undelivered_events),
        "billing_events_given_up": ("Events given up after three days", standing.abandoned_events),
    }
    for name, (text, value) in gauges.items():
        yield GaugeMetricFamily(name, text, value)


def _inbox(standing: Standing, real_now: datetime) -> Iterator[Metric]:
    oldest = standing.oldest_notification
    age = 0.0 if oldest is None else max(0.0, (real_now - oldest).total_seconds())
    gauges = {
        "billing_notifications_unapplied": (
            "Webhooks and pingbacks received, not yet applied",
            standing.unapplied_notifications,
        ),
        "billing_notifications_stuck": (
            "Of these, those without an answer from the gateway for an hour, or waiting for a day",
            standing.stuck_notifications,
        ),
        "billing_notifications_foreign": (
            "Of these, webhooks whose merchant_uid was never ours",
            standing.foreign_notifications,
        ),
        "billing_oldest_notification_age_seconds": ("Real time since the oldest of them arrived", age),
    }
    for name, (text, value) in gauges.items():
        yield GaugeMetricFamily(name, text, value)


def _money(months: Iterable[Tally]) -> Iterator[Metric]:
    paid, amount, given_up = Counter[str](), Counter[str](), Counter[str]()
    for tally in months:
        paid[tally.currency] += tally.paid
        amount[tally.currency] += tally.paid_amount
        given_up[tally.currency] += tally.uncollectible
    labels = ["currency"]
    invoices = CounterMetricFamily("billing_invoices_paid", "Invoices paid so far", labels=labels)
    money = CounterMetricFamily("billing_paid_minor_units", "Money taken so far, in minor units", labels=labels)
    # A gauge: an uncollectible invoice can still be paid.
    uncollectible = GaugeMetricFamily("billing_invoices_uncollectible", "Invoices given up", labels=labels)
    for family, counts in ((invoices, paid), (money, amount), (uncollectible, given_up)):
        for currency in sorted(counts):
            family.add_metric([currency], counts[currency])
        yield family


def _build() -> Metric:
    return InfoMetricFamily("billing_worker_build", "The running release", value={"version": __version__})
