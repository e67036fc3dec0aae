"""The processes of the installation, and refused notifications, as Prometheus metrics."""

from collections.abc import Iterator
from datetime import datetime
from math import inf

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from billing_worker.domain.presence import Role, Watching
from billing_worker.usecases.reading.operation import Operation


def metrics_of(operation: Operation, watching: Watching) -> Iterator[Metric]:
    """The metrics of one moment."""
    observed, now = operation.observed, operation.moment.real
    alive = GaugeMetricFamily("billing_processes_alive", "Processes that give signs", labels=["role"])
    silent = GaugeMetricFamily(
        "billing_processes_silent", "Processes whose signs ended without a farewell: killed, or frozen", labels=["role"]
    )
    for role in Role:
        quiet = sum(each.is_silent(now, watching) for each in observed.of(role))
        alive.add_metric([role.value], len(observed.of(role)) - quiet)
        silent.add_metric([role.value], quiet)
    takers = GaugeMetricFamily("billing_queue_workers", "Workers that take from the queue", labels=["queue"])
    for queue, count in observed.takers(now, watching).items():
        takers.add_metric([queue.value], count)
    yield from (alive, silent, takers)
    for name, text, at in (
        ("billing_last_ring_age_seconds", "Real time since a ring of beat was at the broker", observed.last_ring()),
        ("billing_last_work_age_seconds", "Real time since a worker took work", observed.last_work()),
    ):
        yield GaugeMetricFamily(name, f"{text}; +Inf: never, or not within the last hour", _age(at, now))
    yield GaugeMetricFamily(
        "billing_work_unstarted", "Due periods and invoices of which no worker began one", observed.unstarted.count
    )
    untold = GaugeMetricFamily(
        "billing_payments_without_notification",
        "Charges paid within a day in which no notification came; 0 where one came",
        labels=["source"],
    )
    for source in observed.sources:
        untold.add_metric([source.name], source.paid)
    refused = GaugeMetricFamily(
        "billing_notifications_refused_day", "Notifications refused within a day", labels=["source", "reason"]
    )
    for name, reason, count in operation.refused:
        refused.add_metric([name, reason], count)
    yield from (untold, refused)


def _age(at: datetime | None, now: datetime) -> float:
    return inf if at is None else max(0.0, (now - at).total_seconds())
